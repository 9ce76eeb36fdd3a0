"""Emitters that send over HTTP: a queue of bounded bytes, and one thread that empties it.

Whoever ends a segment only puts its documents into the queue. The thread delivers them in batches,
tries again what the backend couldn't take, and leaves a backend alone that is dead; what doesn't
fit the queue meanwhile is dropped, the oldest first, and counted.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import NamedTuple

from .. import forks
from ..delivery import Parcel
from ..delivery.retry import ATTEMPTS, Backoff
from ..document import constant_of
from ..faults import report
from ..packing import pack
from . import MAX_DATAGRAM_BYTES, Emitter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..delivery import Backend, Outcome
    from ..ledger import Ledger
    from ..model import Entity

MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Of documents that wait for the backend, in each process."""

SECONDS_TO_GATHER = 1.0
"""How long a document waits for others to be sent with, as in the daemon."""

SECONDS_FOR_A_DELIVERY = 30.0
"""The most that one delivery of a batch takes; a single request has a limit of its own."""

_LONGEST_WAIT = 60.0
_SHARE_TO_GIVE_WAY = 0.25
"""Of the queue: while it is emptier than that, deliveries are prepared in small pieces."""

QUEUE_FULL = "queue full"
BACKEND_DOWN = "backend down"
NOT_IN_TIME = "not sent in time"
"""Reason for a drop: the process ended, or the emitter was replaced."""
GAVE_UP = "given up after many attempts"


