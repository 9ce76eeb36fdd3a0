"""What the daemon says of sampling, and what it is told: rules, targets and statistics.

Nothing that it says is trusted: what can't be used is left out, with a complaint in words.
"""

from __future__ import annotations

from itertools import count

from .matching import ATTRIBUTE
from .reservoir import BORROWED, SharedReservoir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAX_RULES = 1000
MAX_PATTERN_CHARS = 500

DEFAULT = "Default"
"""The name of the rule that takes what no other does."""

_PATTERNS = {
    "service": "ServiceName",
    "service_type": "ServiceType",
    "host": "Host",
    "method": "HTTPMethod",
    "path": "URLPath",
    "resource_arn": "ResourceARN",
}


class Unusable(Exception):
    """What is wrong with a part of an answer."""


class Targets:
    """What a report is answered with.

    targets: by rule name. interval: seconds to the next report, or None. modified: when the rules
    were changed last, in seconds since the epoch, or None. complaints: what is left out.
    """

    __slots__ = ("complaints", "interval", "modified", "targets")

    def __init__(self, answer: dict[str, Any]) -> None:
        documents = answer.get("SamplingTargetDocuments")
        if not isinstance(documents, list):
            raise Unusable("SamplingTargetDocuments isn't there")
        self.complaints: list[str] = []
        self.targets: dict[str, dict[str, Any]] = {}
        intervals = []
        for document in documents:
            name = document.get("RuleName") if isinstance(document, dict) else None
            if not isinstance(name, str):
                self.complaints.append("a target has no RuleName")
                continue
            self.targets[name] = document
            if (interval := self._number(document, "Interval")) is not None:
                intervals.append(interval)
        self.interval = min(intervals, default=None)
        self.modified = self._number(answer, "LastRuleModification")
        unprocessed = answer.get("UnprocessedStatistics")
        for each in unprocessed if isinstance(unprocessed, list) else []:
            self.complaints.append(f"statistics are refused: {_short(each)}")

    def _number(self, document: dict[str, Any], key: str) -> float | None:
        try:
            return _number_if_any(document, key)
        except Unusable as error:
            self.complaints.append(str(error))
            return None


class Statistics:
    """How many requests fell under a rule, and how they were decided.

    declined(), by_rate(), taken() and borrowed() each count one decision; a decision is in one of
    them alone, so that no report holds a half of one.
    """

    __slots__ = ("_read", "_reported", "borrowed", "by_rate", "declined", "taken")

    def __init__(self) -> None:
        # The counters of itertools count without a lock.
        self.declined = count().__next__
        self.by_rate = count().__next__
        self.taken = count().__next__
        self.borrowed = count().__next__
        self._read = 0
        self._reported = (0, 0, 0)

    def totals(self) -> tuple[int, int, int]:
        """Requests, and of these sampled and borrowed ones, since the beginning. From one thread."""
        # To read a counter is to count one more.
        declined, by_rate, taken, borrowed = (
            counter() - self._read
            for counter in (self.declined, self.by_rate, self.taken, self.borrowed)
        )
        self._read += 1
        sampled = by_rate + taken + borrowed
        return declined + sampled, sampled, borrowed

    def since_report(self, totals: tuple[int, int, int]) -> tuple[int, ...]:
        """What of the totals isn't reported yet."""
        return tuple(now - before for now, before in zip(totals, self._reported, strict=True))

    def reported(self, totals: tuple[int, int, int]) -> None:
        """The daemon has these."""
        self._reported = totals


