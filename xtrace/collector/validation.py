"""What X-Ray would reject or change of a document, and why. Pure.

A collector on a laptop takes more than X-Ray does; this says what wouldn't have come through. Where
its documentation doesn't say what happens, a breach of its published schema counts as rejected.
Names and limits: AWS X-Ray Developer Guide, "Segment documents".
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import orjson

from .documents import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

MAX_DOCUMENT_BYTES = 64 * 1024
MAX_NAME_CHARS = 200
MAX_TEXT_CHARS = 250
MAX_ANNOTATIONS = 50
MAX_ANNOTATION_KEY_CHARS = 500
MAX_ANNOTATION_CHARS = 1000
MAX_LINKS = 20
MAX_LEVELS = 50
"""Of subsegments in one document; not documented, but SDKs and converters stop about there."""

MAX_VERDICTS = 100
"""For one document; a broken program breaks every subsegment in the same way."""

MAX_VERDICTS_OF_ALL = 1000
"""For the documents of a trace."""

REJECTS = "rejects"
CHANGES = "changes"


class Verdict(NamedTuple):
    """One thing that X-Ray takes exception to.

    code: what it is, the same for the same thing ("missing", "too long", ...). path: of the member,
    "subsegments[0].http.request.url"; empty for the document. effect: REJECTS (the whole document)
    or CHANGES (it is stored without this member, or with another value). why: in words.
    """

    code: str
    path: str
    effect: str
    why: str


def verdicts(
    document: bytes | str | dict[str, Any] | list[Any], size: int | None = None
) -> list[Verdict]:
    """What X-Ray would reject or change of a document, as received or parsed; at most MAX_VERDICTS.

    size: of a parsed object, in bytes as it was received; None if that isn't known.
    """
    found: list[Verdict] = []
    for verdict in _verdicts(document, size):
        found.append(verdict)
        if len(found) == MAX_VERDICTS:
            break
    return found


def verdicts_of_all(documents: Iterable[bytes]) -> list[tuple[str, Verdict]]:
    """The same of each of some documents, with its id; at most MAX_VERDICTS_OF_ALL."""
    found: list[tuple[str, Verdict]] = []
    for data in documents:
        try:
            content = _parsed(data)
        except (ValueError, RecursionError):
            content = None
        id = str(content.get("id", "")) if isinstance(content, dict) else ""
        of_one = verdicts(content, len(data)) if isinstance(content, dict) else verdicts(data)
        found.extend((id, verdict) for verdict in of_one)
        if len(found) >= MAX_VERDICTS_OF_ALL:
            break
    return found[:MAX_VERDICTS_OF_ALL]


def _verdicts(
    document: bytes | str | dict[str, Any] | list[Any], received: int | None
) -> Iterator[Verdict]:
    if isinstance(document, (bytes, str)):
        data = document if isinstance(document, bytes) else document.encode(errors="surrogatepass")
        try:
            content = _parsed(data)
        except (ValueError, RecursionError) as error:
            yield Verdict("not JSON", "", REJECTS, f"it can't be read as JSON in UTF-8: {error}")
            return
        received = len(data)
    else:
        content = document
    whole = content if isinstance(content, list) else [content]
    for number, each in enumerate(whole):
        path = f"[{number}]" if isinstance(content, list) else ""
        if not isinstance(each, dict):
            yield Verdict(
                "wrong type", path, REJECTS, f"a document is an object, not {_kind(each)}"
            )
            continue
        size = len(encode(each)) if each is not content or received is None else received
        if size > MAX_DOCUMENT_BYTES:
            yield Verdict(
                "too large",
                path,
                REJECTS,
                f"a document has at most {MAX_DOCUMENT_BYTES:,} bytes, not {size:,}; "
                "send subsegments on their own",
            )
        yield from _document(each, path)


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # NaN, Infinity and integers of any length, which the standard library takes.
        return json.loads(data.decode())


# -- entities ----------------------------------------------------------------------------------


def _document(document: dict[str, Any], path: str) -> Iterator[Verdict]:
    waiting = [(document, path, 0)]
    annotated = 0
    for entity, place, level in waiting:
        yield from _entity(entity, place, level)
        annotations = entity.get("annotations")
        if isinstance(annotations, dict):
            before, annotated = annotated, annotated + len(annotations)
            if before <= MAX_ANNOTATIONS < annotated:
                yield Verdict(
                    "too many",
                    _join(place, "annotations"),
                    CHANGES,
                    f"{MAX_ANNOTATIONS} annotations of a trace are indexed; filters don't find "
                    "what is beyond",
                )
        below = entity.get("subsegments")
        if not isinstance(below, list):
            continue
        if level == MAX_LEVELS and below:
            yield Verdict(
                "too deep",
                _join(place, "subsegments"),
                REJECTS,
                f"more than {MAX_LEVELS} levels of subsegments, which X-Ray isn't known to take; "
                "send inner ones on their own",
            )
        for number, each in enumerate(below):
            inside = f"{_join(place, 'subsegments')}[{number}]"
            if isinstance(each, dict):
                waiting.append((each, inside, level + 1))
            else:
                yield Verdict(
                    "wrong type", inside, REJECTS, f"a subsegment is an object, not {_kind(each)}"
                )


def _entity(entity: dict[str, Any], path: str, level: int) -> Iterator[Verdict]:
    alone = level == 0 and entity.get("type") == "subsegment"
    segment = level == 0 and not alone
    required = ["name", "id", "start_time"]
    if level == 0:
        required.append("trace_id")
    if alone:
        required.append("parent_id")
    for name in required:
        if name not in entity:
            yield Verdict("missing", _join(path, name), REJECTS, f"{name} is required")
    open = entity.get("in_progress") is True
    if open and "end_time" in entity:
        yield Verdict(
            "ambiguous",
            _join(path, "end_time"),
            REJECTS,
            "it has ended or is in progress; end_time and in_progress exclude each other",
        )
    elif not open and "end_time" not in entity:
        yield Verdict(
            "missing",
            _join(path, "end_time"),
            REJECTS,
            "end_time is required, or in_progress: true",
        )
    start: Any = entity.get("start_time")
    end: Any = entity.get("end_time")
    if _is_number(start) and _is_number(end) and end < start:
        yield Verdict("out of order", _join(path, "end_time"), REJECTS, "it ends before it starts")
    known = _SEGMENT if segment else _SUBSEGMENT
    yield from _members(entity, known, path, set() if level == 0 else _ONLY_ALONE)


def _members(
    values: dict[str, Any], known: Mapping[str, _Check], path: str, ignored: set[str]
) -> Iterator[Verdict]:
    for name, value in values.items():
        check = known.get(name)
        if check is not None:
            yield from check(value, _join(path, name))
        elif name not in ignored:
            yield Verdict(
                "unknown", _join(path, name), CHANGES, "the schema doesn't know it; it is removed"
            )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


# -- values ------------------------------------------------------------------------------------

if TYPE_CHECKING:
    _Check: TypeAlias = Callable[[Any, str], Iterator[Verdict]]

_BAD_NAME = re.compile(r"[^\w\s.:/%&#=+\-@]|[\x00-\x1f\x85]")
_ID = re.compile(r"[0-9a-fA-F]{16}")
_TRACE_ID = re.compile(r"1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}")
_KEY = re.compile(r"[a-zA-Z0-9_.]+")  # the dot isn't in the schema; the service takes it since 2024
_YEAR_2000 = 946_684_800
_YEAR_2200 = 7_258_118_400


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (int, float)):
        return "a number"
    return "an array" if isinstance(value, list) else "an object"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrong(value: Any, path: str, wanted: str) -> Verdict:
    return Verdict("wrong type", path, REJECTS, f"it must be {wanted}, not {_kind(value)}")


def _text(most: int | None = MAX_TEXT_CHARS) -> _Check:
    def check(value: Any, path: str) -> Iterator[Verdict]:
        if not isinstance(value, str):
            yield _wrong(value, path, "text")
        elif most is not None and len(value) > most:
            why = f"at most {most} characters, not {len(value)}"
            yield Verdict("too long", path, REJECTS, why)

    return check


def _pattern(pattern: re.Pattern[str], wanted: str) -> _Check:
    def check(value: Any, path: str) -> Iterator[Verdict]:
        if not isinstance(value, str):
            yield _wrong(value, path, "text")
        elif not pattern.fullmatch(value):
            yield Verdict("malformed", path, REJECTS, f"it must be {wanted}")

    return check


def _one_of(*choices: str) -> _Check:
    def check(value: Any, path: str) -> Iterator[Verdict]:
        if not isinstance(value, str) or value not in choices:
            yield Verdict("malformed", path, REJECTS, f"it must be {' or '.join(choices)}")

    return check


def _boolean(value: Any, path: str) -> Iterator[Verdict]:
    if not isinstance(value, bool):
        yield _wrong(value, path, "true or false")


def _integer(value: Any, path: str) -> Iterator[Verdict]:
    if not _is_number(value) or value != value or value % 1:
        yield _wrong(value, path, "an integer")


def _array(item: _Check, most: int | None = None) -> _Check:
    def check(value: Any, path: str) -> Iterator[Verdict]:
        if not isinstance(value, list):
            yield _wrong(value, path, "an array")
            return
        if most is not None and len(value) > most:
            yield Verdict("too many", path, REJECTS, f"at most {most} items, not {len(value)}")
        for number, each in enumerate(value):
            yield from item(each, f"{path}[{number}]")

    return check


def _object(known: Mapping[str, _Check], required: str | None = None, open: bool = False) -> _Check:
    """open: it may have other members too."""

    def check(value: Any, path: str) -> Iterator[Verdict]:
        if not isinstance(value, dict):
            yield _wrong(value, path, "an object")
            return
        if required is not None and required not in value:
            yield Verdict("missing", _join(path, required), REJECTS, f"{required} is required")
        yield from _members(value, known, path, set(value) if open else set())

    return check


def _segment_name(value: Any, path: str) -> Iterator[Verdict]:
    yield from _subsegment_name(value, path)
    if isinstance(value, str) and (bad := sorted(set(_BAD_NAME.findall(value)))):
        yield Verdict(
            "malformed",
            path,
            REJECTS,
            "letters, digits, white space and _.:/%&#=+-@ make a name, not "
            + " ".join(map(repr, bad)),
        )


def _subsegment_name(value: Any, path: str) -> Iterator[Verdict]:
    yield from _text(MAX_NAME_CHARS)(value, path)
    if value == "":
        yield Verdict("malformed", path, REJECTS, "a name has at least one character")


def _time(value: Any, path: str) -> Iterator[Verdict]:
    if not _is_number(value) or value != value:
        yield _wrong(value, path, "a number of seconds since 1970")
    elif not _YEAR_2000 <= value < _YEAR_2200:
        why = "seconds since 1970 of a time that X-Ray keeps: at most 30 days ago, and not to come"
        if _YEAR_2000 <= value // 1000 < _YEAR_2200:
            why += "; these may be milliseconds"
        yield Verdict("out of range", path, REJECTS, why)


def _namespace(value: Any, path: str) -> Iterator[Verdict]:
    if value == "local":
        yield Verdict(
            "malformed",
            path,
            CHANGES,
            "it must be aws or remote; X-Ray ignores local, other receivers reject the document",
        )
    else:
        yield from _one_of("aws", "remote")(value, path)


def _annotations(value: Any, path: str) -> Iterator[Verdict]:
    if not isinstance(value, dict):
        yield _wrong(value, path, "an object")
        return
    for key, each in value.items():
        inside = _join(path, key)
        if not _KEY.fullmatch(key):
            yield Verdict(
                "malformed",
                inside,
                CHANGES,
                "letters A to Z, digits and _ make a key; it is dropped",
            )
        elif len(key) > MAX_ANNOTATION_KEY_CHARS:
            why = f"a key has at most {MAX_ANNOTATION_KEY_CHARS} characters; it is dropped"
            yield Verdict("too long", inside, CHANGES, why)
        if isinstance(each, str):
            if len(each) > MAX_ANNOTATION_CHARS:
                why = f"at most {MAX_ANNOTATION_CHARS} characters, not {len(each)}; it is dropped"
                yield Verdict("too long", inside, CHANGES, why)
        elif not isinstance(each, (bool, int, float)) or each != each:
            yield Verdict(
                "wrong type",
                inside,
                CHANGES,
                f"a value is text, a number or a boolean, not {_kind(each)}; it is dropped",
            )


def _metadata(value: Any, path: str) -> Iterator[Verdict]:
    if not isinstance(value, dict):
        yield _wrong(value, path, "an object")
        return
    for namespace, each in value.items():
        inside = _join(path, namespace)
        if namespace.startswith("AWS."):
            yield Verdict(
                "reserved", inside, CHANGES, "namespaces that begin with AWS. are X-Ray's own"
            )
        if not isinstance(each, dict):
            yield _wrong(each, inside, "an object of values by key")


def _content_length(value: Any, path: str) -> Iterator[Verdict]:
    if isinstance(value, str):
        yield Verdict("wrong type", path, CHANGES, "it must be an integer, not text; it is removed")
    else:
        yield from _integer(value, path)


def _inferred(value: Any, path: str) -> Iterator[Verdict]:
    yield Verdict(
        "reserved", path, CHANGES, "X-Ray says itself what it has inferred; it is removed"
    )


_any_text = _text(None)
_id = _pattern(_ID, "16 hexadecimal digits")

_exception = _object(
    {
        "id": _id,
        "message": _any_text,
        "type": _any_text,
        "remote": _boolean,
        "truncated": _integer,
        "skipped": _integer,
        "cause": _id,
        "stack": _array(_object({"path": _any_text, "line": _integer, "label": _any_text})),
    },
    required="id",
)
_cause_object = _object(
    {
        "working_directory": _any_text,
        "paths": _array(_any_text),
        "exceptions": _array(_exception),
    }
)


def _cause(value: Any, path: str) -> Iterator[Verdict]:
    yield from (_id if isinstance(value, str) else _cause_object)(value, path)


def _subsegments(value: Any, path: str) -> Iterator[Verdict]:
    if not isinstance(value, list):
        yield _wrong(value, path, "an array")


_http_response = _object({"status": _integer, "content_length": _content_length})
_http_request: dict[str, _Check] = {
    "method": _text(),
    "url": _text(),
    "user_agent": _text(),
    "client_ip": _text(),
    "x_forwarded_for": _boolean,
    "traced": _boolean,
}

_BOTH: dict[str, _Check] = {
    "id": _id,
    "trace_id": _pattern(_TRACE_ID, "1-<8 hexadecimal digits>-<24 hexadecimal digits>"),
    "parent_id": _id,
    "start_time": _time,
    "end_time": _time,
    "in_progress": _boolean,
    "error": _boolean,
    "throttle": _boolean,
    "fault": _boolean,
    "cause": _cause,
    "http": _object({"request": _object(_http_request), "response": _http_response}),
    "aws": _object({}, open=True),
    "annotations": _annotations,
    "metadata": _metadata,
    "subsegments": _subsegments,
    "inferred": _inferred,
}
_SEGMENT: dict[str, _Check] = {
    **_BOTH,
    "name": _segment_name,
    "origin": _text(),
    "user": _text(),
    "resource_arn": _any_text,
    "service": _object({"version": _text()}, open=True),
    "links": _array(
        _object(
            {"trace_id": _BOTH["trace_id"], "id": _id, "attributes": _object({}, open=True)},
            required="trace_id",
        ),
        MAX_LINKS,
    ),
}
_SUBSEGMENT: dict[str, _Check] = {
    **_BOTH,
    "name": _subsegment_name,
    "type": _one_of("subsegment"),
    "namespace": _namespace,
    "precursor_ids": _array(_id),
    "traced": _boolean,
    "sql": _object(
        {
            **dict.fromkeys(
                ("connection_string", "url", "sanitized_query", "database_type"), _any_text
            ),
            **dict.fromkeys(("database_version", "driver_version"), _any_text),
            "user": _text(),
            "preparation": _one_of("call", "statement"),
        }
    ),
}
_ONLY_ALONE = {"trace_id", "parent_id", "type"}
"""What embedded subsegments don't need and some SDKs write all the same."""
