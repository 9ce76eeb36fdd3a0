"""The ledger: recorded = sent + dropped, by reason, at every quiet moment.

The unit is one entity (a segment or a subsegment) handed to one emitter. Each emitter keeps a
ledger of its own; `xtrace.stats()` shows them and their sum.
"""

from __future__ import annotations

from threading import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Ledger:
    """What became of the entities that one emitter was given. Safe from any thread.

    recorded, sent: entities. datagrams, bytes: what went out. shortened: entities with a cut value.
    repaired: count by what was repaired. dropped: count of entities by reason.
    """

    __slots__ = (
        "_lock",
        "_sends",
        "bytes",
        "datagrams",
        "dropped",
        "recorded",
        "repaired",
        "sent",
        "shortened",
    )

    def __init__(self) -> None:
        self._lock = RLock()
        # Sends that aren't added up yet. Appending is atomic and costs a tenth of taking the lock.
        self._sends: list[tuple[int, int, int]] = []
        self.recorded = 0
        self.sent = 0
        self.datagrams = 0
        self.bytes = 0
        self.shortened = 0
        self.repaired: dict[str, int] = {}
        self.dropped: dict[str, int] = {}

    def send(self, entities: int, size: int, recorded: int = 0) -> None:
        """One datagram (or line, or request body) with so many entities and bytes went out.

        recorded: entities to enter as recorded in the same step; most are sent as they come.
        """
        sends = self._sends
        sends.append((entities, size, recorded))
        if len(sends) > _MOST_SENDS:
            self.add_up()

    def add_up(self) -> None:
        """Bring the totals up to date."""
        with self._lock:
            sends = self._sends
            while sends:
                entities, size, recorded = sends.pop()
                self.recorded += recorded
                self.sent += entities
                self.bytes += size
                self.datagrams += 1

    def record(self, entities: int) -> None:
        """So many entities were taken over; what becomes of them follows."""
        with self._lock:
            self.recorded += entities

    def drop(self, reason: str, entities: int, recorded: int = 0) -> None:
        """So many entities are lost, and why."""
        with self._lock:
            self.recorded += recorded
            self.dropped[reason] = self.dropped.get(reason, 0) + entities

    def recall(self, reason: str, entities: int, size: int) -> None:
        """A datagram that was counted as sent turned out to be lost."""
        with self._lock:
            self.sent -= entities
            self.datagrams -= 1
            self.bytes -= size
            self.dropped[reason] = self.dropped.get(reason, 0) + entities

    def shorten(self, entities: int = 1) -> None:
        """So many entities lost a part of a large value; a mark stands in its place."""
        with self._lock:
            self.shortened += entities

    def repair(self, what: str) -> None:
        """A name, key or value was changed to what X-Ray accepts."""
        with self._lock:
            self.repaired[what] = self.repaired.get(what, 0) + 1

    def after_fork(self) -> None:
        """Start from zero, with a lock that no vanished thread holds."""
        Ledger.__init__(self)


_MOST_SENDS = 1000


class EmitterStats:
    """A copy of one ledger.

    emitter: the emitter's URL, or its class where it has none.
    recorded, sent, pending: entities; recorded = sent + pending + all dropped.
    datagrams, bytes: what went out. shortened: entities with a cut value.
    repaired: count by what was repaired ("name", "annotation key", ...).
    dropped: count by reason ("refused", "too large", ...).
    """

    __slots__ = (
        "bytes",
        "datagrams",
        "dropped",
        "emitter",
        "pending",
        "recorded",
        "repaired",
        "sent",
        "shortened",
    )

    def __init__(self, emitter: str, ledger: Ledger) -> None:
        ledger.add_up()
        with ledger._lock:
            self.emitter = emitter
            self.recorded = ledger.recorded
            self.sent = ledger.sent
            self.datagrams = ledger.datagrams
            self.bytes = ledger.bytes
            self.shortened = ledger.shortened
            self.repaired = dict(ledger.repaired)
            self.dropped = dict(ledger.dropped)
            self.pending = self.recorded - self.sent - sum(self.dropped.values())

    def as_dict(self) -> dict[str, object]:
        """The same as plain data, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Stats:
    """What a recorder has recorded so far and what became of it.

    The counts are sums over the emitters, each of which is given every entity:
    recorded = sent + pending + sum(dropped.values()), always.
    open: entities that are begun and not yet ended.
    late: calls on an entity that had ended already; they changed nothing.
    sampling: where the sampling rules come from.
    faults: failures inside xtrace itself, by kind, in this process.
    """

    __slots__ = (
        "bytes",
        "datagrams",
        "dropped",
        "emitters",
        "faults",
        "late",
        "open",
        "pending",
        "recorded",
        "repaired",
        "sampling",
        "sent",
        "shortened",
    )

    def __init__(
        self,
        emitters: Iterable[EmitterStats],
        open: int,
        late: int,
        repaired: dict[str, int],
        sampling: str,
        faults: dict[str, int],
    ) -> None:
        self.emitters = tuple(emitters)
        self.recorded = sum(e.recorded for e in self.emitters)
        self.sent = sum(e.sent for e in self.emitters)
        self.pending = sum(e.pending for e in self.emitters)
        self.datagrams = sum(e.datagrams for e in self.emitters)
        self.bytes = sum(e.bytes for e in self.emitters)
        self.shortened = sum(e.shortened for e in self.emitters)
        self.repaired = _added([repaired, *(e.repaired for e in self.emitters)])
        self.dropped = _added(e.dropped for e in self.emitters)
        self.open = open
        self.late = late
        self.sampling = sampling
        self.faults = faults

    def as_dict(self) -> dict[str, object]:
        """The same as plain data, for JSON."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["emitters"] = [emitter.as_dict() for emitter in self.emitters]
        return values

    def __str__(self) -> str:
        lost = ", ".join(f"{count} {reason}" for reason, count in sorted(self.dropped.items()))
        parts = [
            f"recorded {self.recorded}",
            f"sent {self.sent} ({self.bytes} bytes in {self.datagrams} datagrams)",
            f"dropped {sum(self.dropped.values())}" + (f" ({lost})" if lost else ""),
        ]
        if self.pending:
            parts.insert(2, f"pending {self.pending}")
        if self.shortened:
            parts.append(f"shortened {self.shortened}")
        if self.open:
            parts.append(f"open {self.open}")
        return ", ".join(parts)

    def __repr__(self) -> str:
        return f"<Stats: {self}>"


def _added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for key, count in each.items():
            total[key] = total.get(key, 0) + count
    return total
