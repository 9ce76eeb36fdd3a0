"""The store on SQLite, in a file or in memory.

A file is in WAL mode: any number of readers, in this process and in others, don't wait for the
one writer, and of what was written a power cut loses the last moments at most, a crash nothing.
A store in memory has one connection, which the writer and readers use in turn.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager, nullcontext
from math import ceil, floor
from threading import RLock

import orjson

from ..graph import PERIOD, Edge, Rollup, added_up, change, unpack
from ..trace import NodeKey
from . import (
    Change,
    Counts,
    Distribution,
    Facets,
    FailureGroups,
    Order,
    Page,
    RangeType,
    Ranking,
    Removed,
    Run,
    SamplingCount,
    Size,
    Store,
    StoreError,
    Window,
    aggregates,
)
from .links import recorded
from .outbox import Outbox
from .questions import BOTTOM, Question, compiled, cursor_at, position
from .rollups import SEALED_SPAN
from .schema import MEMORY, connect, documents_of, lock, prepare, unusable
from .writer import Writer, used_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO

    from ..filters import Filter
    from ..graph import Subject
    from ..trace import Trace
    from . import Document

SECONDS_TO_STORE = 5.0
"""How long a reader waits for documents that are on their way into the store."""

EVER = Window(float("-inf"), float("inf"))

KEPT_READERS = 4
MAX_INTEGER = (1 << 63) - 1
SAMPLING_KEPT_SECONDS = 86_400.0


def _distinct(table: str, column: str, condition: str = "1") -> str:
    """The first distinct values from ?1 to ?2, by jumping from one to the next in an index."""
    first = f"select min({column}) from {table} where {condition} and {column}"
    return (
        f"select word from (with recursive words(word) as ({first} >= ?1 "
        f"union all select ({first} > word) from words where word is not null limit ?3) "
        "select word from words where word < ?2)"
    )


WORDS = {
    "name": _distinct("nodes", "name"),
    "type": "select distinct type from nodes where type >= ?1 and type < ?2 order by 1 limit ?3",
    "annotation": _distinct("annotations", "key", "kind = 's'")
    + " union "
    + _distinct("annotations", "key", "kind <> 's'")
    + " order by 1 limit ?3",
    "value": _distinct("annotations", "text", "kind = 's' and key = ?4"),
    **{
        field: _distinct("values_of", "text", f"field = '{field}'")
        for field in ("user", "availabilityzone", "instance.id", "resource.arn")
    },
    **{
        field: f"select distinct {column} from (select {column} from traces "
        f"order by trace_no desc limit 10000) where {column} >= ?1 and {column} < ?2 "
        "order by 1 limit ?3"
        for field, column in (("http.url", "http_url"), ("http.method", "http_method"))
    },
}
"""Words from ?1 to before ?2, at most ?3 of them; ?4 is the annotation's key."""


_COLUMNS = {
    Order.START: "start_time",
    Order.RESPONSE_TIME: "response_time",
    Order.DURATION: "duration",
    Order.STATUS: "http_status",
    Order.URL: "http_url",
    Order.METHOD: "http_method",
}


