"""So many requests of each second, exactly."""

from __future__ import annotations

import os
from threading import Lock
from weakref import WeakSet

from .. import ids

NEVER = -1.0


class Reservoir:
    """Lets through a fixed number of requests in each second of the wall clock.

    per_second: how many; a fraction is rounded up. Safe from any thread.
    spent_in: the second (since the epoch) whose requests are all let through, or NEVER. Whoever
    finds that it is the current one needn't call take().
    """

    __slots__ = ("__weakref__", "_lock", "_second", "_taken", "per_second", "spent_in")

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self.spent_in = NEVER
        self._second = NEVER
        self._taken = 0
        self._lock = Lock()
        _reservoirs.add(self)

    def take(self) -> bool:
        """Whether one more request fits into this second; if so, it is counted."""
        with self._lock:
            # The clock is read in here: who waited for the lock would bring an old second back.
            return self._take(ids.wall_clock() // 1.0, self.per_second)

    def _take(self, second: float, most: float) -> bool:
        if second != self._second:
            self.spent_in = NEVER
            self._second = second
            self._taken = 0
        fits = self._taken < most
        self._taken += fits
        if self._taken >= most:
            self.spent_in = second
        return fits

    def after_fork(self) -> None:
        """A thread that is gone may have held the lock."""
        self._lock = Lock()


_reservoirs: WeakSet[Reservoir] = WeakSet()


def _after_fork_in_child() -> None:
    for reservoir in list(_reservoirs):
        reservoir.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
