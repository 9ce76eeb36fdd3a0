"""Programs that fork: what has to be done in a child before anything else of xtrace runs there, and
threads that a fork may happen beside.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
from contextvars import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_in_child: list[Callable[[], None]] = []
_is_uwsgi_master = False

LONGEST_WAIT_SECONDS = 1.0
"""How long a fork waits for an import of ours to end."""

# Not threading's: gevent may have replaced it, and greenlets must not wait for each other here.
_importing = _thread.RLock()


def in_child(function: Callable[[], None]) -> None:
    """Have a function called in every child that this process forks, in the order of these calls.

    It may be called twice in one.
    """
    _in_child.append(function)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def may_start_threads() -> bool:
    """False in uWSGI's first process until it forks: it does so without a look at who runs Python, and
    a child that was forked while one of our threads did would wait for it for ever.
    """
    return not _is_uwsgi_master


def load(name: str) -> Any:
    """Import a module that was left for later, on a thread beside which others may fork.

    A child that is forked in the middle has half of the module for ever, and so has the
    application: whoever imports it there waits, or is told that it doesn't exist. So a fork waits
    for this.
    """
    if name not in sys.modules:
        with _importing:
            __import__(name)  # importlib's would be one more module of `import xtrace`
    __import__(name)  # another thread may be in the middle
    return sys.modules[name]


def thread(
    name: str, target: Callable[..., object], *arguments: Any, needs: Sequence[str] = ()
) -> threading.Thread:
    """A thread of ours, not started yet: a daemon in a context of its own, so that what it does is
    nobody's subsegment.

    needs: modules that it loads before anything else, so that none is imported later on, when it
    may be in the middle of a fork. Those that aren't there are left out.
    """

    def run() -> None:
        # The codec is what every look at a host name asks for, however the host is written.
        for each in ("encodings.idna", *needs):
            try:
                load(each)
            except Exception:  # whoever needs it says so, where that can be told
                pass
        target(*arguments)

    return threading.Thread(target=Context().run, args=(run,), name=name, daemon=True)


def _before() -> None:
    _importing.acquire(timeout=LONGEST_WAIT_SECONDS)


def _after_in_parent() -> None:
    try:
        _importing.release()
    except RuntimeError:  # it wasn't acquired in time
        pass


def _after_in_child() -> None:
    global _importing
    _importing = _thread.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )


def _run() -> None:
    global _is_uwsgi_master
    _is_uwsgi_master = False
    for function in _in_child:
        function()


def _hook_into_uwsgi(uwsgi: Any) -> None:
    """Be called by uWSGI too: it forks in C and doesn't tell Python unless py-call-osafterfork is set,
    so its workers would make the same ids. Its decorators replace its hook by a list of their own.
    """
    from wrapt import register_post_import_hook

    global _is_uwsgi_master
    _is_uwsgi_master = uwsgi.worker_id() == 0
    before = getattr(uwsgi, "post_fork_hook", None)

    def post_fork_hook() -> None:
        _run()
        if before is not None:
            before()

    uwsgi.post_fork_hook = post_fork_hook
    register_post_import_hook(_join_decorators, "uwsgidecorators")


def _join_decorators(uwsgidecorators: Any) -> None:
    uwsgidecorators.postfork_chain.insert(0, _run)


# The module is there in uWSGI's own processes, and nowhere else.
if "uwsgi" in sys.modules:
    _hook_into_uwsgi(sys.modules["uwsgi"])