class SQLiteStore(Store):
    """See `open_store` and `open_to_read`."""

    def __init__(
        self,
        path: str,
        *,
        read_only: bool = False,
        max_bytes: int | None = None,
        max_age: float | None = None,
        max_waiting_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self.path = path
        self._in_memory = path == MEMORY
        self._lock = RLock()
        self._readers: list[sqlite3.Connection] = []
        self._writer: Writer | None = None
        self._held: BinaryIO | None = None
        self._closed = False
        connection: sqlite3.Connection | None = None
        try:
            if not self._in_memory:
                if not read_only:
                    self._held = _create(path)
                elif not os.path.exists(path):
                    raise FileNotFoundError(2, "there is no such file")
            connection = connect(path, read_only)
            prepare(connection, path, read_only)
            connection.execute("select count(*) from stale").fetchone()
        except (OSError, sqlite3.Error, StoreError) as error:
            if connection is not None:
                connection.close()
            if self._held is not None:
                self._held.close()
            raise error if isinstance(error, StoreError) else unusable(path, error) from error
        self._connection = connection
        if not read_only:
            exclusive: Callable[[], AbstractContextManager[object]]
            exclusive = (lambda: self._lock) if self._in_memory else nullcontext
            self._writer = Writer(
                connection,
                exclusive,
                max_bytes=max_bytes,
                max_age=max_age,
                max_waiting_bytes=max_waiting_bytes,
            )

    # -- what comes in

    def write(self, documents: Sequence[Document], timeout: float = 0.0) -> int:
        """See Store."""
        return self._writing().write(documents, timeout)

    def flush(self, timeout: float | None = None) -> bool:
        """See Store."""
        return self._writing().flush(timeout)

    def is_safe(self, timeout: float) -> bool:
        """See Store."""
        return self._in_memory or self._writing().await_commit(timeout)

    @property
    def fails(self) -> bool:
        """See Store."""
        return self._writer is not None and self._writer.fails

    def outbox(self, targets: Sequence[str]) -> Outbox:
        """See Store."""
        self._job(lambda writer: writer.keep_for(targets))
        return Outbox(self._reading, self._run)

    def close(self) -> None:
        """See Store. May be called again."""
        if self._closed:
            return
        if self._writer is not None:
            self._writer.stop()
        with self._lock:
            self._closed = True
            for connection in (*self._readers, self._connection):
                connection.close()
            self._readers.clear()
        if self._held is not None:
            self._held.close()

    def _writing(self) -> Writer:
        if self._writer is None:
            raise StoreError(f"{self.path!r} is open to read only.")
        return self._writer

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one question."""
        try:
            if self._in_memory:
                with self._lock:
                    yield self._connection
                return
            with self._lock:
                if self._closed:
                    raise StoreError("The store is closed.")
                connection = self._readers.pop() if self._readers else None
            if connection is None:
                connection = connect(self.path, read_only=True)
            try:
                yield connection
            finally:
                with self._lock:
                    keep = not self._closed and len(self._readers) < KEPT_READERS
                    if keep:
                        self._readers.append(connection)
                if not keep:
                    connection.close()
        except sqlite3.Error as error:
            raise StoreError(f"Can't read {self.path!r}: {error}") from error

    # -- traces

    def raw(self, trace_id: str) -> list[bytes]:
        """See Store."""
        self._await_stored([trace_id])
        with self._reading() as connection:
            trace_no = _number(connection, trace_id)
            return [] if trace_no is None else documents_of(connection, trace_no)

    def traces(self, trace_ids: Sequence[str]) -> list[Trace]:
        """See Store."""
        self._await_stored(trace_ids)
        found = []
        for trace_id in dict.fromkeys(trace_ids):
            with self._reading() as connection:
                trace_no = _number(connection, trace_id)
                if trace_no is None:
                    continue
                documents = documents_of(connection, trace_no)
                links = recorded(connection, trace_no)
            found.append(compiled(trace_id, documents, links))
        return found

    def _await_stored(self, trace_ids: Sequence[str]) -> None:
        if self._writer is not None:
            self._writer.await_stored(set(trace_ids), SECONDS_TO_STORE)

    def find(
        self,
        window: Window,
        *,
        range_type: RangeType = RangeType.TRACE_ID,
        filter: Filter | None = None,
        groups: Mapping[str, Filter] | None = None,
        run: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
        seconds: float = 0.2,
    ) -> Page:
        """See Store."""
        deadline = time.monotonic() + seconds
        with self._reading() as connection:
            question = Question(connection, window, range_type, filter, groups, run)
        top = (question.end, -1) if cursor is None else position(cursor)
        summaries: list[dict[str, Any]] = []
        scanned = 0
        while True:
            with self._reading() as connection:
                bottom = question.bottom(connection, top)
                last = question.slice(connection, top, bottom, summaries, limit, deadline)
                scanned += question.count(connection, top, last)
            top = last
            if last == BOTTOM:
                return Page(summaries, scanned, None)
            if len(summaries) >= limit or time.monotonic() >= deadline:
                return Page(summaries, scanned, cursor_at(top))

    def ranked(
        self,
        window: Window,
        by: Order,
        *,
        highest: bool = True,
        filter: Filter | None = None,
        run: str | None = None,
        limit: int = 100,
        seconds: float = 2.0,
    ) -> Ranking:
        """See Store."""
        deadline = time.monotonic() + seconds
        column = f"t.{_COLUMNS[by]}"
        direction = "desc" if highest else "asc"
        order = f"{column} is null, {column} {direction}, t.trace_no {direction}"
        with self._reading() as connection:
            question = Question(connection, window, RangeType.TRACE_ID, filter, run=run)
            return Ranking(*question.ranked(connection, order, limit, deadline))

    def distribution(
        self,
        window: Window,
        step: float,
        *,
        filter: Filter | None = None,
        run: str | None = None,
        seconds: float = 2.0,
    ) -> Distribution:
        """See Store."""
        return aggregates.distribution(
            self._reading, self._question(window, filter, run), step, time.monotonic() + seconds
        )

    def facets(
        self,
        window: Window,
        by: Sequence[str],
        *,
        filter: Filter | None = None,
        run: str | None = None,
        limit: int = 100,
        seconds: float = 2.0,
    ) -> Facets:
        """See Store."""
        return aggregates.facets(
            self._reading,
            self._question(window, filter, run),
            by,
            limit,
            time.monotonic() + seconds,
        )

    def failures(
        self,
        window: Window,
        step: float,
        *,
        group: str | None = None,
        filter: Filter | None = None,
        run: str | None = None,
        samples: int = 5,
        seconds: float = 2.0,
    ) -> FailureGroups:
        """See Store."""
        return aggregates.failures(
            self._reading,
            self._question(window, filter, run),
            step,
            group,
            samples,
            time.monotonic() + seconds,
        )

    def _question(self, window: Window, filter: Filter | None, run: str | None) -> Question:
        with self._reading() as connection:
            return Question(connection, window, RangeType.TRACE_ID, filter, run=run)

    def matching(
        self,
        trace_ids: Sequence[str],
        *,
        filter: Filter | None = None,
        run: str | None = None,
    ) -> set[str]:
        """See Store."""
        with self._reading() as connection:
            question = Question(connection, EVER, RangeType.TRACE_ID, filter, run=run)
            return question.matching(connection, trace_ids)

    def followers(self, trace_id: str, limit: int = 100) -> list[tuple[str, str]]:
        """See Store."""
        with self._reading() as connection:
            return connection.execute(
                "select t.trace_id, l.id from links l join traces t using (trace_no) "
                "where l.to_trace = ? order by l.trace_no, l.link_no limit ?",
                (trace_id, limit),
            ).fetchall()

    def extent(self) -> Window | None:
        """See Store."""
        with self._reading() as connection:
            # One statement with both would read the whole index.
            first, last = (
                connection.execute(f"select {end}(start_time) from traces").fetchone()[0]
                for end in ("min", "max")
            )
        return None if first is None else Window(first, last)

    def remove(self, run: str | None = None, pinned: bool = False) -> Removed:
        """See Store."""
        removed: Removed = self._job(lambda writer: writer.remove(run, pinned))
        return removed

    # -- runs

    def runs(self) -> list[Run]:
        """See Store."""
        with self._reading() as connection:
            rows = connection.execute(
                "select name, begun, pinned, "
                "(select count(*) from traces t where t.run_no = r.run_no), "
                "(select min(start_time) from traces t where t.run_no = r.run_no), "
                "(select max(start_time) from traces t where t.run_no = r.run_no) "
                "from runs r order by run_no"
            ).fetchall()
        return [Run(name, begun, bool(pinned), *rest) for name, begun, pinned, *rest in rows]

    def current_run(self) -> str | None:
        """See Store."""
        return None if self._writer is None else self._writer.run_name

    def begin_run(self, name: str | None) -> None:
        """See Store."""
        self._job(lambda writer: writer.begin_run(name))

    def pin_run(self, name: str, pinned: bool) -> bool:
        """See Store."""
        return bool(self._job(lambda writer: writer.pin_run(name, pinned)))

    def put_in_run(self, name: str, trace_ids: Sequence[str]) -> None:
        """See Store."""
        self._job(lambda writer: writer.put_in_run(name, trace_ids))

    def run_of(self, trace_id: str) -> str | None:
        """See Store."""
        with self._reading() as connection:
            found = connection.execute(
                "select r.name from traces t join runs r using (run_no) where t.trace_id = ?",
                (trace_id,),
            ).fetchone()
        return None if found is None else str(found[0])

    def _job(self, job: Callable[[Writer], Any]) -> Any:
        try:
            return job(self._writing())
        except sqlite3.Error as error:
            raise StoreError(f"Can't write to {self.path!r}: {error}") from error

    def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """See Store."""
        with self._reading() as connection:
            rows = connection.execute(
                "select change_no, trace_id, summary from traces join compiled using (trace_no) "
                "where change_no > ? order by change_no limit ?",
                (after, limit),
            ).fetchall()
        return [Change(number, trace_id, orjson.loads(told)) for number, trace_id, told in rows]

    def last_change(self) -> int:
        """See Store."""
        return int(self._counter("change_no"))

    # -- the service graph

    def graph(
        self,
        window: Window,
        filter: Filter | None = None,
        groups: Mapping[str, Filter] | None = None,
        run: str | None = None,
    ) -> list[Rollup]:
        """See Store."""
        if filter is None and run is None:
            with self._reading() as connection:
                rows = self._stored_rollups(connection, window, whole=True)
                return added_up(rollup for _, rollup in rows)
        return added_up(rollup for _, rollup in self._found_rollups(window, filter, groups, run))

    def series(
        self,
        window: Window,
        period: float,
        filter: Filter | None = None,
        groups: Mapping[str, Filter] | None = None,
        subjects: Callable[[Subject], bool] | None = None,
        run: str | None = None,
    ) -> list[tuple[float, list[Rollup]]]:
        """See Store."""
        step = max(1, round(period / PERIOD)) * PERIOD
        periods: dict[int, list[Rollup]] = {}
        rows: Iterable[tuple[int, Rollup]]
        if filter is None and run is None:
            with self._reading() as connection:
                rows = self._stored_rollups(connection, window, whole=False, subjects=subjects)
        else:
            rows = self._found_rollups(window, filter, groups, run)
        for start, rollup in rows:
            if subjects is None or subjects(rollup.subject):
                periods.setdefault(start // step * step, []).append(rollup)
        return [(float(start), added_up(periods[start])) for start in sorted(periods)]

    def _stored_rollups(
        self,
        connection: sqlite3.Connection,
        window: Window,
        *,
        whole: bool,
        subjects: Callable[[Subject], bool] | None = None,
    ) -> list[tuple[int, Rollup]]:
        """Start and rollup of the minutes in a window; whole: larger spans are as good."""
        low, high = _minutes(window)
        spans = [(PERIOD, low, high)]
        if whole:
            sealed = connection.execute(
                "select start from sealed where start >= ? and start <= ? order by start",
                (low, max(low, high - SEALED_SPAN)),
            ).fetchall()
            spans = list(_spans(low, high, [start for (start,) in sealed]))
        known: dict[int, Subject | None] = {}
        found = []
        for span, first, end in spans:
            rows = connection.execute(
                "select start, subject_no, data from rollups "
                "where span = ? and start >= ? and start < ?",
                (span, first, end),
            )
            for start, number, data in rows:
                if number not in known:
                    subject = _subject(connection, number)
                    known[number] = subject if subjects is None or subjects(subject) else None
                wanted = known[number]
                if wanted is not None:
                    found.append((start, Rollup.unpack(wanted, data)))
        return found

    def _found_rollups(
        self,
        window: Window,
        filter: Filter | None,
        groups: Mapping[str, Filter] | None,
        run: str | None,
    ) -> Iterator[tuple[int, Rollup]]:
        """Start and rollup of what the traces in a window that match say about it."""
        low, high = _minutes(window)
        with self._reading() as connection:
            question = Question(
                connection, Window(low, high), RangeType.EVENT, filter, groups, run, of_graph=True
            )
        top = (question.end, -1)
        totals: dict[tuple[int, Subject], Rollup] = {}
        while True:
            seen: list[bytes] = []
            with self._reading() as connection:
                bottom = question.bottom(connection, top)
                question.slice(connection, top, bottom, seen, MAX_INTEGER, float("inf"))
            top = bottom
            added = change((), (each for packed in seen for each in unpack(packed)))
            for key, rollup in added.items():
                if low <= key[0] < high:
                    if key in totals:
                        totals[key].add_all(rollup)
                    else:
                        totals[key] = rollup
            if bottom == BOTTOM:
                break
        for (start, _), rollup in totals.items():
            yield start, rollup

    def vocabulary(
        self, kind: str, key: str | None = None, prefix: str = "", limit: int = 50
    ) -> list[str]:
        """See Store."""
        if kind not in WORDS:
            raise ValueError(f"kind must be one of {', '.join(WORDS)}, not {kind!r}")
        parameters: list[Any] = [prefix, prefix + "\U0010ffff", limit]
        if kind == "value":
            parameters.append(key or "")
        with self._reading() as connection:
            return [word for (word,) in connection.execute(WORDS[kind], parameters)]

    # -- small things that are kept as they are

    def setting(self, name: str) -> Any:
        """See Store."""
        with self._reading() as connection:
            row = connection.execute(
                "select value from settings where name = ?", (name,)
            ).fetchone()
        return None if row is None else orjson.loads(row[0])

    def settings(self, prefix: str) -> dict[str, Any]:
        """See Store."""
        with self._reading() as connection:
            rows = connection.execute(
                "select name, value from settings where substr(name, 1, ?) = ? order by name",
                (len(prefix), prefix),
            ).fetchall()
        return {name: orjson.loads(value) for name, value in rows}

    def put_setting(self, name: str, value: Any) -> None:
        """See Store."""
        if value is None:
            self._run("delete from settings where name = ?", [(name,)])
        else:
            row = (name, orjson.dumps(value))
            self._run("insert or replace into settings values (?, ?)", [row])

    def add_sampling(self, counts: Sequence[SamplingCount]) -> None:
        """See Store."""
        rows = [(each.time, each.rule, *each[2:]) for each in counts]
        self._run(
            "insert into sampling values (?, ?, ?, ?, ?) on conflict do update set "
            "requests = requests + excluded.requests, borrowed = borrowed + excluded.borrowed, "
            "sampled = sampled + excluded.sampled",
            rows,
        )
        self._run("delete from sampling where time < ?", [(time.time() - SAMPLING_KEPT_SECONDS,)])

    def sampling(self, window: Window) -> list[SamplingCount]:
        """See Store."""
        with self._reading() as connection:
            rows = connection.execute(
                "select rule, time, requests, borrowed, sampled from sampling "
                "where time >= ? and time < ? order by time, rule",
                window,
            ).fetchall()
        return [SamplingCount(*row) for row in rows]

    def _run(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        try:
            self._writing().run(lambda connection: connection.executemany(statement, rows))
        except sqlite3.Error as error:
            raise StoreError(f"Can't write to {self.path!r}: {error}") from error

    # -- about itself

    def counts(self) -> Counts:
        """See Store."""
        writer = self._writer
        if writer is None:
            return Counts(*[0] * 8)
        return writer.counts()

    def size(self) -> Size:
        """See Store."""
        with self._reading() as connection:
            ends = [
                connection.execute(
                    f"select received from traces order by trace_no {order} limit 1"
                ).fetchone()
                for order in ("asc", "desc")
            ]
            used = used_bytes(connection)
        oldest, newest = (None if end is None else end[0] for end in ends)
        return Size(
            int(self._counter("traces")), int(self._counter("documents")), used, oldest, newest
        )

    def _counter(self, name: str) -> float:
        with self._reading() as connection:
            row = connection.execute(
                "select value from counters where name = ?", (name,)
            ).fetchone()
        return 0 if row is None else row[0]


def _create(path: str) -> BinaryIO:
    """Make a file that only its owner may read, and lock it."""
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    held = lock(path)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        held.close()
        raise
    return held


def _number(connection: sqlite3.Connection, trace_id: str) -> int | None:
    found = connection.execute(
        "select trace_no from traces where trace_id = ?", (trace_id,)
    ).fetchone()
    return None if found is None else int(found[0])


def _subject(connection: sqlite3.Connection, number: int) -> Subject:
    target, source, link = connection.execute(
        "select target_no, source_no, link from subjects where subject_no = ?", (number,)
    ).fetchone()
    if source is None:
        return _node(connection, target)
    return Edge(_node(connection, source), _node(connection, target), bool(link))


def _node(connection: sqlite3.Connection, number: int) -> NodeKey:
    row = connection.execute(
        "select name, type, account_id from nodes where node_no = ?", (number,)
    ).fetchone()
    return NodeKey(*row)


def _minutes(window: Window) -> tuple[int, int]:
    """The whole minutes that a window touches, as far as SQLite can count."""
    low = max(-MAX_INTEGER, min(MAX_INTEGER, window.start))
    high = max(-MAX_INTEGER, min(MAX_INTEGER, window.end))
    low, high = floor(low / PERIOD) * PERIOD, ceil(high / PERIOD) * PERIOD
    return max(-MAX_INTEGER, low), min(MAX_INTEGER, high)


def _spans(low: int, high: int, sealed: list[int]) -> Iterator[tuple[int, int, int]]:
    """A time range cut into sealed spans and the minutes between: span, start, end."""
    at = low
    for start in sealed:
        if start > at:
            yield PERIOD, at, start
        yield SEALED_SPAN, start, start + SEALED_SPAN
        at = start + SEALED_SPAN
    if at < high:
        yield PERIOD, at, high
