"""The collector as a whole: UDP, HTTP, and a store, started and stopped together."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Event, Lock

from ..delivery.http import Unreachable
from .alarms import NO_ALARMS, Alarms, AlarmsError, edited, statistics_of
from .api.guard import Guard
from .api.http import application
from .api.routes import routes
from .api.service import Service
from .api.serving import HttpServer
from .api.v1.console import Console
from .api.v1.web import Web
from .console import routes as console_routes
from .endpoints import (
    WILDCARDS,
    NotLocal,
    Taken,
    address,
    check_elsewhere,
    check_local,
    family,
    open_both,
    text,
)
from .forward.forwarding import Forwarding
from .ingest import Ingest
from .metrics import Metrics
from .occupant import from_here
from .store import Window, open_store, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from .alarms import Configuration
    from .api.operations import Operation
    from .endpoints import Endpoint
    from .forward.targets import Target
    from .ingest import IngestCounts
    from .store import Store

__all__ = ["LOCAL", "MEMORY", "Collector", "Limits", "NotLocal", "Taken", "running"]

log = logging.getLogger("xtrace.collector")

MEMORY = ":memory:"

LOCAL = ("127.0.0.1", 0)
"""The loopback, and any free port."""

_THRESHOLDS = "alarms"
"""The name under which the store keeps thresholds that were edited."""

SECONDS_WITHOUT_PROGRESS = 1.0
"""After which the end waits for the store no longer."""

_SECONDS_FOR_A_MARK = 0.2
_SAMPLING = frozenset(("GetSamplingRules", "GetSamplingTargets"))
"""Operations that X-Ray itself answers, where documents are forwarded to it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a store holds at most: bytes, and seconds since a trace's arrival. None: no limit."""

    bytes: int | None = None
    age: float | None = None


