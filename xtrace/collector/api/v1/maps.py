"""The service map, and the course of a node or an edge in time."""

from __future__ import annotations

from ... import graph, servicemap
from ...graph import CLIENT, Edge, Rollup
from ...trace import NodeKey
from .asked import stored, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...graph import Subject
    from .asked import Asked
    from .console import Console

PERIOD = 60
MAX_PERIODS = 2000


def map(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/map."""
    shown = asked.shown()
    rollups = console.store.graph(asked.window(), asked.filter(), run=asked.run())
    end = min(shown.end, console.now())
    seconds = servicemap.observed_seconds(rollups, shown.start, end)
    return {
        "window": shown._asdict(),
        "seconds": round(seconds, 3),
        **servicemap.service_map(rollups, seconds, _alarms(console)),
    }


def map_of_trace(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/traces/TRACE_ID/map."""
    trace = stored(console, asked.path["trace_id"])
    rollups = graph.rollups_of([trace])
    return {
        "window": {"start": trace.start, "end": trace.end},
        "seconds": trace.duration,
        **servicemap.service_map(rollups, 0.0),
    }


def _alarms(console: Console) -> dict[tuple[str, str | None], str]:
    """The nodes with an alarm that is raised."""
    return {
        (alarm["node"]["name"], alarm["node"]["type"]): alarm["state"]
        for alarm in console.alarms()["alarms"]
        if alarm["state"] == "ALARM"
    }


SERIES_COLUMNS = (
    *("start", "requests", "ok", "error", "throttle", "fault"),
    *("average", "p50", "p95", "p99"),
)


def series(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/map/series."""
    shown = asked.shown()
    period = asked.get("period", PERIOD)
    if period % PERIOD:
        raise wrong("period", f"period is {period}; it must be a multiple of {PERIOD} seconds.")
    if (shown.end - shown.start) / period > MAX_PERIODS:
        raise wrong("period", f"A range of more than {MAX_PERIODS} periods; make period larger.")
    wanted = _subject(asked)
    rows = []
    for start, rollups in console.store.series(
        asked.window(), period, asked.filter(), subjects=wanted, run=asked.run()
    ):
        total = Rollup(NodeKey("", None, None))
        for each in rollups:
            total.counts = [a + b for a, b in zip(total.counts, each.counts, strict=True)]
            total.microseconds += each.microseconds
            for ms, count in each.buckets.items():
                total.buckets[ms] = total.buckets.get(ms, 0) + count
        told = servicemap.numbers_of(total, period)
        rows.append([start, *(told[name] for name in SERIES_COLUMNS[1:])])
    return {
        "window": shown._asdict(),
        "period": period,
        "columns": SERIES_COLUMNS,
        "rows": rows,
    }


def _subject(asked: Asked) -> Any:
    """Which nodes and edges are asked for."""
    node, type = asked.get("node"), asked.get("type")
    source, target = asked.get("source"), asked.get("target")
    if node is not None and source is None and target is None:
        return lambda subject: (
            isinstance(subject, NodeKey)
            and subject.name == node
            and (subject.type == type if type is not None else subject.type != CLIENT)
        )
    if node is None and type is None and source is not None and target is not None:

        def chosen(subject: Subject) -> bool:
            return (
                isinstance(subject, Edge)
                and subject.source.name == source
                and subject.target.name == target
            )

        return chosen
    raise wrong("node", "Give node, with or without type, or source and target.")
