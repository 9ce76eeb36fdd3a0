"""The collector as a whole: a receiver, a writer and a store, started and stopped together."""

from __future__ import annotations

from contextlib import contextmanager
from queue import Full, Queue
from threading import Thread

from .receiver import Receiver
from .store.sqlite import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_WAITING_BATCHES = 200
"""Batches that wait for the database; when it can't keep up, more are dropped and counted."""


class Collector:
    """Receives documents on UDP and stores them.

    endpoint: host and port to listen on; port 0 takes a free one.
    path: of the database file, or ":memory:".
    Raises OSError if the endpoint can't be had, StoreError if the database can't.
    """

    def __init__(
        self, endpoint: tuple[str, int] = ("127.0.0.1", 2000), path: str = ":memory:"
    ) -> None:
        self.store = Store(path)
        self._waiting: Queue[list[bytes] | None] = Queue(MAX_WAITING_BATCHES)
        try:
            self._receiver = Receiver(endpoint, self._take)
        except OSError:
            self.store.close()
            raise
        self.dropped = 0
        self.stored = 0
        self.malformed = 0
        self._writer = Thread(target=self._write, name="xtrace-writer", daemon=True)

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port that documents are received on."""
        return self._receiver.endpoint

    @property
    def received(self) -> int:
        """Datagrams so far: received = stored + malformed + dropped + what waits."""
        return self._receiver.received

    @property
    def address(self) -> str:
        """The endpoint as programs are told it: "127.0.0.1:2000"."""
        host, port = self.endpoint
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self) -> None:
        """Begin to receive and store."""
        self._writer.start()
        self._receiver.start()

    def stop(self) -> None:
        """Store what has arrived, and end."""
        self._receiver.stop()
        self._waiting.put(None)
        self._writer.join()

    def close(self) -> None:
        """Give up the database, which may be read until then."""
        self.store.close()

    def _take(self, documents: list[bytes]) -> None:
        try:
            self._waiting.put_nowait(documents)
        except Full:
            self.dropped += len(documents)

    def _write(self) -> None:
        while True:
            documents = self._waiting.get()
            if documents is None:
                return
            malformed = self.store.write(documents)
            self.malformed += malformed
            self.stored += len(documents) - malformed

    def summary(self) -> str:
        """One line of counts."""
        malformed = self.malformed + self._receiver.rejected
        return (
            f"received {self.received}, stored {self.stored}, "
            f"malformed {malformed}, dropped {self.dropped}"
        )


@contextmanager
def running(
    endpoint: tuple[str, int] = ("127.0.0.1", 0), path: str = ":memory:"
) -> Iterator[Collector]:
    """A collector for the time of a `with` block: on a free port and in memory unless told otherwise."""
    collector = Collector(endpoint, path)
    collector.start()
    try:
        yield collector
    finally:
        collector.stop()
        collector.close()
