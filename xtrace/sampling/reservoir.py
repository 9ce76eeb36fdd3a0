"""So many requests of each second, exactly."""

from __future__ import annotations

from threading import RLock
from weakref import WeakSet

from .. import forks, ids

NEVER = -1.0
TAKEN = "taken"
BORROWED = "borrowed"


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
        self._lock = RLock()
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
        self._lock = RLock()


class SharedReservoir(Reservoir):
    """This process's share of a reservoir: what the daemon granted it, until when.

    Without a share, one request of each second is borrowed if there is a reservoir at all.
    """

    __slots__ = ("_quota", "_until", "borrows")

    def __init__(self, borrows: bool) -> None:
        super().__init__(0)
        self.borrows = borrows
        self._quota: float | None = None
        self._until = 0.0

    def grant(self, quota: float | None, until: float | None) -> None:
        """What the daemon says: requests of each second, and the end in seconds since the epoch.

        None: as it was.
        """
        with self._lock:
            self._quota = self._quota if quota is None else quota
            self._until = self._until if until is None else until
            self.spent_in = NEVER  # there may be more now

    def draw(self) -> str | None:
        """TAKEN or BORROWED if one more request fits into this second, which is counted then."""
        with self._lock:
            now = ids.wall_clock()
            if self._quota is not None and now <= self._until:
                return TAKEN if self._take(now // 1.0, self._quota) else None
            return BORROWED if self._take(now // 1.0, self.borrows) else None

    def after_fork(self) -> None:
        """The share is the parent's."""
        super().after_fork()
        self._quota = None
        self.spent_in = NEVER


_reservoirs: WeakSet[Reservoir] = WeakSet()


def _after_fork_in_child() -> None:
    for reservoir in list(_reservoirs):
        reservoir.after_fork()


forks.in_child(_after_fork_in_child)
