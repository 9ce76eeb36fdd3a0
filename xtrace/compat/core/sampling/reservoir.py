"""aws_xray_sdk.core.sampling.reservoir: this process's share of what a rule records each second."""

from __future__ import annotations

from enum import Enum
from threading import RLock

TICKS_SECONDS = 10
"""Between two looks at what is to be reported."""


class ReservoirDecision(Enum):
    """What a reservoir says of one more request."""

    TAKE = "take"
    BORROW = "borrow"
    NO = "no"


class Reservoir:
    """Lets through what the daemon has granted; without a grant, one request of each second."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._quota: int | None = None
        self._TTL: int | None = None
        self._this_sec = 0
        self._taken_this_sec = 0
        self._borrowed_this_sec = 0
        self._report_interval: float = 1
        self._report_elapsed = 0

    def borrow_or_take(self, now: int, can_borrow: bool | None) -> ReservoirDecision | None:
        """The decision about a request at a second; None if this reservoir doesn't decide."""
        with self._lock:
            return self._borrow_or_take(now, can_borrow)

    def load_quota(self, quota: int | None, TTL: int | None, interval: int | None) -> None:
        """What is granted, until which second, and seconds between reports. None: as it was."""
        if quota is not None:
            self._quota = quota
        if TTL is not None:
            self._TTL = TTL
        if interval is not None:
            self._report_interval = interval / TICKS_SECONDS

    @property
    def quota(self) -> int | None:
        """Requests of each second."""
        return self._quota

    @property
    def TTL(self) -> int | None:
        """The last second for which the quota holds."""
        return self._TTL

    def _time_to_report(self) -> bool | None:
        """Whether a report is due. Called at each tick."""
        if self._report_elapsed + 1 >= self._report_interval:
            self._report_elapsed = 0
            return True
        self._report_elapsed += 1
        return None

    def _borrow_or_take(self, now: int, can_borrow: bool | None) -> ReservoirDecision | None:
        self._adjust_this_sec(now)
        if self._quota is not None and self._TTL is not None and now <= self._TTL:
            if self._taken_this_sec < self._quota:
                self._taken_this_sec += 1
                return ReservoirDecision.TAKE
            return ReservoirDecision.NO
        if can_borrow:
            if not self._borrowed_this_sec:
                self._borrowed_this_sec += 1
                return ReservoirDecision.BORROW
            return ReservoirDecision.NO
        return None

    def _adjust_this_sec(self, now: int) -> None:
        if now != self._this_sec:
            self._taken_this_sec = 0
            self._borrowed_this_sec = 0
            self._this_sec = now
