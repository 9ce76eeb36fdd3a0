"""The collector as a whole: UDP, HTTP, and a store, started and stopped together."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from threading import Event

from .alarms import Alarms, statistics_of
from .api.guard import Guard
from .api.http import application
from .api.routes import routes
from .api.service import Service
from .api.serving import HttpServer
from .api.v1.console import Console
from .api.v1.web import Web
from .console import routes as console_routes
from .ingest import Ingest
from .metrics import Metrics
from .receiver import Receiver
from .store import Window, open_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, TypeAlias

    from .alarms import Configuration
    from .ingest import IngestCounts
    from .store import Store

    # Host and port.
    Endpoint: TypeAlias = tuple[str, int]

MEMORY = ":memory:"

LOCAL = ("127.0.0.1", 0)
"""The loopback, and any free port."""

_TRIES_FOR_A_PORT = 50
_BACKLOG = 256
_SECONDS_FOR_A_MARK = 0.2
_WILDCARDS = ("0.0.0.0", "::", "")


class NotLocal(ValueError):
    """An address that other machines can reach, and nobody has said that they may."""


class Taken(OSError):
    """A port that somebody else has. endpoint: which."""

    def __init__(self, error: OSError, endpoint: Endpoint) -> None:
        super().__init__(error.errno, error.strerror)
        self.endpoint = endpoint


@dataclass(frozen=True, slots=True)
class Limits:
    """What a store holds at most: bytes, and seconds since a trace's arrival. None: no limit."""

    bytes: int | None = None
    age: float | None = None


class Collector:
    """Receives documents on UDP and HTTP, stores them, and answers the X-Ray API on HTTP.

    endpoint: host and port to listen on, the same for UDP and TCP; port 0 takes a free one.
    path: of the database file, or ":memory:". tcp: another endpoint for HTTP.
    allow_hosts: names, besides those of the loopback, by which HTTP clients may call it.
    allow_remote: whether other machines may reach it.
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
    ) -> None:
        self.path = path
        self.limits = limits
        self._running = False
        self._marks: dict[bytes, Event] = {}
        with ExitStack() as undo:
            listener, self._receiver = _open(endpoint, tcp, self._take, self._refuse)
            undo.callback(listener.close)
            undo.callback(self._receiver.stop)
            self.http_endpoint: Endpoint = listener.getsockname()[:2]
            for host, _ in (self.endpoint, self.http_endpoint):
                if not allow_remote and not ip_address(host).is_loopback:
                    raise NotLocal(
                        f"{host} isn't the loopback: other machines could send to this collector "
                        "and read its traces."
                    )
            self.store: Store = open_store(path, max_bytes=limits.bytes, max_age=limits.age)
            undo.callback(self.store.close)
            self._ingest = Ingest(self.store)
            undo.callback(self._ingest.stop)
            self.service = Service(self.store, self._ingest)
            self.alarms: Alarms | None = None
            metrics = Metrics(self._ingest, self.store, lambda: self._receiver.kernel_drops)
            hosts = [host for host, _ in (endpoint, tcp or endpoint) if host not in _WILDCARDS]
            self.console = Console(
                self.service, about=self.about, stats=self.stats, alarms=self.alarm_states
            )
            self._web = Web(self.console)
            more = routes(self.service, metrics, self.stats, path, self._web)
            app = application(self.service.answer, [*console_routes(), *more])
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
        if self.http_endpoint == self.endpoint:
            return _text(self.endpoint)
        return f"tcp:{_text(self.http_endpoint)} udp:{_text(self.endpoint)}"

    @property
    def url(self) -> str:
        """Where the API answers: "http://127.0.0.1:2000"."""
        return f"http://{_text(self.http_endpoint)}"

    def start(self) -> None:
        """Begin to receive and answer."""
        self._receiver.start()
        self._http.start()
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
        self.store.flush()

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

    def _marked(self, timeout: float) -> bool:
        """Whether what UDP had brought has been read; shown by a datagram of our own behind it."""
        mark = secrets.token_hex(16).encode()
        seen = self._marks[mark] = Event()
        host, port = self.endpoint
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        deadline = time.monotonic() + timeout
        with socket.socket(_family(host), socket.SOCK_DGRAM) as sender:
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

    def alarm_states(self) -> dict[str, Any]:
        """The states and the history of the alarms, empty if there are none."""
        return {"alarms": [], "history": []} if self.alarms is None else self.alarms.as_dict()

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
        return f"{line}; lost by the kernel {lost}" if lost else line

    def about(self) -> dict[str, Any]:
        """Where it listens, which process it is, and what its store may hold."""
        return {
            "pid": os.getpid(),
            "udp": _text(self.endpoint),
            "http": _text(self.http_endpoint),
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
        }


def _open(
    endpoint: Endpoint, tcp: Endpoint | None, take: Any, refuse: Any
) -> tuple[socket.socket, Receiver]:
    """A listening TCP socket and a receiver, on the same port number unless told otherwise."""
    for attempt in range(_TRIES_FOR_A_PORT):
        listener = _listener(tcp or endpoint)
        udp = endpoint if tcp else (endpoint[0], listener.getsockname()[1])
        try:
            return listener, Receiver(udp, take, refuse)
        except OSError as error:
            listener.close()
            is_taken = error.errno == errno.EADDRINUSE
            # What is free on TCP may be taken on UDP.
            if not is_taken or endpoint[1] != 0 or attempt == _TRIES_FOR_A_PORT - 1:
                raise Taken(error, udp) from error
    raise AssertionError


def _listener(endpoint: Endpoint) -> socket.socket:
    try:
        return socket.create_server(endpoint, family=_family(endpoint[0]), backlog=_BACKLOG)
    except OSError as error:
        raise Taken(error, endpoint) from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _text(endpoint: Endpoint) -> str:
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
