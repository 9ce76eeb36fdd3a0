"""OTLP requests -> spans as plain values, the same whichever of its two encodings a request has."""

from __future__ import annotations

import base64
import json
import re
from math import isfinite, isinf
from typing import TYPE_CHECKING, NamedTuple

from ...otlp.names import KINDS, STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from opentelemetry.proto.trace.v1 import trace_pb2

    # Text, bool, int, float (finite), None, and lists and dicts of them.
    Attributes: TypeAlias = dict[str, Any]

MAX_DEPTH = 32
"""Levels of lists and maps within one attribute; deeper ones are replaced by a mark."""

TOO_DEEP = "[nested too deep]"

_DIGITS = re.compile(r"-?[0-9]{1,20}")


class OtlpError(ValueError):
    """A whole request is refused. status: of the HTTP reply, 400, 413 or 415."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Rejected(NamedTuple):
    """A span that isn't taken. Its ids as they came, "" where there were none."""

    reason: str
    trace_id: str = ""
    span_id: str = ""


class Event(NamedTuple):
    """Something that happened during a span."""

    name: str
    attributes: Attributes


class Link(NamedTuple):
    """Another span that this one names as its cause. Ids in hex, unchecked."""

    trace_id: str
    span_id: str
    attributes: Attributes


class Span(NamedTuple):
    """One span. Ids in lower-case hex, times in nanoseconds since the epoch (end 0: none)."""

    trace_id: str
    id: str
    parent_id: str | None
    name: str
    kind: int
    start: int
    end: int
    attributes: Attributes
    events: list[Event]
    links: list[Link]
    status: int
    status_message: str


class Batch(NamedTuple):
    """The spans of one resource and scope, and what of them can't be taken."""

    resource: Attributes
    scope: Attributes
    spans: list[Span]
    rejected: list[Rejected]


class _Wrong(ValueError):
    """What is wrong with one span, in words."""


# -- checks that both encodings share ----------------------------------------------------------


def _checked(span: Span) -> Span:
    if not _is_id(span.trace_id, 32):
        raise _Wrong("traceId isn't 32 hex digits, of which one isn't 0")
    if not _is_id(span.id, 16):
        raise _Wrong("spanId isn't 16 hex digits, of which one isn't 0")
    if not span.start:
        raise _Wrong("startTimeUnixNano is missing")
    if span.end and span.end < span.start:
        raise _Wrong("endTimeUnixNano is before startTimeUnixNano")
    parent_id = span.parent_id
    if not parent_id or not parent_id.strip("0"):
        return span._replace(parent_id=None)
    if not _is_id(parent_id, 16):
        raise _Wrong("parentSpanId isn't 16 hex digits")
    return span


def _is_id(text: str, digits: int) -> bool:
    return len(text) == digits and not text.strip("0123456789abcdef") and bool(text.strip("0"))


def _number(value: float) -> float | str:
    """JSON has no name for what isn't finite."""
    if isfinite(value):
        return value
    return ("Infinity" if value > 0 else "-Infinity") if isinf(value) else "NaN"


# -- protobuf ----------------------------------------------------------------------------------


