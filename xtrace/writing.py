"""Documents written as text: what sends them where the JSON encoder is the standard library's.

That encoder walks a dict slowly, and most of what it finds there is known beforehand: names, ids,
times, and blocks that were looked at when they were put there. Here they are filled in as they
stand, in half the time. The encoder is asked for metadata, and for entities with anything unusual,
of which `document` makes dicts. orjson is faster than either: with it, nothing here is used.
"""

from __future__ import annotations

import json.encoder
from operator import attrgetter

from . import naming
from .document import NAMESPACES, constant_of, describe, encode, looks_odd, merge, standard_text
from .interruption import let_through
from .model import LATEST, SUBSEGMENTS
from .values import LARGEST_INTEGER, SMALLEST_INTEGER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .ledger import Ledger
    from .model import Entity
    from .packing import Packed

_quote = json.encoder.encode_basestring
_json = standard_text()
_start_time = attrgetter("start_time")

_EARLIEST = 2.0**30
"""From then on (2004) the last double before a second is a quarter of a microsecond away from it."""


def write(batch: list[Entity], ledger: Ledger) -> list[Packed] | None:
    """The documents of entities that are sent together, as document.documents() and encode() make
    them, but for the times, which are in whole microseconds.

    None if a value in them is one that only encode() can write.
    Raises RuntimeError while another thread still adds to an entity.
    """
    if len(batch) == 1:
        data = _document(batch[0], _text(batch[0], ledger))
        return None if data is None else [(data, 1)]
    texts: dict[Entity | None, str] = {entity: _text(entity, ledger) for entity in batch}
    outermost: list[Entity] = []
    below: dict[Entity | None, list[Entity]] = {}
    for entity in batch:
        parent = entity._parent
        if parent not in texts:
            outermost.append(entity)
        elif parent in below:
            below[parent].append(entity)
        else:
            below[parent] = [entity]
    packed = []
    for entity in outermost:
        data = _document(entity, _tree(entity, texts, below))
        if data is None:
            return None
        packed.append((data, len(batch) if len(outermost) == 1 else _count(entity, below)))
    return packed


def _tree(
    entity: Entity, texts: dict[Entity | None, str], below: dict[Entity | None, list[Entity]]
) -> str:
    """An entity with its subsegments, but for the last brace."""
    text = texts[entity]
    subsegments = below.get(entity)
    if subsegments is None:
        return text
    if len(subsegments) == 1:
        inside = _tree(subsegments[0], texts, below)
    else:
        subsegments.sort(key=_start_time)
        inside = "},".join(
            [_tree(each, texts, below) if each in below else texts[each] for each in subsegments]
        )
    return f'{text},"subsegments":[{inside}}}]'


def _count(entity: Entity, below: dict[Entity | None, list[Entity]]) -> int:
    return 1 + sum(_count(each, below) for each in below.get(entity, ()))


def _document(entity: Entity, text: str) -> bytes | None:
    """The document of an entity that is inside no other. text: its fields; None if one is odd."""
    segment = entity.segment
    trace_id = segment._trace_id or segment.trace_id
    text = f'{text},"trace_id":{_quote(trace_id)}'
    if segment is entity:
        parent_id = segment._caller_id
        ending = (segment._owner.constant or constant_of(segment._owner)).ending_of(segment)
    else:
        parent_id = entity.parent_id
        ending = b',"type":"subsegment"}'
    if parent_id is not None:
        text = f'{text},"parent_id":{_quote(parent_id)}'
    try:
        return text.encode() + ending
    except UnicodeEncodeError:  # a lone surrogate
        return None


def _text(entity: Entity, ledger: Ledger) -> str:
    """The fields of an entity, but for the last brace."""
    try:
        start, end = entity.start_time, entity._stop
        if not entity._checked or end is None or not _EARLIEST <= start <= end < LATEST:
            return _any_text(entity, ledger)
        text = (
            # Nothing of a known name must be escaped: X-Ray doesn't accept it.
            f'{{"name":"{naming.known[entity.name]}","id":{_quote(entity.id)},{_times(start, end)}'
        )
        namespace = entity.namespace
        if namespace is not None and namespace in NAMESPACES:
            text = f'{text},"namespace":"{namespace}"'
        begun = None
        if entity._more:
            for field, content in entity._more.items():
                if field == "http":
                    text = f'{text},"http":{_http(content)}'
                elif field == "sql":
                    begun = entity.sql_begun
                    if begun is None:
                        text = f'{text},"sql":{_flat(content)}'
                    else:
                        text = f'{text},"sql":{begun}{_quote(content["sanitized_query"])}}}'
                elif field == "aws" and namespace == field:
                    text = f'{text},"aws":{_flat(content)}'
                elif content is True:
                    text = f'{text},"{field}":true'
                elif field != SUBSEGMENTS:
                    return _any_text(entity, ledger)
        annotations, metadata = entity._annotations, entity._metadata
        if metadata:
            written = None if begun is None or annotations else _number(metadata)
            if written is None:
                own: dict[str, Any] = {"metadata": metadata}
                if annotations:  # in the same call: one more costs as much as several values
                    own["annotations"] = annotations
                written = _json(own)[1:-1]
                if looks_odd(written.encode()):
                    return _any_text(entity, ledger)
            text = f"{text},{written}"
        elif annotations:
            text = f'{text},"annotations":{_flat(annotations)}'
        return text
    except Exception as error:  # a name that wasn't looked at, a value of another kind, ...
        let_through(error)
        return _any_text(entity, ledger)


