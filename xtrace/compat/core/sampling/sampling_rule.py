"""aws_xray_sdk.core.sampling.sampling_rule: one rule of the daemon's."""

from __future__ import annotations

from threading import RLock

from ..utils.search_pattern import wildcard_match
from .reservoir import Reservoir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class SamplingRule:
    """A rule: for which requests it is, how many of them are recorded, and how many were."""

    def __init__(
        self,
        name: str,
        priority: int,
        rate: float,
        reservoir_size: int,
        host: str | None = None,
        method: str | None = None,
        path: str | None = None,
        service: str | None = None,
        service_type: str | None = None,
    ) -> None:
        self._name = name
        self._priority = priority
        self._rate = rate
        self._can_borrow = bool(reservoir_size)
        self._host = host
        self._method = method
        self._path = path
        self._service = service
        self._service_type = service_type
        self._reservoir = Reservoir()
        self._lock = RLock()
        self._reset_statistics()

    def match(self, sampling_req: dict[str, Any] | None) -> bool:
        """Whether the rule is for a request; what isn't known of that matches everything."""
        if sampling_req is None:
            return False
        said = sampling_req.get
        return (
            _fits(self._host, said("host"))
            and _fits(self._method, said("method"))
            and _fits(self._path, said("path"))
            and _fits(self._service, said("service"))
            and _fits(self._service_type, said("service_type"))
        )

    def is_default(self) -> bool:
        """Whether it is the rule for all others."""
        return self._name == "Default"

    def snapshot_statistics(self) -> dict[str, int]:
        """What was counted since the last snapshot."""
        with self._lock:
            counted = {
                "request_count": self._request_count,
                "borrow_count": self._borrow_count,
                "sampled_count": self._sampled_count,
            }
            self._reset_statistics()
            return counted

    def merge(self, rule: SamplingRule) -> None:
        """Go on where another rule of the same name is. Requests that hold that one still may."""
        if rule is self:
            return
        with self._lock:
            self._request_count = rule.request_count
            self._borrow_count = rule.borrow_count
            self._sampled_count = rule.sampled_count
            self._reservoir = rule.reservoir

    def ever_matched(self) -> bool:
        """Whether it was for any request since the last snapshot."""
        return self._request_count > 0

    def time_to_report(self) -> bool | None:
        """Whether its counts are to be reported."""
        return self._reservoir._time_to_report()

    def increment_request_count(self) -> None:
        """Count a request."""
        with self._lock:
            self._request_count += 1

    def increment_borrow_count(self) -> None:
        """Count a request that is recorded without a grant."""
        with self._lock:
            self._borrow_count += 1

    def increment_sampled_count(self) -> None:
        """Count a request that is recorded."""
        with self._lock:
            self._sampled_count += 1

    def _reset_statistics(self) -> None:
        self._request_count = 0
        self._borrow_count = 0
        self._sampled_count = 0

    @property
    def rate(self) -> Any:
        """The fraction that is recorded beyond the reservoir."""
        return self._rate

    @rate.setter
    def rate(self, v: Any) -> None:
        self._rate = v

    @property
    def name(self) -> str:
        """The rule's name."""
        return self._name

    @property
    def priority(self) -> int:
        """Its place: the smallest comes first."""
        return self._priority

    @property
    def reservoir(self) -> Reservoir:
        """What counts the requests of each second."""
        return self._reservoir

    @reservoir.setter
    def reservoir(self, v: Reservoir) -> None:
        self._reservoir = v

    @property
    def can_borrow(self) -> bool:
        """Whether a request of each second may be recorded without a grant."""
        return self._can_borrow

    @property
    def request_count(self) -> int:
        """Requests since the last snapshot."""
        return self._request_count

    @property
    def borrow_count(self) -> int:
        """Of these, those that were recorded without a grant."""
        return self._borrow_count

    @property
    def sampled_count(self) -> int:
        """Of these, those that were recorded otherwise."""
        return self._sampled_count


def _fits(pattern: str | None, text: str | None) -> bool:
    return not text or wildcard_match(pattern, text)
