"""The table of paths, and how a request finds its function. docs/api.md says what they answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote

from ...files import REDACTIONS
from ...filters import MAX_CHARACTERS
from ..errors import unknown_operation
from ..shapes import Boolean, Integer, Many, Number, Text
from . import administration, analytics, failed, lists, maps, one, transfer
from .asked import COMMON, Asked, Listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    from ..shapes import Shape
    from .console import Console

    Handler: TypeAlias = Callable[[Console, Asked], Any]

PREFIX = "/api/v1"
MAX_ID_CHARS = 250
MAX_WORD_CHARS = 1000

_FILTER = Text(0, 20_000)
_WORD = Text(0, MAX_WORD_CHARS)
_ID = Text(1, MAX_ID_CHARS)
_STEPS = Integer(1, 500)
_KEYS = Listed(Text(1, 500), 20)
_BY = Many(Text(1, 520), most=50)
_FILES: dict[str, Shape] = {
    "format": Text(choices=transfer.FORMATS),
    "redact": Listed(Text(choices=REDACTIONS), len(REDACTIONS)),
    "gzip": Boolean(),
}


@dataclass(frozen=True)
class Endpoint:
    """A method and a path, in which {NAME} stands for anything: what is before the next part of it.

    body: None if there is none, else "json" or "file".
    """

    method: str
    path: str
    handler: Handler
    parameters: dict[str, Shape] = field(default_factory=dict)
    body: str | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What matches the path below the prefix."""
        parts = re.split(r"\{(\w+)\}", self.path)
        return re.compile(
            "".join(
                f"(?P<{part}>.+)" if number % 2 else re.escape(part)
                for number, part in enumerate(parts)
            )
        )


ENDPOINTS = (
    Endpoint("GET", "/status", administration.status),
    Endpoint("POST", "/test-trace", administration.test_trace),
    Endpoint(
        "GET",
        "/traces",
        lists.traces,
        {
            **COMMON,
            "sort": Text(choices=lists.SORTS),
            "limit": Integer(1, lists.MAX_LIMIT),
            "cursor": Text(1, 200),
            "annotations": _KEYS,
        },
    ),
    Endpoint("DELETE", "/traces", administration.clear, {"pinned": Boolean()}),
    Endpoint("GET", "/distribution", lists.distribution, {**COMMON, "steps": _STEPS}),
    Endpoint("GET", "/facets", lists.facets, {**COMMON, "by": _BY, "limit": Integer(1, 1000)}),
    Endpoint(
        "GET",
        "/completions",
        lists.completions,
        {"text": Text(0, MAX_CHARACTERS), "position": Integer(0)},
    ),
    Endpoint("GET", "/find", lists.find, {"text": Text(0, 5000)}),
    Endpoint(
        "GET",
        "/traces/{trace_id}/entities/{entity_id}",
        one.entity,
    ),
    Endpoint("GET", "/traces/{trace_id}/raw", one.raw),
    Endpoint("GET", "/traces/{trace_id}/map", maps.map_of_trace),
    Endpoint("GET", "/traces/{trace_id}/statistics", one.statistics),
    Endpoint("GET", "/traces/{trace_id}/logs", one.logs),
    Endpoint("GET", "/traces/{trace_id}/verdicts", administration.verdicts),
    Endpoint("GET", "/traces/{trace_id}/export", transfer.export_trace, _FILES),
    Endpoint("GET", "/traces/{trace_id}", one.trace, {"limit": Integer(1, one.MAX_ROWS)}),
    Endpoint(
        "GET",
        "/compare",
        one.compare,
        {"a": _ID, "b": _ID, "limit": Integer(1, one.MAX_ROWS)},
    ),
    Endpoint("GET", "/map", maps.map, COMMON),
    Endpoint(
        "GET",
        "/map/series",
        maps.series,
        {
            **COMMON,
            "node": _WORD,
            "type": _WORD,
            "source": _WORD,
            "target": _WORD,
            "period": Integer(60, 86_400),
        },
    ),
    Endpoint(
        "GET",
        "/errors",
        failed.errors,
        {
            **COMMON,
            "steps": _STEPS,
            "limit": Integer(1, 10_000),
            "sort": Text(choices=failed.SORTS),
        },
    ),
    Endpoint("GET", "/errors/{error_id}", failed.error, {**COMMON, "steps": _STEPS}),
    Endpoint(
        "GET",
        "/analytics",
        analytics.analytics,
        {
            **{name: shape for name, shape in COMMON.items() if name != "filter"},
            "a": _FILTER,
            "b": _FILTER,
            "range_b": COMMON["range"],
            "run_b": COMMON["run"],
            "steps": _STEPS,
            "by": _BY,
            "limit": Integer(1, 200),
        },
    ),
    Endpoint("GET", "/sampling", administration.sampling, {"minutes": Integer(1, 60)}),
    Endpoint(
        "GET",
        "/sampling/decision",
        administration.decision,
        dict.fromkeys(("service", "host", "method", "path", "type", "arn"), _WORD),
    ),
    Endpoint("GET", "/groups", administration.groups),
    Endpoint("GET", "/alarms", administration.alarms),
    Endpoint("PUT", "/alarms", administration.set_alarms, body="json"),
    Endpoint(
        "GET", "/cost", administration.cost, {"range": COMMON["range"], "rate": Number(0.0, 1.0)}
    ),
    Endpoint("GET", "/runs", administration.runs),
    Endpoint("POST", "/runs", administration.begin_run, body="json"),
    Endpoint("PATCH", "/runs/{name}", administration.change_run, body="json"),
    Endpoint("DELETE", "/runs/{name}", administration.remove_run),
    Endpoint(
        "GET",
        "/export",
        transfer.export,
        {
            **COMMON,
            **_FILES,
            "limit": Integer(1, transfer.MAX_TRACES),
            "id": Many(_ID, most=1000),
            "annotations": _KEYS,
        },
    ),
    Endpoint("POST", "/import", transfer.import_file, {"run": COMMON["run"]}, body="file"),
)

EVENTS: dict[str, Shape] = {
    "filter": COMMON["filter"],
    "group": COMMON["group"],
    "run": COMMON["run"],
    "only": Text(choices=("stats",)),
    "after": Integer(0),
}
"""The parameters of GET /events, which `web` answers: it doesn't end."""


def found(method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
    """The endpoint of a request, and what stands in its path. path: below the prefix, as it was sent.

    Raises ApiError.
    """
    others = False
    for endpoint in ENDPOINTS:
        match = endpoint.pattern.fullmatch(path)
        if match is not None:
            if endpoint.method == method or (method == "HEAD" and endpoint.method == "GET"):
                return endpoint, {name: unquote(text) for name, text in match.groupdict().items()}
            others = True
    if others:
        raise unknown_operation(f"{PREFIX}{path[:100]} takes another method than {method}.", 405)
    raise unknown_operation(f"There is nothing at {PREFIX}{path[:100]}.")


def answer(
    console: Console,
    method: str,
    path: str,
    given: Sequence[tuple[str, str]] = (),
    body: Any = None,
) -> Any:
    """What a request is answered with: JSON, or a File. Raises ApiError and StoreError.

    path: below the prefix, with names in it encoded as in a URL. given: the query's parameters.
    """
    endpoint, names = found(method, path)
    return endpoint.handler(console, Asked(console, endpoint.parameters, given, names, body))
