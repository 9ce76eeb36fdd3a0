"""Jobs of multiprocessing.pool.ThreadPool, and with it of joblib's threads, belong to the entity that
was current where they were given. Pools of processes stay as they are.
"""

from __future__ import annotations

from multiprocessing.pool import ThreadPool

from ._jobs import Job, give

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._wrap import Patcher

_METHODS = ("imap", "imap_unordered", "map", "starmap")
_WITH_CALLBACKS = ("apply_async", "map_async", "starmap_async")  # apply() calls the first
_CALLBACK_POSITION = 3
_CALLBACKS = ("callback", "error_callback")


def patch(patcher: Patcher) -> None:
    """Wrap what takes jobs, of ThreadPool alone: Pool has the same methods."""
    for name in _METHODS:
        patcher.wrap(ThreadPool, name, give)
    for name in _WITH_CALLBACKS:
        patcher.wrap(ThreadPool, name, _give_with_callbacks)


def _give_with_callbacks(
    method: Callable[..., Any], pool: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """As give(). What is called with the results is part of the work: joblib gives the next job there."""
    given, callbacks = args[:_CALLBACK_POSITION], args[_CALLBACK_POSITION:]
    named = {name: _job(each) if name in _CALLBACKS else each for name, each in kwargs.items()}
    return give(method, pool, (*given, *map(_job, callbacks)), named)


def _job(callback: Callable[..., Any] | None) -> Job | None:
    return None if callback is None else Job(callback)
