"""What failed, the same failures together."""

from __future__ import annotations

from ... import details, figures
from ...timeline import Timeline
from ..errors import not_found
from ..shapes import quoted
from .asked import EVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...store import FailureGroup, Window
    from .asked import Asked
    from .console import Console

DEFAULT_STEPS = 30
DEFAULT_GROUPS = 100
SAMPLES = 5
SAMPLES_OF_ONE = 100
SECONDS = 2.0
SORTS = ("-count", "-last", "-first")


def errors(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/errors."""
    shown = asked.shown()
    step = figures.step_for(shown, asked.get("steps", DEFAULT_STEPS))
    told = console.store.failures(
        asked.window(),
        step,
        filter=asked.filter(),
        run=asked.run(),
        samples=SAMPLES,
        seconds=SECONDS,
    )
    groups = list(told.groups)
    sort = asked.get("sort", SORTS[0])
    if sort == "-last":
        groups.sort(key=lambda group: -group.last)
    elif sort == "-first":
        groups.sort(key=lambda group: -group.first)
    limit = asked.get("limit", DEFAULT_GROUPS)
    return {
        "window": shown._asdict(),
        "step": step,
        "groups": len(groups),
        "complete": told.since is None,
        "since": told.since,
        "errors": [_group(group, shown, step) for group in groups[:limit]],
    }


def error(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/errors/ERROR_ID."""
    group_id = asked.path["error_id"]
    shown = asked.shown()
    step = figures.step_for(shown, asked.get("steps", DEFAULT_STEPS))
    window = asked.window() if "range" in asked else EVER
    told = console.store.failures(
        window,
        step,
        group=group_id,
        filter=asked.filter(),
        run=asked.run(),
        samples=SAMPLES_OF_ONE,
        seconds=SECONDS,
    )
    if not told.groups:
        raise not_found(f"There is no error {quoted(group_id)} here.", group_id[:250])
    (group,) = told.groups
    return {
        "window": shown._asdict(),
        "step": step,
        **_group(group, shown, step),
        "exceptions": _exceptions(console, group),
    }


def _group(group: FailureGroup, window: Window, step: float) -> dict[str, Any]:
    first = int(window.start // step)
    length = min(figures.MOST_PERIODS, max(1, int(-(-window.end // step)) - first))
    series = [0] * length
    for start, count in group.series.items():
        place = round(start / step) - first
        if 0 <= place < length:
            series[place] += count
    return {
        "id": group.group,
        "type": group.type,
        "message": group.message,
        "frame": None if group.frame is None else group.frame._asdict(),
        "count": group.failures,
        "traces": group.traces,
        "first": group.first,
        "last": group.last,
        "services": [{"name": node.name, "type": node.type} for node in group.nodes],
        "series": series,
        "samples": [
            {"trace_id": trace_id, "entity": entity, "time": when}
            for trace_id, entity, when in group.samples
        ],
    }


def _exceptions(console: Console, group: FailureGroup) -> list[dict[str, Any]]:
    """The newest of its exceptions, with those behind it."""
    for trace_id, entity_id, _ in group.samples:
        for trace in console.store.traces([trace_id]):
            timeline = Timeline(trace)
            for row, entity in zip(timeline.rows, timeline.entities, strict=True):
                if row.id == entity_id:
                    return details.exceptions_of(trace, entity)
    return []
