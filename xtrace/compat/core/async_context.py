"""aws_xray_sdk.core.async_context: a context for asyncio.

xtrace's contexts need no event loop, and follow tasks, callbacks and threads by themselves: this
is one of them that takes the official one's arguments.
"""

from __future__ import annotations

import asyncio
import copy

from .context import Context as _Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AsyncContext(_Context):
    """A Context. loop, use_task_factory: accepted and not needed."""

    def __init__(
        self, *args: Any, loop: Any = None, use_task_factory: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.__loop = loop

    @property
    def _loop(self) -> Any:
        """The event loop that was given, or else the one that there is: subclasses ask for it."""
        if self.__loop is None:
            self.__loop = asyncio.get_event_loop()
        return self.__loop

    @_loop.setter
    def _loop(self, value: Any) -> None:
        self.__loop = value


class TaskLocalStorage:
    """Attributes that belong to the running task; None where no task runs."""

    def __init__(self, loop: Any = None) -> None:
        self.__dict__["_loop"] = loop

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_loop":
            self.__dict__["_loop"] = value
            return
        task = _running_task()
        if task is not None:
            if getattr(task, "context", None) is None:
                task.context = {}
            task.context[name] = value

    def __getattribute__(self, item: str) -> Any:
        if item in ("_loop", "clear") or item.startswith("__"):
            return object.__getattribute__(self, item)
        task = _running_task()
        if task is None:
            return None
        kept = getattr(task, "context", None)
        if not isinstance(kept, dict) or item not in kept:
            raise AttributeError(item)
        return kept[item]

    def clear(self) -> None:
        """Forget what the running task has."""
        task = _running_task()
        if task is not None and getattr(task, "context", None) is not None:
            task.context = {}


def _running_task() -> Any:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs here
        return None


def task_factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
    """A task that begins with a copy of what the task that makes it has in a TaskLocalStorage."""
    task: Any = asyncio.Task(coro, loop=loop, **kwargs)
    kept = getattr(_running_task(), "context", None)
    if isinstance(kept, dict):
        task.context = {
            key: copy.copy(value) if isinstance(value, list) else value
            for key, value in kept.items()
        }
    return task
