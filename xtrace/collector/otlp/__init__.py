"""OTLP -> X-Ray documents: over HTTP in JSON and protobuf, and over UDP as AWS Lambda's layers send it.

Pure: nothing is received or stored here. protobuf (the package opentelemetry-proto) is imported
when a request in it comes. Limits: AWS X-Ray's own OTLP endpoint.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, NamedTuple

import orjson

from ... import ids
from . import mapping, spans
from .spans import OtlpError, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .spans import Batch, Span

__all__ = [
    "Converted",
    "OtlpError",
    "Rejected",
    "documents",
    "failure",
    "from_datagram",
    "from_file",
    "from_line",
    "is_datagram",
    "reply",
]

JSON = "application/json"
PROTOBUF = "application/x-protobuf"

MAX_BYTES = 5 * 1024 * 1024
"""Of a request, uncompressed."""
MAX_SPANS = 10_000
"""Of a request."""
MAX_RESOURCE_BYTES = 16 * 1024
"""Of a resource and scope, written as JSON."""
MAX_SPAN_BYTES = 200 * 1024
"""Of a span, written as JSON."""
MAX_SECONDS_AHEAD = 2 * 3600
MAX_SECONDS_BACK = 14 * 24 * 3600
MAX_SECONDS_APART = 24 * 3600
"""Between the first start and the last in a request."""

SAMPLED = b"T1S"
UNSAMPLED = b"T1U"

_MAX_NAMED = 5
"""Different reasons named in one message."""


class Converted(NamedTuple):
    """What became of a request: documents, JSON in UTF-8, and the spans that were rejected.

    sampled: False for spans that the sender didn't sample and sent nevertheless (T1U).
    """

    documents: list[bytes]
    rejected: list[Rejected]
    sampled: bool = True

    @property
    def message(self) -> str:
        """The reasons in one line, for partialSuccess; "" if nothing was rejected."""
        counts: dict[str, int] = {}
        for each in self.rejected:
            counts[each.reason] = counts.get(each.reason, 0) + 1
        named = [f"{count} × {reason}" for reason, count in list(counts.items())[:_MAX_NAMED]]
        if len(counts) > len(named):
            named.append(f"and {len(counts) - len(named)} other reasons")
        return "; ".join(named)


def documents(
    body: bytes, content_type: str, content_encoding: str = "", now: float | None = None
) -> Converted:
    """The documents of an OTLP/HTTP trace request.

    content_type, content_encoding: the headers of that name. now: seconds since the epoch, to
    which the spans' times are compared; the clock unless told.
    Raises OtlpError where the whole request is refused: it can't be read, or is beyond a limit
    for requests.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in (JSON, PROTOBUF):
        raise OtlpError(f"Content-Type is {content_type!r}. Send {JSON} or {PROTOBUF}.", 415)
    body = _uncompressed(body, content_encoding)
    batches = spans.from_json(body) if media_type == JSON else spans.from_protobuf(body)
    count = sum(len(batch.spans) + len(batch.rejected) for batch in batches)
    if count > MAX_SPANS:
        raise OtlpError(f"The request has {count} spans, more than {MAX_SPANS}.")
    _check_resources(batches)
    now = ids.wall_clock() if now is None else now
    every = (span for batch in batches for span in batch.spans)
    starts = [span.start for span in every if not _out_of_time(span, now)]
    if starts and max(starts) - min(starts) > MAX_SECONDS_APART * 10**9:
        raise OtlpError("The spans of the request start more than 24 hours apart.")
    return _converted(batches, now)


def from_file(body: bytes) -> Converted:
    """The documents of OTLP JSON, of any age and in any number. Raises OtlpError."""
    return _converted(spans.from_json(body), None)


def from_line(line: bytes) -> Converted:
    """The documents of a request in OTLP/JSON, of whatever age and size: a line of a file.

    Raises OtlpError if it can't be read.
    """
    return _converted(spans.from_json(line), None)


def is_datagram(body: bytes) -> bool:
    """Whether the body of a datagram is OTLP rather than a document."""
    return body[:3] in (SAMPLED, UNSAMPLED)


