"""The store on ClickHouse: any number of collectors write to one cluster, and each shows all of it.

ClickHouse keeps everything; a collector has nothing but what it hasn't inserted yet, so that it may end, or be
killed, at any moment. Documents are inserted as they are; then the row of each of their traces is made,
of all documents that anybody has inserted, see `settling`. Everything else is asked of these rows, in SQL;
for the service graph there are sums of them, see `rolling`.
"""

from __future__ import annotations

import logging
import random
import time
from collections import OrderedDict, deque
from contextlib import contextmanager
from math import ceil, floor
from threading import Condition, Event, RLock, Thread
from uuid import uuid4

import orjson

from ...graph import PERIOD, added_up
from .. import (
    Change,
    Counts,
    Distribution,
    Document,
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
)
from ..questions import compiled
from . import aggregates
from .changes import Changes
from .database import AT_ONCE, Database, chunks
from .questions import Question, Selection, known, position
from .rolling import LATEST, SECONDS_BETWEEN_ROUNDS, Rolled, Rolling
from .schema import place_of, tables
from .settling import Received, Settling, documents_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from ...filters import Filter
    from ...graph import Rollup, Subject
    from ...trace import Trace

__all__ = ["ClickHouseStore", "place_of", "tables"]

log = logging.getLogger("xtrace.collector")

SECONDS_BETWEEN_INSERTS = 0.2
"""At least: ClickHouse wants few large inserts."""
MAX_INSERT_BYTES = 16 * 1024 * 1024
RETRY_SECONDS = 0.5
SECONDS_TO_INSERT = 5.0
"""How long a reader waits for documents that are on their way."""
SECONDS_TO_CLOSE = 0.5
"""How long the end waits for a ClickHouse that is down; what waits then is lost, and counted. For an answer
it waits as long as readers do."""
SHARE_OF_TIME = 0.1
"""Spent at most on compiling one trace again and again while its documents trickle in."""
SETTINGS_SECONDS = 1.0
"""How old what is known of the settings may be."""

SECONDS_BETWEEN_SWEEPS = 10.0
"""After which some collector looks whether another one has died before it had made a row."""
SWEEP_OVERLAP_SECONDS = 60.0
"""How long after its insertion a document may take to show on another replica."""
SWEPT_AT_ONCE = 10_000

SLOW_SECONDS = 0.5
"""What takes longer to find may be as old as keeps it to its share of the time."""

OWN = "clickhouse/"
"""Before the names of settings that are the store's own."""
EPOCH = f"{OWN}epoch"
"""Changes when traces were removed: rows that were on their way then may have to go, too."""
SWEPT = f"{OWN}swept"
PLACED = f"{OWN}placed"
RUNS = f"{OWN}runs/"
GENERATION = f"{OWN}generation"
"""Of the graph's sums: another when traces were removed."""
ROLLED = f"{OWN}rolled"

_COLUMNS = {
    Order.START: "start_time",
    Order.RESPONSE_TIME: "response_time",
    Order.DURATION: "duration",
    Order.STATUS: "http_status",
    Order.URL: "http_url",
    Order.METHOD: "http_method",
}


