"""Many traces: the list, how they are distributed, what they have in common; and words to ask with."""

from __future__ import annotations

import re

from ....header import parse as parse_header
from ....header import parse_traceparent
from ... import figures, filters, listing
from ...filters.hints import anywhere
from ...filters.tree import Annotation
from ...filters.writer import operand, quoted
from ...store import FACETS, Order
from .asked import wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...filters import Filter
    from ...store import Facet, Window
    from .asked import Asked
    from .console import Console

DEFAULT_SORT = "-start"
SORTS = (*(order.value for order in Order), *(f"-{order.value}" for order in Order))
DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000
SECONDS_OF_A_PAGE = 0.3
SECONDS_OF_A_COUNT = 2.0

DEFAULT_STEPS = 60
DEFAULT_VALUES = 10
MAX_ANNOTATION_FACETS = 10

MAX_WORDS = 200


# -- the list ------------------------------------------------------------------------------------


def traces(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/traces."""
    window, filter, run = asked.window(), asked.filter(), asked.run()
    limit = asked.get("limit", DEFAULT_LIMIT)
    sort = asked.get("sort", DEFAULT_SORT)
    annotations = asked.get("annotations", [])
    cursor = None
    if sort == DEFAULT_SORT:
        try:
            page = console.store.find(
                window,
                filter=filter,
                run=run,
                cursor=asked.get("cursor"),
                limit=limit,
                seconds=SECONDS_OF_A_PAGE,
            )
        except ValueError as error:
            raise wrong("cursor", "cursor isn't one that an answer gave.") from error
        summaries, cursor, scanned = page.summaries, page.cursor, page.scanned
        complete = cursor is None
    else:
        if "cursor" in asked:
            raise wrong("cursor", f"cursor can only be used with sort={DEFAULT_SORT}.")
        ranking = console.store.ranked(
            window,
            Order(sort.removeprefix("-")),
            highest=sort.startswith("-"),
            filter=filter,
            run=run,
            limit=limit,
            seconds=SECONDS_OF_A_COUNT,
        )
        summaries, complete, scanned = ranking.summaries, ranking.complete, None
    console.service.usage.scanned += scanned or len(summaries)
    found_none = not summaries and complete and asked.get("cursor") is None
    hint = _hint(console, asked, window, filter, run) if found_none else None
    return {
        "window": asked.shown()._asdict(),
        "columns": listing.columns(annotations),
        "rows": [listing.row(summary, annotations) for summary in summaries],
        "scanned": scanned,
        "cursor": cursor,
        "complete": complete,
        "hint": hint,
    }


def _hint(
    console: Console, asked: Asked, window: Window, filter: Filter | None, run: str | None
) -> dict[str, Any] | None:
    """Another filter that finds something, if this one may have meant it."""
    if filter is None:
        return None
    elsewhere = anywhere(filter)
    if elsewhere is None:
        return None
    found = console.store.find(
        window, filter=elsewhere, run=run, limit=1, seconds=SECONDS_OF_A_PAGE
    ).summaries
    if not found:
        return None
    own = asked.get("filter", "")
    meant = anywhere(filters.parse(own)) if own.strip() else None
    return {
        "filter": elsewhere.text if meant is None else meant.text,
        "text": "No entry point is like this, but a service behind one is.",
        "example": found[0]["Id"],
    }


# -- how they are distributed ----------------------------------------------------------------------


def distribution(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/distribution."""
    shown = asked.shown()
    step = figures.step_for(shown, asked.get("steps", DEFAULT_STEPS))
    told = console.store.distribution(
        asked.window(), step, filter=asked.filter(), run=asked.run(), seconds=SECONDS_OF_A_COUNT
    )
    return {
        "window": shown._asdict(),
        **figures.figures(told.cells, shown, step),
        "complete": told.since is None,
        "since": told.since,
    }


# -- what they have in common ----------------------------------------------------------------------

FACET_COLUMNS = ("value", "count", "share", "average", "ok", "error", "throttle", "fault", "filter")


def facets(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/facets."""
    by = asked.get("by") or [*FACETS, *annotation_facets(console)]
    try:
        told = console.store.facets(
            asked.window(),
            list(dict.fromkeys(by)),
            filter=asked.filter(),
            run=asked.run(),
            limit=asked.get("limit", DEFAULT_VALUES),
            seconds=SECONDS_OF_A_COUNT,
        )
    except ValueError as error:
        raise wrong("by", str(error)) from error
    return {
        "window": asked.shown()._asdict(),
        "count": told.traces,
        "complete": told.since is None,
        "since": told.since,
        "facets": [_facet(facet, told.traces) for facet in told.facets],
    }


def annotation_facets(console: Console) -> list[str]:
    """The facets of the first annotation keys."""
    keys = console.store.vocabulary("annotation", limit=MAX_ANNOTATION_FACETS)
    return [f"annotation.{key}" for key in keys]


def _facet(facet: Facet, traces: int) -> dict[str, Any]:
    return {
        "by": facet.by,
        "values": facet.values,
        "columns": FACET_COLUMNS,
        "rows": [
            [
                share.value,
                share.traces,
                round(share.traces / traces, 6),
                round(share.seconds / share.timed, 6) if share.timed else None,
                *share.counts[:4],
                expression(facet.by, share.value),
            ]
            for share in facet.shares
        ],
    }


_STATUS_EXPRESSIONS = {
    "ok": "ok AND responsetime >= 0",
    "error": "error AND !throttle AND !fault",
    "throttle": "error AND throttle AND !fault",
    "fault": "fault",
    "open": "!fault AND !error AND !(responsetime >= 0)",
}
_KEYWORDS = {
    "url": "http.url",
    "http_status": "http.status",
    "method": "http.method",
    "client_ip": "http.clientip",
    "user_agent": "http.useragent",
    "user": "user",
    "entry": "name",
    "availability_zone": "availabilityzone",
    "instance": "instance.id",
    "arn": "resource.arn",
}


def expression(by: str, value: str | float | bool) -> str:
    """The filter expression of the traces that have a value."""
    if by == "status":
        return _STATUS_EXPRESSIONS[str(value)]
    if by == "service":
        return f"service({quoted(str(value))})"
    if by == "type":
        return f"service(id(type: {quoted(str(value))}))"
    if by == "error":
        named = f"{{ name = {quoted(str(value))} }}"
        return f"rootcause.fault.exception {named} OR rootcause.error.exception {named}"
    key = by.removeprefix("annotation.")
    asked = _KEYWORDS[by] if by in _KEYWORDS else operand(Annotation(key))
    if isinstance(value, bool):
        return f"{asked} = {'true' if value else 'false'}"
    if isinstance(value, int | float):
        return f"{asked} = {int(value) if value == int(value) else repr(value)}"
    return f"{asked} = {quoted(value)}"


# -- words to ask with -------------------------------------------------------------------------------


def completions(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/completions."""
    text = asked.needed("text")
    position = asked.get("position", len(text))
    typed = re.split(r"[\s(){}\[\]=<>!:,]", text[:position])[-1].lstrip('"')
    words = _Words(console, typed)
    vocabulary = filters.Vocabulary(
        services=words.of("name"),
        types=words.of("type"),
        annotation_keys=words.of("annotation"),
        annotation_values=words,
        users=words.of("user"),
        urls=words.of("http.url"),
        groups=[group["GroupName"] for group in console.service.groups.all()],
    )
    error = None
    try:
        console.service.groups.resolved(filters.parse(text))
    except filters.FilterError as wrong_text:
        error = {
            "message": wrong_text.message,
            "position": wrong_text.position,
            "line": wrong_text.line,
            "column": wrong_text.column,
        }
    return {
        "items": [
            {"text": each.text, "kind": each.kind, "from": each.replaces_from}
            for each in filters.completions(text, position, vocabulary)[:MAX_WORDS]
        ],
        "error": error,
    }


class _Words(dict[str, list[str]]):
    """Words of the store's traces: some that begin as what was typed, and some others.

    As a mapping: the values of an annotation, by its key.
    """

    def __init__(self, console: Console, typed: str) -> None:
        super().__init__()
        self._store = console.store
        self._typed = typed

    def of(self, kind: str, key: str | None = None) -> list[str]:
        """Those of a kind."""
        begun = self._store.vocabulary(kind, key, prefix=self._typed, limit=MAX_WORDS)
        others = self._store.vocabulary(kind, key, limit=MAX_WORDS)
        return list(dict.fromkeys([*begun, *others]))

    def get(self, key: str, default: Any = ()) -> Any:
        """The values of an annotation."""
        return self.of("value", key) or default


_W3C_ID = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_TRACE_ID = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}", re.IGNORECASE)


def find(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/find."""
    text = asked.needed("text").strip()
    trace_id, entity = _ids_in(text)
    known = bool(console.store.raw(trace_id or text)) if trace_id or text else False
    if trace_id is None and known:
        trace_id = text  # an id of another form
    return {"trace_id": trace_id, "entity": entity, "stored": known}


def _ids_in(text: str) -> tuple[str | None, str | None]:
    """Trace id and entity id in what was pasted."""
    text = text.strip("\"' ")
    if _TRACE_ID.fullmatch(text):
        return text.lower(), None
    if _W3C_ID.fullmatch(text):
        return f"1-{text[:8]}-{text[8:]}".lower(), None
    name, colon, value = text.partition(":")
    if colon and name.strip().lower() in ("x-amzn-trace-id", "traceparent"):
        text = value.strip()
    header = parse_traceparent(text.lower()) or parse_header(text)
    return header.root, header.parent
