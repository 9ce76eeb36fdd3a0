"""What has to be done in a forked child before anything else of xtrace runs there."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_in_child: list[Callable[[], None]] = []
_is_uwsgi_master = False


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
