"""Sampling by rules that this process has: a file, a dict, or the built-in default."""

from __future__ import annotations

from .. import ids
from .rules import DEFAULT_RULES, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any

    from .rules import Rule


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
        self.rules = load(DEFAULT_RULES if rules is None else rules)
        self.source = "built-in default" if rules is None else self.rules.source
        self._matcher = self.rules.matcher()

    def should_trace(self, request: Mapping[str, Any] | None = None) -> bool:
        """Whether a request is recorded. request: see xtrace.sampling; None matches any rule."""
        matcher = self._matcher
        try:
            rule = matcher[matcher.key(request)]  # type: ignore[arg-type]  # None is a TypeError
        except (KeyError, TypeError, AttributeError):
            rule = matcher.find(request)
        reservoir = rule.reservoir
        if (
            reservoir is not None
            and not 0.0 <= ids.wall_clock() - reservoir.spent_in < 1.0
            and reservoir.take()
        ):
            return True
        recorded: bool = ids.random_fraction() < rule.rate
        return recorded

    def explain(self, request: Mapping[str, Any]) -> list[tuple[Rule, dict[str, str | None]]]:
        """The rules in order, with what the request says in the fields that speak against each."""
        return self._matcher.explain(request)

    def __str__(self) -> str:
        return f"local ({self.source})"
