"""Documents in SQLite: kept byte for byte as received; everything else is derived from them.

One thread writes, any number read. A database in a file is in WAL mode: readers don't wait for
the writer, and of what was written a power cut loses the last moments at most, a crash nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from threading import RLock

from . import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SCHEMA_VERSION = 1

_SCHEMA = """
create table documents (
    number integer primary key,          -- in the order of arrival
    trace_id text not null,
    id text not null,
    start_time real not null,            -- seconds since the epoch, as the document says
    received_at real not null,           -- seconds since the epoch
    data blob not null
) strict;
create index documents_by_trace on documents (trace_id);
create index documents_by_start on documents (start_time);
"""


class Trace:
    """What a list of traces says of one.

    name: of the segment that began it. start, end: seconds since the epoch.
    segments: how many documents are segments. fault, error, throttle: whether any says so.
    """

    __slots__ = ("end", "error", "fault", "name", "segments", "start", "throttle", "trace_id")

    def __init__(self, trace_id: str, documents: list[dict[str, Any]]) -> None:
        self.trace_id = trace_id
        segments = [d for d in documents if d.get("type") != "subsegment"]
        first = min(segments or documents, key=lambda d: float(d["start_time"]))
        self.name = str(first.get("name"))
        self.start = min(float(d["start_time"]) for d in documents)
        self.end = max(float(d.get("end_time") or d["start_time"]) for d in documents)
        self.segments = len({d.get("id") for d in segments})
        self.fault, self.error, self.throttle = (
            any(d.get(flag) for d in documents) for flag in ("fault", "error", "throttle")
        )


class Store:
    """The documents of a collector.

    path: of the database file, or ":memory:".
    Raises StoreError if it can't be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = RLock()
        try:
            if path != ":memory:" and os.path.dirname(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
            self._connection = self._connect()
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"The database {path!r} can't be used: {error}. Name another with --db, or move "
                "this one away."
            ) from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10.0, check_same_thread=False)

    def _prepare(self) -> None:
        version = self._connection.execute("pragma user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"it has version {version} of the schema")
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        if version == 0:
            with self._connection:
                self._connection.executescript(_SCHEMA)
                self._connection.execute(f"pragma user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read from: of its own for a file, the only one for a memory database."""
        if self.path == ":memory:":
            with self._lock:
                yield self._connection
        else:
            with closing(self._connect()) as connection:
                yield connection

    def write(self, documents: list[bytes]) -> int:
        """Store documents; gives how many can't be, because they aren't segment documents."""
        now = time.time()
        rows = []
        for data in documents:
            row = _row(data, now)
            if row is not None:
                rows.append(row)
        with self._lock, self._connection:
            self._connection.executemany(
                "insert into documents (trace_id, id, start_time, received_at, data) "
                "values (?, ?, ?, ?, ?)",
                rows,
            )
        return len(documents) - len(rows)

    def count(self) -> int:
        """How many documents are stored."""
        with self._reading() as connection:
            found: int = connection.execute("select count(*) from documents").fetchone()[0]
            return found

    def documents(self, trace_id: str) -> list[dict[str, Any]]:
        """The documents of a trace, parsed, in the order of arrival."""
        with self._reading() as connection:
            rows = connection.execute(
                "select data from documents where trace_id = ? order by number", (trace_id,)
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def raw(self, trace_id: str) -> list[bytes]:
        """The documents of a trace as they were received."""
        with self._reading() as connection:
            rows = connection.execute(
                "select data from documents where trace_id = ? order by number", (trace_id,)
            ).fetchall()
        return [row[0] for row in rows]

    def traces(self, limit: int = 20) -> list[Trace]:
        """The traces that began last, the newest first."""
        with self._reading() as connection:
            rows = connection.execute(
                "select trace_id from documents group by trace_id "
                "order by min(start_time) desc limit ?",
                (limit,),
            ).fetchall()
        return [Trace(trace_id, self.documents(trace_id)) for (trace_id,) in rows]

    def arrived_after(self, number: int) -> list[tuple[int, str]]:
        """Number and trace id of the documents that arrived after the one with this number."""
        with self._reading() as connection:
            return connection.execute(
                "select number, trace_id from documents where number > ? order by number", (number,)
            ).fetchall()

    def last_number(self) -> int:
        """The number of the document that arrived last, or 0."""
        with self._reading() as connection:
            found = connection.execute("select max(number) from documents").fetchone()[0]
        return found or 0

    def close(self) -> None:
        """Give up the database."""
        with self._lock:
            self._connection.close()


def _row(data: bytes, now: float) -> tuple[str, str, float, float, bytes] | None:
    try:
        document = json.loads(data)
        trace_id, id, start = document["trace_id"], document["id"], document["start_time"]
        if not isinstance(trace_id, str) or not isinstance(id, str) or isinstance(start, bool):
            return None
        return trace_id, id, float(start), now, data
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
