"""Which rule a request falls under; the same for local and for central rules. Pure."""

from __future__ import annotations

from operator import itemgetter

from ..naming import wildcard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeAlias

    # How texts in lower case are compared with a pattern: what they begin with, and a further
    # check, or None.
    _Test: TypeAlias = tuple[str, Callable[[str], object] | None]
    # Tests of the path, each with what is found, of which the last takes any path; and whether
    # it is worth remembering.
    _Allowed: TypeAlias = tuple[list[tuple[str, Callable[[str], object] | None, Any]], bool]

ATTRIBUTE = "attributes."
"""Begins the name of a field that is an entry of the request's `attributes`."""

# Requests of a service look alike, so what was found is remembered by what they say. Programs
# with ids in their paths fill this; then it starts anew. Long texts aren't kept.
_MOST_REMEMBERED = 2048
_MOST_CHARS = 512


def said(request: Mapping[str, Any], field: str) -> str | None:
    """What a request says in a field, as text; None: nothing."""
    if field.startswith(ATTRIBUTE):
        attributes: Any = request.get("attributes")
        value = attributes.get(field[len(ATTRIBUTE) :]) if hasattr(attributes, "get") else None
    else:
        value = request.get(field)
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def rarely_said(field: str) -> bool:
    """Whether integrations leave this out of their requests."""
    return field in ("service_type", "resource_arn") or field.startswith(ATTRIBUTE)


def must_be_said(field: str) -> bool:
    """Whether a request that doesn't say this is left out by a rule that asks for it.

    In the other fields, what a request doesn't say matches any pattern.
    """
    return field == "resource_arn" or field.startswith(ATTRIBUTE)


def tested(patterns: Mapping[str, str]) -> dict[str, str]:
    """Those of a rule's patterns that leave any request out."""
    return {
        field: pattern
        for field, pattern in patterns.items()
        if pattern.strip("*") or field.startswith(ATTRIBUTE)
    }


class Matcher(dict["object", "Any"]):
    """Finds the first rule that a request falls under.

    `matcher[matcher.key(request)]` is the short way, which raises KeyError, TypeError or
    AttributeError for a request that lacks a field that rules look at, or where it isn't text;
    find(request) is for any.

    rules: in order, each with its patterns by field of the request; "*" stands for any text, "?"
    for one character; upper and lower case are the same.
    otherwise: what is found where no rule matches.
    process: what requests say unless they say otherwise; may change later.
    """

    # Paths are many, hosts and methods few. So the rules that a request may fall under if it were
    # not for its path are remembered too, and a new path is compared with those.

    __slots__ = ("_allowed", "_names", "_otherwise", "_process", "_rare", "_rules", "_usual", "key")

    def __init__(
        self,
        rules: Sequence[tuple[Mapping[str, str], object]],
        otherwise: object = None,
        process: Mapping[str, str] | None = None,
    ) -> None:
        self._rules = [_Rule(patterns, rule) for patterns, rule in rules]
        self._otherwise = otherwise
        self._process = process if process is not None else {}
        self._allowed: dict[object, _Allowed] = {}
        fields = {field for rule in self._rules for field in rule.tests}
        self._rare = sorted(filter(rarely_said, fields))
        # At least two, the path last: every key is a tuple.
        usual = [*sorted(fields.difference(self._rare, {"path"}) or {"method"}), "path"]
        self._names = [*self._rare, *usual]
        self._usual = itemgetter(*usual)
        self.key: Callable[[Mapping[str, Any]], object]
        if self._rare:
            self.key = self._key_with_rare
        elif fields:
            self.key = self._usual
        else:  # no rule looks at anything
            self.key = bool
            self[True] = self[False] = rules[0][1] if rules else otherwise

    def _key_with_rare(self, request: Mapping[str, Any]) -> tuple[Any, ...]:
        return (*[self._said(request, name) for name in self._rare], *self._usual(request))

    def _key(self, request: Mapping[str, Any]) -> tuple[str | None, ...]:
        return tuple([self._said(request, name) for name in self._names])

    def _said(self, request: Mapping[str, Any], name: str) -> str | None:
        text = said(request, name)
        return self._process.get(name) if text is None else text

    def find(self, request: Mapping[str, Any] | None) -> Any:
        """The first rule for a request that may lack anything, or say it otherwise than as text."""
        return self[self._key(request or {})]

    def __missing__(self, key: Any) -> Any:
        path, others = key[-1], key[:-1]
        allowed, short = self._allowed.get(others) or self._allowed_by(others)
        text = path.lower() if path else ""
        for prefix, check, rule in allowed:
            if not text or (text.startswith(prefix) and (check is None or check(text))):
                found = rule
                break
        if short and len(text) <= _MOST_CHARS:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[key] = found
        return found

    def _allowed_by(self, others: tuple[str | None, ...]) -> _Allowed:
        """The rules that a request may fall under by all it says but its path."""
        heard = dict(zip(self._names, others, strict=False))  # without the path
        allowed = [
            (*rule.tests.get("path", _ANY), rule.found)
            for rule in self._rules
            if not rule.refused(heard)
        ]
        allowed.append((*_ANY, self._otherwise))
        short = sum(len(text) for text in others if text) <= _MOST_CHARS
        if short:
            if len(self._allowed) >= _MOST_REMEMBERED:
                self._allowed.clear()
            self._allowed[others] = allowed, short
        return allowed, short

    def explain(self, request: Mapping[str, Any]) -> list[tuple[Any, dict[str, str | None]]]:
        """Each rule in order, with what the request says in the fields that speak against it."""
        heard = {name: self._said(request, name) for name in self._names}
        return [
            (rule.found, {name: heard[name] for name in rule.refused(heard)})
            for rule in self._rules
        ]


_ANY: _Test = ("", None)


class _Rule:
    """A rule with its patterns, as they are compared with text in lower case."""

    __slots__ = ("found", "tests")

    def __init__(self, patterns: Mapping[str, str], found: object) -> None:
        self.found = found
        self.tests = {field: _test(pattern) for field, pattern in tested(patterns).items()}

    def refused(self, heard: Mapping[str, str | None]) -> list[str]:
        """The fields, of those heard, in which a request doesn't match."""
        return [field for field in self.tests if field in heard and not self._takes(field, heard)]

    def _takes(self, field: str, heard: Mapping[str, str | None]) -> bool:
        text = heard[field]
        if text is None or (not text and not must_be_said(field)):
            return not must_be_said(field)
        text = text.lower()
        prefix, check = self.tests[field]
        return text.startswith(prefix) and (check is None or bool(check(text)))


def _test(pattern: str) -> _Test:
    pattern = pattern.lower()
    prefix = pattern.replace("?", "*").partition("*")[0]
    if prefix == pattern:
        return prefix, prefix.__eq__
    if not pattern[len(prefix) :].strip("*"):
        return prefix, None
    return prefix, wildcard(pattern).fullmatch