def from_protobuf(body: bytes) -> list[Batch]:
    """The spans of an ExportTraceServiceRequest. Raises OtlpError if it isn't one."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(body)
    except (DecodeError, RecursionError) as error:
        raise OtlpError(f"The body isn't an ExportTraceServiceRequest: {error}") from error
    batches = []
    for group in request.resource_spans:
        resource = _pairs(group.resource.attributes)
        for scoped in group.scope_spans:
            scope = {
                "name": scoped.scope.name,
                "version": scoped.scope.version,
                "attributes": _pairs(scoped.scope.attributes),
            }
            batch = Batch(resource, scope, [], [])
            for span in scoped.spans:
                try:
                    batch.spans.append(_checked(_protobuf_span(span)))
                except _Wrong as wrong:
                    rejected = Rejected(str(wrong), span.trace_id.hex(), span.span_id.hex())
                    batch.rejected.append(rejected)
            batches.append(batch)
    return batches


def _protobuf_span(span: trace_pb2.Span) -> Span:
    return Span(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        int(span.kind),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _pairs(span.attributes),
        [Event(event.name, _pairs(event.attributes)) for event in span.events],
        [
            Link(link.trace_id.hex(), link.span_id.hex(), _pairs(link.attributes))
            for link in span.links
        ],
        int(span.status.code),
        span.status.message,
    )


def _pairs(pairs: Any, levels: int = MAX_DEPTH) -> Attributes:
    return {pair.key: _protobuf_value(pair.value, levels) for pair in pairs}


def _protobuf_value(value: Any, levels: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "double_value":
        return _number(held)
    if kind == "bytes_value":
        return base64.b64encode(held).decode()
    if kind in ("array_value", "kvlist_value"):
        if levels <= 0:
            return TOO_DEEP
        if kind == "kvlist_value":
            return _pairs(held.values, levels - 1)
        return [_protobuf_value(each, levels - 1) for each in held.values]
    return held if kind in ("string_value", "bool_value", "int_value") else None


# -- JSON --------------------------------------------------------------------------------------


def from_json(body: bytes) -> list[Batch]:
    """The spans of a request in OTLP/JSON. Raises OtlpError if the body is no JSON object.

    What is missing or of a wrong type within a span rejects the span; what is wrong with a
    resource rejects its spans. Unknown members are ignored, as OTLP demands.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OtlpError(f"The body isn't JSON: {error}") from error
    if not isinstance(request, dict):
        raise OtlpError("The body isn't a JSON object with resourceSpans.")
    try:
        groups = _list(request, "resourceSpans")
    except _Wrong as wrong:
        raise OtlpError(f"{wrong}.") from wrong
    return [batch for group in groups for batch in _json_group(group)]


def _json_group(group: Any) -> list[Batch]:
    try:
        resource = _attributes(_object(_self(group, "resourceSpans"), "resource"))
        scopes = _list(group, "scopeSpans")
    except _Wrong as wrong:
        return [_refused(wrong, _spans_within(group))]
    batches = []
    for scoped in scopes:
        try:
            described = _object(_self(scoped, "scopeSpans"), "scope")
            scope = {
                "name": _text(described, "name"),
                "version": _text(described, "version"),
                "attributes": _attributes(described),
            }
            spans = _list(scoped, "spans")
        except _Wrong as wrong:
            batches.append(_refused(wrong, _spans_within({"scopeSpans": [scoped]})))
            continue
        batch = Batch(resource, scope, [], [])
        for span in spans:
            try:
                batch.spans.append(_checked(_json_span(_self(span, "spans"))))
            except _Wrong as wrong:
                batch.rejected.append(_rejected(wrong, span))
        batches.append(batch)
    return batches


def _refused(wrong: _Wrong, spans: list[Any]) -> Batch:
    """What can't be read at all counts as one span, so that it doesn't vanish."""
    return Batch({}, {}, [], [_rejected(wrong, span) for span in spans or [None]])


def _rejected(wrong: _Wrong, span: Any) -> Rejected:
    ids = [span.get(name) if isinstance(span, dict) else None for name in ("traceId", "spanId")]
    return Rejected(str(wrong), *(_sound(id[:64]) if isinstance(id, str) else "" for id in ids))


def _spans_within(group: Any) -> list[Any]:
    scopes = group.get("scopeSpans") if isinstance(group, dict) else None
    found = []
    for scoped in scopes if isinstance(scopes, list) else []:
        spans = scoped.get("spans") if isinstance(scoped, dict) else None
        found.extend(spans if isinstance(spans, list) else [])
    return found


