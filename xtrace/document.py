"""Entity -> segment document. Alone in knowing the limits of the wire, and what is done about them.

Nothing here raises because of what an application put in: a value that X-Ray refuses is
repaired, and the repair counted. Names and limits: AWS X-Ray Developer Guide, "Segment documents".
"""

from __future__ import annotations

import json.encoder
import platform
import re
from math import isfinite
from operator import itemgetter

from . import naming, values
from ._version import __version__
from .interruption import let_through
from .model import GOOD_CHARS, GOOD_KEYS, UNINDEXED
from .values import LARGEST_INTEGER, SMALLEST_INTEGER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from .ledger import Ledger
    from .model import Entity, Owner, Segment

    Writer: TypeAlias = Callable[[dict[str, Any], Any, Ledger], None]

MAX_ANNOTATION_KEY = 500
MAX_FIELD_CHARS = 250
MAX_AWS_CHARS = 1024
"""Of a text in the aws block: ARNs, queue URLs and object keys are longer than 250."""
MAX_SQL_CHARS = 8192
MAX_LINKS = 20
NAMESPACES = ("aws", "remote")
MAX_EMBEDDED_DEPTH = 50
"""Levels of subsegments within one document; deeper ones travel on their own."""

SDK = {"sdk": "xtrace for Python", "sdk_version": __version__}
RUNTIME = {
    "runtime": platform.python_implementation(),
    "runtime_version": platform.python_version(),
}

_refused_in_key = re.compile(r"[^A-Za-z0-9_]")
# Programs that build annotation keys from values would fill it; their keys are looked at each time.
_MAX_GOOD_KEYS = 10_000
_start_time = itemgetter("start_time")


# -- documents ---------------------------------------------------------------------------------


def documents(batch: list[Entity], ledger: Ledger) -> list[tuple[dict[str, Any], bytes]]:
    """The documents of entities that are sent together: subsegments inside their parents, and those
    whose parent isn't among them as documents of their own.

    Each with what encode() is to end it with: fields that all segments of a process have in common
    are JSON already.
    """
    made = describe(batch, ledger)
    if len(batch) == 1:
        document = made[batch[0]]
        return [(document, _place(document, batch[0]))]
    outermost = []
    crowded = []
    # Subsegments that are sent because their segment holds many mostly have the same parent.
    endings: dict[Entity | None, bytes] = {}
    for entity, document in made.items():
        parent = entity._parent
        around = made.get(parent)  # type: ignore[arg-type]
        if around is None:
            if entity.segment is entity:
                ending = _place(document, entity)
            elif parent in endings:
                ending = endings[parent]
            else:
                ending = endings[parent] = _place(document, entity)
            outermost.append((document, ending))
        elif "subsegments" in around:
            siblings = around["subsegments"]
            siblings.append(document)
            if len(siblings) == 2:
                crowded.append(siblings)
        else:
            around["subsegments"] = [document]
    for siblings in crowded:
        siblings.sort(key=_start_time)
    return outermost


def describe(batch: list[Entity], ledger: Ledger) -> dict[Entity, dict[str, Any]]:
    """What the document of each entity says of the entity itself, without its place in the trace."""
    made: dict[Entity, dict[str, Any]] = {}
    for entity in batch:
        name = entity.name
        try:
            name = naming.known[name]
        except Exception as error:  # not known, or no text
            let_through(error)
            name = naming.clean(name, ledger)
        annotations = entity._annotations
        metadata = entity._metadata
        checked = entity._checked
        end_time = entity._stop
        if checked and annotations and metadata and end_time is not None:
            # The same as below for what most entities with content are. One literal with all the
            # keys makes the dict large enough at once.
            document: dict[str, Any] = {
                "name": name,
                "id": entity.id,
                "start_time": entity.start_time,
                "end_time": end_time,
                "annotations": annotations,
                "metadata": metadata,
            }
        else:
            document = {"name": name, "id": entity.id, "start_time": entity.start_time}
            if end_time is None:
                document["in_progress"] = True
            else:
                document["end_time"] = end_time
            if metadata:
                if checked:
                    document["metadata"] = metadata
                else:
                    _metadata(document, metadata, ledger)
            if annotations:
                if checked:
                    document["annotations"] = annotations
                else:
                    _annotations(document, annotations, ledger)
        namespace = entity.namespace
        # "local" and the like are left out: some collectors refuse the whole document for them.
        if namespace is not None and namespace in NAMESPACES:
            document["namespace"] = namespace
        if entity._more:
            for field, content in entity._more.items():
                if checked and field in _BLOCKS:
                    document[field] = content
                elif content and field in _WRITERS:
                    _WRITERS[field](document, content, ledger)
        made[entity] = document
    return made


