"""The words of the language: what class each is of, where it may stand, and what fits it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TRACE = "trace"
SERVICE = "service"
EDGE = "edge"
ROOT_CAUSE = "root cause"

STATUS = ("ok", "error", "throttle", "fault")
BOOLEANS = (*STATUS, "partial", "inferred", "first", "last", "remote", "root")
NUMBERS = ("responsetime", "duration", "http.status", "index", "coverage")
STRINGS = (
    "http.url",
    "http.method",
    "http.useragent",
    "http.clientip",
    "user",
    "name",
    "type",
    "message",
    "availabilityzone",
    "instance.id",
    "resource.arn",
)

ID_ARGUMENTS = ("name", "type", "account.id")
CAUSE_KINDS = ("fault", "error", "responsetime")
ROOT_CAUSES = tuple(
    f"rootcause.{kind}.{part}"
    for kind in CAUSE_KINDS
    for part in ("service", "entity", "exception")
    if (kind, part) != ("responsetime", "exception")
)

_WITH_NODES = (
    *STATUS,
    "partial",
    "inferred",
    "responsetime",
    "duration",
    "http.status",
    "http.url",
    "http.method",
    "http.useragent",
    "http.clientip",
    "user",
    "name",
    "type",
    "availabilityzone",
    "instance.id",
    "resource.arn",
)
SCOPES: dict[str, frozenset[str]] = {
    TRACE: frozenset(_WITH_NODES),
    SERVICE: frozenset((*_WITH_NODES, "root", "remote")),
    EDGE: frozenset((*STATUS, "responsetime", "duration")),
    ROOT_CAUSE: frozenset(
        ("name", "type", "inferred", "remote", "first", "last", "index", "coverage", "message")
    ),
}
"""Where the keywords may stand: in the open, or between the braces of what is named so."""

PLACES = {
    TRACE: "outside braces",
    SERVICE: "inside service() { }",
    EDGE: "inside edge() { }",
    ROOT_CAUSE: "inside rootcause.… { }",
}

OPERATORS = {
    **dict.fromkeys(BOOLEANS, ("=", "!=")),
    **dict.fromkeys(NUMBERS, ("=", "!=", "<", "<=", ">", ">=")),
    **dict.fromkeys(STRINGS, ("=", "!=", "contains", "beginswith", "endswith")),
}


def misplaced(keyword: str, scope: str) -> str | None:
    """Why a keyword can't stand in a scope, or None if it can."""
    if keyword in SCOPES[scope]:
        return None
    places = [PLACES[other] for other in SCOPES if keyword in SCOPES[other]]
    return f"{keyword} can't be used {PLACES[scope]}, only {_listed(places)}"


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
