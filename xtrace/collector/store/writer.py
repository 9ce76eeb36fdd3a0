"""The one thread that writes to a store on SQLite: documents in batches, then what follows from them."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import OrderedDict, deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout  # the built-in one from Python 3.11 on
from itertools import takewhile
from threading import Condition, Thread

import orjson

from ..graph import change, unpack
from ..trace import compile_trace
from . import Counts, outbox
from .derive import derive
from .links import Following, Links, recorded
from .removal import remove
from .rollups import Numbers, Rollups
from .schema import DERIVED_TABLES, DOCUMENT_BITS, documents_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from ..graph import Observation
    from . import Document, Removed
    from .derive import Derived

log = logging.getLogger("xtrace.collector")

SECONDS_BETWEEN_COMMITS = 0.1
"""At least, so that documents are stored in batches."""

QUIET_SECONDS = 0.1
"""A trace is compiled when nothing of it has arrived for so long,"""

LONGEST_WAIT_SECONDS = 0.3
"""or when it has waited so long, if compilations of it"""

SHARE_OF_TIME = 0.1
"""have not taken more than this share of the time since the first: what keeps a trace of 10,000
documents that trickles in from being compiled for each."""

BUDGET_SECONDS = 0.15
"""Spent on compiling, and again on trimming, between two commits; what arrives comes first."""

MAX_BATCH_BYTES = 8 * 1024 * 1024
MAX_PARSED_DOCUMENTS = 20_000
"""Of traces that wait to be compiled; those of further ones are parsed again."""

MAX_ACTIVE_TRACES = 20_000

SECONDS_TO_FINISH = 2.0
"""Spent on compiling at the end; what isn't compiled then is when the store is opened again."""

RETRY_SECONDS = 0.5
"""Between attempts to write when the disk is full or the file is locked."""

TRIM_TRACES = 50
TRIM_DOCUMENTS = 2_000
"""Deleted at a time, at most."""

TRIM_TO = 0.98
"""Trimming goes on until the store holds this share of what it may."""

SECONDS_BETWEEN_NODES = 10.0
"""At least, between two searches for nodes that occur in no trace any more."""

MUCH_OVER = 1.05
"""From this share on it takes more time: more comes than goes."""

_UPSERT_TRACE = """
update traces set time = ?, start_time = ?, end_time = ?, duration = ?, response_time = ?,
    has_ok = ?, has_error = ?, has_fault = ?, has_throttle = ?, is_partial = ?, has_inferred = ?,
    http_url = ?, http_method = ?, http_status = ?, http_user_agent = ?, http_client_ip = ?,
    root_node = ?, change_no = ?
where trace_no = ?"""


def _insert(table: str, columns: int) -> str:
    return f"insert into {table} values ({', '.join('?' * columns)})"


_INSERT_PART = _insert("parts", 13)
_INSERT_CALL = _insert("calls", 10)
_INSERT_ANNOTATION = _insert("annotations", 6)
_INSERT_VALUE = _insert("values_of", 3)
_INSERT_FAILURE = _insert("failures", 9)
_INSERT_COMPILED = _insert("compiled", 3)


class _Active:
    """A trace that documents arrived of lately.

    next: the number of its next document. contents: its documents, parsed; None if they have to
    be read. compiled: it has rows. stale, arrived, compile_from: monotonic seconds: since when
    documents wait for their compilation (0 if none do), when the last arrived, when the next
    compilation may be. marked: it is in the table of stale traces.
    """

    __slots__ = (
        "arrived",
        "compile_from",
        "compiled",
        "contents",
        "marked",
        "next",
        "stale",
        "trace_no",
    )

    def __init__(self, trace_no: int, next: int) -> None:
        self.trace_no = trace_no
        self.next = next
        self.contents: list[dict[str, Any]] | None = None
        self.compiled = False
        self.marked = False
        self.stale = 0.0
        self.arrived = 0.0
        self.compile_from = 0.0


