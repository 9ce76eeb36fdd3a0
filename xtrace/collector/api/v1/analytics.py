"""Two sets of traces compared."""

from __future__ import annotations

from ... import figures
from ...store import FACETS
from .asked import wrong
from .lists import DEFAULT_STEPS, DEFAULT_VALUES, SECONDS_OF_A_COUNT, annotation_facets, expression

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from ...filters import Filter
    from ...store import Distribution, Facets, Share, Window
    from .asked import Asked
    from .console import Console

    # A window to look in, one to show, a filter, a run.
    Set: TypeAlias = tuple[Window, Window, Filter | None, str | None]

CANDIDATES = 200
"""Values of each facet that are looked at, so that those with the largest delta are among them."""

COLUMNS = ("value", "a", "a_share", "a_average", "b", "b_share", "b_average", "delta", "filter")


def analytics(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/analytics."""
    window, shown, run = asked.window(), asked.shown(), asked.run()
    first: Set = (window, shown, asked.filter("a"), run)
    second: Set | None = None
    if "b" in asked or "range_b" in asked or "run_b" in asked:
        other = "range_b" if "range_b" in asked else "range"
        run_b = asked.run("run_b") if "run_b" in asked else run
        second = (asked.window(other), asked.shown(other), asked.filter("b"), run_b)
    steps = asked.get("steps", DEFAULT_STEPS)
    by = list(dict.fromkeys(asked.get("by") or [*FACETS, *annotation_facets(console)]))
    counts = [_count(console, each, steps) for each in (first, second) if each is not None]
    buckets = figures.range_of(*(told.cells for told, _ in counts))
    everything = console.store.distribution(
        window,
        figures.step_for(shown, steps),
        filter=asked.filter("all"),
        run=run,
        seconds=SECONDS_OF_A_COUNT,
    )
    try:
        facets = [_facets(console, each, by) for each in (first, second) if each is not None]
    except ValueError as error:
        raise wrong("by", str(error)) from error
    return {
        "all": {
            "window": shown._asdict(),
            "count": sum(cell.traces for cell in everything.cells),
            "complete": everything.since is None,
        },
        "a": _set(first, *counts[0], buckets),
        "b": _set(second, *counts[1], buckets) if second is not None else None,
        "facets": _compared(facets, asked.get("limit", DEFAULT_VALUES)),
    }


def _count(console: Console, of: Set, steps: int) -> tuple[Distribution, float]:
    window, shown, filter, run = of
    step = figures.step_for(shown, steps)
    told = console.store.distribution(
        window, step, filter=filter, run=run, seconds=SECONDS_OF_A_COUNT
    )
    return told, step


def _set(of: Set, told: Distribution, step: float, buckets: figures.Range) -> dict[str, Any]:
    return {
        "window": of[1]._asdict(),
        **figures.figures(told.cells, of[1], step, buckets),
        "complete": told.since is None,
        "since": told.since,
    }


def _facets(console: Console, of: Set, by: list[str]) -> Facets:
    window, _, filter, run = of
    return console.store.facets(
        window, by, filter=filter, run=run, limit=CANDIDATES, seconds=SECONDS_OF_A_COUNT
    )


def _compared(facets: list[Facets], limit: int) -> list[dict[str, Any]]:
    """Facets of one set, or of two with the difference."""
    made = []
    totals = [each.traces for each in facets]
    for number, facet in enumerate(facets[0].facets):
        sides: list[dict[tuple[type, Any], Share]] = [
            {(type(share.value), share.value): share for share in each.facets[number].shares}
            for each in facets
        ]
        rows = []
        for key in dict.fromkeys(key for side in sides for key in side):
            a = _share(sides[0].get(key), totals[0])
            b = _share(sides[1].get(key), totals[1]) if len(sides) > 1 else (None, None, None)
            delta = None if b[1] is None or a[1] is None else round(a[1] - b[1], 6)
            rows.append([key[1], *a, *b, delta, expression(facet.by, key[1])])
        rows.sort(key=lambda row: (-abs(row[7] or 0.0), -row[1], str(row[0])))
        made.append({"by": facet.by, "columns": COLUMNS, "rows": rows[:limit]})
    return made


def _share(share: Share | None, total: int) -> tuple[int | None, float | None, float | None]:
    """How many traces have a value, which share of all that is, and how long they took."""
    if share is None:
        return 0, 0.0, None
    average = round(share.seconds / share.timed, 6) if share.timed else None
    return share.traces, round(share.traces / total, 6) if total else 0.0, average
