"""Traces as files: what is written for others to open, and what can be read again.

A trace file is what BatchGetTraces answers, with a head, its documents as they were received. Read are
also plain BatchGetTraces output, documents one a line or in an array, OTLP JSON, and reports.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from datetime import datetime, timezone
from typing import NamedTuple

import orjson

from .. import _version
from . import listing, otlp
from .documents import encode, entities_of
from .ingest import Problem, documents
from .store import Document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from .timeline import Timeline

VERSION = 1
SUFFIX = ".xtrace.json"

MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_UNPACKED_BYTES = 300 * 1024 * 1024

_GZIP = b"\x1f\x8b"
_PIECE = 1 << 20


class Unreadable(ValueError):
    """A file that can't be read; says why and what could be."""


# -- writing -----------------------------------------------------------------------------------

REDACTIONS = ("metadata", "sql", "client_ip", "user")


def redacted(data: bytes, without: Sequence[str]) -> bytes:
    """A document without some of what it says; as it is if nothing is to go."""
    if not without:
        return data
    document = orjson.loads(data)
    for entity in entities_of(document) if document.__class__ is dict else ():
        if "metadata" in without:
            entity.pop("metadata", None)
        sql = entity.get("sql")
        if sql.__class__ is dict:
            for redaction, member in (("sql", "sanitized_query"), ("user", "user")):
                if redaction in without:
                    sql.pop(member, None)
        if "user" in without:
            entity.pop("user", None)
        http = entity.get("http")
        request = http.get("request") if http.__class__ is dict else None
        if "client_ip" in without and request.__class__ is dict:
            request.pop("client_ip", None)
            request.pop("x_forwarded_for", None)
    return encode(document)


class Contents(NamedTuple):
    """A trace to be written: its documents as they were received."""

    trace_id: str
    duration: float
    documents: list[bytes]


def trace_file(
    traces: Iterable[Contents], now: float, without: Sequence[str] = ()
) -> Iterator[bytes]:
    """A trace file, piece by piece."""
    head = {
        "version": VERSION,
        "exported": now,
        "program": f"xtrace {_version.__version__}",
        "redacted": list(without),
    }
    yield orjson.dumps(head)[:-1] + b',"traces":['
    separator = b"\n"
    for trace in traces:
        segments = []
        for data in trace.documents:
            text = redacted(data, without)
            segments.append({"Id": str(orjson.loads(text)["id"]), "Document": text.decode()})
        yield (
            separator
            + encode({"Id": trace.trace_id, "Duration": trace.duration, "Segments": segments})
        )
        separator = b",\n"
    yield b"\n]}\n"


def lines(traces: Iterable[Contents], without: Sequence[str] = ()) -> Iterator[bytes]:
    """The documents, one a line. One that was received on several lines is written anew."""
    for trace in traces:
        for data in trace.documents:
            text = redacted(data, without)
            one_line = encode(orjson.loads(text)) if b"\n" in text or b"\r" in text else text
            yield one_line + b"\n"