class Writer:
    """Takes documents and stores them.

    connection: its own, or one that is used under `exclusive` by others too.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        exclusive: Callable[[], AbstractContextManager[object]],
        *,
        max_bytes: int | None,
        max_age: float | None,
        max_waiting_bytes: int,
    ) -> None:
        self._connection = connection
        self._exclusive = exclusive
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._max_waiting_bytes = max_waiting_bytes

        self._changed = Condition()
        self._waiting: deque[Sequence[Document]] = deque()
        self._waiting_bytes = 0
        self._batch: list[Document] = []
        self._jobs: deque[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = deque()
        self._flushes: list[Future[None]] = []
        self._hurried: list[Future[None]] = []
        self._stopping = False
        self._complained = self._committed = float("-inf")
        self._one_by_one = False
        self._suspect: str | None = None
        self._hopeless: set[str] = set()
        self._trimming = False
        self._nodes_to_trim = True
        self._nodes_trimmed = float("-inf")
        self._is_sparse = False
        self._run_no: int | None = None
        self.run_name: str | None = None
        self._targets: tuple[str, ...] = ()

        self._accepted = 0
        self._finished = 0
        self._lost = 0
        self.fails = False
        self.taken = 0
        self.stored = 0
        self.dropped = 0
        self.trimmed_traces = 0
        self.trimmed_documents = 0
        self.failed = 0

        self._forget()
        self._thread = Thread(target=self._run, name="xtrace-writer", daemon=True)
        self._thread.start()

    # -- on other threads

    def write(self, documents: Sequence[Document], timeout: float) -> int:
        """Take documents; gives how many there was room for. Waits for room for so long."""
        size = sum(len(document.data) for document in documents)
        with self._changed:
            self.taken += len(documents)
            room = self._changed.wait_for(
                lambda: (
                    self._stopping
                    or self._waiting_bytes == 0
                    or self._waiting_bytes + size <= self._max_waiting_bytes
                ),
                timeout,
            )
            if self._stopping or not room:
                self.dropped += len(documents)
                return 0
            self._waiting.append(documents)
            self._waiting_bytes += size
            self._accepted += len(documents)
            self._changed.notify_all()
        return len(documents)

    def counts(self) -> Counts:
        """What became of the documents so far."""
        with self._changed:
            return Counts(
                self.taken,
                self.stored,
                self.dropped,
                len(self._batch) + sum(map(len, self._waiting)),
                self.trimmed_traces,
                self.trimmed_documents,
                len(self._stale),
                self.failed,
            )

    def await_stored(self, trace_ids: set[str], timeout: float) -> None:
        """Wait until the documents of these traces that have been taken are stored."""
        with self._changed:
            batches = (self._batch, *self._waiting)
            if not any(document.trace_id in trace_ids for b in batches for document in b):
                return
            stored: Future[None] = Future()
            self._hurried.append(stored)
            self._changed.notify_all()
        _result(stored, timeout)

    def await_commit(self, timeout: float) -> bool:
        """Wait until the documents that have been taken are committed; False if any isn't, or it
        took longer.
        """
        with self._changed:
            accepted, lost = self._accepted, self._lost
            if self._finished < accepted:
                self._hurried.append(Future())  # what has come meanwhile is committed with it
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._finished >= accepted or self.fails, timeout)
            return self._finished >= accepted and self._lost == lost

    def flush(self, timeout: float | None) -> bool:
        """Wait until what was taken is stored and compiled; False if it took longer."""
        done: Future[None] = Future()
        with self._changed:
            if self._stopping:
                return True
            self._flushes.append(done)
            self._changed.notify_all()
        return _result(done, timeout)

    def run(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        """What a function of the connection gives, run in a transaction between two batches."""
        done: Future[Any] = Future()
        with self._changed:
            if self._stopping:
                raise sqlite3.ProgrammingError("the store is closed")
            self._jobs.append((job, done))
            self._changed.notify_all()
        return done.result()

    def remove(self, run: str | None, pinned: bool) -> Removed:
        """Remove all traces, or those of a run."""
        removed: Removed = self.run(lambda connection: self._remove(connection, run, pinned))
        return removed

    def begin_run(self, name: str | None) -> None:
        """Have new traces be of a run."""
        self.run(lambda connection: self._begin_run(connection, name))

    def pin_run(self, name: str, pinned: bool) -> bool:
        """Keep the traces of a run, or don't; False if there is none of that name."""
        found: bool = self.run(lambda connection: self._pin_run(connection, name, pinned))
        return found

    def put_in_run(self, name: str, trace_ids: Sequence[str]) -> None:
        """Have stored traces be of a run."""
        self.run(lambda connection: self._put_in_run(connection, name, trace_ids))

    def keep_for(self, targets: Sequence[str]) -> None:
        """Keep account of what is still to be delivered to these."""

        def begin(connection: sqlite3.Connection) -> None:
            connection.execute(outbox.TABLE)
            self._targets = tuple(targets)

        self.run(begin)

    def stop(self) -> None:
        """Store what was taken, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    # -- on the writer's thread

    def _run(self) -> None:
        while True:
            finishing, flushes, hurried = self._next()
            stored = self._attempt(patient=not finishing)
            for done in hurried:
                done.set_result(None)
            if finishing or flushes:
                self._catch_up(SECONDS_TO_FINISH if finishing else None)
            for done in flushes:
                done.set_result(None)
            self._run_jobs()
            if self._is_sparse:
                self._compact()
            if finishing:
                break
            if not stored:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, RETRY_SECONDS)

    def _next(self) -> tuple[bool, list[Future[None]], list[Future[None]]]:
        """Wait for something to do and take it: a batch, more if someone waits for all."""
        with self._changed:
            if not self._urgent() and not self._batch:
                self._changed.wait_for(
                    lambda: self._waiting or self._urgent(), self._seconds_to_next()
                )
                pause = self._committed + SECONDS_BETWEEN_COMMITS - time.monotonic()
                if self._waiting and pause > 0:  # wait for company
                    self._changed.wait_for(
                        lambda: self._urgent() or self._waiting_bytes >= MAX_BATCH_BYTES, pause
                    )
            finishing = self._stopping
            flushes, self._flushes = self._flushes, []
            hurried, self._hurried = self._hurried, []
            everything = finishing or flushes or hurried
            size = sum(len(document.data) for document in self._batch)
            while self._waiting and (everything or size < MAX_BATCH_BYTES):
                documents = self._waiting.popleft()
                self._batch.extend(documents)
                size += sum(len(document.data) for document in documents)
            return finishing, flushes, hurried

    def _urgent(self) -> bool:
        return bool(self._stopping or self._flushes or self._hurried or self._jobs)

    def _seconds_to_next(self) -> float:
        """How long nothing has to be done if nothing arrives."""
        if self._rollups.to_seal() is not None:
            return 0.02
        if not self._stale:
            return 1.0
        now = time.monotonic()
        first = next(iter(self._stale.values()))
        return min(max(self._due(first) - now, 0.01), 1.0)

    def _attempt(self, patient: bool = True, all: bool = False) -> bool:
        """Store the batch and do what else is due; False if that must be tried again."""
        try:
            with self._transaction() as connection:
                self._store(connection)
                self._compile(connection, all)
                self._rollups.write(connection)
                self._write_counters(connection)
        except Exception as error:
            if isinstance(error, sqlite3.OperationalError) and patient:
                # A full disk, another program's lock, a failed device: it may go by.
                self._complain("Can't store documents", error)
                with self._changed:
                    self.fails = True
                    self._changed.notify_all()
                return False
            if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
                self._complain(f"Lost {len(self._batch)} documents that can't be stored", error)
                self._finish_batch(stored=False)
                return True
            # A fault of ours: find the trace that it happens with, and leave that one out.
            log.exception("Documents can't be stored or compiled")
            if self._suspect is not None:
                self._hopeless.add(self._suspect)
            elif self._one_by_one or not patient:
                self._finish_batch(stored=False)
            self._one_by_one = True
            return False
        self._committed = time.monotonic()
        self._finish_batch(stored=True)
        try:
            self._trim()
            if self._rollups.to_seal() is not None:
                with self._transaction() as connection:
                    self._rollups.seal(connection)
        except sqlite3.Error as error:
            self._complain("Can't make room", error)
        return True

    def _catch_up(self, seconds: float | None) -> None:
        """Compile all that waits to be, or what can be in so many seconds; the rest is marked."""
        deadline = float("inf") if seconds is None else time.monotonic() + seconds
        while self._stale and time.monotonic() < deadline:
            if not self._attempt(all=True):
                return

    def _finish_batch(self, stored: bool) -> None:
        with self._changed:
            self._finished += len(self._batch)
            if stored:
                self.stored += len(self._batch)
            else:
                self.dropped += len(self._batch)
                self._lost += len(self._batch)
            self.fails = False
            self._waiting_bytes -= sum(len(document.data) for document in self._batch)
            self._batch = []
            self._changed.notify_all()

    def _complain(self, what: str, error: Exception) -> None:
        now = time.monotonic()
        if now - self._complained >= 60:
            self._complained = now
            log.error(
                "%s: %s. Is the disk full, or the file in use by another program?", what, error
            )

    def _transaction(self) -> _Transaction:
        return _Transaction(self)

    def _forget(self) -> None:
        """What is known of the tables may not be so: read it again when it is needed."""
        self._active: OrderedDict[str, _Active] = OrderedDict()
        self._stale: OrderedDict[str, _Active] = OrderedDict()
        self._parsed = 0
        self._numbers = Numbers()
        self._rollups = Rollups(self._numbers)
        self._links = Links()
        self._counters: dict[str, Any] = {}
        self._counters_changed = False
        self._oldest: float | None = None
        self._trim_from = 0
        self._known = False

    def _read(self, connection: sqlite3.Connection) -> None:
        """Learn anew what is in the tables."""
        self._counters = dict(connection.execute("select name, value from counters"))
        self._rollups.read(connection)
        self._links.read(connection)
        waiting = connection.execute(
            "select trace_id from stale join traces using (trace_no) order by trace_no"
        ).fetchall()
        for (trace_id,) in waiting:
            active = self._find(connection, trace_id)
            assert active is not None
            active.marked = True
            active.stale = time.monotonic()
            self._stale[trace_id] = active
        self._known = True

    # -- documents

    def _store(self, connection: sqlite3.Connection) -> None:
        """Insert the batch."""
        rows = []
        new = []
        now = time.monotonic()
        received = time.time()
        for trace_id, data, content in self._batch:
            active = self._active.get(trace_id)
            if active is None:
                active = self._find(connection, trace_id)
                if active is None:
                    trace_no = self._count("trace_no")
                    active = _Active(trace_no, trace_no << DOCUMENT_BITS)
                    active.contents = []
                    new.append((trace_no, trace_id, received, self._run_no))
                    self._active[trace_id] = active
            rows.append((active.next, data))
            active.next += 1
            if active.contents is not None:
                if self._parsed < MAX_PARSED_DOCUMENTS:
                    active.contents.append(content)
                    self._parsed += 1
                else:
                    self._parsed -= len(active.contents)
                    active.contents = None
            active.arrived = now
            if not active.stale:
                active.stale = now
                self._stale[trace_id] = active
        if new:
            connection.executemany(
                "insert into traces (trace_no, trace_id, received, run_no) values (?, ?, ?, ?)", new
            )
            self._count("traces", len(new))
        connection.executemany("insert into documents values (?, ?)", rows)
        self._count("documents", len(rows))
        if self._targets and rows:
            numbers = outbox.packed(number for number, _ in rows)
            connection.executemany(
                "insert into outbox (target, numbers) values (?, ?)",
                [(target, numbers) for target in self._targets],
            )

    def _find(self, connection: sqlite3.Connection, trace_id: str) -> _Active | None:
        """A stored trace, made active."""
        found = connection.execute(
            "select trace_no, time is not null from traces where trace_id = ?", (trace_id,)
        ).fetchone()
        if found is None:
            return None
        first = found[0] << DOCUMENT_BITS
        last = connection.execute(
            "select max(number) from documents where number >= ? and number < ?",
            (first, first + (1 << DOCUMENT_BITS)),
        ).fetchone()[0]
        active = _Active(found[0], first if last is None else last + 1)
        active.compiled = bool(found[1])
        self._active[trace_id] = active
        return active

    def _contents(self, connection: sqlite3.Connection, active: _Active) -> list[dict[str, Any]]:
        if active.contents is not None:
            return active.contents
        return [orjson.loads(data) for data in documents_of(connection, active.trace_no)]

    # -- what follows from them

    @staticmethod
    def _due(active: _Active) -> float:
        """When a stale trace should be compiled."""
        soon = min(active.arrived + QUIET_SECONDS, active.stale + LONGEST_WAIT_SECONDS)
        return max(soon, active.compile_from)

    def _compile(self, connection: sqlite3.Connection, all: bool) -> None:
        """Compile the traces that are due, or all, as far as there is time."""
        now = begun = time.monotonic()
        compiled: list[tuple[_Active, Derived]] = []
        fresh: list[tuple[str, _Active]] = []
        self._suspect = None
        for trace_id, active in self._stale.items():
            if not all and self._due(active) > now:
                continue
            if time.monotonic() - begun > BUDGET_SECONDS or (fresh and self._one_by_one):
                break
            fresh.append((trace_id, active))
            if self._one_by_one:
                self._suspect = trace_id
            derived = self._derive(connection, trace_id, active)
            if derived is not None:
                compiled.append((active, derived))
        self._put(connection, compiled)
        for trace_id, _ in fresh:
            del self._stale[trace_id]
            self._active.move_to_end(trace_id)
        self._follow(connection, dict(fresh))
        connection.executemany(
            "delete from stale where trace_no = ?", [(a.trace_no,) for _, a in fresh if a.marked]
        )
        for _, active in fresh:
            active.marked = False
        unmarked = [active for active in self._stale.values() if not active.marked]
        connection.executemany(
            "insert into stale values (?)", [(active.trace_no,) for active in unmarked]
        )
        for active in unmarked:
            active.marked = True
        self._one_by_one = self._one_by_one and bool(self._stale)
        while len(self._active) > MAX_ACTIVE_TRACES:
            trace_id, active = self._active.popitem(last=False)
            if active.stale:
                self._active[trace_id] = active
                break

    def _follow(self, connection: sqlite3.Connection, fresh: dict[str, _Active]) -> None:
        """Make those traces stale whose links to these lead elsewhere now."""
        for trace_id in self._links.linked_to(connection, list(fresh)):
            begun = time.monotonic()
            for linking in self._links.outdated(connection, trace_id):
                active = self._active.get(linking) or self._find(connection, linking)
                if active is not None and not active.stale:
                    active.stale = begun
                    self._stale[linking] = active
            fresh[trace_id].compile_from += (time.monotonic() - begun) / SHARE_OF_TIME

    def _derive(
        self, connection: sqlite3.Connection, trace_id: str, active: _Active
    ) -> Derived | None:
        begun = time.monotonic()
        derived = None
        if trace_id in self._hopeless:
            self.failed += 1
        else:
            try:
                following = Following(
                    lambda other: self._links.producers(connection, other),
                    lambda: recorded(connection, active.trace_no) if active.compiled else {},
                )
                trace = compile_trace(trace_id, self._contents(connection, active), following)
                derived = derive(trace, following.found)
                self._links.compiled(trace)
            except sqlite3.Error:
                raise
            except Exception:
                self.failed += 1
                log.exception("Trace %s can't be compiled; its documents are kept", trace_id)
        if active.contents is not None:
            self._parsed -= len(active.contents)
            active.contents = None
        ended = time.monotonic()
        active.stale = 0.0
        active.compile_from = ended + (ended - begun) / SHARE_OF_TIME
        return derived

    def _put(self, connection: sqlite3.Connection, compiled: list[tuple[_Active, Derived]]) -> None:
        """Write the rows of compiled traces in place of those they had."""
        again = [(active.trace_no,) for active, _ in compiled if active.compiled]
        old: list[Observation] = []
        for (trace_no,) in again:
            found = connection.execute(
                "select observations from compiled where trace_no = ?", (trace_no,)
            ).fetchone()
            if found is not None:
                old.extend(unpack(found[0]))
        for table in DERIVED_TABLES if again else ():
            connection.executemany(f"delete from {table} where trace_no = ?", again)
        traces, parts, calls, annotations, values = [], [], [], [], []
        links, failures, kept = [], [], []
        use = self._numbers.use
        for active, derived in compiled:
            number = active.trace_no
            root = None if derived.root is None else use(connection, derived.root, number)
            change_no = self._count("change_no")
            traces.append((*derived.trace, root, change_no, number))
            for place, (key, row) in enumerate(derived.parts):
                parts.append((number, place, use(connection, key, number), *row))
            for place, (source, target, row) in enumerate(derived.calls):
                ends = (use(connection, end, number) for end in (source, target))
                calls.append((number, place, *ends, *row))
            for place, annotation in enumerate(derived.annotations):
                annotations.append((number, place, *annotation))
            for value in derived.values:
                values.append((number, *value))
            for place, link in enumerate(derived.links):
                links.append((number, place, *link))
            for place, (key, row) in enumerate(derived.failures):
                failures.append((number, place, use(connection, key, number), *row))
            kept.append((number, derived.summary, derived.packed))
            active.compiled = True
        self._numbers.write(connection)
        new = (seen for _, derived in compiled for seen in derived.observations)
        self._rollups.add(connection, change(old, new))
        connection.executemany(_UPSERT_TRACE, traces)
        connection.executemany(_INSERT_PART, parts)
        connection.executemany(_INSERT_CALL, calls)
        connection.executemany(_INSERT_ANNOTATION, annotations)
        connection.executemany(_INSERT_VALUE, values)
        self._links.write(connection, links)
        connection.executemany(_INSERT_FAILURE, failures)
        connection.executemany(_INSERT_COMPILED, kept)
        longest = max((derived.trace[3] for _, derived in compiled), default=0.0)
        if longest > self._counters.get("longest", 0.0):
            self._set_counter("longest", longest)

    # -- making room

    def _trim(self) -> None:
        """Delete the oldest traces while there is too much, or it is too old, for a short time."""
        if self._max_bytes is None and self._max_age is None:
            return
        deadline = time.monotonic() + BUDGET_SECONDS * (1 if self._is_little_over() else 4)
        while self._too_much() and time.monotonic() < deadline:
            with self._transaction() as connection:
                went = self._delete_oldest(connection)
                self._rollups.write(connection)
                self._write_counters(connection)
            if not went:
                break
            self._nodes_to_trim = True
        now = time.monotonic()
        if self._nodes_to_trim and now >= self._nodes_trimmed + SECONDS_BETWEEN_NODES:
            with self._transaction() as connection:
                # Below a pinned run there may be others; their nodes stay as long as it does.
                oldest = connection.execute("select min(trace_no) from traces").fetchone()[0]
                none = self._counters.get("trace_no", 0) + 1
                self._numbers.trim(connection, none if oldest is None else oldest)
            self._nodes_trimmed = now
            self._nodes_to_trim = False

    def _is_little_over(self) -> bool:
        if self._max_bytes is None:
            return True
        with self._exclusive():
            return used_bytes(self._connection) < self._max_bytes * MUCH_OVER

    def _too_much(self) -> bool:
        if self._counters.get("trimming"):
            return True  # a trace goes whole
        if self._max_age is not None:
            if self._oldest is None:
                with self._exclusive():
                    found = self._to_trim(self._connection)
                self._oldest = found[0][2] if found else None
            if self._oldest is not None and self._oldest < time.time() - self._max_age:
                return True
        if self._max_bytes is None:
            return False
        with self._exclusive():
            used = used_bytes(self._connection)
        limit = self._max_bytes
        if used > limit:
            self._trimming = True
        elif used <= limit * TRIM_TO:
            self._trimming = False
        return self._trimming

    def _delete_oldest(self, connection: sqlite3.Connection) -> bool:
        """Delete a few traces, or a part of a large one; False if there is none."""
        oldest = self._to_trim(connection)
        limit = (
            float("inf") if self._trimming or self._max_age is None else time.time() - self._max_age
        )
        if not oldest:
            return False
        going = [row for row in oldest if row[2] < limit] or oldest[:1]
        while (documents := _count_documents(connection, going)) > TRIM_DOCUMENTS:
            if len(going) == 1:
                break
            going = going[: len(going) // 2]
        first, last = going[0][0], going[-1][0]
        partly = first if documents > TRIM_DOCUMENTS else 0
        documents = connection.execute(
            "delete from documents where number in (select number from documents "
            "where number >= ? and number < ? limit ?)",
            (first << DOCUMENT_BITS, (last + 1) << DOCUMENT_BITS, TRIM_DOCUMENTS),
        ).rowcount
        for _, trace_id, _ in going:
            self._stale.pop(trace_id, None)
            self._links.forget(trace_id)
            active = self._active.pop(trace_id, None)
            if active is not None and active.contents is not None:
                self._parsed -= len(active.contents)
        said = connection.execute(
            "select observations from compiled where trace_no >= ? and trace_no <= ?", (first, last)
        ).fetchall()
        old = (seen for (packed,) in said for seen in unpack(packed))
        self._rollups.add(connection, change(old, ()))
        for table in ("stale", *DERIVED_TABLES):
            connection.execute(
                f"delete from {table} where trace_no >= ? and trace_no <= ?", (first, last)
            )
        if partly:  # the rest of it the next time
            going = []
            connection.execute("update traces set time = null where trace_no = ?", (partly,))
        else:
            connection.execute(
                "delete from traces where trace_no >= ? and trace_no <= ?", (first, last)
            )
        self._set_counter("trimming", partly)
        self._count("traces", -len(going))
        self._count("documents", -documents)
        self.trimmed_traces += len(going)
        self.trimmed_documents += documents
        self._oldest = None
        return True

    def _to_trim(self, connection: sqlite3.Connection) -> list[tuple[int, str, float]]:
        """Number, id and arrival of the first traces that aren't pinned, with no pinned one between."""
        while True:
            rows = connection.execute(
                "select trace_no, trace_id, received, "
                "coalesce((select pinned from runs r where r.run_no = t.run_no), 0) "
                "from traces t where trace_no >= ? order by trace_no limit ?",
                (self._trim_from, TRIM_TRACES),
            ).fetchall()
            place = next((n for n, row in enumerate(rows) if not row[3]), None)
            if place is not None:
                self._trim_from = rows[place][0]
                return [row[:3] for row in takewhile(lambda row: not row[3], rows[place:])]
            if not rows:
                return []
            self._trim_from = rows[-1][0] + 1

    # -- runs

    def _begin_run(self, connection: sqlite3.Connection, name: str | None) -> None:
        self._run_no = None if name is None else _run(connection, name)
        self.run_name = name

    def _put_in_run(
        self, connection: sqlite3.Connection, name: str, trace_ids: Sequence[str]
    ) -> None:
        number = _run(connection, name)
        connection.executemany(
            "update traces set run_no = ? where trace_id = ?", [(number, id) for id in trace_ids]
        )
        self._trim_from = 0

    def _pin_run(self, connection: sqlite3.Connection, name: str, pinned: bool) -> bool:
        found = connection.execute(
            "update runs set pinned = ? where name = ?", (int(pinned), name)
        ).rowcount
        self._trim_from = 0
        self._oldest = None
        return bool(found)

    def _remove(self, connection: sqlite3.Connection, run: str | None, pinned: bool) -> Removed:
        removed = remove(connection, run, pinned, self._run_no)
        if run is not None and run == self.run_name:
            self._run_no = self.run_name = None
        self._is_sparse = connection.execute("select 1 from traces limit 1").fetchone() is None
        self._forget()  # what is known of the tables isn't so any more
        return removed

    def _compact(self) -> None:
        """Give back the room of what was removed; what was in the file isn't there any more."""
        self._is_sparse = False
        try:
            with self._exclusive():
                self._connection.execute("vacuum")
        except sqlite3.Error as error:
            self._complain("Can't compact the database", error)

    # -- counters and jobs

    def _count(self, name: str, by: int = 1) -> int:
        number: int = self._counters.get(name, 0) + by
        self._set_counter(name, number)
        return number

    def _set_counter(self, name: str, value: float) -> None:
        self._counters[name] = value
        self._counters_changed = True

    def _write_counters(self, connection: sqlite3.Connection) -> None:
        if self._counters_changed:
            connection.executemany(
                "insert or replace into counters values (?, ?)", list(self._counters.items())
            )
            self._counters_changed = False

    def _run_jobs(self) -> None:
        while self._jobs:
            job, done = self._jobs.popleft()
            try:
                with self._transaction() as connection:
                    result = job(connection)
            except Exception as error:
                done.set_exception(error)
            else:
                done.set_result(result)


