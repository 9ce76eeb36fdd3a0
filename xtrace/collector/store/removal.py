"""Removing traces from a store on SQLite, many at once, in one transaction."""

from __future__ import annotations

from itertools import groupby

from ..graph import change, unpack
from . import Removed
from .rollups import Numbers, Rollups
from .schema import DERIVED_TABLES, DOCUMENT_BITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from ..graph import Observation

    # First and last trace_no of traces that lie next to each other.
    Range = tuple[int, int]

_GONE_WITH_ALL = (
    "documents",
    "traces",
    "stale",
    *DERIVED_TABLES,
    "nodes",
    "subjects",
    "rollups",
    "sealed",
)


def remove(
    connection: sqlite3.Connection, run: str | None, pinned: bool, current: int | None
) -> Removed:
    """Remove all traces, or those of a run; see Store.remove. current: the run of new traces.

    Whoever calls must read anew what it knows of the tables.
    """
    if run is None:
        going = (
            "1"
            if pinned
            else "coalesce((select not pinned from runs r where r.run_no = t.run_no), 1)"
        )
        names = f"{'1' if pinned else 'not pinned'} and run_no is not ?"
        name_parameters: tuple[object, ...] = (current,)
        parameters: tuple[object, ...] = ()
    else:
        going = "t.run_no = (select run_no from runs where name = ?)"
        names, name_parameters, parameters = "name = ?", (run,), (run,)
    rows = connection.execute(
        f"select t.trace_no, coalesce({going}, 0) from traces t order by t.trace_no", parameters
    )
    gone, kept = _ranges(rows)
    traces, left = sum(count for _, count in gone), sum(count for _, count in kept)
    before = _count(connection, "documents")
    if not left:
        for table in _GONE_WITH_ALL:
            connection.execute(f"delete from {table}")
    elif traces:
        # What goes is taken from the sums, or what stays is added up anew, whichever is less.
        subtracting = traces < left
        if subtracting:
            _take_from_sums(connection, [each for each, _ in gone])
        for each, _ in gone:
            _delete(connection, each)
        if not subtracting:
            _add_up(connection)
        _delete_unused_names(connection)
    connection.execute(f"delete from runs where {names}", name_parameters)
    connection.execute("delete from counters where name in ('longest', 'trimming')")
    documents = connection.execute("select count(*) from documents").fetchone()[0] if left else 0
    longest = connection.execute("select max(duration) from traces").fetchone()[0]
    connection.executemany(
        "insert or replace into counters values (?, ?)",
        [("traces", left), ("documents", documents), ("longest", longest or 0.0)],
    )
    return Removed(traces, before - documents, left if run is None else 0)


def _ranges(
    rows: Iterator[tuple[int, int]],
) -> tuple[list[tuple[Range, int]], list[tuple[Range, int]]]:
    """Ranges of what goes and of what stays, each with how many traces there are in it."""
    gone: list[tuple[Range, int]] = []
    kept: list[tuple[Range, int]] = []
    for going, group in groupby(rows, lambda row: bool(row[1])):
        first = last = count = 0
        for number, _ in group:
            first = first if count else number
            last = number
            count += 1
        (gone if going else kept).append(((first, last), count))
    return gone, kept


def _delete(connection: sqlite3.Connection, range: Range) -> None:
    first, last = range
    connection.execute(
        "delete from documents where number >= ? and number < ?",
        (first << DOCUMENT_BITS, (last + 1) << DOCUMENT_BITS),
    )
    for table in ("stale", *DERIVED_TABLES, "traces"):
        connection.execute(
            f"delete from {table} where trace_no >= ? and trace_no <= ?", (first, last)
        )


def _take_from_sums(connection: sqlite3.Connection, ranges: list[Range]) -> None:
    """Take what these traces say away from the rollups."""
    numbers = Numbers()
    rollups = Rollups(numbers)
    rollups.read(connection)
    for range in ranges:
        rollups.add(connection, change(_said(connection, range), ()))
    rollups.write(connection)


def _add_up(connection: sqlite3.Connection) -> None:
    """Make the rollups of what all traces say."""
    for table in ("subjects", "rollups", "sealed"):
        connection.execute(f"delete from {table}")
    numbers = Numbers()
    rollups = Rollups(numbers)
    rollups.add(connection, change((), _said(connection, (0, (1 << 39) - 1))))
    rollups.write(connection)


def _said(connection: sqlite3.Connection, range: Range) -> Iterator[Observation]:
    for (packed,) in connection.execute(
        "select observations from compiled where trace_no >= ? and trace_no <= ?", range
    ):
        yield from unpack(packed)


def _delete_unused_names(connection: sqlite3.Connection) -> None:
    """Delete the nodes that occur in no trace any more, and their edges."""
    used = " union ".join(
        f"select {column} from {table}"
        for table, column in (
            ("parts", "node_no"),
            ("calls", "source_no"),
            ("calls", "target_no"),
            ("failures", "node_no"),
        )
    )
    roots = "select root_node from traces where root_node is not null"
    connection.execute(f"delete from nodes where node_no not in ({used} union {roots})")
    connection.execute(
        "delete from subjects where target_no not in (select node_no from nodes) "
        "or (source_no is not null and source_no not in (select node_no from nodes))"
    )


def _count(connection: sqlite3.Connection, name: str) -> int:
    found = connection.execute("select value from counters where name = ?", (name,)).fetchone()
    return 0 if found is None else int(found[0])