class HttpEmitter(Emitter):
    """Base of the emitters over HTTP: packs documents, and hands them to a worker.

    backend: delivers them, on the worker's thread.
    """

    def __init__(
        self,
        url: str,
        max_bytes: int = MAX_DATAGRAM_BYTES,
        *,
        backend: Backend,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        super().__init__(url, max_bytes)
        self._worker = Worker(url, self.ledger, backend, max_waiting_bytes)

    def send(self, batch: list[Entity]) -> None:
        """Put the entities' documents into the queue."""
        packed = pack(batch, self.max_bytes, self.ledger)
        segment = batch[0].segment
        service = segment.name, constant_of(segment._owner).fields
        self._worker.put([Parcel(data, entities, service) for data, entities in packed])

    def wake(self) -> None:
        """Deliver what waits, without waiting for more."""
        self._worker.hurry()

    def flush(self, timeout_seconds: float) -> None:
        """Wait until what waits is delivered, at most so long; the rest stays."""
        self._worker.flush(timeout_seconds)

    def finish(self, timeout_seconds: float) -> None:
        """Deliver what waits, also entities in progress; drop what isn't delivered in time."""
        self._worker.flush(timeout_seconds, final=True)
        self._worker.stop()

    def close(self) -> None:
        """End the thread and drop what waits; the next entity starts another."""
        self._worker.stop()

    def after_fork(self) -> None:
        """Forget the parent's thread, connection and queue."""
        super().after_fork()
        self._worker.after_fork()

    def __del__(self) -> None:
        worker = getattr(self, "_worker", None)
        if worker is not None:
            try:
                worker.abandon()
            except Exception:  # gevent's locks raise when the interpreter ends
                pass


class _Waiting(NamedTuple):
    parcel: Parcel
    attempts: int


class Worker:
    """A queue, and the thread that delivers what is in it. All methods may be called on any thread.

    The thread starts with the first document and knows nothing of the emitter, so that an emitter
    that nobody has any more ends it.
    """

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        backend: Backend,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self.url = url
        self._ledger = ledger
        self._max_waiting_bytes = max_waiting_bytes
        self._backend = backend
        self._begin()

    def _begin(self) -> None:
        # Named in full: if gevent has replaced what waits since the import, one from before would
        # make everybody wait.
        self._changed = threading.Condition(threading.RLock())
        self._delivering = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._first_at = 0.0  # when the oldest of them came
        self._thread: threading.Thread | None = None
        self._thread_due = 0.0
        self._is_busy = False
        self._in_flight = 0  # entities, which are pending until the backend has answered
        self._hurry = False
        self._final = False
        self._stopping = False
        self._is_abandoned = False
        self._epoch = 0  # grows with each stop(): what is under way then comes too late
        self._backoff = Backoff()
        self._not_before = 0.0

    # -- what comes in ----------------------------------------------------------------------------

    def put(self, parcels: list[Parcel]) -> None:
        """Take documents over. Neither raises nor waits."""
        entities = size = 0
        for parcel in parcels:
            entities += parcel.entities
            size += len(parcel.data)
        self._ledger.record(entities)
        with self._changed:
            waiting = self._waiting
            if not waiting:
                self._first_at = time.monotonic()
            before, self._waiting_bytes = self._waiting_bytes, self._waiting_bytes + size
            for parcel in parcels:
                waiting.append(_Waiting(parcel, 0))
            if self._waiting_bytes > self._max_waiting_bytes:
                self._drop_oldest()
            enough = self._backend.max_bytes
            if before == 0 or (before < enough <= self._waiting_bytes):
                self._changed.notify_all()
        if self._thread is None:
            self._start()

    def _drop_oldest(self) -> None:
        reason = BACKEND_DOWN if self._backoff.is_open else QUEUE_FULL
        while self._waiting_bytes > self._max_waiting_bytes and self._waiting:
            parcel, _ = self._waiting.popleft()
            self._waiting_bytes -= len(parcel.data)
            self._ledger.drop(reason, parcel.entities)

    # -- the thread -------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start the thread, unless it runs or couldn't be started a short while ago."""
        now = time.monotonic()
        if now < self._thread_due or not forks.may_start_threads():
            return
        with self._changed:
            if self._thread is not None or self._stopping:
                return
            thread = forks.thread("xtrace-emitter", self._run, needs=self._backend.needs)
            self._thread = thread
        # Not under the lock: where threads are gevent's, start() lets others go first.
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the program is ending
            self._thread = None
            self._thread_due = now + 1.0

    def _run(self) -> None:
        me = threading.current_thread()
        while self._has_work(me):
            self._deliver(time.monotonic() + SECONDS_FOR_A_DELIVERY)
        with self._delivering:
            if self._thread is None:
                self._close()

    def _has_work(self, me: threading.Thread) -> bool:
        """Wait until something is to be delivered; False when the thread is to end."""
        with self._changed:
            while not self._stopping and self._thread is me:
                seconds = self._seconds_to_wait()
                if seconds is not None and seconds <= 0:
                    return True
                if self._is_abandoned:
                    break
                self._changed.wait(_LONGEST_WAIT if seconds is None else seconds)
            if self._thread is me:
                self._thread = None
            self._changed.notify_all()
            return False

    def _seconds_to_wait(self) -> float | None:
        """Until the next delivery; None while there is nothing to deliver."""
        now = time.monotonic()
        if self._hurry:
            return 0.0
        if not self._waiting:
            return None
        if now < self._not_before:
            return self._not_before - now
        if self._waiting_bytes >= self._backend.max_bytes:
            return 0.0
        return self._first_at + SECONDS_TO_GATHER - now

    # -- deliveries -------------------------------------------------------------------------------

    def _deliver(self, deadline: float) -> None:
        """Deliver a batch, or what is asked for in a hurry, once. By one thread at a time."""
        # Who waits here may have come in between on the thread that delivers: a signal's handler.
        if self._delivering.acquire(timeout=max(0.0, deadline - time.monotonic())):
            try:
                self._deliver_batch(deadline)
            finally:
                self._delivering.release()

    def _deliver_batch(self, deadline: float) -> None:
        batch: list[_Waiting] = []
        in_a_hurry = self._hurry
        epoch = self._epoch
        try:
            with self._changed:
                self._is_busy = True
                final, self._final = self._final, False
                batch = self._take()
                self._in_flight = sum(each.parcel.entities for each in batch)
                # To give way is good for requests, and bad for the queue of a process that is
                # never idle: it would hardly be emptied.
                most = self._max_waiting_bytes * _SHARE_TO_GIVE_WAY
                self._backend.gives_way = self._waiting_bytes < most
            if batch or final:
                parcels = [each.parcel for each in batch]
                outcome = self._backend.deliver(parcels, deadline, final)
                self._account(batch, outcome, epoch)
        except Exception as error:  # a fault of ours: go on with the next
            self._ledger.drop("emitter failed", sum(each.parcel.entities for each in batch))
            self._not_before = time.monotonic() + self._backoff.failed()
            report("emitter", f"{self.url} failed; {len(batch)} documents dropped", error, "?")
        finally:
            with self._changed:
                self._is_busy = False
                self._in_flight = 0
                # In a hurry, each is tried once: a backend that is down gets no second try.
                if not self._waiting or (in_a_hurry and time.monotonic() < self._not_before):
                    self._hurry = False
                self._first_at = time.monotonic()
                self._changed.notify_all()

    def _take(self) -> list[_Waiting]:
        """The oldest, as many as one delivery takes; one if the backend is only probed."""
        batch: list[_Waiting] = []
        size = 0
        most = 1 if self._backoff.is_open and not self._hurry else self._backend.max_documents
        while self._waiting and len(batch) < most:
            size += len(self._waiting[0].parcel.data)
            if batch and size > self._backend.max_bytes:
                break
            one = self._waiting.popleft()
            self._waiting_bytes -= len(one.parcel.data)
            batch.append(one)
        return batch

    def _account(self, batch: list[_Waiting], outcome: Outcome, epoch: int) -> None:
        ledger = self._ledger
        if outcome.sent:
            ledger.send(outcome.sent, outcome.bytes)
        if outcome.superseded:
            ledger.record(-outcome.superseded)  # it was recorded again with its end
        for reason, entities in outcome.dropped.items():
            ledger.drop(reason, entities)
            report("emitter", f"{self.url}: {entities} entities dropped: {reason}", None, reason)
        if not outcome.trouble:
            self._backoff.succeeded()
            self._not_before = 0.0
            return
        report("emitter", f"{outcome.trouble}; traces wait in memory", None, self.url)
        seconds = self._backoff.failed(outcome.retry_after)
        self._not_before = time.monotonic() + seconds
        attempts = {id(each.parcel): each.attempts for each in batch}
        again = []
        for parcel in outcome.again:
            # Documents that the backend stumbles over again and again may be the reason; but while
            # nobody is there, it can't be they.
            tried = attempts.get(id(parcel), 0) + (not outcome.is_dead)
            if tried >= ATTEMPTS:
                ledger.drop(GAVE_UP, parcel.entities)
            else:
                again.append(_Waiting(parcel, tried))
        with self._changed:
            if epoch != self._epoch:
                ledger.drop(NOT_IN_TIME, sum(each.parcel.entities for each in again))
                return
            self._waiting.extendleft(reversed(again))
            self._waiting_bytes += sum(len(each.parcel.data) for each in again)
            if self._waiting_bytes > self._max_waiting_bytes:
                self._drop_oldest()

    # -- ends -------------------------------------------------------------------------------------

    def hurry(self, final: bool = False) -> None:
        """Deliver what waits, without waiting for more, even if the backend was down lately.

        final: what the backend holds back as well.
        """
        with self._changed:
            if self._waiting or final:
                self._hurry = True
                self._final = self._final or final
                self._changed.notify_all()

    def flush(self, timeout_seconds: float, final: bool = False) -> None:
        """Wait until everything is delivered or was tried, at most so long."""
        deadline = time.monotonic() + timeout_seconds
        self.hurry(final)
        thread = self._thread
        if thread is None or not thread.is_alive():
            # None may be started while the interpreter ends: then it is done here.
            while self._hurry and time.monotonic() < deadline:
                self._deliver(deadline)
            return
        with self._changed:
            self._changed.wait_for(lambda: not (self._hurry or self._is_busy), timeout_seconds)

    def stop(self) -> None:
        """End the thread, soon, and drop what waits. The next document starts another."""
        with self._changed:
            self._stopping = True
            self._epoch += 1
            dropped = sum(each.parcel.entities for each in self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            self._hurry = self._final = False
            unanswered = self._in_flight
            self._changed.notify_all()
            # One that waits for an answer won't end so soon, however long it is waited for.
            self._changed.wait_for(lambda: self._thread is None or self._is_busy, 0.05)
            self._thread = None
            self._stopping = False
        if dropped:
            self._ledger.drop(NOT_IN_TIME, dropped)
        if self._delivering.acquire(blocking=False):  # else the thread that delivers does it
            dropped += self._close()
            self._delivering.release()
        if dropped or unanswered:
            count = dropped + unanswered
            told = f"{self.url}: {count} entities {NOT_IN_TIME}"
            report("emitter", told, None, self.url + NOT_IN_TIME)

    def _close(self) -> int:
        """Close the backend and drop what it holds back; gives how many entities that was."""
        self._backend.close()
        entities = self._backend.give_up()
        if entities:
            self._ledger.drop(NOT_IN_TIME, entities)
        return entities

    def abandon(self) -> None:
        """The emitter is gone: deliver what waits, and end. Takes no lock that it must wait for."""
        self._is_abandoned = self._hurry = self._final = True
        if self._changed.acquire(blocking=False):
            self._changed.notify_all()
            self._changed.release()

    def after_fork(self) -> None:
        """In a forked child: nothing waits, no thread runs, the connection is the parent's."""
        self._backend.after_fork()
        self._begin()