class CentralRule:
    """A rule of the daemon's, with this process's share of it.

    rate: fraction that is sampled beyond the reservoir; boost_rate until boost_until (seconds
    since the epoch).
    """

    __slots__ = (
        "boost_rate",
        "boost_until",
        "max_boost",
        "name",
        "patterns",
        "priority",
        "rate",
        "reservoir",
        "reservoir_size",
        "rule_rate",
        "statistics",
    )

    def __init__(
        self,
        name: str,
        priority: float,
        patterns: dict[str, str],
        rate: float,
        reservoir_size: float,
        max_boost: float | None,
    ) -> None:
        self.name = name
        self.priority = priority
        self.patterns = patterns
        self.rate = self.rule_rate = rate
        self.reservoir_size = reservoir_size
        self.reservoir = SharedReservoir(borrows=reservoir_size > 0)
        self.max_boost = max_boost
        self.boost_rate = 0.0
        self.boost_until = 0.0
        self.statistics = Statistics()

    def inherit(self, former: CentralRule) -> None:
        """Go on where the rule of the same name left off."""
        self.statistics = former.statistics
        self.reservoir = former.reservoir
        self.reservoir.borrows = self.reservoir_size > 0
        if self.rule_rate == former.rule_rate:
            self.rate = former.rate
        if self.max_boost is not None:
            self.boost_rate = min(former.boost_rate, self.max_boost)
            self.boost_until = former.boost_until

    def drawn(self, drawn: str) -> str:
        """Count a request that the reservoir lets through; gives the rule's name."""
        if drawn is BORROWED:
            self.statistics.borrowed()
        else:
            self.statistics.taken()
        return self.name

    def aim(self, target: dict[str, Any]) -> None:
        """Take over a target. Raises Unusable, and has changed nothing then."""
        rate = _number_if_any(target, "FixedRate", most=1)
        quota = _number_if_any(target, "ReservoirQuota")
        until = _number_if_any(target, "ReservoirQuotaTTL")
        boost = target.get("SamplingBoost")
        boost_rate = boost_until = None
        if boost is not None:
            if not isinstance(boost, dict):
                raise Unusable(f"SamplingBoost is {type(boost).__name__}")
            boost_rate = _number(boost, "BoostRate", most=1)
            boost_until = _number(boost, "BoostRateTTL")
        if rate is not None:
            self.rate = rate
        if quota is not None or until is not None:
            self.reservoir.grant(quota, until)
        if boost_rate is not None and boost_until is not None:
            most = boost_rate if self.max_boost is None else self.max_boost
            self.boost_rate = min(boost_rate, most)
            self.boost_until = boost_until

    def after_fork(self) -> None:
        """Nothing is decided yet in this process. The reservoir looks after itself."""
        self.statistics = Statistics()

    def __str__(self) -> str:
        share = f"{self.reservoir_size:g} a second, shared by all processes"
        return (
            f"{self.name!r} (priority {self.priority:g}): {share}, then {100 * self.rule_rate:g} %"
        )

    def __repr__(self) -> str:
        return f"<CentralRule {self}>"


def read_rules(records: Iterable[Any]) -> tuple[list[CentralRule], list[str]]:
    """The rules that can be used, in the order in which they are tried, and complaints."""
    rules: dict[str, CentralRule] = {}
    complaints = []
    for record in records:
        try:
            rule = _rule(record.get("SamplingRule") if isinstance(record, dict) else record)
            if rule.name in rules:
                raise Unusable(f"{rule.name!r} is there twice")
        except Unusable as error:
            complaints.append(str(error))
        else:
            rules[rule.name] = rule
    in_order = sorted(rules.values(), key=lambda rule: (rule.priority, rule.name))
    if len(in_order) > MAX_RULES:
        complaints.append(f"there are more than {MAX_RULES}")
    return in_order[:MAX_RULES], complaints


def _rule(document: Any) -> CentralRule:
    if not isinstance(document, dict):
        raise Unusable(f"a rule is {type(document).__name__}, not an object")
    name = document.get("RuleName")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_PATTERN_CHARS:
        raise Unusable(f"RuleName is {_short(name)}")
    try:
        if document.get("Version", 1) != 1:
            raise Unusable(f"Version is {_short(document['Version'])}")
        return CentralRule(
            name,
            _number(document, "Priority"),
            {} if name == DEFAULT else _patterns(document),
            _number(document, "FixedRate", most=1),
            _number(document, "ReservoirSize"),
            _max_boost(document),
        )
    except Unusable as error:
        raise Unusable(f"{_short(name)}: {error}") from None


def _patterns(document: dict[str, Any]) -> dict[str, str]:
    patterns: dict[str, Any] = {field: document.get(key) for field, key in _PATTERNS.items()}
    if patterns["resource_arn"] is None:
        patterns["resource_arn"] = "*"
    attributes = document.get("Attributes") or {}
    if not isinstance(attributes, dict):
        raise Unusable(f"Attributes is {type(attributes).__name__}")
    patterns.update({ATTRIBUTE + str(key): pattern for key, pattern in attributes.items()})
    for field, pattern in patterns.items():
        if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN_CHARS:
            raise Unusable(f"{_PATTERNS.get(field, field)} is {_short(pattern)}")
    return patterns


def _max_boost(document: dict[str, Any]) -> float | None:
    boost = document.get("SamplingRateBoost")
    if boost is None:
        return None
    if not isinstance(boost, dict):
        raise Unusable(f"SamplingRateBoost is {type(boost).__name__}")
    return _number(boost, "MaxRate", most=1)


def _number(document: dict[str, Any], key: str, most: float = float("inf")) -> float:
    """A number of at least 0. Raises Unusable."""
    value = document.get(key)
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most
    if not good or value == float("inf"):
        raise Unusable(f"{key} is {_short(value)}")
    try:
        return float(value)  # type: ignore[arg-type]  # it is a number
    except OverflowError:
        raise Unusable(f"{key} is too large") from None


def _number_if_any(document: dict[str, Any], key: str, most: float = float("inf")) -> float | None:
    return None if document.get(key) is None else _number(document, key, most)


def _short(value: object) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits
        return type(value).__name__
    return text if len(text) <= 60 else f"{text[:60]}..."
