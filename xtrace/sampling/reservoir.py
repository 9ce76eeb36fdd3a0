"""So many requests of each second, exactly."""

from __future__ import annotations

from threading import Lock

from .. import ids


class Reservoir:
    """Lets through a fixed number of requests in each second of the wall clock.

    per_second: how many; a fraction is rounded up. Safe from any thread.
    """

    __slots__ = ("_lock", "_second", "_taken", "per_second")

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._second = -1
        self._taken = 0
        self._lock = Lock()

    def take(self) -> bool:
        """Whether one more request fits into this second; if so, it is counted."""
        now = int(ids.wall_clock())
        with self._lock:
            if now != self._second:
                self._second = now
                self._taken = 0
            if self._taken >= self.per_second:
                return False
            self._taken += 1
            return True
