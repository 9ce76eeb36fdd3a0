"""So many requests of each second, exactly."""

from __future__ import annotations

import os
from threading import Lock
from weakref import WeakSet

from .. import ids


class Reservoir:
    """Lets through a fixed number of requests in each second of the wall clock.

    per_second: how many; a fraction is rounded up. Safe from any thread.
    """

    __slots__ = ("__weakref__", "_lock", "_second", "_taken", "per_second")

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._second = -1
        self._taken = 0
        self._lock = Lock()
        _reservoirs.add(self)

    def take(self) -> bool:
        """Whether one more request fits into this second; if so, it is counted."""
        with self._lock:
            now = int(ids.wall_clock())
            if now != self._second:
                self._second = now
                self._taken = 0
            if self._taken >= self.per_second:
                return False
            self._taken += 1
            return True


_reservoirs: WeakSet[Reservoir] = WeakSet()


def _after_fork_in_child() -> None:
    for reservoir in list(_reservoirs):
        reservoir._lock = Lock()  # a thread that is gone may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
