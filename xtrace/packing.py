"""Entities -> documents that fit a datagram: split what is large, shorten what can't be split. Pure.

The order of preference: the whole tree in one document; large subtrees as independent subsegments
of the same trace; the largest values of a single entity cut, with a mark; a counted drop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import document
from .ledger import Ledger
from .writing import write

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from .model import Entity

    # A document, JSON in UTF-8, and how many entities it describes.
    Packed: TypeAlias = tuple[bytes, int]

TOO_LARGE = "too large"
"""Reason for a drop: an entity that doesn't fit a datagram even when all but its ids is cut."""

_ATTEMPTS = 10


def pack(batch: list[Entity], limit: int, ledger: Ledger) -> list[Packed]:
    """The documents that carry a batch of entities, each in at most `limit` bytes.

    batch: a segment with subsegments below it, or subsegments; none twice. What can't be sent is
    dropped in the ledger.
    """
    if len(batch) > document.MAX_EMBEDDED_DEPTH:
        return _Packing(batch, limit, ledger, _described(batch, ledger)).done
    try:
        packed = _encoded(batch, ledger) if document.is_orjson else write(batch, ledger)
        if packed is None:
            packed = _encoded(batch, Ledger())  # what is repaired was counted
    except RuntimeError:  # another thread still adds to one of them
        return _Packing(batch, limit, ledger, _described(batch, Ledger())).done
    for data, _ in packed:
        if len(data) > limit:
            # Described anew, because subsegments are inside now; what is repaired was counted.
            return _Packing(batch, limit, ledger, _described(batch, Ledger())).done
    return packed


def _encoded(batch: list[Entity], ledger: Ledger) -> list[Packed]:
    """The documents of a batch, however large."""
    made = document.documents(batch, ledger)
    if len(made) == 1:
        return [(document.encode(*made[0]), len(batch))]
    return [(document.encode(each, ending), _entities(each)) for each, ending in made]


def _described(batch: list[Entity], ledger: Ledger) -> dict[Entity, dict[str, Any]]:
    for _ in range(_ATTEMPTS):
        try:
            return document.describe(batch, ledger)
        except RuntimeError:  # another thread still adds to one of them
            ledger = Ledger()  # what is repaired was counted
    return document.describe(batch, ledger)


def _entities(made: dict[str, Any]) -> int:
    return 1 + sum(map(_entities, made.get("subsegments", ())))


class _Piece(NamedTuple):
    """A subtree as it would stand inside its parent. depth: levels of subsegments within."""

    data: bytes
    entities: int
    depth: int


class _Packing:
    """Packs from the leaves up: children are embedded, small ones first, as far as they fit."""

    def __init__(
        self,
        batch: list[Entity],
        limit: int,
        ledger: Ledger,
        described: dict[Entity, dict[str, Any]],
    ) -> None:
        self.done: list[Packed] = []
        self._limit = limit
        self._ledger = ledger
        self._pieces: dict[Entity, _Piece] = {}
        self._own = described
        self._below: dict[Entity, list[Entity]] = {entity: [] for entity in batch}
        outermost = []
        for entity in batch:
            parent = entity._parent
            if parent is not None and parent in self._below:
                self._below[parent].append(entity)
            else:
                outermost.append(entity)
        for root in outermost:
            self._pack_tree(root)

    def _pack_tree(self, root: Entity) -> None:
        parents_first = [root]
        for entity in parents_first:
            self._below[entity].sort(key=lambda each: each.start_time)
            parents_first.extend(self._below[entity])
        for entity in reversed(parents_first):
            own = self._own[entity]
            if entity is root:
                document.place(own, entity)
                self._add(entity, own, self._limit)
            else:
                self._add(entity, own, self._limit - len(_independent(entity)))
        whole = self._pieces.pop(root, None)
        if whole is not None:
            self.done.append((whole.data, whole.entities))

    def _add(self, entity: Entity, own: dict[str, Any], room: int) -> None:
        """Make the piece of an entity; the pieces of its children are there."""
        children = [child for child in self._below[entity] if child in self._pieces]
        data: bytes | None = document.encode(own)
        if data is not None and len(data) > room:
            data = document.shortened(own, room)
            if data is not None:
                self._ledger.shorten()
        if data is None:
            self._ledger.drop(TOO_LARGE, 1, recorded=1)
            for child in children:
                self._send_alone(child)
            return
        room -= len(data) + len(b',"subsegments":[]')
        embedded: dict[Entity, _Piece] = {}
        for child in sorted(children, key=lambda each: len(self._pieces[each].data)):
            piece = self._pieces[child]
            if len(piece.data) < room and piece.depth + 1 < document.MAX_EMBEDDED_DEPTH:
                room -= len(piece.data) + len(b",")
                embedded[child] = self._pieces.pop(child)
            else:
                self._send_alone(child)
        if embedded:
            inside = [embedded[child] for child in children if child in embedded]
            self._pieces[entity] = _Piece(
                b'%b,"subsegments":[%b]}' % (data[:-1], b",".join(each.data for each in inside)),
                1 + sum(each.entities for each in inside),
                1 + max(each.depth for each in inside),
            )
        else:
            self._pieces[entity] = _Piece(data, 1, 0)

    def _send_alone(self, subsegment: Entity) -> None:
        piece = self._pieces.pop(subsegment)
        self.done.append((_independent(subsegment) + piece.data[1:], piece.entities))


def _independent(subsegment: Entity) -> bytes:
    """How the document of a subsegment begins when it travels on its own."""
    where: dict[str, Any] = {}
    document.place(where, subsegment)
    return document.encode(where)[:-1] + b","