def _place(document: dict[str, Any], entity: Entity) -> bytes:
    """Say where an entity stands, which makes its fields a document of its own: in the document,
    as far as that is the entity's own affair, and else in what encode() is to end it with.
    """
    segment = entity.segment
    if segment is not entity:
        return b"," + encode(_place_in_trace(entity, segment))[1:]
    document["trace_id"] = segment._trace_id or segment.trace_id
    if segment._caller_id is not None:
        document["parent_id"] = segment._caller_id
    constant = segment._owner.constant or constant_of(segment._owner)
    ending = constant.ending_of(segment)
    if ending == b"}":
        merge(document, constant.fields)
    return ending


def place(document: dict[str, Any], entity: Entity) -> None:
    """Add to an entity's fields where it stands, which makes them a document of its own."""
    segment = entity.segment
    document.update(_place_in_trace(entity, segment))
    if segment is entity:
        merge(document, constant_of(segment._owner).fields)


def _place_in_trace(entity: Entity, segment: Segment) -> dict[str, Any]:
    place: dict[str, Any] = {"trace_id": segment._trace_id or segment.trace_id}
    parent_id = entity.parent_id
    if parent_id is not None:
        place["parent_id"] = parent_id
    if segment is not entity:
        place["type"] = "subsegment"
    return place


def constant_of(owner: Owner) -> Constant:
    """What the documents of all segments of a process have in common."""
    if owner.constant is None:
        owner.constant = Constant(owner)
    return owner.constant


def merge(document: dict[str, Any], constant: dict[str, Any]) -> None:
    """Add what is the same for all segments of a process to what one segment says itself."""
    for field, content in constant.items():
        own = document.get(field)
        if own is None:
            document[field] = content
        elif isinstance(own, dict) and isinstance(content, dict):
            document[field] = {**content, **own}
            if field == "aws" and isinstance(own.get("xray"), dict):
                document[field]["xray"] = {**content["xray"], **own["xray"]}


class Constant:
    """What all segments of a process have in common.

    fields: of their documents. ending: the same as JSON, to end a document with.
    """

    __slots__ = ("_is_disjoint", "ending", "fields")

    def __init__(self, owner: Owner) -> None:
        version = {} if owner.service_version is None else {"version": owner.service_version}
        origin = {} if owner.origin is None else {"origin": owner.origin}
        self.fields: dict[str, Any] = {
            "service": {**RUNTIME, **version},
            "aws": {**owner.environment, **_logs(owner.log_groups), "xray": SDK},
            **origin,
        }
        self.ending = b"," + encode(self.fields)[1:]
        self._is_disjoint = frozenset(self.fields).isdisjoint

    def ending_of(self, segment: Segment) -> bytes:
        """What the document of a segment ends with; without `fields` if it has some of these itself,
        so that they are to be merged.
        """
        more = segment._more
        return self.ending if more is None or self._is_disjoint(more) else b"}"


def _logs(groups: tuple[str, ...]) -> dict[str, Any]:
    """The block of log groups, each given by name or ARN."""
    described = []
    for group in groups:
        name = group.removesuffix(":*").rpartition(":")[2]
        described.append(
            {"log_group": name, "arn": group} if name != group else {"log_group": name}
        )
    return {"cloudwatch_logs": described} if described else {}


# -- fields ------------------------------------------------------------------------------------
# One function a field: it puts the content of the entity's field into the document, as X-Ray
# accepts it. What the entity holds is never changed, only replaced in the document.


def _annotations(document: dict[str, Any], content: dict[Any, Any], ledger: Ledger) -> None:
    repaired: dict[str, Any] = {}
    unindexed: dict[str, Any] = {}
    for key, value in list(content.items()):
        key = _annotation_key(key, ledger)
        value = _annotation_value(value, ledger)
        (unindexed if isinstance(value, (dict, list)) else repaired)[key] = value
    if repaired:
        document["annotations"] = repaired
    if unindexed:
        ledger.repair("annotation moved to metadata")
        metadata = document.get("metadata", {})
        document["metadata"] = {**metadata, UNINDEXED: {**metadata.get(UNINDEXED, {}), **unindexed}}


def _annotation_key(key: object, ledger: Ledger) -> str:
    name = key if isinstance(key, str) else values.text(key)
    accepted = _refused_in_key.sub("_", name)[:MAX_ANNOTATION_KEY] or "_"
    if accepted != key:
        ledger.repair("annotation key")
    elif len(GOOD_KEYS) < _MAX_GOOD_KEYS:
        GOOD_KEYS.add(accepted)
    return accepted