def list_csv(
    summaries: Iterable[dict[str, Any]],
    annotations: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Iterator[bytes]:
    """A line a trace, with the columns of the list; times in UTC."""
    columns = listing.columns(annotations)
    hidden = [columns.index(name) for name in ("user", "client_ip") if name in without]
    yield _csv(columns)
    for summary in summaries:
        row = listing.row(summary, annotations)
        row[1] = _utc(row[1])
        for place in hidden:
            row[place] = None
        yield _csv(row)


def trace_csv(timeline: Timeline, columns: Sequence[str]) -> Iterator[bytes]:
    """A line a row of a trace; services by name."""
    yield _csv(columns)
    service = columns.index("service")
    for each in timeline.rows:
        row: list[Any] = list(each)
        row[service] = timeline.services[each.service].name
        yield _csv(row)


def _csv(cells: Iterable[Any]) -> bytes:
    """A line as RFC 4180 has it. A text that a spreadsheet would take for a formula gets a quote."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([_cell(cell) for cell in cells])
    return line.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value[:1] in tuple("=+-@\t\r") else value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _utc(seconds: float) -> str:
    try:
        time = datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return str(seconds)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def zipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same compressed, as gzip does it."""
    compress = zlib.compressobj(6, wbits=31)
    for piece in pieces:
        packed = compress.compress(piece)
        if packed:
            yield packed
    yield compress.flush()


# -- reading -----------------------------------------------------------------------------------

XTRACE, BATCH_GET_TRACES, DOCUMENTS, OTLP = "xtrace", "batch-get-traces", "documents", "otlp"

_TRACE_OF_REPORT = re.compile(
    rb'<script type="application/json" id="trace">(.*?)</script>', re.DOTALL
)


def unpacked(data: bytes) -> bytes:
    """A file's content, decompressed if it is gzip. Raises Unreadable."""
    if len(data) > MAX_FILE_BYTES:
        raise Unreadable(
            f"The file has {len(data) >> 20} MB; {MAX_FILE_BYTES >> 20} MB can be read at once."
        )
    if not data.startswith(_GZIP):
        return data
    made: list[bytes] = []
    size = 0
    rest = data
    while rest.startswith(_GZIP):  # files of several parts are one after the other
        decompress = zlib.decompressobj(wbits=31)
        while rest and not decompress.eof:
            try:
                piece = decompress.decompress(rest, _PIECE)
            except zlib.error as error:
                raise Unreadable(f"The file begins as gzip and can't be read: {error}.") from error
            size += len(piece)
            if size > MAX_UNPACKED_BYTES:
                raise Unreadable(f"Unpacked, the file has more than {MAX_UNPACKED_BYTES >> 20} MB.")
            made.append(piece)
            rest = decompress.unconsumed_tail or decompress.unused_data
        if not decompress.eof:
            raise Unreadable("The file ends in the middle of the gzip stream.")
    return b"".join(made)


def read(data: bytes) -> tuple[str, Iterator[Document | Problem]]:
    """What form a file has, and its documents. Raises Unreadable.

    data: the file, gzipped or not.
    """
    content = unpacked(data).removeprefix(b"\xef\xbb\xbf").strip()
    if content[:1] == b"<":
        content = _of_report(content)
    if not content:
        raise Unreadable("The file is empty.")
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        found = _lines(content)
        if found is None:
            raise Unreadable(
                f"The file is no JSON: {error}. Trace files, BatchGetTraces' output, documents and "
                "OTLP JSON can be read."
            ) from error
        return found
    return _read(content, value)


def _read(content: bytes, value: Any) -> tuple[str, Iterator[Document | Problem]]:
    """The documents in one JSON value."""
    if isinstance(value, dict):
        if isinstance(value.get("traces"), list) and "version" in value:
            if value["version"] != VERSION:
                raise Unreadable(
                    f"The trace file has version {value['version']!r}; {VERSION} can be read. "
                    "A newer xtrace has written it."
                )
            return XTRACE, _of_traces(value["traces"])
        if isinstance(value.get("Traces"), list):
            return BATCH_GET_TRACES, _sent(_of_traces(value["Traces"]))
        if "resourceSpans" in value or "resource_spans" in value:
            return OTLP, _of_otlp(content)
        if "trace_id" in value:
            return DOCUMENTS, documents(content)
        if "Segments" in value:
            return BATCH_GET_TRACES, _sent(_of_traces([value]))
    elif isinstance(value, list):
        if value and all(isinstance(each, dict) and "Segments" in each for each in value):
            return BATCH_GET_TRACES, _sent(_of_traces(value))
        return DOCUMENTS, documents(content)
    raise Unreadable(
        "The file is JSON, and no traces are in it. Trace files, BatchGetTraces' output, documents "
        "and OTLP JSON can be read."
    )


def _lines(content: bytes) -> tuple[str, Iterator[Document | Problem]] | None:
    """The documents of a file with a JSON value a line; None if its first lines aren't."""
    each_line = [line for line in content.splitlines() if line.strip()]
    try:
        values = [orjson.loads(line) for line in each_line[:2]]
    except orjson.JSONDecodeError:
        return None
    form = OTLP if any(isinstance(v, dict) and "resourceSpans" in v for v in values) else DOCUMENTS
    return form, _of_lines(each_line)


def _of_lines(each_line: list[bytes]) -> Iterator[Document | Problem]:
    for line in each_line:
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            yield from documents(line)  # says what is wrong
            continue
        if isinstance(value, dict) and "format" in value and "trace_id" not in value:
            continue  # the line that the daemon's protocol puts before a document
        try:
            _, found = _read(line, value)
        except Unreadable:
            found = documents(line)
        yield from found


def _of_traces(traces: list[Any]) -> Iterator[Document | Problem]:
    """The documents in what BatchGetTraces gives."""
    for trace in traces:
        segments = trace.get("Segments") if isinstance(trace, dict) else None
        for segment in segments if isinstance(segments, list) else ():
            text = segment.get("Document") if isinstance(segment, dict) else None
            if isinstance(text, str):
                yield from documents(text.encode("utf-8", "surrogatepass"))
            elif isinstance(text, dict):  # some tools unpack it
                yield from documents(encode(text))


def _sent(found: Iterator[Document | Problem]) -> Iterator[Document | Problem]:
    """Without what BatchGetTraces adds: the segments of services that sent none."""
    for each in found:
        if isinstance(each, Problem) or each.content.get("inferred") is not True:
            yield each


def _of_otlp(content: bytes) -> Iterator[Document | Problem]:
    try:
        converted = otlp.from_file(content)
    except otlp.OtlpError as error:
        raise Unreadable(f"The file isn't OTLP JSON: {error}") from error
    for rejected in converted.rejected:
        yield Problem(None, "MalformedDocument", rejected.reason, b"", 0.0)
    for data in converted.documents:
        yield from documents(data)


def _of_report(content: bytes) -> bytes:
    """The trace file inside a report."""
    found = _TRACE_OF_REPORT.search(content)
    if found is None:
        raise Unreadable("The file is HTML, and no report of xtrace.")
    return found[1].strip()
