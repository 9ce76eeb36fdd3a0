"""Documents of a trace before they are a trace: their versions, their places, their values. Pure.

A document is replaced by a later version of itself as a whole. Independent subsegments go under
their parents. Nothing raises because of a value, nor recurses as deep as documents may nest.
"""

from __future__ import annotations

import json

import orjson

identity = id  # `id` is a member of documents here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, TypeAlias

    Document: TypeAlias = dict[str, Any]

EARLIEST_TIME = -62_135_596_800.0
LATEST_TIME = 253_402_300_799.0
"""From year 1 to year 9999, in seconds since 1970: beyond that clients have no dates."""


# -- values ------------------------------------------------------------------------------------


def time_of(value: Any) -> float | None:
    """A time in seconds, None for anything that is none."""
    if value.__class__ is not float:
        if value.__class__ is not int:
            return None
        if not EARLIEST_TIME <= value <= LATEST_TIME:
            return None
        return float(value)
    # Also false of NaN.
    return value if EARLIEST_TIME <= value <= LATEST_TIME else None


def text(value: Any) -> str | None:
    """A text that can be written in UTF-8, None for anything else."""
    if value.__class__ is not str or value.isascii():
        return value if value.__class__ is str else None
    try:
        value.encode()
    except UnicodeEncodeError:  # lone surrogates
        return str(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return str(value)


def number(value: Any) -> int | float | None:
    """A finite number, an integer only if it fits 64 bits; None for anything else."""
    if value.__class__ is int:
        if -(2**63) <= value < 2**63:
            return int(value)
        try:
            return float(value)
        except OverflowError:
            return None
    if value.__class__ is float and value - value == 0:
        return float(value)
    return None


def encode(value: Any) -> bytes:
    """Any parsed JSON as JSON in UTF-8, however deep it nests; NaN and infinity become null."""
    try:
        return orjson.dumps(value)
    except (TypeError, RecursionError):  # integers beyond 64 bits, lone surrogates, 255 levels
        return "".join(_written(value)).encode()


def _written(value: Any) -> Iterator[str]:
    """The pieces of a value's JSON."""
    inside: list[tuple[Iterator[Any], bool, str]] = []
    while True:
        if value.__class__ is dict or value.__class__ is list:
            if value.__class__ is dict:
                yield "{"
                inside.append((iter(value.items()), True, "}"))
            else:
                yield "["
                inside.append((iter(value), False, "]"))
            separator = ""
        else:
            yield "null" if value.__class__ is float and value - value != 0 else json.dumps(value)
            separator = ","
        while inside:
            items, is_dict, close = inside[-1]
            try:
                value = next(items)
            except StopIteration:
                inside.pop()
                yield close
                separator = ","
                continue
            yield separator
            if is_dict:
                key, value = value
                yield json.dumps(key) + ":"
            break
        else:
            return


# -- versions ----------------------------------------------------------------------------------


def latest_versions(
    documents: Sequence[Any],
) -> tuple[dict[str, Document], dict[str, Document], int]:
    """The segments and the independent subsegments among documents, by id, each in its latest version.

    Complete is later than in progress; of several such the one that ends last, then any, but
    always the same. The number: how many different documents there are.
    """
    segments: dict[str, Document] = {}
    independent: dict[str, Document] = {}
    versions: dict[tuple[bool, str], dict[bytes, Document]] = {}
    for document in _objects(documents):
        alone = document.get("type") == "subsegment"
        latest = independent if alone else segments
        id = document["id"]
        other = latest.get(id)
        if other is None:
            latest[id] = document
        elif other is not document:
            known = versions.get((alone, id))
            if known is None:
                known = versions[alone, id] = {encode(other): other}
            known.setdefault(encode(document), document)
    different = len(segments) + len(independent)
    for (alone, id), known in versions.items():
        different += len(known) - 1
        _, best = max(known.items(), key=lambda item: rank(item[1], item[0]))
        (independent if alone else segments)[id] = best
    return segments, independent, different


def _objects(documents: Sequence[Any]) -> Iterator[Document]:
    """The objects among documents and arrays of documents that can be part of a trace."""
    for document in documents:
        if document.__class__ is dict:
            if document.get("id").__class__ is str:
                yield document
        elif document.__class__ is list:
            for each in document:
                if (
                    each.__class__ is dict
                    and each.get("id").__class__ is str
                    and time_of(each.get("start_time")) is not None
                ):
                    yield each


def rank(document: Document, encoded: bytes) -> tuple[bool, float, int, bytes]:
    """What makes a version later than others of the same entity."""
    end = time_of(document.get("end_time"))
    return end is not None, end or 0.0, len(encoded), encoded


# -- places ------------------------------------------------------------------------------------


def assembled(
    segments: dict[str, Document], independent: dict[str, Document]
) -> tuple[list[Document], list[Document]]:
    """Copies of the segments with the independent subsegments inside, and those without a place.

    Without a place: whose parent is unknown, or one of a circle of parents.
    """
    return _Assembly(segments, independent).result()


class _Assembly:
    """Documents being put together, all in the order of ids, so that arrival doesn't matter."""

    def __init__(self, segments: dict[str, Document], independent: dict[str, Document]) -> None:
        self.segments = [_copied(segments[id]) for id in sorted(segments)]
        self.alone = {id: _copied(independent[id]) for id in sorted(independent)}
        # Where each id stands: the entity, and the independent subsegment that it came inside of,
        # None if it came in a segment.
        self.places: dict[str, tuple[Document, str | None]] = {}
        for segment in self.segments:
            self.places.setdefault(segment["id"], (segment, None))
        for segment in self.segments:
            self._enter(_below(segment), None)
        for id, whole in self.alone.items():
            self._enter(_below(whole), id)
        self.embedded = {id for id in self.alone if id in self.places} - segments.keys()
        for id, whole in self.alone.items():
            self.places.setdefault(id, (whole, id))
        # Independent subsegments that turned out to stand inside others (None: in a segment), and
        # entities by the identity of what was merged into them, with that, to keep it alive.
        self.merged: dict[str, str | None] = {}
        self.stands_for: dict[int, tuple[Document, Document]] = {}
        self.touched: dict[int, Document] = {}

    def _enter(self, entities: list[Document], owner: str | None) -> None:
        for entity in entities:
            id = entity.get("id")
            if id.__class__ is str:
                self.places.setdefault(id, (entity, owner))

    def result(self) -> tuple[list[Document], list[Document]]:
        """The segments and the orphans."""
        for id in sorted(self.embedded):
            entity, owner = self._place(id)
            if owner != id:  # it isn't inside itself
                self.merged[id] = owner
                self._merge(entity, self.alone[id])
        # Which independent subsegment the parent of another stands in; None: a segment.
        above: dict[str, str | None] = {}
        orphans = set()
        for id, whole in self.alone.items():
            if id in self.merged:
                continue
            parent = whole.get("parent_id")
            if parent.__class__ is str and parent in self.places:
                above[id] = self._place(parent)[1]
            else:
                orphans.add(id)
        orphans |= _one_of_each_circle(above)
        for id, whole in self.alone.items():
            if id not in self.merged and id not in orphans:
                self._attach(self._place(whole["parent_id"])[0], whole)
        for entity in self.touched.values():
            entity["subsegments"].sort(key=_by_start)
        return self.segments, [self.alone[id] for id in sorted(orphans)]

    def _place(self, id: str) -> tuple[Document, str | None]:
        entity, owner = self.places[id]
        while (other := self.stands_for.get(identity(entity))) is not None:
            entity = other[0]
        while owner in self.merged:
            owner = self.merged[owner]
        return entity, owner

    def _attach(self, parent: Document, child: Document) -> None:
        for member in _PLACE_MEMBERS:
            child.pop(member, None)
        below = parent.get("subsegments")
        if below.__class__ is list:
            below.append(child)
        else:
            parent["subsegments"] = [child]
        self.touched[identity(parent)] = parent

    def _merge(self, entity: Document, version: Document) -> None:
        """Give an entity the members of a later version of it, and the subsegments of both."""
        waiting = [(entity, version)]
        while waiting:
            kept, other = waiting.pop()
            below, others = kept.get("subsegments"), other.get("subsegments")
            mine, theirs = _own_members(kept), _own_members(other)
            if rank(theirs, encode(theirs)) > rank(mine, encode(mine)):
                kept.clear()
                kept.update(theirs)
            self.stands_for[identity(other)] = (kept, other)
            below = kept["subsegments"] = below if below.__class__ is list else []
            by_id = {e["id"]: e for e in below if e.__class__ is dict and _has_id(e)}
            for each in others if others.__class__ is list else []:
                same = by_id.get(each["id"]) if each.__class__ is dict and _has_id(each) else None
                if same is None:
                    below.append(each)
                else:
                    waiting.append((same, each))
            if below:
                self.touched[identity(kept)] = kept
            else:
                del kept["subsegments"]


_PLACE_MEMBERS = ("type", "trace_id", "parent_id")
"""What an independent subsegment has and an embedded one doesn't need."""


def _own_members(entity: Document) -> Document:
    return {
        name: value
        for name, value in entity.items()
        if name not in _PLACE_MEMBERS and name != "subsegments"
    }


def _has_id(entity: Document) -> bool:
    return entity.get("id").__class__ is str


def _by_start(entity: Any) -> tuple[bool, float, str]:
    if entity.__class__ is not dict:
        return True, 0.0, ""
    id = entity.get("id")
    return False, time_of(entity.get("start_time")) or 0.0, id if id.__class__ is str else ""


def _one_of_each_circle(above: dict[str, str | None]) -> set[str]:
    """From each circle of what stands above what, the first id."""
    firsts = set()
    known: set[str | None] = {None}
    for id in above:
        path: dict[str, int] = {}
        step: str | None = id
        while step not in known and step in above and step not in path:
            path[step] = len(path)
            step = above[step]
        if step in path:
            firsts.add(min(list(path)[path[step] :]))
        known.update(path)
    return firsts


def _below(document: Document) -> list[Document]:
    """All subsegments of a document, at any depth, parents first."""
    return entities_of(document)[1:]


def entities_of(document: Document) -> list[Document]:
    """A segment and all its subsegments at any depth, parents first."""
    found = [document]
    for entity in found:
        below = entity.get("subsegments")
        if below.__class__ is list:
            found.extend([each for each in below if each.__class__ is dict])
    return found


def _copied(document: Document) -> Document:
    """A copy whose entities can be changed; their other members are shared."""
    copy = dict(document)
    found = [copy]
    for entity in found:
        below = entity.get("subsegments")
        if below.__class__ is list:
            copies = [dict(each) if each.__class__ is dict else each for each in below]
            entity["subsegments"] = copies
            found.extend([each for each in copies if each.__class__ is dict])
    return copy
