"""OTLP requests in its two encodings, put together from spans that are encoded one by one. Pure.

Protobuf is written by this module: fields follow each other, each with its number and its length,
and the few messages of a trace request need no more (opentelemetry-proto, trace/v1/trace.proto).
"""

from __future__ import annotations

import json
import struct

from .._version import __version__
from .names import SCOPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .mapping import Attribute, SpanJSON

    # An encoded resource and its encoded spans.
    Group = tuple[bytes, list[bytes]]

JSON_TYPE = "application/json"
PROTOBUF_TYPE = "application/x-protobuf"


class Encoding:
    """One way to write a request. span, resource: of what `mapping` makes; request: of these."""

    def __init__(
        self,
        content_type: str,
        span: Callable[[SpanJSON], bytes],
        resource: Callable[[list[Attribute]], bytes],
        request: Callable[[Iterable[Group]], bytes],
    ) -> None:
        self.content_type = content_type
        self.span = span
        self.resource = resource
        self.request = request


# -- JSON -----------------------------------------------------------------------------------------

_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def _json(held: Any) -> bytes:
    text = _dumps(held)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold and UTF-8 can't
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _json_resource(attributes: list[Attribute]) -> bytes:
    return _json({"attributes": attributes})


_JSON_SCOPE = _json({"name": SCOPE, "version": __version__})


def _json_request(groups: Iterable[Group]) -> bytes:
    parts = [
        b'{"resource":%b,"scopeSpans":[{"scope":%b,"spans":[%b]}]}'
        % (resource, _JSON_SCOPE, b",".join(spans))
        for resource, spans in groups
    ]
    return b'{"resourceSpans":[%b]}' % b",".join(parts)


JSON = Encoding(JSON_TYPE, _json, _json_resource, _json_request)

# -- protobuf -------------------------------------------------------------------------------------

_double = struct.Struct("<d").pack
_fixed64 = struct.Struct("<Q").pack
_SMALL = [bytes((number,)) for number in range(128)]


def _varint(number: int) -> bytes:
    if number < 128:
        return _SMALL[number]
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, held: bytes) -> bytes:
    """A field of bytes, text, or a message. number: up to 15."""
    return _SMALL[number << 3 | 2] + _varint(len(held)) + held


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _value(held: dict[str, Any]) -> bytes:
    """An AnyValue."""
    for kind, inside in held.items():
        if kind == "stringValue":
            return _field(1, _utf8(inside))
        if kind == "boolValue":
            return b"\x10\x01" if inside else b"\x10\x00"
        if kind == "intValue":
            return b"\x18" + _varint(int(inside) & 0xFFFF_FFFF_FFFF_FFFF)
        if kind == "doubleValue":
            return b"\x21" + _double(inside)
        if kind == "arrayValue":
            return _field(5, b"".join(_field(1, _value(each)) for each in inside["values"]))
        if kind == "kvlistValue":
            return _field(6, _pairs(1, inside["values"]))
    return b""


def _pairs(number: int, attributes: Iterable[Attribute]) -> bytes:
    """Attributes as the field of this number, once for each."""
    tag = _SMALL[number << 3 | 2]
    out = []
    for pair in attributes:
        held = pair["value"]
        text = held.get("stringValue")
        if text is not None:  # as most are
            inside = _utf8(text)
            inside = b"\x0a" + _varint(len(inside)) + inside
        else:
            inside = _value(held)
        key = _utf8(pair["key"])
        message = b"\x0a%b%b\x12%b%b" % (_varint(len(key)), key, _varint(len(inside)), inside)
        out.append(tag + _varint(len(message)) + message)
    return b"".join(out)


def _span(span: SpanJSON) -> bytes:
    out = [
        b"\x0a\x10" + bytes.fromhex(span["traceId"]),
        b"\x12\x08" + bytes.fromhex(span["spanId"]),
    ]
    if "parentSpanId" in span:
        out.append(b"\x22\x08" + bytes.fromhex(span["parentSpanId"]))
    out.append(_field(5, _utf8(span["name"])))
    out.append(b"\x30" + _SMALL[span["kind"]])
    out.append(b"\x39" + _fixed64(int(span["startTimeUnixNano"])))
    out.append(b"\x41" + _fixed64(int(span["endTimeUnixNano"])))
    out.append(_pairs(9, span["attributes"]))
    for event in span.get("events", ()):
        time = b"\x09" + _fixed64(int(event["timeUnixNano"]))
        name = _field(2, _utf8(event["name"]))
        out.append(_field(11, time + name + _pairs(3, event["attributes"])))
    for link in span.get("links", ()):
        ids = b"\x0a\x10%b\x12\x08%b" % (
            bytes.fromhex(link["traceId"]),
            bytes.fromhex(link["spanId"]),
        )
        out.append(_field(13, ids + _pairs(4, link.get("attributes", ()))))
    status = span.get("status")
    if status:
        message = _field(2, _utf8(status["message"])) if "message" in status else b""
        out.append(_field(15, message + b"\x18" + _SMALL[status["code"]]))
    return b"".join(out)


_SCOPE = _field(1, _field(1, SCOPE.encode()) + _field(2, __version__.encode()))


def _request(groups: Iterable[Group]) -> bytes:
    out = []
    for resource, spans in groups:
        scoped = _SCOPE + b"".join(_field(2, span) for span in spans)
        out.append(_field(1, _field(1, resource) + _field(2, scoped)))
    return b"".join(out)


def rejected_spans(body: bytes) -> int:
    """What an ExportTraceServiceResponse says in partial_success.rejected_spans, 0 if nothing.

    Raises IndexError for what is no such message.
    """
    for number, held in _fields(body):
        if number == 1 and isinstance(held, bytes):
            return next((n for field, n in _fields(held) if field == 1 and isinstance(n, int)), 0)
    return 0


def _fields(message: bytes) -> Iterable[tuple[int, int | bytes]]:
    place = 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while True:
            byte = message[place]
            place += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while place < len(message):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
        else:
            size = varint() if kind == 2 else 8 if kind == 1 else 4
            yield tag >> 3, message[place : place + size]
            place += size


PROTOBUF = Encoding(PROTOBUF_TYPE, _span, lambda attributes: _pairs(1, attributes), _request)
