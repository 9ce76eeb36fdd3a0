"""The service graph's sums per minute, which nobody has to agree on with anybody.

A row of `graph` holds what all traces say of one minute. Whichever collector gets to it first reads which
traces have changed, marks their minutes as not added up, and adds up the marked ones in which nothing
changes any more. Of the rows of a minute the one that was begun last wins, and whoever
adds up reads everything that is there: done twice, at the same time, or by halves, it is the same.

A question takes the sums of the minutes that have some; the others, and all in which a trace has changed since
the marks were last set, are added up from the traces. So what comes late, or again, is in it at once.

A minute of which nothing is said here is one that no trace says anything about. That holds because a row of
`traces` names the minutes of all entities in its documents, of which there are only ever more: those, too, in
which an earlier row of the trace had something to say. Where traces are removed, a new generation begins.
"""

from __future__ import annotations

import time
from math import floor
from typing import NamedTuple

from ...graph import PERIOD
from .aggregates import add_up, added_up_before, rollups
from .questions import Selection
from .schema import GRAPH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from ...graph import Rollup
    from .aggregates import Ranges
    from .database import Database

SECONDS_BETWEEN_ROUNDS = 30.0
SECONDS_TO_SHOW = 60.0
"""How long after its insertion has begun a row may take to show, be it on another replica; and how far the
clocks of servers differ."""

MOST_MINUTES = 60
"""In one statement."""
SECONDS_A_ROUND = 2.0
"""After so long no more minutes are added up in a round."""
LARGEST_GAP = 3600
"""Seconds; what is further apart is asked for in statements of its own, for the indexes' sake."""
MOST_RANGES = 500
"""In one statement."""

EVERYTHING = Selection("1", ())
LATEST = 1 << 62


class Rolled(NamedTuple):
    """How far the marks are set.

    generation: that they belong to. at: when, by ClickHouse's clock. until: rows of traces that were
    inserted up to then have been looked at, in microseconds; since: the same, a round earlier.
    """

    generation: str
    at: float = 0.0
    until: int = 0
    since: int = 0


class Rolling:
    """Reads and makes sums. May be used by any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._max_age: list[float | None] = []

    # -- making them

    def is_due(self, rolled: Rolled) -> bool:
        """Whether nobody has set marks for a while."""
        return self._now() / 1e6 - rolled.at > SECONDS_BETWEEN_ROUNDS / 2

    def mark(self, rolled: Rolled) -> tuple[Rolled, set[int]]:
        """Mark the minutes in which something has changed; gives how far that was, and these minutes."""
        now = self._now()
        touched = self._touched(rolled.until)
        self._database.insert(
            "graph", [_row(rolled.generation, minute, now, True) for minute in sorted(touched)]
        )
        until = max(0, now - int(SECONDS_TO_SHOW * 1e6))
        return Rolled(rolled.generation, now / 1e6, until, rolled.until), touched

    def add_up(self, generation: str, touched: set[int]) -> None:
        """Add up minutes that are marked, the newest first, but none of those that were touched."""
        marked = [minute for minute in self._marked(generation) if minute not in touched]
        deadline = time.monotonic() + SECONDS_A_ROUND
        count = 1
        while marked:
            begun = time.monotonic()
            now = self._now()
            some, marked = marked[:count], marked[count:]
            for ranges in _near(some):
                add_up(self._database, generation, now + 1, ranges)
            # For those of which no trace says anything any more; else the number above wins.
            self._database.insert("graph", [_row(generation, each, now, False) for each in some])
            ended = time.monotonic()
            if ended >= deadline:
                return
            # As many as are soon done: a minute may have thousands of traces, or millions.
            count = min(2 * count, MOST_MINUTES) if ended - begun < SECONDS_A_ROUND / 4 else 1

    def _marked(self, generation: str) -> list[int]:
        rows = self._database.query(
            "SELECT minute FROM graph FINAL WHERE generation = ? AND is_marked ORDER BY minute DESC",
            (generation,),
        )
        return [minute for (minute,) in rows]

    def _touched(self, since: int) -> set[int]:
        """The minutes of traces whose rows were inserted after a moment, in microseconds."""
        rows = self._database.query(
            "SELECT DISTINCT arrayJoin(minutes) FROM traces WHERE changed > ?", (since,)
        )
        return {minute for (minute,) in rows}

    def _now(self) -> int:
        now: int = self._database.query("SELECT toUnixTimestamp64Micro(now64(6))")[0][0]
        return now

    # -- reading them

    def rollups(
        self, rolled: Rolled, low: int, high: int, step: int
    ) -> Iterator[tuple[int, Rollup]]:
        """What all traces say of the graph from one minute to another, by the start of a period."""
        if not rolled.since:
            yield from self._of_traces([(low, high)], step)
            return
        oldest = max(low, min(high, self._oldest()))
        fresh = {each for each in self._touched(rolled.since) if oldest <= each < high}
        but = _ranges(fresh)
        if len(but) > MOST_RANGES:
            yield from self._of_traces([(low, high)], step)
            return
        if low < oldest:
            yield from self._of_traces([(low, oldest)], step)
        used: set[int] = set()
        found = added_up_before(self._database, rolled.generation, oldest, high, step, but)
        for start, rollup, minutes in found:
            used.update(minutes)
            yield start, rollup
        # Asked afterwards: what has been marked meanwhile isn't among the used.
        known = self._database.query(
            "SELECT minute FROM graph FINAL WHERE generation = ? AND minute >= ? AND minute < ? "
            "AND (is_marked OR notEmpty(`sums.subject`))",
            (rolled.generation, oldest, high),
        )
        left = (fresh | {minute for (minute,) in known}) - used
        for ranges in _near(left):
            yield from self._of_traces(ranges, step)

    def _oldest(self) -> int:
        """From which minute on sums are used: they know nothing of traces that are deleted because of
        their age, and are so themselves.
        """
        if not self._max_age:
            self._max_age.append(self._database.max_age())
        (seconds,) = self._max_age
        return -LATEST if seconds is None else _minute(time.time() - seconds + PERIOD)

    def _of_traces(self, ranges: Ranges, step: int) -> Iterator[tuple[int, Rollup]]:
        if ranges[0][0] < ranges[-1][1]:
            yield from rollups(self._database, EVERYTHING, ranges, step)


def _row(generation: str, minute: int, version: int, is_marked: bool) -> list[Any]:
    sums = [name for name in GRAPH if name.startswith("sums.")]
    return [generation, minute, version, int(is_marked), *([] for _ in sums)]


def _minute(seconds: float) -> int:
    return floor(seconds) // PERIOD * PERIOD


def _near(minutes: Iterable[int]) -> Iterator[Ranges]:
    """Minutes as ranges of seconds, in groups that are far from each other."""
    group: list[tuple[int, int]] = []
    for range in _ranges(minutes):
        if group and (range[0] - group[-1][1] > LARGEST_GAP or len(group) >= MOST_RANGES):
            yield group
            group = []
        group.append(range)
    if group:
        yield group


def _ranges(minutes: Iterable[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for minute in sorted(minutes):
        if ranges and ranges[-1][1] == minute:
            ranges[-1] = ranges[-1][0], minute + PERIOD
        else:
            ranges.append((minute, minute + PERIOD))
    return ranges
