"""The store on ClickHouse: any number of collectors write to one cluster, and each shows all of it.

ClickHouse has what must last, and what all collectors share: documents, settings, counts of sampling.
Each collector has an index of the newest documents, its own and the others', in a database on SQLite
that is thrown away with it: everything but a trace by its id is answered from there, as by the store on
SQLite, whose methods these are.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections import OrderedDict, deque
from threading import Condition, Event, Lock, Thread
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import orjson

from . import Counts, Document, Removed, SamplingCount, StoreError, Window, shown
from .questions import compiled
from .sqlite import SQLiteStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ..trace import Trace

log = logging.getLogger("xtrace.collector")

SECONDS_BETWEEN_INSERTS = 0.2
"""At least: ClickHouse wants few large inserts."""
MAX_INSERT_BYTES = 16 * 1024 * 1024
SECONDS_BETWEEN_LOOKS = 0.5
"""At what other collectors have inserted."""
OVERLAP_SECONDS = 30.0
"""How long after its insertion a document may take to show on another replica."""
RETRY_SECONDS = 0.5
SECONDS_TO_INSERT = 5.0
"""How long a reader waits for documents that are on their way."""
INDEXED_SECONDS = 24 * 3600.0
"""Of documents that are read when a collector starts."""
SETTINGS_SECONDS = 1.0
"""How old what is known of the settings may be."""
SAMPLING_DAYS = 1
MAX_SEEN = 1_000_000
READ_AT_ONCE = 20_000
EPOCH = "clickhouse/epoch"
"""Setting that changes when documents were removed: what others have indexed isn't so any more."""


class Place(NamedTuple):
    """What a URL says: clickhouse://user:password@host:8123/database?cluster=name.

    cluster: tables are replicated and distributed on it. secure: over TLS (clickhouses:).
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    cluster: str | None
    secure: bool
    url: str


def place_of(url: str) -> Place:
    """Read a URL. Raises StoreError."""
    try:
        parts = urlsplit(url)
        secure = parts.scheme == "clickhouses"
        said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        cluster = said.pop("cluster", None)
        database = unquote(parts.path.strip("/")) or "xtrace"
        if not parts.hostname or said or not all(map(_is_name, (database, cluster or "x"))):
            raise ValueError
        port = parts.port or (8443 if secure else 8123)
    except ValueError:
        raise StoreError(
            f"{shown(url)!r} can't be read. Write clickhouse://user:password@host:8123/database, "
            "perhaps with ?cluster=name."
        ) from None
    return Place(
        parts.hostname,
        port,
        unquote(parts.username or "default"),
        unquote(parts.password or ""),
        database,
        cluster,
        secure,
        shown(url),
    )


def _is_name(text: str) -> bool:
    return text.isascii() and text.replace("_", "").isalnum()


def tables(place: Place, max_age: float | None) -> list[str]:
    """The statements that make the tables, if they aren't there."""
    on = f" ON CLUSTER {place.cluster}" if place.cluster else ""
    prefix = "Replicated" if place.cluster else ""
    local = "_local" if place.cluster else ""
    ttl = "" if max_age is None else f" TTL toDateTime(received) + INTERVAL {int(max_age)} SECOND"
    made = [
        f"CREATE TABLE IF NOT EXISTS documents{local}{on} ("
        "received DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC'), collector String, number UInt64, "
        "trace_id String, data String CODEC(ZSTD), "
        "INDEX by_received received TYPE minmax GRANULARITY 1) "
        f"ENGINE = {prefix}ReplacingMergeTree PARTITION BY toDate(received) "
        f"ORDER BY (trace_id, collector, number){ttl} SETTINGS ttl_only_drop_parts = 1",
        f"CREATE TABLE IF NOT EXISTS settings{local}{on} "
        "(name String, value String, version UInt64) "
        f"ENGINE = {prefix}ReplacingMergeTree(version) ORDER BY name",
        f"CREATE TABLE IF NOT EXISTS sampling{local}{on} (time Float64, rule String, "
        "requests Int64, borrowed Int64, sampled Int64) "
        f"ENGINE = {prefix}SummingMergeTree ORDER BY (time, rule) "
        f"TTL toDateTime(time) + INTERVAL {SAMPLING_DAYS} DAY",
    ]
    if place.cluster:
        made += [
            f"CREATE TABLE IF NOT EXISTS {name}{on} AS {name}_local ENGINE = "
            f"Distributed({place.cluster}, currentDatabase(), {name}_local, cityHash64({by}))"
            for name, by in (("documents", "trace_id"), ("settings", "name"), ("sampling", "rule"))
        ]
    return made


