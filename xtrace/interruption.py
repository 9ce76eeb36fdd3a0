"""Exceptions that aren't ours to keep, although they appear in the middle of our code: those that a
signal's handler raises, such as the time limits of RQ's and Celery's jobs.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any


def let_through(error: BaseException) -> None:
    """Raise an exception again if a signal's handler has raised it. Wherever any is kept, ask here."""
    traceback = error.__traceback__
    traceback = traceback and traceback.tb_next  # the first frame is that of who asks
    if traceback is None:
        return
    handlers = _handlers()
    while traceback is not None:
        if traceback.tb_frame.f_code in handlers:
            raise error
        traceback = traceback.tb_next


def _handlers() -> set[CodeType]:
    """The code of the handlers of signals that there are now."""
    signal: Any = sys.modules.get("_signal")  # signal's own makes enum members of what it gives
    if signal is None:
        return set()
    found = set()
    for number in range(1, signal.NSIG):
        try:
            handler: Any = signal.getsignal(number)
        except ValueError:  # no signal has this number
            continue
        if callable(handler):
            handler = getattr(handler, "func", handler)  # of functools.partial
            handler = getattr(handler, "__func__", handler)
            if not hasattr(handler, "__code__"):  # an object with a method __call__
                handler = getattr(type(handler), "__call__", None)  # noqa: B004
            code = getattr(handler, "__code__", None)
            if code is not None:
                found.add(code)
    return found
