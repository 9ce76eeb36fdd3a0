"""What is looked for in the store on ClickHouse: filters, as SQL as far as they are, slice by slice.

A position is (time, trace id), as on SQLite (time, number); a slice goes from below one time down to another, which
belongs to it, and has so many traces that an answer doesn't take long.
"""

from __future__ import annotations

import time
from math import ceil
from typing import NamedTuple

import orjson

from ...filters.dialects import ClickHouse
from ...filters.sql import prefilter
from .. import Page, RangeType
from ..questions import compiled
from .database import chunks
from .settling import documents_of, led

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from ...filters import Filter
    from .. import Window
    from ..links import Link, Producer
    from .database import Database

    Position: TypeAlias = tuple[float, str]

SLICE = 500_000
"""Traces that one statement of a search looks at, about."""

MOST_SLICES = 200

CHECK_EVERY = 64
"""Traces that are compiled for a filter between two looks at the clock."""

CANDIDATES = 512
"""Traces that are asked for at a time, to be compiled."""

_LINKS = "t.`links.to_trace`, t.`links.id`, t.`links.found`"

LOWEST, HIGHEST = -1.7e308, 1.7e308
"""For times without a bound: infinity isn't a literal."""


class Selection(NamedTuple):
    """A condition on `t`, a row of traces, with its parameters."""

    where: str
    parameters: tuple[Any, ...]

    def __and__(self, other: Selection) -> Selection:
        return Selection(f"{self.where} AND {other.where}", (*self.parameters, *other.parameters))