def _annotation_value(value: Any, ledger: Ledger) -> object:
    """The value as a string, number or boolean; a dict or list stays one, for the metadata."""
    accepted = value if type(value) in (str, int, float, bool) else values.to_json(value)
    if isinstance(accepted, (dict, list, bool)):
        return accepted
    if isinstance(accepted, int) and SMALLEST_INTEGER <= accepted <= LARGEST_INTEGER:
        return accepted
    if isinstance(accepted, float) and isfinite(accepted):
        return accepted
    text = values.text(accepted)
    if len(text) > GOOD_CHARS:
        text = text[: GOOD_CHARS - 1] + "…"
    if text is not value:
        ledger.repair("annotation value")
    return text


def _metadata(document: dict[str, Any], content: dict[Any, Any], ledger: Ledger) -> None:
    for namespace, group in content.items():
        if (
            type(namespace) is not str
            or namespace.startswith("AWS.")
            or not isinstance(group, dict)
        ):
            ledger.repair("metadata namespace")
            content = dict(_namespace(name, group) for name, group in list(content.items()))
            break
    document["metadata"] = content


def _namespace(name: object, group: object) -> tuple[str, object]:
    text = values.text(name)
    return (
        "_" + text if text.startswith("AWS.") else text,
        group if isinstance(group, dict) else {"value": group},
    )


def _http(document: dict[str, Any], content: dict[Any, Any], ledger: Ledger) -> None:
    document["http"] = {
        part: _short_texts(group, MAX_FIELD_CHARS, ledger) for part, group in content.items()
    }


def _block(field: str, most: int) -> Writer:
    def write(document: dict[str, Any], content: dict[Any, Any], ledger: Ledger) -> None:
        document[field] = _short_texts(content, most, ledger)

    return write


def _short_texts(group: Any, most: int, ledger: Ledger) -> Any:
    """A block as strict JSON with its texts in at most so many characters."""
    if isinstance(group, dict):
        for value in group.values():
            kind = type(value)
            if kind is str:
                if len(value) > most:
                    break
            elif kind is not bool and (kind is not int or value.bit_length() > 63):
                break
        else:
            return group
    group = values.plain(group)
    if not isinstance(group, dict):
        return group
    short = {key: _short(value, most) for key, value in group.items()}
    if short != group:
        ledger.shorten()
    return short


def _short(value: object, most: int) -> object:
    return value[: most - 1] + "…" if type(value) is str and len(value) > most else value


def _sql(document: dict[str, Any], content: dict[Any, Any], ledger: Ledger) -> None:
    document["sql"] = short = _short_texts(content, MAX_SQL_CHARS, ledger)
    user = short.get("user")
    if type(user) is str and len(user) > MAX_FIELD_CHARS:
        ledger.shorten()
        document["sql"] = {**short, "user": _short(user, MAX_FIELD_CHARS)}


def _user(document: dict[str, Any], content: object, ledger: Ledger) -> None:
    user = values.text(content)
    if len(user) > MAX_FIELD_CHARS:
        ledger.shorten()
    document["user"] = _short(user, MAX_FIELD_CHARS)


def _links(document: dict[str, Any], content: list[Any], ledger: Ledger) -> None:
    if len(content) > MAX_LINKS:
        ledger.repair("links")
    document["links"] = values.plain(content[:MAX_LINKS])


def _as_it_is(field: str) -> Writer:
    def write(document: dict[str, Any], content: object, ledger: Ledger) -> None:
        document[field] = content

    return write


_WRITERS: dict[str, Writer] = {
    "aws": _block("aws", MAX_AWS_CHARS),
    "cause": _as_it_is("cause"),
    "error": _as_it_is("error"),
    "fault": _as_it_is("fault"),
    "http": _http,
    "links": _links,
    "origin": _as_it_is("origin"),
    "precursor_ids": _as_it_is("precursor_ids"),
    "resource_arn": _as_it_is("resource_arn"),
    "service": _block("service", MAX_FIELD_CHARS),
    "sql": _sql,
    "throttle": _as_it_is("throttle"),
    "user": _user,
}

# Those of which an entity knows whether all that they hold was looked at already.
_BLOCKS = frozenset(("aws", "http", "sql"))


# -- encoding ----------------------------------------------------------------------------------


