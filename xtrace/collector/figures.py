"""Counts of traces as a histogram, a heatmap, a series and percentiles. Pure.

Made of a store's cells; times are seconds. Bounds of histograms are the same wherever they are made: 1,
1.2, 1.5, 2, 2.5, 3, 4, 5, 6 and 8 times a power of ten, so that two of them can be laid side by side.
"""

from __future__ import annotations

from bisect import bisect_right
from math import ceil, floor
from typing import NamedTuple

from .graph import OPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from .store import Cell, Window

MANTISSAS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
BOUNDS = (0, *(mantissa * 10**power for power in range(10) for mantissa in MANTISSAS))
"""Microseconds; what is faster than 10 is in one bucket, and so is what takes longer than a day."""

STEPS = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0),
    *(60.0 * minutes for minutes in (1, 2, 5, 10, 15, 20, 30)),
    *(3600.0 * hours for hours in (1, 2, 3, 6, 12)),
    *(86_400.0 * days for days in (1, 2, 7, 14, 28)),
)


def step_for(window: Window, steps: int) -> float:
    """A length of periods, whole seconds, minutes, ..., so that a window has at most so many, about."""
    wanted = (window.end - window.start) / steps
    fitting = next((step for step in STEPS if step >= wanted), None)
    return fitting or ceil(wanted / STEPS[-1]) * STEPS[-1]


class Range(NamedTuple):
    """Places in BOUNDS: the buckets from the fastest trace's to the slowest's. first > last: none."""

    first: int
    last: int


def range_of(*of: Iterable[Cell]) -> Range:
    """The buckets that all these cells lie in."""
    places = [
        _bucket(cell.microseconds)
        for cells in of
        for cell in cells
        if cell.microseconds is not None
    ]
    return Range(min(places), max(places)) if places else Range(0, -1)


def _bucket(microseconds: int) -> int:
    """The place in BOUNDS of a bucket's lower bound; the last one has no upper one."""
    return min(bisect_right(BOUNDS, microseconds) - 1, len(BOUNDS) - 2)


def figures(
    cells: Sequence[Cell], window: Window, step: float, buckets: Range | None = None
) -> dict[str, Any]:
    """Histogram, heatmap, series and percentiles of cells, in the form of GET /api/v1/distribution.

    buckets: those of the histogram, if they aren't those of the cells.
    """
    buckets = buckets or range_of(cells)
    width = max(0, buckets.last - buckets.first + 1)
    begin = floor(window.start / step)
    end = max(begin, ceil(window.end / step))
    begin = min([begin, *(round(cell.start / step) for cell in cells)])
    length = min(end - begin, MOST_PERIODS)
    histogram = [[0, 0, 0, 0] for _ in range(width)]
    series = [[0, 0, 0, 0] for _ in range(length)]
    heatmap: dict[tuple[int, int], list[int]] = {}
    count = still_open = 0
    for cell in cells:
        count += cell.traces
        place = round(cell.start / step) - begin
        if cell.status == OPEN:
            still_open += cell.traces
        elif 0 <= place < length:
            series[place][cell.status] += cell.traces
        if cell.microseconds is None or cell.status == OPEN:
            continue
        bucket = _bucket(cell.microseconds) - buckets.first
        if 0 <= bucket < width:
            histogram[bucket][cell.status] += cell.traces
            if 0 <= place < length:
                shares = heatmap.setdefault((place, bucket), [0, 0, 0, 0])
                shares[cell.status] += cell.traces
    return {
        "step": step,
        "statuses": ["ok", "error", "throttle", "fault"],
        "count": count,
        "open": still_open,
        "bounds": [BOUNDS[n] / 1e6 for n in range(buckets.first, buckets.last + 2)]
        if width
        else [],
        "starts": [(begin + n) * step for n in range(length)],
        "histogram": histogram,
        "series": series,
        "heatmap": [[*place, *shares] for place, shares in sorted(heatmap.items())],
        **percentiles(
            [
                (cell.seconds / cell.traces, cell.traces)
                for cell in cells
                if cell.microseconds is not None
            ]
        ),
    }


MOST_PERIODS = 2000
"""Of a series: traces that began long before the window, by their ids in it, are left out."""

PERCENTS = (50, 90, 95, 99)


def percentiles(times: Iterable[tuple[float, int]]) -> dict[str, float | None]:
    """Average, percentiles and maximum of times, each given with how often it occurs."""
    ordered = sorted(times)
    total = sum(count for _, count in ordered)
    names = ("average", *(f"p{percent}" for percent in PERCENTS), "max")
    if not total:
        return dict.fromkeys(names)
    found: list[float] = [sum(seconds * count for seconds, count in ordered) / total]
    for percent in PERCENTS:
        rank = ceil(total * percent / 100)
        for seconds, count in ordered:
            rank -= count
            if rank <= 0:
                found.append(seconds)
                break
    found.append(ordered[-1][0])
    return {name: round(value, 6) for name, value in zip(names, found, strict=True)}
