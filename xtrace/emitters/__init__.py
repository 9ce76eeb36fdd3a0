"""Where finished entities go: the one seam between the recorder and the outside.

An emitter is made from a URL (`udp://127.0.0.1:2000`, `otlp+http://localhost:4318`,
`xray://eu-west-1`, `file:traces.jsonl`, `console:`, `memory:`), or is any object with a method
`send_entity(entity)`. Several may run at once.
"""

from __future__ import annotations

from importlib import import_module

from ..errors import ConfigurationError, InvalidAddress
from ..faults import report
from ..ledger import Ledger
from ..model import SUBSEGMENTS
from ..packing import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..model import Entity
    from ..packing import Packed

MAX_DATAGRAM_BYTES = 64_000
"""Default for the largest datagram: X-Ray's 64 KB, with room for what is added on the way."""

SMALLEST_DATAGRAM_BYTES = 1024

# scheme -> module here and class in it, imported when the first URL names it
SCHEMES = {
    "console": ("stream", "ConsoleEmitter"),
    "file": ("stream", "FileEmitter"),
    "memory": ("memory", "MemoryEmitter"),
    "otlp+http": ("otlp", "OtlpEmitter"),
    "otlp+https": ("otlp", "OtlpEmitter"),
    "otlp+udp": ("otlp_udp", "OtlpUdpEmitter"),
    "udp": ("udp", "UdpEmitter"),
    "xray": ("xray_api", "XRayEmitter"),
}


class Emitter:
    """Base of the emitters in the box.

    url: how it was asked for; its name in `xtrace.stats()`.
    max_bytes: the largest datagram (or line) it sends.
    ledger: what became of what it was given.
    keeps_entities: whether it holds on to entities after send() returned.

    A subclass says how documents leave, in send_documents().
    """

    keeps_entities = False
    overhead = 0
    """Bytes that are added to a document on the way out."""

    def __init__(self, url: str, max_bytes: int = MAX_DATAGRAM_BYTES) -> None:
        self.url = url
        self.max_bytes = max_bytes
        self.ledger = Ledger()

    def send(self, batch: list[Entity]) -> None:
        """Take over entities that have ended: a segment with subsegments below it, or subsegments.

        Neither raises nor waits. Every entity is entered in the ledger.
        """
        self.send_documents(pack(batch, self.max_bytes - self.overhead, self.ledger))

    def send_documents(self, packed: list[Packed]) -> None:
        """Send documents, and enter the entities that each describes in the ledger."""
        raise NotImplementedError

    def send_entity(self, entity: Entity) -> None:
        """Take over one entity with its subsegments, as emitters of the official SDK do."""
        self.send(flat(entity))

    def wake(self) -> None:
        """Begin to send what waits. Called for all emitters before the first of them is flushed."""

    def flush(self, timeout_seconds: float) -> None:
        """Wait, at most so long, until what was taken over is sent or dropped."""

    def finish(self, timeout_seconds: float) -> None:
        """Flush and close: the program ends, or the emitter is replaced."""
        self.flush(timeout_seconds)
        self.close()

    def close(self) -> None:
        """Give up sockets, files and threads. Later entities open them again."""

    def settle(self) -> None:
        """Bring the ledger up to date, before somebody reads it."""

    def after_fork(self) -> None:
        """Called in a forked child before anything else: give up what belongs to the parent."""
        self.ledger.after_fork()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"


class CustomEmitter(Emitter):
    """Any object with send_entity(entity), made one of ours: it counts what the object is given.

    Each entity is handed over with its subsegments in `entity.subsegments`.
    """

    keeps_entities = True

    def __init__(self, emitter: object) -> None:
        super().__init__(f"{type(emitter).__module__}.{type(emitter).__qualname__}")
        self.emitter: Any = emitter

    def send(self, batch: list[Entity]) -> None:
        """Hand the entities on. An exception is a counted drop."""
        for entity in arranged(batch):
            entities = len(flat(entity))
            try:
                self.emitter.send_entity(entity)
            except Exception as error:
                self.ledger.drop("emitter failed", entities, recorded=entities)
                report("emitter", f"{self.url}.send_entity failed; dropped", error, self.url)
            else:
                self.ledger.send(entities, 0, recorded=entities)


def arranged(batch: list[Entity]) -> list[Entity]:
    """Those of a batch that are under no other; the others now stand in their parents' subsegments."""
    below: dict[Entity | None, list[Any]] = {entity: [] for entity in batch}
    outermost: list[Entity] = []
    for entity in batch:
        below.get(entity._parent, outermost).append(entity)
    for entity in batch:
        entity._fields[SUBSEGMENTS] = sorted(below[entity], key=lambda each: each.start_time)
    return outermost


def flat(entity: Entity) -> list[Entity]:
    """An entity and everything in its subsegments, parents first."""
    found = [entity]
    for each in found:
        found.extend(each.subsegments)
    return found


def make(target: object, max_bytes: int = MAX_DATAGRAM_BYTES) -> Emitter:
    """The emitter for a URL, or around an object that has send_entity.

    Raises InvalidAddress or ConfigurationError, with what to write instead.
    """
    if isinstance(target, Emitter):
        return target
    if isinstance(target, str):
        scheme = target.partition(":")[0].lower()
        if scheme not in SCHEMES:
            known = ", ".join(f"{each}:" for each in sorted(SCHEMES))
            raise InvalidAddress(
                f"No emitter for {target!r}.{_hint(target)} Known: {known}; see docs/emitters.md."
            )
        module, name = SCHEMES[scheme]
        made: Emitter = getattr(import_module(f".{module}", __name__), name)(target, max_bytes)
        return made
    if callable(getattr(target, "send_entity", None)):
        return CustomEmitter(target)
    raise ConfigurationError(
        f"emitter is {target!r}. Give a URL such as 'udp://127.0.0.1:2000', an object with a "
        "method send_entity(entity), or a list of these."
    )


def _hint(target: str) -> str:
    """What was probably meant by a URL that names no emitter."""
    from difflib import get_close_matches

    scheme, slashes, rest = target.partition("://")
    scheme = scheme.lower()
    if not slashes:
        is_address = target.rpartition(":")[2].isdigit()
        return f" Did you mean 'udp://{target}'?" if is_address else ""
    if scheme in ("http", "https"):
        return f" Did you mean 'otlp+{scheme}://{rest}'?"
    if scheme.startswith(("otlp", "grpc")):
        return " OTLP goes over HTTP: write 'otlp+http://host:4318'."
    close = get_close_matches(scheme, SCHEMES, n=1)
    return f" Did you mean '{close[0]}://{rest}'?" if close else ""