class Collector:
    """Receives documents on UDP and HTTP, stores them, and answers the X-Ray API on HTTP.

    endpoint: host and port to listen on, the same for UDP and TCP; port 0 takes a free one.
    path: of the database file, ":memory:", or "clickhouse://host:8123/database". tcp: another endpoint for HTTP.
    allow_hosts: names, besides those of the loopback, by which HTTP clients may call it.
    allow_remote: whether other machines may reach it. forward: where documents go from here;
    resource_arn: of what this runs on, for X-Ray.
    Raises OSError if an endpoint can't be had, NotLocal if it may not be, StoreError if the
    database can't be used.
    """

    def __init__(
        self,
        endpoint: Endpoint = ("127.0.0.1", 2000),
        path: str = MEMORY,
        *,
        tcp: Endpoint | None = None,
        limits: Limits = Limits(),
        allow_hosts: Sequence[str] = (),
        allow_remote: bool = False,
        forward: Sequence[Target] = (),
        resource_arn: str | None = None,
    ) -> None:
        self.path = shown(path)
        self.limits = limits
        self._running = False
        self._marks: dict[bytes, Event] = {}
        with ExitStack() as undo:
            listener, self._receiver = open_both(endpoint, tcp, self._take, self._refuse)
            undo.callback(listener.close)
            undo.callback(self._receiver.stop)
            self.http_endpoint: Endpoint = listener.getsockname()[:2]
            if not allow_remote:
                check_local(self.endpoint[0], self.http_endpoint[0])
            for target in forward:
                check_elsewhere(target, self.http_endpoint)
            self.store: Store = open_store(path, max_bytes=limits.bytes, max_age=limits.age)
            undo.callback(self.store.close)
            self.forwarding = Forwarding(
                forward,
                store=self.store,
                received=lambda: self.counts().received,
                resource_arn=resource_arn,
            )
            also = self.forwarding.put if self.forwarding.keeps_in_memory else None
            self._ingest = Ingest(self.store, also=also)
            undo.callback(self._ingest.stop)
            self.service = Service(self.store, self._ingest)
            self.alarms: Alarms | None = None
            self._alarms_changing = Lock()
            self._kept_alarms()
            metrics = Metrics(self._ingest, self.store, lambda: self._receiver.kernel_drops)
            hosts = [host for host, _ in (endpoint, tcp or endpoint) if host not in WILDCARDS]
            self.console = Console(
                self.service,
                about=self.about,
                stats=self.stats,
                alarms=self.alarm_states,
                set_thresholds=self.set_thresholds,
            )
            self._web = Web(self.console)
            more = routes(self.service, metrics, self.stats, self.path, self._web)
            app = application(self._answer, [*console_routes(), *more])
            self._http = HttpServer(
                Guard(app, (*hosts, self.http_endpoint[0], *allow_hosts), allow_remote), listener
            )
            undo.pop_all()

    @property
    def endpoint(self) -> Endpoint:
        """Host and port that documents are received on."""
        return self._receiver.endpoint

    @property
    def address(self) -> str:
        """Where it listens, as programs are told it: "127.0.0.1:2000".

        With another endpoint for HTTP: "tcp:127.0.0.1:2001 udp:127.0.0.1:2000".
        """
        return address(self.endpoint, self.http_endpoint)

    @property
    def url(self) -> str:
        """Where the API answers: "http://127.0.0.1:2000"."""
        return f"http://{text(self.http_endpoint)}"

    def start(self) -> None:
        """Begin to receive and answer."""
        self._receiver.start()
        self._http.start()
        self.forwarding.start()
        self._running = True
        if self.alarms is not None:
            self.alarms.start()

    def stop(self) -> None:
        """Store what has arrived, and answer no more."""
        self._running = False
        if self.alarms is not None:
            self.alarms.stop()
        self._receiver.stop()
        self._web.stop()
        self._http.stop()
        self._ingest.stop()
        self._flush_store()
        self.forwarding.stop()

    def _flush_store(self) -> None:
        """Wait for the store, for as long as it gets on; what it still has when it is closed it counts."""
        before = self.store.counts()
        while not self.store.flush(SECONDS_WITHOUT_PROGRESS):
            counts = self.store.counts()
            if (counts.stored, counts.stale) == (before.stored, before.stale):
                log.warning("The store doesn't get on; %d documents wait for it", counts.waiting)
                return
            before = counts

    def close(self) -> None:
        """Give up the database, which may be read until then."""
        self.store.close()

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until what was sent before is stored and shows everywhere; False if it took longer.

        timeout: in seconds.
        """
        deadline = time.monotonic() + timeout

        def left() -> float:
            return max(0.0, deadline - time.monotonic())

        # A mark is seen before its batch is handed on, a second one after.
        received = not self._running or all(self._marked(left()) for _ in range(2))
        return received and self._ingest.flush(left()) and self.store.flush(left())

    def _answer(self, operation: Operation, input: dict[str, Any]) -> dict[str, Any]:
        """Carry out an operation of the API; X-Ray does it, if it is where documents go, for sampling."""
        proxy = self.forwarding.proxy
        if proxy is not None and operation.name in _SAMPLING:
            try:
                return proxy.ask(operation.path, input)
            except Unreachable as error:
                log.warning("%s; the rules of this collector are in force", error)
        return self.service.answer(operation, input)

    def _marked(self, timeout: float) -> bool:
        """Whether what UDP had brought has been read; shown by a datagram of our own behind it."""
        mark = secrets.token_hex(16).encode()
        seen = self._marks[mark] = Event()
        host, port = self.endpoint
        host = from_here(host)
        deadline = time.monotonic() + timeout
        with socket.socket(family(host), socket.SOCK_DGRAM) as sender:
            while time.monotonic() < deadline:
                sender.sendto(mark, (host, port))
                if seen.wait(min(timeout, _SECONDS_FOR_A_MARK)):  # else the kernel had no room
                    break
        return seen.is_set()

    def watch(self, configuration: Configuration) -> Alarms:
        """Have alarms, which are evaluated from start() on."""
        self.alarms = Alarms(
            configuration,
            lambda start, end: statistics_of(self.store.graph(Window(start, end))),
        )
        return self.alarms

    def set_thresholds(self, thresholds: Mapping[str, Any]) -> None:
        """Have alarms by thresholds that were edited, `default` and `nodes`; they are kept in the
        store, for a collector that is started without others. Raises AlarmsError.
        """
        with self._alarms_changing:
            alarms = self.alarms
            configuration = edited(thresholds, () if alarms is None else alarms.actions)
            if alarms is not None:
                alarms.replace(configuration)
            else:
                alarms = self.watch(configuration)
                if self._running:
                    alarms.start()
            self.store.put_setting(_THRESHOLDS, configuration.written)

    def _kept_alarms(self) -> None:
        """Have the alarms that were edited before this collector was started."""
        kept = self.store.setting(_THRESHOLDS)
        try:
            if kept is not None:
                self.watch(edited(kept, ()))
        except AlarmsError as error:
            log.error("The alarms that were kept can't be used: %s", error)

    def alarm_states(self) -> dict[str, Any]:
        """The states and the history of the alarms, empty if there are none."""
        return NO_ALARMS if self.alarms is None else self.alarms.as_dict()

    def _take(self, documents: list[bytes]) -> None:
        self._ingest.take(documents)

    def _refuse(self, datagram: bytes) -> None:
        seen = self._marks.get(datagram)
        if seen is None:
            self._ingest.refuse(datagram)
        else:
            seen.set()

    def counts(self) -> IngestCounts:
        """What became of the documents: received = stored + malformed + dropped + waiting."""
        return self._ingest.counts()

    @property
    def received(self) -> int:
        """Documents that arrived."""
        return self.counts().received

    @property
    def stored(self) -> int:
        """Documents that were stored."""
        return self.counts().stored

    @property
    def malformed(self) -> int:
        """Documents that can't be read or stored."""
        return self.counts().malformed

    @property
    def dropped(self) -> int:
        """Documents that there was no room for."""
        return self.counts().dropped

    def summary(self) -> str:
        """One line of counts."""
        line = ", ".join(f"{name} {count}" for name, count in self.counts()._asdict().items())
        lost = self._receiver.kernel_drops
        lines = [line, *([f"lost by the kernel {lost}"] if lost else [])]
        return "; ".join((*lines, *map(str, self.forwarding.counts())))

    def about(self) -> dict[str, Any]:
        """Where it listens, which process it is, and what its store may hold."""
        return {
            "pid": os.getpid(),
            "udp": text(self.endpoint),
            "http": text(self.http_endpoint),
            "url": self.url,
            "store": {
                "name": self.path,
                "max_bytes": self.limits.bytes,
                "max_age": self.limits.age,
            },
        }

    def stats(self) -> dict[str, Any]:
        """The counts, what the store holds, what was wrong with malformed documents, and how many
        X-Ray would reject of those that were checked.
        """
        kept = self.store.counts()
        return {
            **self.counts()._asdict(),
            "lost_by_kernel": self._receiver.kernel_drops,
            "store": {
                **self.store.size()._asdict(),
                "trimmed_traces": kept.trimmed_traces,
                "trimmed_documents": kept.trimmed_documents,
                "stale_traces": kept.stale,
                "failed_traces": kept.failed,
            },
            "malformed_documents": [
                {**problem._asdict(), "beginning": problem.beginning.decode(errors="replace")}
                for problem in self._ingest.malformed()
            ],
            "checks": self._ingest.checks.counts()._asdict(),
            "telemetry": list(self.service.telemetry),
            "forwarded": [counts.as_dict() for counts in self.forwarding.counts()],
        }


@contextmanager
def running(endpoint: Endpoint = LOCAL, path: str = MEMORY, **options: Any) -> Iterator[Collector]:
    """A collector for the time of a `with` block: on a free port and in memory unless told otherwise.

    options: as for Collector.
    """
    collector = Collector(endpoint, path, **options)
    collector.start()
    try:
        yield collector
    finally:
        collector.stop()
        collector.close()