def from_datagram(body: bytes) -> Converted:
    """The documents of an OTLP request that came over UDP: `T1S` or `T1U`, then base64 of protobuf.

    Raises OtlpError if it can't be read.
    """
    if not is_datagram(body):
        raise OtlpError("The datagram doesn't begin with T1S or T1U.")
    try:
        request = base64.b64decode(body[3:].strip(), validate=True)
    except ValueError as error:
        raise OtlpError(f"The datagram isn't base64: {error}") from error
    return _converted(spans.from_protobuf(request), None, body.startswith(SAMPLED))


def _uncompressed(body: bytes, content_encoding: str) -> bytes:
    encoding = content_encoding.strip().lower()
    if encoding == "gzip":
        reader = zlib.decompressobj(wbits=31)
        try:
            body = reader.decompress(body, MAX_BYTES + 1)
        except zlib.error as error:
            raise OtlpError(f"The body isn't gzip: {error}") from error
        if not reader.eof and len(body) <= MAX_BYTES:
            raise OtlpError("The body isn't gzip: it ends too early")
    elif encoding not in ("", "identity"):
        raise OtlpError(f"Content-Encoding is {content_encoding!r}. Send gzip or none.", 415)
    if len(body) > MAX_BYTES:
        raise OtlpError(f"The request has more than {MAX_BYTES} bytes.", 413)
    return body


def _check_resources(batches: Iterable[Batch]) -> None:
    for batch in batches:
        size = len(orjson.dumps((batch.resource, batch.scope)))
        if size > MAX_RESOURCE_BYTES:
            raise OtlpError(
                f"A resource and its scope have {size} bytes, more than {MAX_RESOURCE_BYTES}."
            )


def _converted(batches: Iterable[Batch], now: float | None, sampled: bool = True) -> Converted:
    made: list[bytes] = []
    rejected: list[Rejected] = []
    for batch in batches:
        rejected.extend(batch.rejected)
        scope = batch.scope.get("name", "")
        for span in batch.spans:
            reason = _beyond_limits(span, now)
            if reason:
                rejected.append(Rejected(reason, span.trace_id, span.id))
            else:
                made.extend(map(orjson.dumps, mapping.documents(span, batch.resource, scope)))
    return Converted(made, rejected, sampled)


def _beyond_limits(span: Span, now: float | None) -> str | None:
    if len(orjson.dumps(span, default=tuple)) > MAX_SPAN_BYTES:
        return f"the span has more than {MAX_SPAN_BYTES} bytes"
    return None if now is None else _out_of_time(span, now)


def _out_of_time(span: Span, now: float) -> str | None:
    if max(span.start, span.end) / 1e9 > now + MAX_SECONDS_AHEAD:
        return "the span's times are more than 2 hours ahead"
    if span.start / 1e9 < now - MAX_SECONDS_BACK:
        return "startTimeUnixNano is more than 14 days back"
    return None


# -- replies -----------------------------------------------------------------------------------


def reply(converted: Converted, content_type: str) -> bytes:
    """The body of the HTTP reply with status 200, in the request's encoding."""
    count, message = len(converted.rejected), converted.message
    if not content_type.lower().lstrip().startswith(PROTOBUF):
        partial = {"rejectedSpans": str(count), "errorMessage": message}
        return orjson.dumps({"partialSuccess": partial} if count else {})
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    response = ExportTraceServiceResponse()
    if count:
        response.partial_success.rejected_spans = count
        response.partial_success.error_message = message
    return bytes(response.SerializeToString())


def failure(error: OtlpError, content_type: str) -> bytes:
    """The body of the HTTP reply with the error's status: a google.rpc.Status."""
    message = str(error)
    if not content_type.lower().lstrip().startswith(PROTOBUF):
        return orjson.dumps({"code": _INVALID_ARGUMENT, "message": message})
    text = message.encode()
    # Two fields: 1, an integer, and 2, text.
    return bytes([0x08, _INVALID_ARGUMENT, 0x12]) + _varint(len(text)) + text


_INVALID_ARGUMENT = 3


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
