"""One trace: its rows, what stands behind them, its documents; and two traces side by side."""

from __future__ import annotations

from ... import details, listing, servicemap
from ...logs import logs_of
from ...summaries import summary
from ...timeline import SUBSEGMENT, Timeline, pairs
from ..errors import not_found
from ..shapes import quoted
from .asked import stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...timeline import Row
    from ...trace import NodeKey, Trace
    from .asked import Asked
    from .console import Console

DEFAULT_ROWS = 20_000
MAX_ROWS = 1_000_000
MAX_LINKS = 100
"""As X-Ray gives of a trace."""

ROW_COLUMNS = (
    "id",
    "parent",
    "depth",
    "service",
    "kind",
    "name",
    "label",
    "start",
    "duration",
    "flags",
    "http_status",
    "self",
)
EXCEPTION_COLUMNS = ("row", "type", "message", "behind", "frames")
_HEAD = (
    *("start", "response_time", "duration", "status", "partial", "http_status", "method", "url"),
    *("service", "type", "user", "client_ip"),
)


def trace(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/traces/TRACE_ID."""
    trace_id = asked.path["trace_id"]
    found = stored(console, trace_id)
    documents = console.store.raw(trace_id)
    timeline = Timeline(found)
    limit = asked.get("limit", DEFAULT_ROWS)
    rows = timeline.rows[:limit]
    cut = len(timeline.rows) - len(rows)
    shown = len(rows)
    exceptions, more_exceptions = details.told_exceptions(timeline, shown)
    warnings = [each._asdict() for each in timeline.warnings()]
    if cut:
        said = f"{cut} of {len(timeline.rows)} rows are left out."
        warnings.append({"code": "row_limit", "row": None, "seconds": None, "text": said})
    return {
        **head(found),
        "end": found.end,
        "documents": len(documents),
        "bytes": sum(map(len, documents)),
        "revision": found.revision,
        "run": console.store.run_of(trace_id),
        "root": timeline.root,
        "services": _services(timeline),
        "columns": ROW_COLUMNS,
        "rows": [list(row) for row in rows],
        "total": len(timeline.rows),
        "cut": cut,
        "gaps": {
            "columns": ["caller", "callee", "before", "after"],
            "rows": [list(gap) for gap in timeline.gaps() if gap.callee < shown],
        },
        "critical_path": {
            "columns": ["row", "start", "duration"],
            "rows": [list(each) for each in timeline.critical_path() if each.row < shown],
        },
        "exceptions": {
            "columns": EXCEPTION_COLUMNS,
            "rows": exceptions,
            "cut": more_exceptions,
        },
        "links": _links(console, found, timeline),
        "warnings": warnings,
    }


def head(trace: Trace) -> dict[str, Any]:
    """What is said of a trace as a whole."""
    row = dict(zip(listing.COLUMNS, listing.row(summary(trace)), strict=True))
    return {"id": trace.id, **{name: row[name] for name in _HEAD}}


def _services(timeline: Timeline) -> list[dict[str, Any]]:
    own: dict[int, float] = {}
    segments: dict[int, int] = {}
    received: set[int] = set()
    for row, part in zip(timeline.rows, timeline.parts, strict=True):
        if not part.inferred:
            received.add(row.service)
            own[row.service] = own.get(row.service, 0.0) + (row.self_seconds or 0.0)
        if row.kind != SUBSEGMENT:
            segments[row.service] = segments.get(row.service, 0) + 1
    return [
        {
            "name": node.name,
            "type": node.type,
            "account": node.account_id,
            "kind": servicemap.kind_of(node, place in received),
            "segments": segments.get(place, 0),
            "self": round(own.get(place, 0.0), 6),
        }
        for place, node in enumerate(timeline.services)
    ]


def _links(console: Console, trace: Trace, timeline: Timeline) -> dict[str, Any]:
    """What the trace follows from, and what follows from it."""
    places: dict[str, int] = {}
    for place, row in enumerate(timeline.rows):
        places.setdefault(row.id, place)
    before = trace.links[:MAX_LINKS]
    known = console.store.matching(list({link.trace_id for link in before}))
    return {
        "before": [
            {
                "trace_id": link.trace_id,
                "id": link.id,
                "row": places.get(link.part.id),
                "stored": link.trace_id in known,
            }
            for link in before
        ],
        "after": [
            {"trace_id": trace_id, "id": id, "row": places.get(id)}
            for trace_id, id in console.store.followers(trace.id, MAX_LINKS)
        ],
    }


# -- what stands behind a row ----------------------------------------------------------------------


def entity(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/traces/TRACE_ID/entities/ENTITY_ID."""
    trace_id, entity_id = asked.path["trace_id"], asked.path["entity_id"]
    trace = stored(console, trace_id)
    timeline = Timeline(trace)
    place = next((n for n, row in enumerate(timeline.rows) if row.id == entity_id), None)
    if place is None:
        raise not_found(
            f"The trace has no segment or subsegment {quoted(entity_id)}.", entity_id[:250]
        )
    row, part, found = timeline.rows[place], timeline.parts[place], timeline.entities[place]
    below = found.get("subsegments")
    return {
        "id": row.id,
        "trace_id": trace_id,
        "row": place,
        "kind": row.kind,
        "flags": row.flags,
        "service": _name(part.node),
        "segment": part.id,
        "parent": timeline.rows[row.parent].id if row.parent >= 0 else None,
        "start": trace.start + row.start,
        "duration": row.duration,
        "self": row.self_seconds,
        "document": {name: value for name, value in found.items() if name != "subsegments"},
        "subsegments": len(below) if below.__class__ is list else 0,
        "exceptions": details.exceptions_of(trace, found),
        "logs": [line._asdict() for line in logs_of(found)],
        "sql": details.sql_of(found),
        "request": details.request_of(found),
        "copy": {
            "curl": details.curl_of(trace_id, found),
            "aws": details.aws_command_of(found),
        },
    }


def _name(node: NodeKey) -> dict[str, Any]:
    return {"name": node.name, "type": node.type}


def raw(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/traces/TRACE_ID/raw."""
    trace_id = asked.path["trace_id"]
    documents = console.store.raw(trace_id)
    if not documents:
        raise not_found(f"No trace {quoted(trace_id)} is stored.", trace_id[:250])
    return {"id": trace_id, "documents": [data.decode() for data in documents]}


STATISTICS_COLUMNS = (
    *("service", "name", "count", "total", "self", "average", "max", "errors", "faults"),
)


def statistics(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/traces/TRACE_ID/statistics."""
    timeline = Timeline(stored(console, asked.path["trace_id"]))
    return {
        "columns": STATISTICS_COLUMNS,
        "rows": [
            [timeline.services[service].name, *rest] for service, *rest in timeline.statistics()
        ],
    }


LOG_COLUMNS = ("time", "row", "level", "message", "logger")


def logs(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/traces/TRACE_ID/logs."""
    timeline = Timeline(stored(console, asked.path["trace_id"]))
    rows = [
        [line.time, place, line.level, line.message, line.logger]
        for place, entity in enumerate(timeline.entities)
        if not timeline.parts[place].inferred
        for line in logs_of(entity)
    ]
    rows.sort(key=lambda row: (row[0] is None, row[0] or 0.0))
    return {"columns": LOG_COLUMNS, "rows": rows}


# -- two traces --------------------------------------------------------------------------------------

COMPARE_COLUMNS = (
    *("depth", "service", "kind", "name", "label", "a", "b"),
    *("a_start", "a_duration", "a_flags", "b_start", "b_duration", "b_flags", "difference"),
)


def compare(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/compare."""
    traces = [stored(console, asked.needed(name)) for name in ("a", "b")]
    a, b = (Timeline(each) for each in traces)
    rows = []
    found = pairs(a, b)
    for depth, in_a, in_b in found[: asked.get("limit", DEFAULT_ROWS)]:
        one = None if in_a is None else a.rows[in_a]
        other = None if in_b is None else b.rows[in_b]
        told = one or other
        assert told is not None
        service = (a if one is not None else b).services[told.service]
        difference = None
        durations = [each.duration for each in (one, other) if each is not None]
        if len(durations) == 2 and None not in durations:
            difference = round((durations[1] or 0.0) - (durations[0] or 0.0), 6)
        rows.append(
            [
                depth,
                service.name,
                told.kind,
                told.name,
                told.label,
                *(None if each is None else each.id for each in (one, other)),
                *_side(one),
                *_side(other),
                difference,
            ]
        )
    return {
        "a": head(traces[0]),
        "b": head(traces[1]),
        "columns": COMPARE_COLUMNS,
        "rows": rows,
        "cut": len(found) - len(rows),
        "only_a": sum(each.b is None for each in found),
        "only_b": sum(each.a is None for each in found),
    }


def _side(row: Row | None) -> tuple[Any, ...]:
    return (None, None, None) if row is None else (row.start, row.duration, row.flags)