class _Transaction:
    """Everything in a `with` block, or nothing of it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._exclusive = writer._exclusive()

    def __enter__(self) -> sqlite3.Connection:
        self._exclusive.__enter__()
        connection = self._writer._connection
        try:
            connection.execute("begin immediate")
            if not self._writer._known:
                self._writer._read(connection)
        except BaseException:
            self.__exit__(sqlite3.Error)
            raise
        return connection

    def __exit__(self, kind: type[BaseException] | None, *about: object) -> None:
        connection = self._writer._connection
        try:
            if kind is None:
                connection.execute("commit")
        except sqlite3.Error:
            kind = sqlite3.Error
            raise
        finally:
            try:
                if kind is not None:
                    if connection.in_transaction:
                        connection.execute("rollback")
                    self._writer._forget()
            finally:
                self._exclusive.__exit__(None, None, None)


def _run(connection: sqlite3.Connection, name: str) -> int:
    """The number of a run, which is made if it isn't there."""
    connection.execute(
        "insert into runs (name, begun, pinned) values (?, ?, 0) on conflict do nothing",
        (name, time.time()),
    )
    found = connection.execute("select run_no from runs where name = ?", (name,)).fetchone()
    return int(found[0])


def _count_documents(connection: sqlite3.Connection, traces: Sequence[tuple[Any, ...]]) -> int:
    """How many documents traces next to each other have. Their rows begin with trace_no."""
    first, last = traces[0][0], traces[-1][0]
    found = connection.execute(
        "select count(*) from documents where number >= ? and number < ?",
        (first << DOCUMENT_BITS, (last + 1) << DOCUMENT_BITS),
    ).fetchone()
    return int(found[0])


def used_bytes(connection: sqlite3.Connection) -> int:
    """How much of the file holds something."""
    pages, free, size = (
        connection.execute(f"pragma {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _result(done: Future[None], timeout: float | None) -> bool:
    try:
        done.result(timeout)
    except FutureTimeout:
        return False
    return True