def _json_span(span: dict[str, Any]) -> Span:
    status = _object(span, "status")
    return Span(
        _text(span, "traceId").lower(),
        _text(span, "spanId").lower(),
        _text(span, "parentSpanId").lower(),
        _text(span, "name"),
        _enumeration(span, "kind", "SPAN_KIND_", KINDS),
        _integer(span, "startTimeUnixNano", 0, 2**64 - 1),
        _integer(span, "endTimeUnixNano", 0, 2**64 - 1),
        _attributes(span),
        [
            Event(_text(event, "name"), _attributes(event))
            for event in (_self(each, "events") for each in _list(span, "events"))
        ],
        [
            Link(_text(link, "traceId").lower(), _text(link, "spanId").lower(), _attributes(link))
            for link in (_self(each, "links") for each in _list(span, "links"))
        ],
        _enumeration(status, "code", "STATUS_CODE_", STATUSES),
        _text(status, "message"),
    )


def _attributes(
    owner: dict[str, Any], name: str = "attributes", levels: int = MAX_DEPTH
) -> Attributes:
    pairs = [_self(pair, name) for pair in _list(owner, name)]
    return {_text(pair, "key"): _json_value(_object(pair, "value"), levels) for pair in pairs}


def _json_value(value: dict[str, Any], levels: int) -> Any:
    for name, read in _VALUES.items():
        if value.get(name) is not None:
            return read(value, name)
    for name in ("arrayValue", "kvlistValue"):
        if value.get(name) is not None:
            if levels <= 0:
                return TOO_DEEP
            held = _object(value, name)
            if name == "kvlistValue":
                return _attributes(held, "values", levels - 1)
            items = (_self(each, name) for each in _list(held, "values"))
            return [_json_value(each, levels - 1) for each in items]
    return None


def _self(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _Wrong(f"an item of {name} isn't an object")


def _object(owner: dict[str, Any], name: str) -> dict[str, Any]:
    value = owner.get(name)
    if value is None or isinstance(value, dict):
        return value or {}
    raise _Wrong(f"{name} isn't an object")


def _list(owner: dict[str, Any], name: str) -> list[Any]:
    value = owner.get(name)
    if value is None or isinstance(value, list):
        return value or []
    raise _Wrong(f"{name} isn't a list")


def _text(owner: dict[str, Any], name: str) -> str:
    value = owner.get(name)
    if value is None or isinstance(value, str):
        return _sound(value or "")
    raise _Wrong(f"{name} isn't text")


def _sound(text: str) -> str:
    """JSON can write half a surrogate pair, UTF-8 can't."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _integer(owner: dict[str, Any], name: str, least: int, most: int) -> int:
    """A 64-bit integer: OTLP/JSON writes it as text, a number is accepted as well."""
    value = owner.get(name)
    if value is None:
        return 0
    if (isinstance(value, str) and _DIGITS.fullmatch(value)) or (
        isinstance(value, float) and value.is_integer()
    ):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise _Wrong(f"{name} isn't an integer of 64 bits")


def _enumeration(owner: dict[str, Any], name: str, prefix: str, names: tuple[str, ...]) -> int:
    """A number; the names, which some write against the rules, are understood."""
    value = owner.get(name)
    if isinstance(value, str) and value.removeprefix(prefix) in names:
        return names.index(value.removeprefix(prefix))
    return _integer(owner, name, -(2**31), 2**31 - 1)


def _boolean(owner: dict[str, Any], name: str) -> bool:
    value = owner[name]
    if isinstance(value, bool):
        return value
    raise _Wrong(f"{name} isn't true or false")


def _double(owner: dict[str, Any], name: str) -> float | str:
    value = owner[name]
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise _Wrong(f"{name} isn't a number")
    try:
        return _number(float(value))
    except (ValueError, OverflowError):
        raise _Wrong(f"{name} isn't a number") from None


def _bytes(owner: dict[str, Any], name: str) -> str:
    text = _text(owner, name).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        held = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise _Wrong(f"{name} isn't base64") from None
    return base64.b64encode(held).decode()


_VALUES: dict[str, Callable[[dict[str, Any], str], Any]] = {
    "stringValue": _text,
    "boolValue": _boolean,
    "intValue": lambda owner, name: _integer(owner, name, -(2**63), 2**63 - 1),
    "doubleValue": _double,
    "bytesValue": _bytes,
}