class ClickHouseStore(Store):
    """See `open_store`. max_age: of documents and rows. There is no max_bytes: it isn't one collector's."""

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        max_age: float | None = None,
        max_waiting_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self._read_only = read_only
        self._collector = uuid4().hex
        self._number = time.time_ns()
        self._max_queue_bytes = max_waiting_bytes
        self._changed = Condition()
        self._queue: deque[list[Document]] = deque()
        self._queue_bytes = 0
        self._batch: list[Document] = []
        # Traces whose rows lack documents: those of them that are known, and from when on (monotonic
        # seconds) the row may be made again.
        self._stale: dict[str, Received | None] = {}
        self._settling_now: dict[str, Received | None] = {}
        self._not_before: OrderedDict[str, float] = OrderedDict()
        self._written: OrderedDict[str, float] = OrderedDict()
        self._taken = self._stored = self._lost = 0
        self._refused = 0  # of the lost ones, those that the server wouldn't have
        self._flushing = 0
        self._ending = False
        self._ended = False
        self._complained = float("-inf")
        self._down = False
        self._run: str | None = None
        self._settings: dict[str, Any] = {}
        self._settings_at = float("-inf")
        self._epoch: Any = None
        self._sweep_at = time.monotonic() + SECONDS_BETWEEN_SWEEPS * random.uniform(0.5, 1.0)
        self._counted = (0.0, 0)
        self._slow: dict[str, tuple[float, Any]] = {}
        self._changes = Changes()
        self._database = Database(place_of(url), max_age, read_only)
        self._settling = Settling(self._database)
        self._reading = Settling(self._database)
        self._rolling = Rolling(self._database)
        # On a thread of its own: nothing that comes in waits for sums.
        self._closing = Event()
        self._rolling_thread = Thread(
            target=self._keep_sums, name="xtrace-clickhouse-sums", daemon=True
        )
        self._exclusive = RLock()  # around what makes rows
        self._thread = Thread(target=self._work, name="xtrace-clickhouse", daemon=True)
        try:
            self._epoch = self.setting(EPOCH)
            documents, changed = self._database.query(
                "SELECT count(), (SELECT max(changed) FROM traces) FROM documents"
            )[0]
            self._changes.begin(self._database, changed)
            if documents and not read_only:
                self._sweep(all=True)
        except BaseException:
            self._database.close()
            raise
        if not read_only:
            self._thread.start()
            self._rolling_thread.start()

    # -- what comes in

    def write(self, documents: Sequence[Document], timeout: float = 0.0) -> int:
        """See Store."""
        size = sum(len(document.data) for document in documents)
        with self._changed:
            self._taken += len(documents)
            room = self._changed.wait_for(
                lambda: (
                    self._ending
                    or not self._queue_bytes
                    or self._queue_bytes + size <= self._max_queue_bytes
                ),
                timeout,
            )
            if self._read_only or self._ending or not room:
                self._lost += len(documents)
                return 0
            self._queue.append(list(documents))
            self._queue_bytes += size
            self._changed.notify_all()
        return len(documents)

    def flush(self, timeout: float | None = None) -> bool:
        """See Store."""
        with self._hurry():
            return self._changed.wait_for(
                lambda: self._ended or not (self._queue_bytes or self._stale or self._settling_now),
                timeout,
            )

    def is_safe(self, timeout: float) -> bool:
        """See Store. It waits for an insert, which isn't hurried: many wait for the same one."""
        with self._changed:
            refused = self._refused
            until = self._stored + refused + self._waiting()

            def is_over() -> bool:
                return self._stored + self._refused >= until

            self._changed.wait_for(lambda: self._ended or self._down or is_over(), timeout)
            return is_over() and self._refused == refused

    @property
    def fails(self) -> bool:
        """See Store."""
        return self._down

    @contextmanager
    def _hurry(self) -> Iterator[None]:
        """Somebody waits: with the lock, which waiting gives up."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                yield
            finally:
                self._flushing -= 1

    def close(self) -> None:
        """See Store. May be called again."""
        with self._changed:
            if self._ending:
                return
            self._ending = True
            self._changed.notify_all()
            if not self._read_only:
                self._await_end()
        self._closing.set()
        self._database.close()
        if not self._read_only:
            self._rolling_thread.join(SECONDS_TO_CLOSE)

    def _await_end(self) -> None:
        """Wait until everything is stored, for as long as something gets on."""
        while not self._ended:
            before = self._stored, len(self._stale), len(self._settling_now)
            patience = SECONDS_TO_CLOSE if self._down else SECONDS_TO_INSERT
            ended = self._changed.wait_for(lambda: self._ended, patience)
            if not ended and before == (self._stored, len(self._stale), len(self._settling_now)):
                break
        waiting = self._waiting()
        if waiting:
            self._lost += waiting
            self._queue.clear()
            self._batch = []
            self._queue_bytes = 0
            log.error(
                "%d documents could not be stored: %s doesn't answer",
                waiting,
                self._database.place.url,
            )
        self._ended = True

    def _waiting(self) -> int:
        return len(self._batch) + sum(map(len, self._queue))

    # -- on the thread that writes

    def _work(self) -> None:
        """Insert what has been taken, in batches, and make rows, until the store is closed."""
        while not self._ended:
            self._next()
            if self._batch and not self._insert_batch():
                with self._changed:
                    self._changed.wait_for(lambda: self._ended, RETRY_SECONDS)
                continue
            try:
                self._settle_due()
                self._tidy()
            except StoreError as error:
                self._complain(f"{error}; documents are kept, and show later")
                with self._changed:
                    self._changed.wait_for(lambda: self._ended, RETRY_SECONDS)
            except Exception:  # a fault of ours
                log.exception("Traces can't be shown yet; their documents are kept")
                with self._changed:
                    self._changed.wait_for(lambda: self._ended, RETRY_SECONDS)
            else:
                self._down = False
            with self._changed:
                if self._ending and not (self._queue or self._batch or self._stale):
                    self._ended = True
                self._changed.notify_all()

    def _next(self) -> None:
        """Wait for something to do, and take a batch."""
        with self._changed:
            if not self._batch and not self._queue and not (self._urgent() and self._stale):
                self._changed.wait_for(
                    lambda: self._queue or self._urgent(), self._seconds_to_next()
                )
            if self._queue and not self._urgent():
                self._changed.wait_for(
                    lambda: self._urgent() or self._queue_bytes >= MAX_INSERT_BYTES,
                    SECONDS_BETWEEN_INSERTS,
                )
            if not self._batch:
                size = 0
                while self._queue and size < MAX_INSERT_BYTES:
                    documents = self._queue.popleft()
                    self._batch.extend(documents)
                    size += sum(len(document.data) for document in documents)
                first = max(self._number, time.time_ns())
                self._number = first + len(self._batch)
                self._batch_from = first
                self._batch_run = self._run or ""

    def _urgent(self) -> bool:
        return bool(self._flushing or self._ending or self._ended)

    def _seconds_to_next(self) -> float:
        if not self._stale:
            return 1.0
        now = time.monotonic()
        due = min(self._not_before.get(id, 0.0) for id in self._stale)
        return min(max(due - now, 0.01), 1.0)

    def _insert_batch(self) -> bool:
        batch, first, run = self._batch, self._batch_from, self._batch_run
        rows = [
            (self._collector, number, run, document.trace_id, document.data)
            for number, document in enumerate(batch, first)
        ]
        try:
            # The same rows again, if it was only the answer that got lost, are one for the engine.
            refused = self._database.insert_what_goes("documents", rows)
        except StoreError as error:
            self._complain(f"{error}; documents wait in memory")
            return False
        with self._changed:
            if self._ended:
                return True  # they have been given up, and counted so
            for number, document in enumerate(batch, first):
                if number - first in refused:
                    continue
                received = self._stale.get(document.trace_id)
                if received is None and document.trace_id not in self._stale:
                    received = self._stale[document.trace_id] = Received()
                if received is not None:
                    received.add(number, run, document.content)
            self._stored += len(batch) - len(refused)
            self._lost += len(refused)
            self._refused += len(refused)
            self._queue_bytes -= sum(len(document.data) for document in batch)
            self._batch = []
            self._changed.notify_all()
        return True

    def _settle_due(self) -> None:
        """Make the rows of traces that are due."""
        now = time.monotonic()
        with self._changed:
            due = [
                id
                for id in self._stale
                if self._flushing or self._ending or self._not_before.get(id, 0.0) <= now
            ]
            self._settling_now = {id: self._stale.pop(id) for id in due}
        if not due:
            return
        try:
            with self._exclusive:
                self._settling.settle(self._settling_now, any_placed=self._any_placed())
        except BaseException:
            with self._changed:
                # What has come since isn't all that is known; ClickHouse has it.
                for id in self._settling_now:
                    self._stale[id] = None
                self._settling_now = {}
            raise
        self._changes.look_soon()
        done = time.monotonic()
        with self._changed:
            for id in due:
                self._written[id] = done
            for id, took in self._settling.took.items():
                self._not_before[id] = done + took / SHARE_OF_TIME
            self._settling.took.clear()
            while self._not_before and next(iter(self._not_before.values())) < done:
                self._not_before.popitem(last=False)
            self._settling_now = {}
            self._changed.notify_all()

    def _tidy(self) -> None:
        """What is due now and then."""
        now = time.monotonic()
        while self._written and next(iter(self._written.values())) < now - 2 * SETTINGS_SECONDS:
            self._written.popitem(last=False)
        epoch = self.setting(EPOCH)
        if epoch != self._epoch:
            self._epoch = epoch
            self._after_removal(list(self._written))
        if now >= self._sweep_at:
            self._sweep()

    def _complain(self, what: str) -> None:
        with self._changed:
            self._down = True
            self._changed.notify_all()
        self._say(what)

    def _say(self, what: str) -> None:
        now = time.monotonic()
        if now - self._complained >= 60:
            self._complained = now
            log.error("%s", what)

    # -- what others have left

    def _after_removal(self, ids: list[str]) -> None:
        """Delete rows that were written while another collector removed the documents."""
        with self._exclusive:
            gone = self._settling.settle(dict.fromkeys(ids), any_placed=self._any_placed())
        if gone:
            self._database.delete("traces", "trace_id", gone)
            self.put_setting(GENERATION, uuid4().hex)
        if self._run is not None and RUNS + self._run not in self._all_settings(fresh=True):
            self.put_setting(RUNS + self._run, {"begun": time.time(), "pinned": False})

    def _sweep(self, all: bool = False) -> None:
        """Make the rows of traces with documents that no row knows: their collector has died.

        all: also of documents that have just been inserted.
        """
        self._sweep_at = time.monotonic() + SECONDS_BETWEEN_SWEEPS
        (now,) = self._database.query("SELECT toFloat64(now64(6, 'UTC'))")[0]
        swept = self._all_settings(fresh=True).get(SWEPT) or {"at": 0.0, "until": 0.0}
        if not all and swept["at"] > now - SECONDS_BETWEEN_SWEEPS / 2:
            return  # another collector did
        until = now if all else now - 2 * SECONDS_BETWEEN_INSERTS - 1.0
        since = swept["until"] - SWEEP_OVERLAP_SECONDS
        complete = False
        while not complete:
            ids = self._lacking(since, until)
            with self._exclusive:
                self._settling.settle(dict.fromkeys(ids), any_placed=self._any_placed())
            complete = len(ids) < SWEPT_AT_ONCE
        self.put_setting(SWEPT, {"at": now, "until": until})

    def _keep_sums(self) -> None:
        """On a thread: add up what is new of the service graph now and then, until the store is closed."""
        while not self._closing.wait(SECONDS_BETWEEN_ROUNDS * random.uniform(0.7, 1.0)):
            try:
                self._roll_up()
            except StoreError as error:
                if not self._closing.is_set():
                    self._say(f"{error}; the map is asked of the traces meanwhile")
            except Exception:  # a fault of ours
                log.exception("The map's sums can't be made; it is asked of the traces")

    def _roll_up(self) -> None:
        """Add up what is new of the service graph, if no other collector does."""
        self._all_settings(fresh=True)
        rolled = self._rolled()
        if self._rolling.is_due(rolled):
            rolled, touched = self._rolling.mark(rolled)
            self.put_setting(ROLLED, rolled._asdict())
            self._rolling.add_up(rolled.generation, touched)

    def _rolled(self) -> Rolled:
        settings = self._all_settings()
        generation = settings.get(GENERATION) or ""
        said = settings.get(ROLLED)
        if said is None or said["generation"] != generation:
            return Rolled(generation)
        return Rolled(**said)

    def _lacking(self, since: float, until: float) -> list[str]:
        """Traces with documents inserted then, whose rows lack some of their documents."""
        between = "received > toDateTime64(?, 6, 'UTC') AND received <= toDateTime64(?, 6, 'UTC')"
        fresh = f"(SELECT trace_id FROM documents WHERE {between})"
        moments = (max(0.0, since), until)
        rows = self._database.query(
            "SELECT d.trace_id FROM (SELECT trace_id, count() AS documents FROM documents FINAL "
            f"WHERE trace_id GLOBAL IN {fresh} GROUP BY trace_id) AS d "
            "GLOBAL LEFT JOIN (SELECT trace_id, max(documents) AS documents FROM traces "
            f"WHERE trace_id GLOBAL IN {fresh} GROUP BY trace_id) AS t ON d.trace_id = t.trace_id "
            f"WHERE d.documents > t.documents LIMIT {SWEPT_AT_ONCE}",
            (*moments, *moments),
        )
        return [trace_id for (trace_id,) in rows]

    # -- traces

    def raw(self, trace_id: str) -> list[bytes]:
        """See Store."""
        self._await_inserted({trace_id})
        return [data for *_, data in documents_of(self._database, [trace_id])]

    def traces(self, trace_ids: Sequence[str]) -> list[Trace]:
        """See Store."""
        ids = list(dict.fromkeys(trace_ids))
        self._await_inserted(set(ids))
        documents: dict[str, list[bytes]] = {}
        for trace_id, _, _, data in documents_of(self._database, ids):
            documents.setdefault(trace_id, []).append(data)
        links = self._reading.recorded(documents)
        return [
            compiled(id, documents[id], known(links.get(id, {}))) for id in ids if id in documents
        ]

    def _await_inserted(self, trace_ids: set[str]) -> None:
        with self._hurry():
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

    def _question(
        self,
        window: Window,
        filter: Filter | None,
        run: str | None,
        range_type: RangeType = RangeType.TRACE_ID,
        groups: Mapping[str, Filter] | None = None,
    ) -> Question:
        return Question(self._database, self._rows, window, range_type, filter, groups, run)

    def _rows(self) -> int:
        """How many rows there are, about."""
        now = time.monotonic()
        until, rows = self._counted
        if now >= until:
            rows = self._count("traces")
            self._counted = (now + SECONDS_BETWEEN_SWEEPS, rows)
        return rows

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
        top = None if cursor is None else position(cursor)
        return self._question(window, filter, run, range_type, groups).page(top, limit, seconds)

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
        direction = "DESC" if highest else "ASC"
        order = f"isNull({column}), {column} {direction}, t.trace_id {direction}"
        return Ranking(*self._question(window, filter, run).ranked(order, limit, deadline))

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
        deadline = time.monotonic() + seconds
        question = self._question(window, filter, run)
        return aggregates.distribution(self._database, question, step, deadline)

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
        deadline = time.monotonic() + seconds
        question = self._question(window, filter, run)
        return aggregates.facets(self._database, question, by, limit, deadline)

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
        deadline = time.monotonic() + seconds
        question = self._question(window, filter, run)
        return aggregates.failures(self._database, question, step, group, samples, deadline)

    def matching(
        self,
        trace_ids: Sequence[str],
        *,
        filter: Filter | None = None,
        run: str | None = None,
    ) -> set[str]:
        """See Store."""
        ever = Window(float("-inf"), float("inf"))
        return self._question(ever, filter, run).matching(trace_ids)

    def followers(self, trace_id: str, limit: int = 100) -> list[tuple[str, str]]:
        """See Store."""
        linking = self._database.query(
            f"SELECT DISTINCT trace_id FROM links WHERE to_trace = ? LIMIT {AT_ONCE}", (trace_id,)
        )
        rows = self._database.query(
            "SELECT trace_id, l_id FROM traces FINAL "
            "ARRAY JOIN `links.to_trace` AS l_to, `links.id` AS l_id "
            f"WHERE trace_id IN ? AND l_to = ? ORDER BY received, trace_id LIMIT {limit}",
            ([id for (id,) in linking], trace_id),
        )
        return [(id, to) for id, to in rows]

    def extent(self) -> Window | None:
        """See Store."""
        count, first, last = self._seldom(
            "extent", "SELECT count(), min(start_time), max(start_time) FROM traces FINAL"
        )
        return Window(first, last) if count else None

    def _seldom(self, name: str, statement: str) -> Any:
        """The one row of an answer that may be a little old if it takes long to find."""
        now = time.monotonic()
        until, row = self._slow.get(name, (now, None))
        if now >= until:
            (row,) = self._database.query(statement)
            took = time.monotonic() - now
            if took > SLOW_SECONDS:
                self._slow[name] = (now + took / SHARE_OF_TIME, row)
        return row

    def remove(self, run: str | None = None, pinned: bool = False) -> Removed:
        """See Store."""
        self.flush(SECONDS_TO_INSERT)
        runs = self._all_settings(fresh=True)
        names = [name.removeprefix(RUNS) for name in runs if name.startswith(RUNS)]
        kept = [name for name in names if runs[RUNS + name]["pinned"] and not pinned]
        if run is not None:
            going, going_names = Selection("run = ?", (run,)), [run]
        else:
            going = Selection("run NOT IN ?", (kept,)) if kept else Selection("1", ())
            going_names = [name for name in names if name not in kept and name != self._run]
        with self._exclusive:
            ids = self._ids(going)
            before = self._count("documents")
            left = self._database.query("SELECT count() FROM traces FINAL")[0][0] - len(ids)
            if left:
                for table in ("documents", "traces", "links"):
                    self._database.delete(table, "trace_id", ids)
            else:
                for table in ("documents", "traces", "links"):
                    self._database.truncate(table)
            self._database.truncate("graph")
            self.put_setting(GENERATION, uuid4().hex)
            self._slow.clear()
            removed = Removed(
                len(ids), before - self._count("documents"), left if run is None else 0
            )
        for name in going_names:
            self.put_setting(RUNS + name, None)
        if run is not None and run == self._run:
            self._run = None
        self.put_setting(EPOCH, uuid4().hex)
        self._epoch = self.setting(EPOCH)
        return removed

    def _ids(self, selection: Selection) -> list[str]:
        rows = self._database.query(
            f"SELECT trace_id FROM traces FINAL WHERE {selection.where}", selection.parameters
        )
        return [trace_id for (trace_id,) in rows]

    def _count(self, table: str) -> int:
        count: int = self._database.query(f"SELECT count() FROM {table}")[0][0]
        return count

    # -- runs

    def runs(self) -> list[Run]:
        """See Store. Those of all collectors."""
        rows = self._database.query(
            "SELECT run, count(), min(start_time), max(start_time) FROM traces FINAL "
            "WHERE run != '' GROUP BY run"
        )
        known = {run: rest for run, *rest in rows}
        made = [
            Run(name, said["begun"], said["pinned"], *known.get(name, (0, None, None)))
            for name, said in (
                (name.removeprefix(RUNS), said) for name, said in self._own(RUNS).items()
            )
        ]
        return sorted(made, key=lambda run: run.begun)

    def current_run(self) -> str | None:
        """See Store. Each collector has its own."""
        return self._run

    def begin_run(self, name: str | None) -> None:
        """See Store."""
        if name is not None:
            self._make_run(name)
        # What was taken before is of the run before.
        self._await_batches()
        self._run = name

    def _make_run(self, name: str) -> None:
        if RUNS + name not in self._all_settings(fresh=True):
            self.put_setting(RUNS + name, {"begun": time.time(), "pinned": False})

    def _await_batches(self) -> None:
        with self._hurry():
            self._changed.wait_for(lambda: self._ended or not self._queue_bytes, SECONDS_TO_INSERT)

    def pin_run(self, name: str, pinned: bool) -> bool:
        """See Store."""
        said = self._all_settings(fresh=True).get(RUNS + name)
        if said is None:
            return False
        self.put_setting(RUNS + name, {**said, "pinned": pinned})
        return True

    def put_in_run(self, name: str, trace_ids: Sequence[str]) -> None:
        """See Store."""
        self.flush(SECONDS_TO_INSERT)
        self._make_run(name)
        self.put_setting(PLACED, True)
        with self._exclusive:
            self._settling.settle(dict.fromkeys(trace_ids), placed=name, any_placed=True)

    def _any_placed(self) -> bool:
        return bool(self._all_settings().get(PLACED))

    def run_of(self, trace_id: str) -> str | None:
        """See Store."""
        rows = self._database.query("SELECT run FROM traces FINAL WHERE trace_id = ?", (trace_id,))
        return (rows[0][0] or None) if rows else None

    # -- changes

    def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """See Store. Of what changed since this collector has begun, the newest."""
        numbers = self._changes.after(self._database, after, limit)
        rows: dict[str, Any] = {}
        for some in chunks(list(numbers)):
            rows.update(
                self._database.query(
                    "SELECT trace_id, summary FROM traces FINAL WHERE trace_id IN ?", (some,)
                )
            )
        return [
            Change(number, id, orjson.loads(rows[id]))
            for id, number in numbers.items()
            if id in rows
        ]

    def last_change(self) -> int:
        """See Store."""
        return self._changes.last(self._database)

    # -- the service graph

    def graph(
        self,
        window: Window,
        filter: Filter | None = None,
        groups: Mapping[str, Filter] | None = None,
        run: str | None = None,
    ) -> list[Rollup]:
        """See Store."""
        rollups = self._rollups(window, LATEST, filter, groups, run)
        return added_up(rollup for _, rollup in rollups)

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
        for start, rollup in self._rollups(window, step, filter, groups, run):
            if subjects is None or subjects(rollup.subject):
                periods.setdefault(start, []).append(rollup)
        return [(float(start), added_up(periods[start])) for start in sorted(periods)]

    def _rollups(
        self,
        window: Window,
        step: int,
        filter: Filter | None,
        groups: Mapping[str, Filter] | None,
        run: str | None,
    ) -> Iterator[tuple[int, Rollup]]:
        """Start and rollup of the periods in a window, which is widened to whole minutes."""
        start, end = (max(-LATEST, min(LATEST, each)) for each in window)
        low, high = floor(start / PERIOD) * PERIOD, ceil(end / PERIOD) * PERIOD
        if filter is None and run is None:
            yield from self._rolling.rollups(self._rolled(), low, high, step)
            return
        question = self._question(Window(low, high), filter, run, RangeType.EVENT, groups)
        if question.is_exact:
            selections: Iterable[Selection] = [question.selection]
        else:
            selections = question.selections(float("inf"))
        for selection in selections:
            yield from aggregates.rollups(self._database, selection, [(low, high)], step)

    def vocabulary(
        self, kind: str, key: str | None = None, prefix: str = "", limit: int = 50
    ) -> list[str]:
        """See Store. In the newest traces."""
        return aggregates.vocabulary(self._database, kind, key, prefix, limit)

    # -- small things that all collectors share

    def _all_settings(self, fresh: bool = False) -> dict[str, Any]:
        now = time.monotonic()
        if fresh or now >= self._settings_at + SETTINGS_SECONDS:
            rows = self._database.query("SELECT name, value FROM settings FINAL WHERE value != ''")
            self._settings = {name: orjson.loads(value) for name, value in rows}
            self._settings_at = now
        elif self._database.closed:
            raise StoreError("The store is closed.")
        return self._settings

    def setting(self, name: str) -> Any:
        """See Store."""
        return self._all_settings().get(name)

    def settings(self, prefix: str) -> dict[str, Any]:
        """See Store."""
        return {
            name: value for name, value in self._own(prefix).items() if not name.startswith(OWN)
        }

    def _own(self, prefix: str) -> dict[str, Any]:
        found = self._all_settings()
        return {name: found[name] for name in sorted(found) if name.startswith(prefix)}

    def put_setting(self, name: str, value: Any) -> None:
        """See Store."""
        text = b"" if value is None else orjson.dumps(value)
        self._database.insert("settings", [(name, text, time.time_ns())])
        self._all_settings(fresh=True)

    def add_sampling(self, counts: Sequence[SamplingCount]) -> None:
        """See Store."""
        if counts:
            self._database.insert(
                "sampling", [(each.time, each.rule, *each[2:]) for each in counts]
            )

    def sampling(self, window: Window) -> list[SamplingCount]:
        """See Store."""
        rows = self._database.query(
            "SELECT rule, time, sum(requests), sum(borrowed), sum(sampled) FROM sampling "
            "WHERE time >= ? AND time < ? GROUP BY rule, time ORDER BY time, rule",
            (float(window.start), float(window.end)),
        )
        return [SamplingCount(*row) for row in rows]

    # -- about itself

    def counts(self) -> Counts:
        """See Store. Of the documents that were handed to this collector."""
        with self._changed:
            stale = len(self._stale.keys() | self._settling_now.keys())
            failed = self._settling.failed
            waiting = self._waiting()
            return Counts(self._taken, self._stored, self._lost, waiting, 0, 0, stale, failed)

    def size(self) -> Size:
        """See Store. Of what all collectors have stored."""
        traces, oldest, newest = self._seldom(
            "traces", "SELECT count(), min(received), max(received) FROM traces FINAL"
        )
        parts = "system.parts"
        if self._database.place.cluster:
            parts = f"cluster('{self._database.place.cluster}', system.parts)"
        (used,) = self._seldom(
            "bytes",
            f"SELECT toUInt64(sum(bytes_on_disk)) FROM {parts} "
            "WHERE active AND database = currentDatabase()",
        )
        documents = self._count("documents")
        ends = (oldest, newest) if traces else (None, None)
        return Size(traces, documents, used, *ends)
