"""A trace as a row of the table of traces."""

from __future__ import annotations

from math import floor

from ...graph import PERIOD, bucket, subject_text
from .schema import ARRAYS, TRACES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ...graph import Observation
    from ..derive import Derived

MOST_LINKED = (1 << 32) - 1
LATEST_SECOND = 1 << 53
"""Until then a number has all seconds."""


def version(documents: int, linked: int) -> int:
    """The number of a row, higher the more documents it knows: of the trace, then of traces it links to.

    Documents are only ever added, and whoever adds one reads all of them before it writes the row:
    of the rows that collectors write at the same time the highest is the one that knows all.
    """
    return documents << 32 | min(linked, MOST_LINKED)


def row_of(
    trace_id: str,
    derived: Derived,
    *,
    documents: int,
    linked: int,
    received: float,
    run: str,
    placed: bool,
    place: int,
    minutes: Iterable[int] = (),
) -> list[Any]:
    """The values of schema.TRACES. minutes: in which something in its documents begins."""
    root = derived.root or (None, None, None)
    starts = [seen.start for seen in derived.observations]
    arrays = {
        "parts": [(*key, *row) for key, row in derived.parts],
        "calls": [(*source, *target, *row) for source, target, row in derived.calls],
        "annotations": derived.annotations,
        "values": sorted(derived.values),
        "links": [(*link, _text(found)) for *link, found in derived.links],
        "failures": [
            (subject_text(key), *row[:3], _text(row[3]), *row[4:]) for key, row in derived.failures
        ],
        "seen": [_seen(each) for each in derived.observations],
    }
    row = [
        trace_id,
        version(documents, linked),
        documents,
        received,
        run,
        int(placed),
        *derived.trace,
        *root,
        two_digits(derived.trace[4]),
        min(starts, default=0),
        max(starts, default=-1),
        sorted({*minutes, *(start // PERIOD * PERIOD for start in starts)}),
        derived.summary,
        place,
    ]
    for name, columns in ARRAYS.items():
        row += _columns(arrays[name], len(columns))
    assert len(row) == len(TRACES)
    return row


def minutes_in(document: Any) -> set[int]:
    """The minutes in which the entities in a document begin, in seconds; of any JSON."""
    found = set()
    left = [document]
    while left:
        entity = left.pop()
        if isinstance(entity, dict):
            start = entity.get("start_time")
            if isinstance(start, (int, float)) and abs(start) < LATEST_SECOND:
                found.add(floor(start) // PERIOD * PERIOD)
            below = entity.get("subsegments")
            if isinstance(below, list):
                left += below
    return found


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode()


def _columns(rows: Sequence[Iterable[Any]], count: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]


def _seen(seen: Observation) -> tuple[Any, ...]:
    return (
        subject_text(seen.subject),
        seen.status,
        seen.start,
        seen.end,
        seen.response,
        bucket(seen.response),
        bucket(seen.duration),
        int(seen.root),
        int(seen.received),
    )


def two_digits(seconds: float | None) -> int | None:
    """Microseconds, cut to two digits: 0.123456 is 120000."""
    if seconds is None:
        return None
    microseconds = floor(seconds * 1e6 + 0.5)
    unit: int = 10 ** max(0, len(str(microseconds)) - 2)
    return min(microseconds // unit * unit, (1 << 63) - 1)
