"""Background tasks of web frameworks: they run when the request's segment has ended already, and go
out as subsegments of its trace.
"""

from __future__ import annotations

from contextvars import ContextVar

from ..default import recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from ._wrap import Patcher

# The task that runs here, so that one that two integrations have wrapped is recorded once.
_running: ContextVar[object] = ContextVar("xtrace.background", default=None)


def trace_background_tasks(patcher: Patcher, task_class: Any) -> None:
    """Record each background task that runs as a subsegment of the request that has started it.

    task_class: has the function as an attribute `func` or `fn`, and is called without arguments to run it.
    """
    patcher.wrap(task_class, "__call__", _run_in_background)


def _run_in_background(
    run: Callable[[], Awaitable[None]], task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Awaitable[None]:
    function = getattr(task, "func", None) or getattr(task, "fn", None)
    if function is None or _running.get() is task:
        return run(*args, **kwargs)
    return _in_subsegment(run, task, name_of(function))


async def _in_subsegment(run: Callable[[], Awaitable[None]], task: Any, name: str) -> None:
    with recorder.in_call(name, "local"):
        outer = _running.set(task)
        try:
            await run()
        finally:
            _running.reset(outer)


def name_of(function: Any) -> str:
    """What a subsegment is called that runs a function."""
    function = getattr(function, "func", function)  # of a partial
    return getattr(function, "__name__", None) or type(function).__name__
