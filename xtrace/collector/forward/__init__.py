"""Documents handed on to other backends, as the X-Ray daemon does: to X-Ray, or to anything with OTLP.

Each target has a source that holds what is still to be delivered (in the collector's database, or in
memory), and threads that deliver it. A backend that is down is left alone for a while, and gets
everything once it is back.
"""

from __future__ import annotations

import logging
import time
from threading import Event, Lock, Thread
from typing import NamedTuple

from ...delivery import TROUBLES
from ...delivery.retry import Backoff
from .services import Services

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ...delivery import Backend, Outcome
    from .sources import Source
    from .targets import Target

__all__ = ["ForwardCounts", "Forwarder"]

log = logging.getLogger("xtrace.collector.forward")

SECONDS_FOR_A_DELIVERY = 30.0
SECONDS_TO_FINISH = 5.0
"""How long the end waits for what isn't delivered yet; a database keeps it."""

SECONDS_BETWEEN_LINES = 60.0
"""In the log, about the same trouble."""

SECONDS_TO_TIDY = 0.5
"""Between two times that what is delivered is forgotten in the database."""

_SECONDS_TO_WAIT = 1.0


class ForwardCounts(NamedTuple):
    """What became of the documents for one target since the start.

    delivered, refused (by reason), lost: there was no room for them until they could be delivered.
    waiting: still to be delivered, from earlier starts too. requests: that were answered; troubles:
    that weren't, by kind, in the words of the daemon's telemetry. is_down: it is only probed now.
    """

    target: str
    delivered: int
    refused: dict[str, int]
    lost: int
    waiting: int
    requests: int
    troubles: dict[str, int]
    is_down: bool
    last_trouble: str

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return self._asdict()

    def __str__(self) -> str:
        told = {"delivered": self.delivered, "lost": self.lost, "not delivered": self.waiting}
        told["refused"] = sum(self.refused.values())
        always = ("delivered", "lost")
        said = [f"{what} {count}" for what, count in told.items() if count or what in always]
        return f"{self.target}: {', '.join(said)}"


class Forwarder:
    """Delivers the documents of a source to one target.

    target: says where, and makes backends, one for each thread. stored: documents of a trace.
    """

    def __init__(
        self,
        target: Target,
        source: Source,
        stored: Callable[[str], Iterable[bytes]] = lambda trace_id: (),
    ) -> None:
        self.target = target
        self.source = source
        self._stored = stored
        self._lock = Lock()
        self._backoff = Backoff()
        self._not_before = 0.0
        self._failed_at = 0.0
        self._stopping = Event()
        self._final = False
        self._delivered = self._requests = 0
        self._refused: dict[str, int] = {}
        self._troubles: dict[str, int] = dict.fromkeys(TROUBLES, 0)
        self._last_trouble = ""
        self._complained = float("-inf")
        self._threads = [
            Thread(target=self._run, args=(number,), name=f"xtrace-forward-{number}", daemon=True)
            for number in range(target.concurrency)
        ]
        self._clerk = Thread(target=self._tidy, name="xtrace-forward-clerk", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        for thread in (*self._threads, self._clerk):
            thread.start()

    def stop(self) -> None:
        """Deliver what waits, for SECONDS_TO_FINISH at most, and end."""
        deadline = time.monotonic() + SECONDS_TO_FINISH
        self._final = True
        self.source.hurry()
        while time.monotonic() < deadline and self.source.waiting() and not self._backoff.failures:
            self._stopping.wait(0.02)
        self._stopping.set()
        self.source.stop()
        for thread in (*self._threads, self._clerk):
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        self.source.tidy()

    def flush(self, timeout: float) -> bool:
        """Wait until everything is delivered; False if it took longer."""
        deadline = time.monotonic() + timeout
        self.source.hurry()
        while self.source.waiting():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        return True

    def counts(self) -> ForwardCounts:
        """What became of the documents so far."""
        with self._lock:
            return ForwardCounts(
                self.target.url,
                self._delivered,
                dict(self._refused),
                self.source.lost,
                self.source.waiting(),
                self._requests,
                dict(self._troubles),
                self._backoff.is_open,
                self._last_trouble,
            )

    # -- threads

    def _run(self, number: int) -> None:
        backend = self.target.make_backend(Services(self._stored))
        try:
            while not self._stopping.is_set():
                if self._may_deliver(number):
                    self._deliver(backend)
            self._deliver_held(backend)
        finally:
            backend.close()

    def _may_deliver(self, number: int) -> bool:
        """Wait, for a while, until the backend may be asked; while it is down, one thread asks."""
        seconds = self._not_before - time.monotonic()
        if seconds <= 0 and not (self._backoff.is_open and number):
            return True
        self._stopping.wait(min(max(seconds, 0.05), _SECONDS_TO_WAIT))
        return False

    def _deliver(self, backend: Backend) -> None:
        most = 1 if self._backoff.is_open else backend.max_documents
        items = self.source.take(most, backend.max_bytes, _SECONDS_TO_WAIT)
        if not items:
            return
        begun = time.monotonic()
        try:
            parcels = [item.parcel for item in items]
            outcome = backend.deliver(parcels, begun + SECONDS_FOR_A_DELIVERY, False)
        except Exception:  # a fault of ours: go on with the next
            log.exception("Lost %d documents for %s", len(items), self.target.url)
            self._count_refused({"forwarding failed": len(items)})
            self.source.settle(items)
            return
        again = {id(parcel) for parcel in outcome.again}
        self.source.give_back([item for item in items if id(item.parcel) in again])
        self.source.settle([item for item in items if id(item.parcel) not in again])
        self._account(outcome, begun)

    def _deliver_held(self, backend: Backend) -> None:
        """What a backend has held back until the end."""
        try:
            self._account(backend.deliver([], time.monotonic() + 1.0, True), time.monotonic())
        except Exception:
            log.exception("What was in progress isn't handed on")

    def _account(self, outcome: Outcome, begun: float) -> None:
        now = time.monotonic()
        with self._lock:
            self._delivered += outcome.sent
            self._requests += bool(outcome.sent)
            if outcome.trouble:
                self._troubles[outcome.kind] = self._troubles.get(outcome.kind, 0) + 1
                self._last_trouble = outcome.trouble
                if begun >= self._failed_at:  # else it was under way when another failed
                    self._not_before = now + self._backoff.failed(outcome.retry_after)
                    self._failed_at = now
            elif outcome.sent:
                self._backoff.succeeded()
                self._not_before = 0.0
        if outcome.dropped:
            self._count_refused(outcome.dropped)
        if outcome.trouble:
            self._complain(outcome.trouble)
        elif outcome.sent:
            log.debug(
                "Sent %d segments to %s in %.3f s", outcome.sent, self.target.url, now - begun
            )

    def _count_refused(self, reasons: dict[str, int]) -> None:
        with self._lock:
            for reason, documents in reasons.items():
                self._refused[reason] = self._refused.get(reason, 0) + documents
        for reason, documents in reasons.items():
            log.warning("%s: %d segments: %s", self.target.url, documents, reason)

    def _complain(self, trouble: str) -> None:
        now = time.monotonic()
        if now - self._complained >= SECONDS_BETWEEN_LINES:
            self._complained = now
            log.warning("%s; %s", trouble, self.source.comfort)

    def _tidy(self) -> None:
        while not self._stopping.wait(SECONDS_TO_TIDY):
            self.source.tidy()