def _any_text(entity: Entity, ledger: Ledger) -> str:
    """The same of entities that hold anything unusual."""
    fields = describe([entity], ledger)[entity]
    for time in ("start_time", "end_time"):
        seconds = fields.get(time)
        if seconds.__class__ is float and _EARLIEST <= seconds < LATEST:
            fields[time] = float(_time(seconds))
    segment = entity.segment
    if segment is entity:
        constant = constant_of(segment._owner)
        if constant.ending_of(segment) == b"}":
            merge(fields, constant.fields)
    return encode(fields)[:-1].decode()


_THREE_DIGITS = [f"{number:03}" for number in range(1000)]

_second = (0.0, "")
"""The second of the last time that was written, and its text: most times of a moment share it."""


def _time(seconds: float) -> str:
    """A time in whole microseconds, in half of what printing a float takes."""
    global _second
    second, text = _second
    fraction = seconds - second
    if fraction < 0.0 or fraction >= 1.0:
        text = str(int(seconds))
        second = float(text)
        fraction = seconds - second
        _second = second, text
    microseconds = int(fraction * 1e6 + 0.2)  # the double of a whole one may be a little less
    return f"{text}.{_THREE_DIGITS[microseconds // 1000]}{_THREE_DIGITS[microseconds % 1000]}"


def _times(start: float, end: float) -> str:
    """Both times of an entity, the later one last: mostly, they are of the second of the last."""
    second, text = _second
    begun, ended = start - second, end - second
    if begun < 0.0 or ended >= 1.0:
        return f'"start_time":{_time(start)},"end_time":{_time(end)}'
    begun, ended = int(begun * 1e6 + 0.2), int(ended * 1e6 + 0.2)
    return (
        f'"start_time":{text}.{_THREE_DIGITS[begun // 1000]}{_THREE_DIGITS[begun % 1000]}'
        f',"end_time":{text}.{_THREE_DIGITS[ended // 1000]}{_THREE_DIGITS[ended % 1000]}'
    )


def _http(block: dict[str, Any]) -> str:
    """The block of a request and its response, as integrations write it. By name: that takes half of
    what a loop over the fields takes. Raises KeyError or ValueError if it is another.
    """
    request = block.get("request")
    if request is None:  # of a call whose protocol says nothing, such as one to AWS
        return f'{{"response":{_response(block["response"])}}}'
    text = f'{{"request":{{"method":{_quote(request["method"])},"url":{_quote(request["url"])}'
    fields = 2
    if "user_agent" in request:
        text = f'{text},"user_agent":{_quote(request["user_agent"])}'
        fields += 1
    if "client_ip" in request:
        text = f'{text},"client_ip":{_quote(request["client_ip"])}'
        fields += 1
    if "x_forwarded_for" in request:
        text += ',"x_forwarded_for":true'
        fields += 1
    if fields != len(request):
        raise KeyError
    response = block.get("response")
    if response is None:
        return text + "}}"
    return f'{text}}},"response":{_response(response)}}}'


def _response(response: dict[str, Any]) -> str:
    status = f'{{"status":{response["status"]:d}'
    if len(response) == 1:
        return status + "}"
    if len(response) != 2:
        raise KeyError
    return f'{status},"content_length":{response["content_length"]:d}}}'


class SqlBlock(dict[str, str]):
    """The constant part of the `sql` blocks of one database or store.

    begun: the same as JSON, up to the statement: an entity's `sql_begun`.
    """

    __slots__ = ("begun",)

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(fields)
        self.begun = _flat({**fields, "sanitized_query": ""})[:-3]


def _number(metadata: dict[str, Any]) -> str | None:
    """Metadata that is one number, as of nearly all statements, which have their rows in it: the
    encoder takes twice as long. None of any other.
    """
    if len(metadata) == 1:
        for namespace, entries in metadata.items():
            if entries.__class__ is dict and len(entries) == 1:
                for key, value in entries.items():
                    if value.__class__ is int and SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
                        return f'"metadata":{{{_quote(namespace)}:{{{_quote(key)}:{value}}}}}'
    return None


def _flat(block: dict[str, Any]) -> str:
    """A dict of texts, numbers and booleans. Raises TypeError if something else is among them."""
    text = ""
    for key, value in block.items():
        kind = value.__class__
        if kind is str:
            text = f"{text},{_quote(key)}:{_quote(value)}"
        elif kind is int or (kind is float and value - value == 0):
            text = f"{text},{_quote(key)}:{value}"
        elif kind is bool:
            text = f"{text},{_quote(key)}:{'true' if value else 'false'}"
        else:
            raise TypeError(value)
    return f"{{{text[1:]}}}"
