"""Where documents wait until they are delivered: in memory, or in the collector's database."""

from __future__ import annotations

import logging
import time
from collections import deque
from threading import Condition, Lock
from typing import NamedTuple

from ...delivery import Parcel
from ..store import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..store.outbox import Outbox

log = logging.getLogger("xtrace.collector.forward")

SECONDS_TO_GATHER = 1.0
"""How long a document waits for others to be sent with, as in the daemon."""

READ_AHEAD = 2000
"""Documents that are read from a database at once."""

SECONDS_BETWEEN_READS = 0.1
"""While there is nothing to read."""


class Item(NamedTuple):
    """A document to be delivered, and the batch that it is kept in, 0 for none."""

    parcel: Parcel
    batch: int = 0


class Source:
    """Documents for one target, in memory. All methods may be called on any thread.

    max_bytes: the most it holds; beyond that the oldest are lost, and counted. comfort: what to say
    when they can't be delivered.
    """

    comfort = "segments wait in memory"

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.lost = 0
        self._changed = Condition()
        self._ready: deque[Item] = deque()
        self._ready_bytes = 0
        self._first_at = 0.0
        self._out = 0  # taken, and neither settled nor given back
        self._hurried_until = 0.0
        self._stopping = False

    def put(self, bodies: Iterable[bytes]) -> None:
        """Have these documents delivered."""
        with self._changed:
            self._add(Item(Parcel(body, 1)) for body in bodies)
            while self._ready_bytes > self.max_bytes and self._ready:
                self._drop()
            self._changed.notify()

    def _add(self, items: Iterable[Item]) -> None:
        if not self._ready:
            self._first_at = time.monotonic()
        for item in items:
            self._ready.append(item)
            self._ready_bytes += len(item.parcel.data)

    def _drop(self) -> None:
        self._ready_bytes -= len(self._ready.popleft().parcel.data)
        self.lost += 1

    def take(self, most: int, max_bytes: int, seconds: float) -> list[Item]:
        """Documents to deliver, when there are so many or the first has waited long enough.

        None of them if that takes longer than so many seconds.
        """
        deadline = time.monotonic() + seconds
        while True:
            with self._changed:
                now = time.monotonic()
                if len(self._ready) >= most or self._ready_bytes >= max_bytes or self._is_due(now):
                    return self._taken(most, max_bytes)
                if now >= deadline or self._stopping:
                    return []
            if not self._refill():
                with self._changed:
                    if len(self._ready) < most and not self._is_due(time.monotonic()):
                        self._changed.wait(self._seconds_to_wait(deadline))

    def _is_due(self, now: float) -> bool:
        if not self._ready:
            return False
        return (
            self._stopping or now < self._hurried_until or now >= self._first_at + SECONDS_TO_GATHER
        )

    def _seconds_to_wait(self, deadline: float) -> float:
        until = min(deadline, self._first_at + SECONDS_TO_GATHER) if self._ready else deadline
        return max(0.0, until - time.monotonic())

    def _taken(self, most: int, max_bytes: int) -> list[Item]:
        items: list[Item] = []
        size = 0
        while self._ready and len(items) < most:
            size += len(self._ready[0].parcel.data)
            if items and size > max_bytes:
                break
            item = self._ready.popleft()
            self._ready_bytes -= len(item.parcel.data)
            items.append(item)
        self._first_at = time.monotonic()
        self._out += len(items)
        return items

    def give_back(self, items: Sequence[Item]) -> None:
        """These couldn't be delivered; they are the next again."""
        with self._changed:
            self._out -= len(items)
            self._ready.extendleft(reversed(items))
            self._ready_bytes += sum(len(item.parcel.data) for item in items)
            while self._ready_bytes > self.max_bytes and self._ready:
                self._drop()

    def settle(self, items: Sequence[Item]) -> None:
        """These are delivered, or never will be."""
        with self._changed:
            self._out -= len(items)

    def waiting(self) -> int:
        """How many are still to be delivered."""
        with self._changed:
            return len(self._ready) + self._out

    def hurry(self) -> None:
        """For the next seconds, deliver what there is without waiting for more."""
        with self._changed:
            self._hurried_until = time.monotonic() + 10.0
            self._changed.notify_all()

    def stop(self) -> None:
        """Wake who waits for documents."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def tidy(self) -> None:
        """Forget for good what is delivered."""

    def _refill(self) -> bool:
        """Get more documents from where they are kept; False if there are none."""
        return False


class StoredSource(Source):
    """Documents for one target, in the collector's database until they are delivered.

    lost: those that the database had to make room for others before they were delivered.
    """

    comfort = "segments wait in the database"

    def __init__(self, outbox: Outbox, target: str) -> None:
        super().__init__(max_bytes=1 << 62)
        self._outbox = outbox
        self._target = target
        self._position = 0
        self._left: dict[int, int] = {}  # documents of each batch that aren't settled yet
        self._done: list[int] = []
        self._reading = Lock()

    def put(self, bodies: Iterable[bytes]) -> None:
        """Nothing: the database has them."""

    def settle(self, items: Sequence[Item]) -> None:
        """These are delivered, or never will be."""
        with self._changed:
            self._out -= len(items)
            for item in items:
                self._settle(item.batch)

    def _settle(self, batch: int, documents: int = 1) -> None:
        self._left[batch] -= documents
        if not self._left[batch]:
            del self._left[batch]
            self._done.append(batch)

    def waiting(self) -> int:
        """How many are still to be delivered."""
        with self._changed:
            here, position = len(self._ready) + self._out, self._position
        try:
            return here + self._outbox.waiting(self._target, position)
        except StoreError:
            return here

    def tidy(self) -> None:
        """Forget in the database what is delivered."""
        with self._changed:
            done, self._done = self._done, []
        if not done:
            return
        try:
            self._outbox.delivered(done)
        except StoreError as error:
            log.warning("What is delivered can't be forgotten yet: %s", error)
            with self._changed:
                self._done += done

    def _seconds_to_wait(self, deadline: float) -> float:
        return min(super()._seconds_to_wait(deadline), SECONDS_BETWEEN_READS)

    def _refill(self) -> bool:
        if not self._reading.acquire(blocking=False):
            return False  # another thread does it
        try:
            with self._changed:
                if len(self._ready) >= READ_AHEAD:
                    return False
            return self._read()
        except StoreError as error:
            log.warning("Can't read what is to be forwarded: %s", error)
            return False
        finally:
            self._reading.release()

    def _read(self) -> bool:
        batches = self._outbox.batches(self._target, self._position, READ_AHEAD)
        for batch, numbers in batches:
            documents = self._outbox.documents(numbers)
            items = [Item(Parcel(data, 1), batch) for data in documents if data is not None]
            with self._changed:
                self._position = batch
                self._left[batch] = len(numbers)
                gone = len(numbers) - len(items)
                if gone:
                    self.lost += gone
                    self._settle(batch, gone)
                self._add(items)
                self._changed.notify_all()
        return bool(batches)