def encode(document: dict[str, Any], ending: bytes = b"}") -> bytes:
    """The document as strict JSON in UTF-8.

    Tries the fast way first, and the slow one if a value stops it.
    ending: stands where the last brace would.
    """
    try:
        data = dumps(document)
        if not is_orjson and b'"metadata":' in data and looks_odd(data):
            data = dumps(_plain(document))
    except Exception as error:  # of the application's values: a cycle, NaN, a tuple as key, ...
        let_through(error)
        if isinstance(error.__cause__, _CameInBetween):
            raise error.__cause__.error from None
        data = dumps(_plain(document))
    return data if ending == b"}" else data[:-1] + ending


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """A copy in which everything is strict JSON; the nesting of subsegments is no value's depth."""
    copy = {key: values.plain(value) for key, value in document.items() if key != "subsegments"}
    if "subsegments" in document:
        copy["subsegments"] = [_plain(child) for child in document["subsegments"]]
    return copy


def _orjson_dumps() -> Callable[[Any], bytes]:
    import orjson

    ask_to_json = (
        orjson.OPT_PASSTHROUGH_SUBCLASS
        | orjson.OPT_PASSTHROUGH_DATETIME
        | orjson.OPT_PASSTHROUGH_DATACLASS
    )
    orjson_dumps, to_json = orjson.dumps, values.to_json

    def ask(value: object) -> object:
        try:
            return to_json(value)
        except RecursionError:
            raise
        except BaseException as error:  # it keeps all others but those of a signal's handler
            raise _CameInBetween(error) from None

    return lambda value: orjson_dumps(value, ask, ask_to_json)


class _CameInBetween(Exception):
    """Around an exception on its way through orjson, which loses where an exception comes from."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def standard_text() -> Callable[[Any], str]:
    """The standard library's encoder: strict JSON, as compact and as orjson writes it."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # a Python without the C accelerator
        return json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=values.to_json
        ).encode
    # The C encoder itself, made once: json.dumps makes one a call, which costs as much as its use.
    chunks = make(
        None, values.to_json, json.encoder.encode_basestring, None, ":", ",", False, False, False
    )
    join = "".join
    return lambda value: join(chunks(value, 0))


def _standard_dumps() -> Callable[[Any], bytes]:
    text = standard_text()
    return lambda value: text(value).encode()


# Digits and opening brackets of a document, everything else blank.
_SHAPE = bytes(48 if 48 <= byte < 58 else 123 if byte in b"{[" else 32 for byte in range(256))
_LONG_NUMBER = b"0" * len(str(-SMALLEST_INTEGER))
_MANY_BRACKETS = 200


def looks_odd(data: bytes) -> bool:
    """Whether JSON may hold an integer, or a depth, that orjson refuses and json doesn't."""
    shape = data.translate(_SHAPE)
    return _LONG_NUMBER in shape or (
        len(shape) > _MANY_BRACKETS and shape.count(b"{") > _MANY_BRACKETS
    )


try:
    dumps = _orjson_dumps()
    is_orjson = True
except ImportError:
    dumps = _standard_dumps()
    is_orjson = False


# -- shortening --------------------------------------------------------------------------------

_CUTS = (16384, 4096, 1024, 256, 64)
_ESSENTIAL = {
    *("id", "trace_id", "parent_id", "type", "start_time", "end_time", "in_progress"),
    *("namespace", "error", "fault", "throttle", "origin"),
}


def shortened(document: dict[str, Any], limit: int) -> bytes | None:
    """The document of one entity in at most `limit` bytes: its largest values cut, with a mark.

    None if not even its name and ids fit.
    """
    whole = _plain(document)
    for most in _CUTS:
        data = dumps(_cut(whole, most))
        if len(data) <= limit:
            return data
    kept = {key: value for key, value in whole.items() if key in _ESSENTIAL}
    kept["metadata"] = {"xtrace": {"shortened": "all but the name, the times and the flags"}}
    for name_chars in (100, 20):
        kept["name"] = whole["name"][:name_chars]
        data = dumps(kept)
        if len(data) <= limit:
            return data
    return None


def _cut(whole: dict[str, Any], most: int) -> dict[str, Any]:
    """The document with texts of at most `most` characters, and lists and dicts cut alike. What
    is left out is marked in the metadata only: elsewhere X-Ray takes no mark for an item.
    """
    small = {key: values.cut(value, most, marks=False) for key, value in whole.items()}
    small["name"] = whole["name"][:most]
    groups = list(whole.get("metadata", {}).items())[: most // 8]
    small["metadata"] = {name[:most]: values.cut(group, most) for name, group in groups}
    small["metadata"]["xtrace"] = {"shortened": f"texts of over {most} characters, long lists"}
    return small
