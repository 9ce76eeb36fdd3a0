"""What is looked for in the store on SQLite, as SQL that is asked slice by slice.

A position is (time, trace_no); a slice goes from below one position down to another, which belongs
to it. So no statement takes long, whatever the store holds, and a search can end between two.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import orjson

from ..trace import compile_trace
from . import RangeType
from .links import recorded
from .schema import documents_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, TypeAlias

    from ..filters import Filter
    from ..trace import Trace
    from . import Window
    from .links import Link, Producer

    Reading: TypeAlias = Callable[[], AbstractContextManager[sqlite3.Connection]]
    Position: TypeAlias = tuple[float, int]

SLICE = 4_000
"""Traces that one statement of a search looks at: what bounds how long it takes."""

CHECK_EVERY = 20
"""Traces that are compiled for a filter between two looks at the clock."""

BOTTOM = (float("-inf"), 0)

RUN = "(select run_no from runs where name = ?)"


class Selection(NamedTuple):
    """A condition on `t`, a row of traces, that holds for those of a slice that are looked for."""

    where: str
    parameters: tuple[Any, ...]


class Question:
    """Traces in a window that a filter matches, from the newest down.

    of_graph: what they say about the graph is asked for, not their summaries.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        window: Window,
        range_type: RangeType,
        filter: Filter | None,
        groups: Mapping[str, Filter] | None = None,
        run: str | None = None,
        *,
        of_graph: bool = False,
    ) -> None:
        self.end = float(window.end)
        self._column = "time" if range_type is RangeType.TRACE_ID else "start_time"
        self._range = "1"
        self._range_parameters: tuple[Any, ...] = ()
        if range_type is RangeType.TRACE_ID:
            self._low = max(window.start, -1e15) // 1  # the times in ids are whole seconds
        else:
            longest = connection.execute(
                "select value from counters where name = 'longest'"
            ).fetchone()
            self._low = window.start - (0.0 if longest is None else longest[0])
            if range_type is RangeType.EVENT:
                self._range = "t.end_time >= ?"
                self._range_parameters = (window.start,)
            else:
                self._range = (
                    "exists (select 1 from parts p where p.trace_no = t.trace_no "
                    "and p.end_time >= ? and p.end_time < ?)"
                )
                self._range_parameters = (window.start, window.end)
        self._filter: Filter | None = None
        where = "1"
        parameters: tuple[Any, ...] = ()
        if filter is not None:
            from ..filters.sql import prefilter

            resolved = filter.resolve(groups)
            made = prefilter(resolved)
            where, parameters = made.where, made.parameters
            if not made.is_exact:
                self._filter = resolved
        if run is not None:
            where = f"t.run_no = {RUN} and ({where})"
            parameters = (run, *parameters)
        self._where = f"{self._range} and ({where})"
        self._position = f"t.{self._column}, t.trace_no"
        self._statement = (
            f"select {self._position}, c.{'observations' if of_graph else 'summary'}, t.trace_id "
            "from traces t cross join compiled c on c.trace_no = t.trace_no "
            f"where {self._between()} and {self._where} "
            f"order by t.{self._column} desc, t.trace_no desc"
        )
        self._parameters = (self._low, *self._range_parameters, *parameters)
        self._of_graph = of_graph
        self.since: float | None = None

    def _between(self) -> str:
        return (
            f"({self._position}) < (?, ?) and ({self._position}) >= (?, ?) "
            f"and t.{self._column} >= ?"
        )

    def bottom(self, connection: sqlite3.Connection, top: Position) -> Position:
        """Where the slice below a position ends; at minus infinity it is the last."""
        found = connection.execute(
            f"select {self._column}, trace_no from traces "
            f"where ({self._column}, trace_no) < (?, ?) and {self._column} >= ? "
            f"order by {self._column} desc, trace_no desc limit 1 offset {SLICE - 1}",
            (*top, self._low),
        ).fetchone()
        return BOTTOM if found is None else found

    def slice(
        self,
        connection: sqlite3.Connection,
        top: Position,
        bottom: Position,
        found: list[Any],
        limit: int,
        deadline: float,
    ) -> Position:
        """Add what is found between two positions; gives the position up to which was looked."""
        rows = connection.execute(self._statement, (*top, *bottom, *self._parameters))
        looked_at = 0
        last = top
        for when, trace_no, kept, trace_id in rows:
            if len(found) >= limit:
                return last
            looked_at += 1
            last = (when, trace_no)
            if self._filter is not None and not self._matches(connection, trace_no, trace_id):
                if looked_at % CHECK_EVERY == 0 and time.monotonic() >= deadline:
                    return last
                continue
            found.append(kept if self._of_graph else orjson.loads(kept))
            if looked_at % CHECK_EVERY == 0 and time.monotonic() >= deadline:
                return last
        return bottom

    def selections(
        self, reading: Reading, deadline: float
    ) -> Iterator[tuple[sqlite3.Connection, Selection]]:
        """Slice by slice, what of it is looked for. `since` says how far it came."""
        top: Position = (self.end, -1)
        while top != BOTTOM:
            if time.monotonic() >= deadline:
                self.since = top[0]
                return
            with reading() as connection:
                bottom = self.bottom(connection, top)
                last, selection = self._selection(connection, top, bottom, deadline)
                yield connection, selection
            top = last

    def _selection(
        self, connection: sqlite3.Connection, top: Position, bottom: Position, deadline: float
    ) -> tuple[Position, Selection]:
        """What is looked for between two positions, and the position up to which that is known."""
        parameters = (*top, *bottom, *self._parameters)
        where = f"{self._between()} and {self._where}"
        if self._filter is None:
            return bottom, Selection(where, parameters)
        matching: list[int] = []
        last = bottom
        rows = connection.execute(
            f"select {self._position}, t.trace_id from traces t where {where} "
            f"order by t.{self._column} desc, t.trace_no desc",
            parameters,
        )
        for looked_at, (when, trace_no, trace_id) in enumerate(rows, 1):
            if self._matches(connection, trace_no, trace_id):
                matching.append(trace_no)
            if looked_at % CHECK_EVERY == 0 and time.monotonic() >= deadline:
                last = (when, trace_no)
                break
        return last, these(matching)

    def ranked(
        self, connection: sqlite3.Connection, order: str, limit: int, deadline: float
    ) -> tuple[list[dict[str, Any]], bool]:
        """The first summaries in an order, and whether all traces were looked at."""
        rows = connection.execute(
            f"select t.trace_no, t.trace_id from traces t where t.{self._column} < ? and "
            f"t.{self._column} >= ? and {self._where} order by {order}"
            f"{'' if self._filter else f' limit {limit}'}",
            (self.end, *self._parameters),
        )
        chosen: list[int] = []
        complete = True
        for looked_at, (trace_no, trace_id) in enumerate(rows, 1):
            if self._filter is None or self._matches(connection, trace_no, trace_id):
                chosen.append(trace_no)
            if len(chosen) == limit:
                break
            if looked_at % CHECK_EVERY == 0 and time.monotonic() >= deadline:
                complete = False
                break
        kept = connection.execute(
            "select trace_no, summary from compiled "
            "where trace_no in (select value from json_each(?))",
            (orjson.dumps(chosen).decode(),),
        )
        summaries = {trace_no: orjson.loads(summary) for trace_no, summary in kept}
        return [summaries[number] for number in chosen if number in summaries], complete

    def matching(self, connection: sqlite3.Connection, trace_ids: Sequence[str]) -> set[str]:
        """Those of these traces that are looked for, at whatever time they began."""
        rows = connection.execute(
            "select t.trace_no, t.trace_id from traces t where t.trace_id in "
            f"(select value from json_each(?)) and t.{self._column} >= ? and {self._where}",
            (orjson.dumps(list(trace_ids)).decode(), *self._parameters),
        ).fetchall()
        return {
            trace_id
            for trace_no, trace_id in rows
            if self._filter is None or self._matches(connection, trace_no, trace_id)
        }

    def _matches(self, connection: sqlite3.Connection, trace_no: int, trace_id: str) -> bool:
        """Whether a trace matches the filter, as far as SQL doesn't say."""
        assert self._filter is not None
        documents = documents_of(connection, trace_no)
        return self._filter.matches(compiled(trace_id, documents, recorded(connection, trace_no)))

    def count(self, connection: sqlite3.Connection, top: Position, last: Position) -> int:
        """How many traces of the range there are below a position, down to another."""
        found = connection.execute(
            f"select count(*) from traces t where {self._between()} and {self._range}",
            (*top, *last, self._low, *self._range_parameters),
        ).fetchone()
        return int(found[0])


def these(trace_nos: list[int]) -> Selection:
    """The condition that holds for these traces."""
    return Selection(
        "t.trace_no in (select value from json_each(?))", (orjson.dumps(trace_nos).decode(),)
    )


def compiled(trace_id: str, documents: list[bytes], links: dict[Link, Producer]) -> Trace:
    """A trace, compiled from its documents."""
    contents = [orjson.loads(data) for data in documents]
    return compile_trace(trace_id, contents, lambda *link: links.get(link))


def position(cursor: str) -> Position:
    """The position that a cursor stands for. Raises ValueError."""
    try:
        when, _, number = cursor.partition("/")
        return float.fromhex(when), int(number)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{cursor!r} is no cursor") from error


def cursor_at(position: Position) -> str:
    """The cursor of a position."""
    return f"{position[0].hex()}/{position[1]}"
