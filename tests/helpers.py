"""What several tests need."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from random import SystemRandom
from threading import Thread
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from xtrace.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from xtrace.model import Entity

DEADLINE_SECONDS = 15.0

_any = SystemRandom()  # another's seed is not for this

PORTS = range(20_000, 32_000)
"""Below those from which systems choose one for whoever asks for any."""


def eventually(condition: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until a condition holds; fail when the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't come true in time"
        time.sleep(0.005)


def zipped(folder: Path) -> Path:
    """The package as a zip, which may stand on sys.path."""
    root = Path(__file__).parents[1]
    archive = folder / "application.pyz"
    with ZipFile(archive, "w") as file:
        for path in (root / "xtrace").rglob("*"):
            if path.suffix != ".pyc":
                file.write(path, path.relative_to(root))
    return archive


@contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A UDP socket on the loopback, in the daemon's place; recv() fails when the time is up."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as daemon:
        daemon.bind((host, 0))
        daemon.settimeout(DEADLINE_SECONDS)
        yield daemon


def port_of(daemon: socket.socket) -> int:
    """The port on which it listens."""
    port: int = daemon.getsockname()[1]
    return port


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of the loopback that nobody uses. Nor will anybody get it by chance until a server that
    is to have it is there: who looks whether it answers would ask another's test server.
    """
    while True:
        with socket.socket(type=kind) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", _any.choice(PORTS)))
            return port_of(probe)


def received(daemon: socket.socket, count: int = 1) -> list[dict[str, Any]]:
    """The documents of the next datagrams, parsed."""
    return [_document(daemon.recv(65_536)) for _ in range(count)]


class Received:
    """What is sent to a daemon's socket, read as it comes, while a with block runs."""

    def __init__(self, daemon: socket.socket) -> None:
        self.documents: list[dict[str, Any]] = []
        self._daemon = daemon
        daemon.settimeout(None)
        daemon.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._thread = Thread(target=self._read)

    def _read(self) -> None:
        while datagram := self._daemon.recv(65_536):
            self.documents.append(_document(datagram))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        # What is there already is read before this.
        with socket.socket(self._daemon.family, socket.SOCK_DGRAM) as own:
            own.sendto(b"", self._daemon.getsockname())
        self._thread.join()


def _document(datagram: bytes) -> dict[str, Any]:
    from tests.documents import checked  # the benchmark's servers do without its libraries

    return checked(datagram.partition(b"\n")[2])


class Keeper:
    """An emitter in the form of the official SDK's: keeps the entities that it is given."""

    def __init__(self) -> None:
        self.kept: list[Entity] = []

    def send_entity(self, entity: Entity) -> None:
        """Keep it."""
        self.kept.append(entity)


def keeping_recorder(**settings: Any) -> Recorder:
    """A recorder of every request that sends nothing, so that a test can."""
    return Recorder(**{"service": "test", "sampling": False, "emitter": Keeper(), **settings})


def ended(name: str = "a", parts: int = 0, **metadata: object) -> list[Entity]:
    """A segment that has ended, with so many subsegments: a batch for an emitter."""
    recorder = keeping_recorder()
    with recorder.in_segment(name) as segment:
        for key, value in metadata.items():
            segment.put_metadata(key, value)
        subsegments = [recorder.in_subsegment(f"part {number}") for number in range(parts)]
        for subsegment in subsegments:
            with subsegment:
                pass
    return [segment, *subsegments]


def tree(
    parents: list[int], fill: Callable[[Entity, int], object] | None = None, **settings: Any
) -> list[Entity]:
    """A segment and subsegments that have ended, parents first: a batch for pack().

    parents: for each subsegment, the number of the entity that it is under; the segment is 0.
    fill: puts something into an entity, given its number.
    """
    recorder = keeping_recorder(**settings)
    entities: list[Entity] = [recorder.in_segment("segment")]
    entities[0].begin()
    for number, parent in enumerate(parents, 1):
        with recorder.attach(entities[parent]):
            entities.append(recorder.in_subsegment(f"part {number}"))
        entities[-1].begin()
    for number, entity in enumerate(entities):
        if fill is not None:
            fill(entity, number)
    for entity in reversed(entities):
        entity.close()
    return entities


def entities_in(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents and all subsegments in them."""
    found = list(documents)
    for each in found:
        found.extend(each.get("subsegments", ()))
    return found


def parents_in(documents: list[dict[str, Any]]) -> dict[str, str | None]:
    """By the id of each entity in the documents the id of its parent; none may be there twice."""
    found: dict[str, str | None] = {}
    waiting = [(document, document.get("parent_id")) for document in documents]
    for document, parent_id in waiting:
        assert document["id"] not in found, "sent twice"
        found[document["id"]] = parent_id
        waiting.extend((each, document["id"]) for each in document.get("subsegments", ()))
    return found


@lru_cache(maxsize=1)
def now() -> float:
    """Two minutes before a file of tests begins, for what is stored in it: questions without a time are
    about the last minutes, and a run of all tests takes longer.
    """
    return float(int(time.time()) - 120)
