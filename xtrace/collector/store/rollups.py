"""The service graph's rollups on SQLite, as the writer keeps them: per minute, and per ten minutes."""

from __future__ import annotations

import time
from collections import OrderedDict

from ..graph import PERIOD, Edge, Rollup

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from typing import Any, TypeAlias

    from ..graph import Subject
    from ..trace import NodeKey

    # Span, start, and number of the subject.
    Key: TypeAlias = tuple[int, int, int]

SEALED_SPAN = 600
SEAL_AFTER_SECONDS = 120
"""Ten minutes get rollups of their own so long after their end. What changes then is added there
too: it costs twice, and most has arrived."""

TRIM_NODES = 10_000
"""Deleted at a time, at most."""

MAX_KNOWN = 50_000
MAX_KNOWN_ROLLUPS = 4_000


class Numbers:
    """The numbers that stand for nodes, and for nodes and edges as subjects of rollups."""

    def __init__(self) -> None:
        self._nodes: dict[NodeKey, int] = {}
        self._subjects: dict[Subject, int] = {}
        self._last: dict[int, int] = {}
        self._used: dict[int, int] = {}

    def node(self, connection: sqlite3.Connection, key: NodeKey) -> int:
        """The number of a node, a new one if it has none."""
        number = self._nodes.get(key)
        if number is None:
            number = _number(
                connection,
                "select node_no from nodes where name = ? and type is ? and account_id is ?",
                "insert into nodes (name, type, account_id) values (?, ?, ?)",
                key,
            )
            if len(self._nodes) >= MAX_KNOWN:
                self._nodes.clear()
                self._last.clear()
            self._nodes[key] = number
        return number

    def use(self, connection: sqlite3.Connection, key: NodeKey, trace_no: int) -> int:
        """The number of a node that occurs in a trace."""
        number = self.node(connection, key)
        if trace_no > self._last.get(number, 0):
            self._last[number] = self._used[number] = trace_no
        return number

    def write(self, connection: sqlite3.Connection) -> None:
        """Write which traces nodes occur in."""
        connection.executemany(
            "update nodes set last_trace_no = max(last_trace_no, ?2) where node_no = ?1",
            list(self._used.items()),
        )
        self._used.clear()

    def trim(self, connection: sqlite3.Connection, oldest: int) -> None:
        """Delete some of the nodes, and their edges, that occur only in traces before this one."""
        connection.execute(
            "create temp table if not exists gone (node_no integer primary key)",
        )
        connection.execute(
            "insert into gone select node_no from nodes where last_trace_no < ? limit ?",
            (oldest, TRIM_NODES),
        )
        for table, column in (
            ("subjects", "target_no"),
            ("subjects", "source_no"),
            ("nodes", "node_no"),
        ):
            connection.execute(f"delete from {table} where {column} in (select node_no from gone)")
        connection.execute("delete from gone")
        self._nodes.clear()
        self._subjects.clear()
        self._last.clear()

    def subject(self, connection: sqlite3.Connection, subject: Subject) -> int:
        """The number of a node or edge as a subject, a new one if it has none."""
        number = self._subjects.get(subject)
        if number is None:
            if isinstance(subject, Edge):
                target = self.node(connection, subject.target)
                source = self.node(connection, subject.source)
                row: tuple[Any, ...] = (target, source, int(subject.link))
            else:
                row = (self.node(connection, subject), None, 0)
            number = _number(
                connection,
                "select subject_no from subjects "
                "where target_no = ? and source_no is ? and link = ?",
                "insert into subjects (target_no, source_no, link) values (?, ?, ?)",
                row,
            )
            if len(self._subjects) >= MAX_KNOWN:
                self._subjects.clear()
            self._subjects[subject] = number
        return number


def _number(connection: sqlite3.Connection, select: str, insert: str, row: tuple[Any, ...]) -> int:
    found = connection.execute(select, row).fetchone()
    number = connection.execute(insert, row).lastrowid if found is None else found[0]
    assert number is not None  # of an insertion it never is
    return int(number)


class Rollups:
    """Rollups that changed lately, and which ten minutes have some of their own (are sealed)."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._known: OrderedDict[Key, Rollup] = OrderedDict()
        self._changed: dict[Key, Rollup] = {}
        self._sealed: set[int] = set()
        self._unsealed: set[int] = set()

    def read(self, connection: sqlite3.Connection) -> None:
        """Learn what is in the tables."""
        self._sealed = {start for (start,) in connection.execute("select start from sealed")}
        minutes = connection.execute(
            "select distinct start from rollups where span = ?", (PERIOD,)
        ).fetchall()
        self._unsealed = {start // SEALED_SPAN * SEALED_SPAN for (start,) in minutes} - self._sealed

    def add(
        self, connection: sqlite3.Connection, changes: dict[tuple[int, Subject], Rollup]
    ) -> None:
        """Add a change, as graph.change() gives it."""
        for (start, subject), added in changes.items():
            number = self._numbers.subject(connection, subject)
            spans = [(PERIOD, start)]
            block = start // SEALED_SPAN * SEALED_SPAN
            if block in self._sealed:
                spans.append((SEALED_SPAN, block))
            else:
                self._unsealed.add(block)
            for span, begin in spans:
                key = (span, begin, number)
                rollup = self._known.get(key)
                if rollup is None:
                    rollup = self._known[key] = _read(connection, key, subject)
                rollup.add_all(added)
                self._changed[key] = rollup

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what has changed."""
        _write(connection, {key: rollup for key, rollup in self._changed.items() if rollup})
        gone = [key for key, rollup in self._changed.items() if not rollup]
        connection.executemany(
            "delete from rollups where span = ? and start = ? and subject_no = ?", gone
        )
        for key in self._changed:
            self._known.move_to_end(key)
        self._changed.clear()
        for key in gone:
            del self._known[key]
        while len(self._known) > MAX_KNOWN_ROLLUPS:
            self._known.popitem(last=False)

    def to_seal(self) -> int | None:
        """The oldest ten minutes that are over and have no rollups of their own."""
        start = min(self._unsealed, default=None)
        over = start is not None and start + SEALED_SPAN + SEAL_AFTER_SECONDS <= time.time()
        return start if over else None

    def seal(self, connection: sqlite3.Connection) -> None:
        """Give the oldest ten minutes that are over rollups of their own."""
        start = self.to_seal()
        if start is None:
            return
        totals: dict[Key, Rollup] = {}
        rows = connection.execute(
            "select subject_no, data from rollups where span = ? and start >= ? and start < ?",
            (PERIOD, start, start + SEALED_SPAN),
        )
        nobody: Any = None  # a rollup's bytes don't say whose it is, and needn't here
        for number, data in rows:
            rollup = Rollup.unpack(nobody, data)
            total = totals.setdefault((SEALED_SPAN, start, number), rollup)
            if total is not rollup:
                total.add_all(rollup)
        _write(connection, totals)
        connection.execute("insert or ignore into sealed values (?)", (start,))
        self._unsealed.discard(start)
        self._sealed.add(start)


def _read(connection: sqlite3.Connection, key: Key, subject: Subject) -> Rollup:
    found = connection.execute(
        "select data from rollups where span = ? and start = ? and subject_no = ?", key
    ).fetchone()
    return Rollup(subject) if found is None else Rollup.unpack(subject, found[0])


def _write(connection: sqlite3.Connection, rollups: dict[Key, Rollup]) -> None:
    connection.executemany(
        "insert or replace into rollups values (?, ?, ?, ?)",
        [(*key, rollup.pack()) for key, rollup in rollups.items()],
    )
