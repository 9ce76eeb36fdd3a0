"""aws_xray_sdk.core.sampling.rule_cache: the daemon's rules, for an hour."""

from __future__ import annotations

from operator import attrgetter
from threading import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .sampling_rule import SamplingRule

TTL = 3600


class RuleCache:
    """The rules in order, and when they were fetched."""

    def __init__(self) -> None:
        self._last_updated: float | None = None
        self._rules: list[SamplingRule] = []
        self._lock = RLock()

    def get_matched_rule(self, sampling_req: dict[str, Any] | None, now: float) -> Any:
        """The first rule that is for a request, or None: there is none, or they are too old."""
        if self._is_expired(now):
            return None
        for rule in self._rules:
            if rule.match(sampling_req) or rule.is_default():
                return rule
        return None

    def load_rules(self, rules: list[SamplingRule]) -> None:
        """Use other rules; those of the same name go on where the former are."""
        with self._lock:
            self._load_rules(rules)

    def _load_rules(self, rules: list[SamplingRule]) -> None:
        former = {rule.name: rule for rule in self._rules}
        rules.sort(key=attrgetter("priority", "name"))
        for rule in rules:
            if rule.name in former:
                rule.merge(former[rule.name])
        self._rules = rules

    def load_targets(self, targets_dict: dict[str, dict[str, Any]]) -> None:
        """Take over what the daemon grants, by the name of the rule."""
        with self._lock:
            self._load_targets(targets_dict)

    def _load_targets(self, targets_dict: dict[str, dict[str, Any]]) -> None:
        for rule in self._rules:
            target = targets_dict.get(rule.name)
            if target:
                rule.reservoir.load_quota(target["quota"], target["TTL"], target["interval"])
                rule.rate = target["rate"]

    def _is_expired(self, now: float) -> bool:
        return not self._last_updated or now > self._last_updated + TTL

    @property
    def rules(self) -> list[SamplingRule]:
        """The rules, in the order in which they are tried."""
        return self._rules

    @rules.setter
    def rules(self, v: list[SamplingRule]) -> None:
        self.load_rules(v)

    @property
    def last_updated(self) -> float | None:
        """When the rules were fetched, in seconds since the epoch."""
        return self._last_updated

    @last_updated.setter
    def last_updated(self, v: float | None) -> None:
        self._last_updated = v