class Question:
    """Traces in a window that a filter matches, from the newest down. since: see Distribution.

    rows: how many rows there are, about.
    """

    def __init__(
        self,
        database: Database,
        rows: Callable[[], int],
        window: Window,
        range_type: RangeType,
        filter: Filter | None = None,
        groups: Mapping[str, Filter] | None = None,
        run: str | None = None,
    ) -> None:
        self._database = database
        self._all_rows = rows
        self._is_everything = filter is None and run is None
        self.end = bounded(window.end)
        start = bounded(window.start)
        self.since: float | None = None
        if range_type is RangeType.TRACE_ID:
            self._column = "t.time"  # of ids: whole seconds
            self._range = Selection(
                "t.time < ? AND t.time >= ?", (self.end, float(max(start, -1e15) // 1))
            )
        else:
            self._column = "t.start_time"
            self._range = Selection("t.start_time < ? AND t.end_time >= ?", (self.end, start))
        if range_type is RangeType.SERVICE:
            self._range &= Selection(
                "arrayExists(e -> ifNull(e >= ? AND e < ?, 0), t.`parts.end_time`)",
                (start, self.end),
            )
        self._filter: Filter | None = None
        self._asked = Selection("1", ())
        if filter is not None:
            resolved = filter.resolve(groups)
            made = prefilter(resolved, dialect=ClickHouse())
            self._asked = Selection(made.where, made.parameters)
            if not made.is_exact:
                self._filter = resolved
        if run is not None:
            self._asked &= Selection("t.run = ?", (run,))
        self.selection = self._range & self._asked

    @property
    def is_exact(self) -> bool:
        """Whether the selection holds for those that are looked for, and for no others."""
        return self._filter is None

    def _slices(self, top: Position | None = None) -> Iterator[tuple[Selection, float]]:
        """The window below a position, in slices, and the time that each goes down to."""
        column = self._column
        below = self._range
        if top is not None:
            below &= Selection(f"({column}, t.trace_id) < (?, ?)", top)
        count = 0
        if self._all_rows() > SLICE / 2:
            # Rows that are replaced already count here; it is no more than a measure.
            count = self._database.query(
                f"SELECT count() FROM traces AS t WHERE {below.where}", below.parameters
            )[0][0]
        if count > SLICE:
            parts = min(MOST_SLICES, ceil(count / SLICE))
            levels = ", ".join(str(number / parts) for number in range(1, parts))
            (bounds,) = self._database.query(
                f"SELECT quantilesTDigest({levels})({column}) FROM traces AS t WHERE {below.where}",
                below.parameters,
            )[0]
            high = self.end
            for bound in sorted({float(each) for each in bounds if each < high}, reverse=True):
                yield below & Selection(f"{column} < ? AND {column} >= ?", (high, bound)), bound
                high = bound
            below &= Selection(f"{column} < ?", (high,))
        yield below, LOWEST

    def page(self, top: Position | None, limit: int, seconds: float) -> Page:
        """The first summaries below a position."""
        deadline = time.monotonic() + seconds
        summaries: list[dict[str, Any]] = []
        scanned = 0
        for slice, bottom in self._slices(top):
            before = len(summaries)
            last = self._search(slice, summaries, limit, deadline)
            if self._is_everything:
                scanned += len(summaries) - before
            else:
                scanned += self._counted(slice, last)
            over = len(summaries) >= limit or time.monotonic() >= deadline
            if last is None and over and bottom > LOWEST:
                last = (bottom, "")
            if last is not None:
                return Page(summaries, scanned, cursor_at(last))
        return Page(summaries, scanned, None)

    def _counted(self, slice: Selection, last: Position | None) -> int:
        """How many traces there are in a slice, down to a position."""
        if last is not None:
            slice &= Selection(f"({self._column}, t.trace_id) >= (?, ?)", last)
        count: int = self._database.query(
            f"SELECT count() FROM traces AS t FINAL WHERE {slice.where}", slice.parameters
        )[0][0]
        return count

    def _search(
        self, slice: Selection, found: list[dict[str, Any]], limit: int, deadline: float
    ) -> Position | None:
        """Add what is found in a slice; gives the position up to which was looked, None if at all of it."""
        chosen = slice & self._asked
        if self.is_exact:
            most = limit - len(found)
            rows = self._rows(chosen, ", t.summary", most + 1)
            found += [orjson.loads(summary) for _, _, summary in rows[:most]]
            return (rows[most - 1][0], rows[most - 1][1]) if len(rows) > most else None
        last: Position | None = None
        for checked in self._checked(chosen, ", t.summary"):
            for position, summary, matches in checked:
                if len(found) >= limit:
                    return last
                last = position
                if matches:
                    found.append(orjson.loads(summary))
            if time.monotonic() >= deadline:
                return last
        return None

    def selections(self, deadline: float) -> Iterator[Selection]:
        """Slice by slice, what of it is looked for. `since` says how far it came."""
        top = self.end
        for slice, bottom in self._slices():
            if time.monotonic() >= deadline:
                self.since = top
                return
            chosen = slice & self._asked
            if self.is_exact:
                yield chosen
            else:
                for checked in self._checked(chosen, ", ''"):
                    yield _these([id for (_, id), _, matches in checked if matches])
                    if time.monotonic() >= deadline:
                        self.since = checked[-1][0][0]
                        return
            top = bottom

    def _checked(self, chosen: Selection, more: str) -> Iterator[list[tuple[Position, str, bool]]]:
        """The traces of a selection, newest first, some at a time: position, what is asked for, and
        whether they match.
        """
        below = chosen
        while True:
            rows = self._rows(below, f"{more}, {_LINKS}", CANDIDATES)
            for first in range(0, len(rows), CHECK_EVERY):
                some = rows[first : first + CHECK_EVERY]
                matching = self._matching({id: led(*links) for _, id, _, *links in some})
                yield [((when, id), asked, id in matching) for when, id, asked, *_ in some]
            if len(rows) < CANDIDATES:
                return
            below = chosen & Selection(
                f"({self._column}, t.trace_id) < (?, ?)", tuple(rows[-1][:2])
            )

    def _matching(self, traces: Mapping[str, Mapping[Link, Producer | None]]) -> set[str]:
        """Those of these traces that the filter means, as far as SQL doesn't say. traces: their links."""
        assert self._filter is not None
        documents: dict[str, list[bytes]] = {}
        for trace_id, _, _, data in documents_of(self._database, list(traces)):
            documents.setdefault(trace_id, []).append(data)
        return {
            id
            for id, datas in documents.items()
            if self._filter.matches(compiled(id, datas, known(traces[id])))
        }

    def ranked(self, order: str, limit: int, deadline: float) -> tuple[list[dict[str, Any]], bool]:
        """The first summaries in an order, and whether all traces were looked at."""
        rows = self._database.query(
            f"SELECT t.trace_id, {_LINKS} FROM traces AS t FINAL "
            f"WHERE {self.selection.where} ORDER BY {order}"
            f"{f' LIMIT {limit}' if self.is_exact else ''}",
            self.selection.parameters,
        )
        if self.is_exact:
            return self._summaries([id for id, *_ in rows]), True
        chosen: list[str] = []
        for first in range(0, len(rows), CHECK_EVERY):
            some = rows[first : first + CHECK_EVERY]
            matching = self._matching({id: led(*links) for id, *links in some})
            chosen += [id for id, *_ in some if id in matching]
            if len(chosen) >= limit:
                break
            if time.monotonic() >= deadline:
                return self._summaries(chosen), first + CHECK_EVERY >= len(rows)
        return self._summaries(chosen[:limit]), True

    def matching(self, trace_ids: Sequence[str]) -> set[str]:
        """Those of these traces that are looked for."""
        found: set[str] = set()
        for some in chunks(trace_ids):
            among = self.selection & _these(some)
            rows = self._database.query(
                f"SELECT t.trace_id, {_LINKS} FROM traces AS t FINAL WHERE {among.where}",
                among.parameters,
            )
            links = {id: led(*links) for id, *links in rows}
            found |= links.keys() if self.is_exact else self._matching(links)
        return found

    def _rows(self, chosen: Selection, more: str, limit: int) -> list[Any]:
        column = self._column
        return self._database.query(
            f"SELECT {column}, t.trace_id{more} FROM traces AS t FINAL WHERE {chosen.where} "
            f"ORDER BY {column} DESC, t.trace_id DESC LIMIT {limit}",
            chosen.parameters,
        )

    def _summaries(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        summaries: dict[str, Any] = {}
        for some in chunks(ids):
            rows = self._database.query(
                "SELECT trace_id, summary FROM traces FINAL WHERE trace_id IN ?", (some,)
            )
            summaries.update({trace_id: orjson.loads(summary) for trace_id, summary in rows})
        return [summaries[id] for id in ids if id in summaries]


def _these(ids: list[str]) -> Selection:
    return Selection("t.trace_id IN ?", (ids,))


def known(links: Mapping[Link, Producer | None]) -> dict[Link, Producer]:
    """Those links that lead somewhere."""
    return {link: producer for link, producer in links.items() if producer is not None}


def bounded(time: float) -> float:
    """A time that ClickHouse can read."""
    return float(max(LOWEST, min(HIGHEST, time)))


def position(cursor: str) -> Position:
    """The position that a cursor stands for. Raises ValueError."""
    try:
        when, sign, packed = cursor.partition("/")
        if not sign:
            raise ValueError
        return float.fromhex(when), bytes.fromhex(packed).decode()
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{cursor!r} is no cursor") from error


def cursor_at(position: Position) -> str:
    """The cursor of a position."""
    return f"{position[0].hex()}/{position[1].encode().hex()}"
