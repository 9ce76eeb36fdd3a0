"""Sampling by rules that this process has: a file, a dict, or the built-in default."""

from __future__ import annotations

import os

from .. import ids
from .reservoir import Reservoir
from .rules import DEFAULT_RULES, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .rules import Rule, Rules

# Requests of a service look alike, so the matching rule is remembered by what a request says.
# Programs with ids in their paths fill this; then it starts anew.
_REMEMBERED = 4096


class LocalSampler:
    """Decides by the first matching rule: its reservoir first, then its rate.

    rules: as in `configure(sampling_rules=...)`: a dict, a path, or None for the default of one
    request a second and 5 % of the others.
    """

    def __init__(self, rules: Mapping[str, Any] | str | os.PathLike[str] | None = None) -> None:
        self.load_local_rules(rules)

    def load_local_rules(
        self, rules: Mapping[str, Any] | str | os.PathLike[str] | None = None
    ) -> None:
        """Replace the rules. Raises InvalidSamplingRules, and keeps the old ones then."""
        if rules is None:
            self._table = _Table(load(DEFAULT_RULES))
            self.source = "built-in default"
        else:
            self._table = _Table(load(rules))
            self.source = self._table.rules.source

    def should_trace(self, request: Mapping[str, Any] | None = None) -> bool:
        """Whether a request is recorded. request: see xtrace.sampling; None matches any rule."""
        applied = self._table.applied_to(request or {})
        if applied.reservoir is not None and applied.reservoir.take():
            return True
        return ids.random_fraction() < applied.rate

    def __str__(self) -> str:
        return f"local ({self.source})"


class _Applied:
    """A rule with its reservoir."""

    __slots__ = ("rate", "reservoir")

    def __init__(self, rule: Rule) -> None:
        self.rate = rule.rate
        self.reservoir = Reservoir(rule.fixed_target) if rule.fixed_target else None


class _Table:
    """A set of rules in use. Replaced as a whole, so that a request never sees half of two."""

    __slots__ = ("_applied", "_remembered", "rules")

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._applied = {rule: _Applied(rule) for rule in rules.rules}
        self._remembered: dict[tuple[object, ...], _Applied] = {}

    def applied_to(self, request: Mapping[str, Any]) -> _Applied:
        get = request.get
        key = (get("path"), get("method"), get("host"))
        applied = self._remembered.get(key)
        if applied is None:
            applied = self._applied[self.rules.match(request)]
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = applied
        return applied
