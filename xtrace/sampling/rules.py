"""Sampling rule files, version 1 and 2."""

from __future__ import annotations

import os

from ..errors import InvalidSamplingRules
from .matching import Matcher
from .reservoir import Reservoir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SUPPORTED_VERSIONS = (1, 2)

DEFAULT_RULES: dict[str, Any] = {"version": 2, "default": {"fixed_target": 1, "rate": 0.05}}
"""What holds without a rule file: the first request of each second, and 5 % of the others."""

_NUMBERS = ("fixed_target", "rate")
_HOST_FIELDS = {1: "service_name", 2: "host"}
"""What a rule calls the host, by version of the file."""


class Rule:
    """One rule of a file.

    name: what to call it where a decision is explained. patterns: by field of the request.
    fixed_target: requests a second, in this process, that are recorded before the rate applies.
    rate: fraction of the others, 0 to 1.
    """

    __slots__ = ("fixed_target", "name", "patterns", "rate", "reservoir")

    def __init__(
        self, name: str, patterns: Mapping[str, str], fixed_target: float, rate: float
    ) -> None:
        self.name = name
        self.patterns = patterns
        self.fixed_target = fixed_target
        self.rate = rate
        self.reservoir = Reservoir(fixed_target) if fixed_target else None

    def __str__(self) -> str:
        return f"{self.name!r}: {self.fixed_target:g} a second, then {100 * self.rate:g} %"

    def __repr__(self) -> str:
        return f"<Rule {self}>"


class Rules:
    """A rule file, read and checked. The default rule comes last and matches everything."""

    __slots__ = ("rules", "source")

    def __init__(self, rules: tuple[Rule, ...], source: str) -> None:
        self.rules = rules
        self.source = source

    def matcher(self) -> Matcher:
        """What finds the first rule, in the file's order, that is for a request."""
        return Matcher([(rule.patterns, rule) for rule in self.rules], self.rules[-1])


def load(rules: Mapping[str, Any] | str | os.PathLike[str]) -> Rules:
    """Read sampling rules from a dict, or from the path of a JSON file.

    Raises InvalidSamplingRules, which names the file, the rule and the field.
    """
    if isinstance(rules, (str, os.PathLike)):
        import json

        source = f"sampling rules {os.fspath(rules)!r}"
        try:
            with open(rules, encoding="utf-8") as file:
                content = json.load(file)
        except OSError as error:
            raise InvalidSamplingRules(f"Can't read {source}: {error.strerror}.") from error
        except (ValueError, RecursionError) as error:
            raise InvalidSamplingRules(f"{source} isn't JSON: {error}.") from error
    else:
        source = "sampling rules"
        content = rules
    return _Reader(source).read(content)


class _Reader:
    """Checks a rule file and says where it is wrong."""

    def __init__(self, source: str) -> None:
        self.source = source

    def read(self, content: Any) -> Rules:
        if not hasattr(content, "get"):
            raise self._wrong("", f"is {type(content).__name__}, not an object with 'version'")
        version = content.get("version")
        if version not in SUPPORTED_VERSIONS or isinstance(version, bool):
            raise self._wrong("version", f"is {version!r}; write 1 or 2")
        default = content.get("default")
        if not hasattr(default, "get"):
            raise self._wrong(
                "default", 'is missing; write "default": {"fixed_target": 1, "rate": 0.05}'
            )
        for field in default:
            if field not in _NUMBERS and field != "description":
                raise self._wrong(f"default.{field}", "isn't allowed: the default rule matches all")
        rules = content.get("rules", ())
        if not isinstance(rules, (list, tuple)):
            raise self._wrong("rules", f"is {type(rules).__name__}, not a list")
        found = [self._rule(rule, version, f"rules[{i}]") for i, rule in enumerate(rules)]
        found.append(Rule("default", {}, *self._numbers(default, "default")))
        return Rules(tuple(found), self.source)

    def _rule(self, rule: Any, version: int, where: str) -> Rule:
        if not hasattr(rule, "get"):
            raise self._wrong(where, f"is {type(rule).__name__}, not an object")
        fields = {"path": "url_path", "method": "http_method", "host": _HOST_FIELDS[version]}
        known = {"description", *fields.values(), *_NUMBERS}
        for field in rule:
            if field not in known:
                raise self._wrong(f"{where}.{field}", f"is unknown in version {version}")
        patterns = {}
        for asked, field in fields.items():
            pattern = rule.get(field)
            if not isinstance(pattern, str) or not pattern:
                raise self._wrong(
                    f"{where}.{field}", f'is {pattern!r}; write a pattern, as "*" for any'
                )
            patterns[asked] = pattern
        name = str(rule.get("description") or where)
        return Rule(name, patterns, *self._numbers(rule, where))

    def _numbers(self, rule: Any, where: str) -> tuple[float, float]:
        fixed_target, rate = (self._number(rule, field, where) for field in _NUMBERS)
        if rate > 1:
            raise self._wrong(f"{where}.rate", f"is {rate}; write a fraction from 0 to 1")
        return fixed_target, rate

    def _number(self, rule: Any, field: str, where: str) -> float:
        value = rule.get(field)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise self._wrong(f"{where}.{field}", f"is {value!r}; write a number of at least 0")
        return value

    def _wrong(self, field: str, what: str) -> InvalidSamplingRules:
        at = f", {field}" if field else ""
        return InvalidSamplingRules(f"{self.source}{at} {what}.")
