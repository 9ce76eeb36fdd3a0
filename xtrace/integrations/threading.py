"""A threading.Thread belongs to the entity that is current where it is started.

Not so a thread that serves many: the pools' jobs bring the entity of whoever gave them.
"""

from __future__ import annotations

import threading
from types import MethodType

from ..default import recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..model import Entity
    from ._wrap import Patcher

SERVES_MANY = frozenset(
    (
        "anyio._backends._asyncio",
        "concurrent.futures.process",
        "concurrent.futures.thread",
        "logging.handlers",
        "multiprocessing.pool",
        "multiprocessing.queues",
        "trio._core._thread_cache",
    )
)
"""Modules whose threads are started when the first caller comes, and go on for all that follow."""

_MISSING: Any = object()


def patch(patcher: Patcher) -> None:
    """Wrap start, of subclasses too."""
    patcher.wrap(threading.Thread, "start", _start)


def _start(
    start: Callable[[], None],
    thread: threading.Thread,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    entity = recorder.get_trace_entity()
    if entity is None or _serves_many(thread):
        return start(*args, **kwargs)
    run = _Run(thread, entity)
    try:
        return start(*args, **kwargs)
    except BaseException:
        run.step_aside()  # started twice, or the system has no more threads
        raise


def _serves_many(thread: threading.Thread) -> bool:
    target = getattr(thread, "_target", None)
    return (
        getattr(target, "__module__", None) in SERVES_MANY
        or type(thread).__module__ in SERVES_MANY
        or getattr(thread, "_name", "").startswith("xtrace-")
    )


class _Run:
    """Stands in the place of a thread's `run` from its start until it runs.

    In the instance's, so that it works for classes that override run() as well; and as a method,
    because Sentry's start() takes its function and calls that with the thread.
    """

    __slots__ = ("_before", "_entity", "_method", "_run", "_thread")

    def __init__(self, thread: threading.Thread, entity: Entity) -> None:
        self._thread = thread
        self._entity: Entity | None = entity
        self._before = vars(thread).get("run", _MISSING)
        self._run = thread.run
        self._method = vars(thread)["run"] = MethodType(self, thread)

    def __call__(self, thread: threading.Thread) -> None:
        run = self._run
        self.step_aside()
        # For good: what a failed thread's excepthook logs belongs there as well.
        recorder.set_trace_entity(self._entity)
        self._entity = None  # a thread that lives on keeps no trace alive
        run()

    def step_aside(self) -> None:
        """Put back what was there."""
        own = vars(self._thread)
        if own.get("run") is self._method:
            if self._before is _MISSING:
                del own["run"]
            else:
                own["run"] = self._before