class ClickHouseStore(SQLiteStore):
    """See `open_store`. max_bytes: of the index; max_age: of documents in ClickHouse."""

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        max_bytes: int | None = None,
        max_age: float | None = None,
        max_waiting_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self._place = place_of(url)
        self._read_only = read_only
        self._collector = uuid4().hex
        self._number = time.time_ns()
        self._changed = Condition()
        self._queue: deque[list[Document]] = deque()
        self._batch: list[Document] = []
        self._queue_bytes = 0
        self._max_queue_bytes = max_waiting_bytes
        self._taken = self._stored = self._lost = 0
        self._flushing = 0
        self._ending = Event()
        self._looking = Lock()
        self._seen: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._seen_until = 0.0
        self._epoch: Any = None
        self._settings: dict[str, Any] = {}
        self._settings_at = float("-inf")
        self._complained = float("-inf")
        self._client = self._connected(max_age)
        self._folder = tempfile.mkdtemp(prefix="xtrace-index-")
        try:
            super().__init__(
                os.path.join(self._folder, "index.db"),
                max_bytes=max_bytes,
                max_age=max_age,
                max_waiting_bytes=max(max_waiting_bytes, 2 * MAX_INSERT_BYTES),
            )
            self._epoch = self.setting(EPOCH)
            self._load()
            super().flush(None)  # what was there shows from the first question on
        except BaseException:
            self._close_index()
            raise
        self._threads = [
            Thread(target=run, name=f"xtrace-clickhouse-{run.__name__.strip('_')}", daemon=True)
            for run in (self._insert_all, self._look_again)
        ]
        for thread in self._threads:
            thread.start()

    def _connected(self, max_age: float | None) -> Any:
        """A client of the database, which has the tables then. Raises StoreError."""
        try:
            import clickhouse_connect
        except ImportError as error:
            raise StoreError(
                "ClickHouse needs clickhouse-connect. Install it with: "
                "pip install 'xtrace[clickhouse,collector]'"
            ) from error
        place = self._place
        options: dict[str, Any] = {
            "host": place.host,
            "port": place.port,
            "username": place.user,
            "password": place.password,
            "secure": place.secure,
            "compress": False,
            # Queries of several threads at once are no session.
            "autogenerate_session_id": False,
        }
        try:
            on = f" ON CLUSTER {place.cluster}" if place.cluster else ""
            first = clickhouse_connect.get_client(**options)
            if not self._read_only:
                first.command(f"CREATE DATABASE IF NOT EXISTS {place.database}{on}")
            first.close()
            client = clickhouse_connect.get_client(database=place.database, **options)
            if not self._read_only:
                for statement in tables(place, max_age):
                    client.command(statement)
        except Exception as error:
            raise StoreError(f"Can't use {place.url}: {_said(error)}") from error
        return client

    def _query(self, statement: str, parameters: dict[str, Any] | None = None) -> list[Any]:
        if self._closed_to_readers():
            raise StoreError("The store is closed.")
        try:
            found = self._client.query(
                statement, parameters=parameters, query_formats={"String": "bytes"}
            )
        except Exception as error:
            raise StoreError(f"Can't read {self._place.url}: {_said(error)}") from error
        rows: list[Any] = found.result_rows
        return rows

    def _insert(self, table: str, rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> None:
        if self._read_only:
            raise StoreError(f"{self._place.url} is open to read only.")
        try:
            self._client.insert(table, rows, column_names=list(columns))
        except Exception as error:
            raise StoreError(f"Can't write to {self._place.url}: {_said(error)}") from error

    def _closed_to_readers(self) -> bool:
        return bool(getattr(self, "_closed", False))

    # -- what comes in

    def write(self, documents: Sequence[Document], timeout: float = 0.0) -> int:
        """See Store."""
        size = sum(len(document.data) for document in documents)
        with self._changed:
            self._taken += len(documents)
            room = self._changed.wait_for(
                lambda: (
                    self._ending.is_set()
                    or not self._queue_bytes
                    or self._queue_bytes + size <= self._max_queue_bytes
                ),
                timeout,
            )
            if self._read_only or self._ending.is_set() or not room:
                self._lost += len(documents)
                return 0
            self._queue.append(list(documents))
            self._queue_bytes += size
            self._changed.notify_all()
        return len(documents)

    def flush(self, timeout: float | None = None) -> bool:
        """See Store. Shows what other collectors have inserted before, too."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                done = self._changed.wait_for(
                    lambda: not self._queue_bytes or self._ending.is_set(), timeout
                )
            finally:
                self._flushing -= 1
        if not done:
            return False
        self._look()
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        return super().flush(left)

    def close(self) -> None:
        """See Store. May be called again."""
        with self._changed:
            if self._ending.is_set():
                return
            self._ending.set()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(SECONDS_TO_INSERT)
        self._close_index()

    def _close_index(self) -> None:
        if hasattr(self, "_lock"):
            super().close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._client.close()

    def _insert_all(self) -> None:
        """The thread that writes: what has been taken, in batches, until they are in ClickHouse."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._ending.is_set())
                if not self._flushing and not self._ending.is_set():
                    self._changed.wait_for(
                        lambda: (
                            self._flushing
                            or self._ending.is_set()
                            or self._queue_bytes >= MAX_INSERT_BYTES
                        ),
                        SECONDS_BETWEEN_INSERTS,
                    )
                while self._queue and sum(len(d.data) for d in self._batch) < MAX_INSERT_BYTES:
                    self._batch.extend(self._queue.popleft())
                batch = self._batch
            if not batch:
                return  # it is to end
            numbers = self._numbers(len(batch))
            while not self._inserted(batch, numbers):
                if self._ending.wait(RETRY_SECONDS):
                    self._finish(batch, stored=self._inserted(batch, numbers))
                    break
            else:
                super().write(batch, SECONDS_TO_INSERT)
                self._finish(batch, stored=True)

    def _numbers(self, count: int) -> range:
        """Numbers of documents that grow with time, on whichever collector."""
        first = max(self._number, time.time_ns())
        self._number = first + count
        return range(first, first + count)

    def _inserted(self, batch: list[Document], numbers: range) -> bool:
        rows = [
            (self._collector, number, document.trace_id, document.data)
            for number, document in zip(numbers, batch, strict=True)
        ]
        try:
            # The same rows again, if it was only the answer that got lost, are one for the engine.
            self._insert("documents", rows, ("collector", "number", "trace_id", "data"))
        except StoreError as error:
            self._complain(str(error))
            return False
        return True

    def _finish(self, batch: list[Document], stored: bool) -> None:
        with self._changed:
            if stored:
                self._stored += len(batch)
            else:
                self._lost += len(batch)
            self._queue_bytes -= sum(len(document.data) for document in batch)
            self._batch = []
            self._changed.notify_all()

    def _complain(self, what: str) -> None:
        now = time.monotonic()
        if now - self._complained >= 60:
            self._complained = now
            log.error("%s; documents wait in memory", what)

    # -- what others have inserted

    def _look_again(self) -> None:
        """The thread that reads what other collectors insert."""
        while not self._ending.wait(SECONDS_BETWEEN_LOOKS):
            self._look()

    def _look(self) -> None:
        try:
            with self._looking:
                if self.setting(EPOCH) != self._epoch:
                    self._epoch = self.setting(EPOCH)
                    super().remove(None, True)
                    self._seen.clear()
                    self._load()
                else:
                    self._read_others()
        except StoreError as error:
            if not self._ending.is_set():
                self._complain(str(error))

    def _load(self) -> None:
        """Index what is there, the newest day of it."""
        now = self._query("SELECT toFloat64(now64(6, 'UTC'))")[0][0]
        since = now - INDEXED_SECONDS
        last = 0
        while True:
            rows = self._query(
                "SELECT number, collector, trace_id, data FROM documents FINAL "
                "WHERE received > toDateTime64({since:Float64}, 6, 'UTC') AND number > {last:UInt64} "
                "ORDER BY number LIMIT {most:UInt32}",
                {"since": since, "last": last, "most": READ_AT_ONCE},
            )
            self._index(rows)
            if len(rows) < READ_AT_ONCE:
                break
            last = rows[-1][0]
        self._seen_until = now

    def _read_others(self) -> None:
        now = self._query("SELECT toFloat64(now64(6, 'UTC'))")[0][0]
        rows = self._query(
            "SELECT number, collector FROM documents "
            "WHERE received > toDateTime64({since:Float64}, 6, 'UTC') AND collector != {own:String}",
            {"since": self._seen_until - OVERLAP_SECONDS, "own": self._collector},
        )
        new = [number for number, collector in rows if (collector, number) not in self._seen]
        for first in range(0, len(new), READ_AT_ONCE):
            self._index(
                self._query(
                    "SELECT number, collector, trace_id, data FROM documents FINAL "
                    "WHERE received > toDateTime64({since:Float64}, 6, 'UTC') "
                    "AND number IN {numbers:Array(UInt64)} AND collector != {own:String} "
                    "ORDER BY number",
                    {
                        "since": self._seen_until - OVERLAP_SECONDS,
                        "own": self._collector,
                        "numbers": new[first : first + READ_AT_ONCE],
                    },
                )
            )
        self._seen_until = now

    def _index(self, rows: Iterable[Any]) -> None:
        """Show documents that are in ClickHouse."""
        documents = []
        for number, collector, trace_id, data in rows:
            key = (collector, number)
            if key in self._seen:
                continue
            self._seen[key] = None
            documents.append(Document(trace_id.decode(), data, orjson.loads(data)))
        while len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        for first in range(0, len(documents), 1000):
            super().write(documents[first : first + 1000], 60.0)

    # -- traces

    def raw(self, trace_id: str) -> list[bytes]:
        """See Store. Of whatever age."""
        self._await_inserted({trace_id})
        rows = self._query(
            "SELECT data FROM documents FINAL WHERE trace_id = {id:String} ORDER BY number",
            {"id": trace_id},
        )
        return [data for (data,) in rows]

    def traces(self, trace_ids: Sequence[str]) -> list[Trace]:
        """See Store. Of whatever age."""
        self._await_inserted(set(trace_ids))
        found = {trace.id: trace for trace in super().traces(trace_ids)}
        for trace_id in dict.fromkeys(trace_ids):
            if trace_id not in found:
                documents = self.raw(trace_id)
                if documents:
                    found[trace_id] = compiled(trace_id, documents, {})
        return [found[id] for id in dict.fromkeys(trace_ids) if id in found]

    def _await_inserted(self, trace_ids: set[str]) -> None:
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(
                    lambda: (
                        not any(
                            document.trace_id in trace_ids
                            for batch in (self._batch, *self._queue)
                            for document in batch
                        )
                    ),
                    SECONDS_TO_INSERT,
                )
            finally:
                self._flushing -= 1

    def remove(self, run: str | None = None, pinned: bool = False) -> Removed:
        """See Store. Runs are those of this collector."""
        self.flush(SECONDS_TO_INSERT)
        going = self._ids(run)
        removed = super().remove(run, pinned)
        staying = self._ids(None)
        try:
            if not staying and run is None:
                self._client.command(f"TRUNCATE TABLE {self._local('documents')}{self._on()}")
            else:
                gone = sorted(going - staying)
                for first in range(0, len(gone), 1000):
                    self._client.command(
                        f"DELETE FROM {self._local('documents')}{self._on()} "
                        "WHERE trace_id IN {ids:Array(String)}",
                        parameters={"ids": gone[first : first + 1000]},
                    )
        except Exception as error:
            raise StoreError(f"Can't write to {self._place.url}: {_said(error)}") from error
        with self._looking:
            self.put_setting(EPOCH, uuid4().hex)
            self._epoch = self.setting(EPOCH)
        return removed

    def _ids(self, run: str | None) -> set[str]:
        with self._reading() as connection:
            condition = "where run_no = (select run_no from runs where name = ?)" if run else ""
            rows = connection.execute(
                f"select trace_id from traces {condition}", (run,) if run else ()
            ).fetchall()
        return {trace_id for (trace_id,) in rows}

    def _local(self, table: str) -> str:
        return f"{table}_local" if self._place.cluster else table

    def _on(self) -> str:
        return f" ON CLUSTER {self._place.cluster}" if self._place.cluster else ""

    def outbox(self, targets: Sequence[str]) -> None:  # type: ignore[override]
        """None: documents of all collectors are here, and nobody knows whose turn it is."""
        return

    # -- small things that all collectors share

    def _all_settings(self, fresh: bool = False) -> dict[str, Any]:
        now = time.monotonic()
        if fresh or now >= self._settings_at + SETTINGS_SECONDS:
            rows = self._query("SELECT name, value FROM settings FINAL WHERE value != ''")
            self._settings = {name.decode(): orjson.loads(value) for name, value in rows}
            self._settings_at = now
        elif self._closed_to_readers():
            raise StoreError("The store is closed.")
        return self._settings

    def setting(self, name: str) -> Any:
        """See Store."""
        return self._all_settings().get(name)

    def settings(self, prefix: str) -> dict[str, Any]:
        """See Store."""
        found = self._all_settings()
        return {name: found[name] for name in sorted(found) if name.startswith(prefix)}

    def put_setting(self, name: str, value: Any) -> None:
        """See Store."""
        if self._closed_to_readers():
            raise StoreError("The store is closed.")
        text = b"" if value is None else orjson.dumps(value)
        self._insert("settings", [(name, text, time.time_ns())], ("name", "value", "version"))
        self._all_settings(fresh=True)

    def add_sampling(self, counts: Sequence[SamplingCount]) -> None:
        """See Store."""
        if counts:
            rows = [(each.time, each.rule, *each[2:]) for each in counts]
            columns = ("time", "rule", "requests", "borrowed", "sampled")
            self._insert("sampling", rows, columns)

    def sampling(self, window: Window) -> list[SamplingCount]:
        """See Store."""
        rows = self._query(
            "SELECT rule, time, sum(requests), sum(borrowed), sum(sampled) FROM sampling "
            "WHERE time >= {start:Float64} AND time < {end:Float64} "
            "GROUP BY rule, time ORDER BY time, rule",
            {"start": window.start, "end": window.end},
        )
        return [SamplingCount(rule.decode(), *rest) for rule, *rest in rows]

    # -- about itself

    def counts(self) -> Counts:
        """See Store. Of the documents that were handed to this collector."""
        index = super().counts()
        with self._changed:
            waiting = len(self._batch) + sum(map(len, self._queue))
            return Counts(self._taken, self._stored, self._lost, waiting, *index[4:])


def _said(error: Exception) -> str:
    return str(error).splitlines()[0][:500] if str(error) else type(error).__name__
