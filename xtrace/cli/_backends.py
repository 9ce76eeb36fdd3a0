"""What a backend has received: the entities of its traces, however it is asked for them.

Entities are documents taken apart: a segment or a subsegment each, with what it says of itself.
"""

from __future__ import annotations

import json
import os
import time
from urllib.parse import urlsplit

from ..collector.store import is_url
from ..delivery.http import Unreachable
from ..delivery.xray import Signer, XRayApi, XRayError, error_of, region_of, require_botocore
from ..errors import ConfigurationError
from . import _store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, TypeAlias

    # By trace id and id: what the entity says of itself, with its parent's id.
    Entities: TypeAlias = dict[tuple[str, str], dict[str, Any]]

FORMS = """an address of a collector or of anything else with X-Ray's API (http://127.0.0.1:2000), the
X-Ray service (xray://eu-west-1), a collector's database (traces.db, clickhouse://host:8123/database), or a file with a line for each
document or OTLP request (traces.jsonl), or with traces, as `xtrace export` writes it"""

SECONDS = 30.0
"""For one question to a backend."""
MAX_SPAN_SECONDS = 6 * 3600.0
"""Between the ends of a window that X-Ray is asked about at once."""
_TRACES_AT_ONCE = 5
_AROUND = ("subsegments", "trace_id", "in_progress")


def entities(where: str, start: float, end: float) -> Entities:
    """What a backend has of the traces that began in a window. Raises ConfigurationError.

    where: one of FORMS. start, end: seconds since the epoch.
    """
    scheme = urlsplit(where).scheme
    if scheme in ("http", "https", "xray"):
        return _collected(_from_api(where, start, end))
    if is_url(where):
        return _collected(_from_store(where, start, end))
    path = where.removeprefix("file:")
    if not os.path.exists(path):
        raise ConfigurationError(f"There is no file {path!r}. Give {FORMS}.")
    with open(path, "rb") as file:
        is_database = file.read(15) == b"SQLite format 3"
    return _collected(
        _from_store(path, start, end) if is_database else _from_file(path, start, end)
    )


def _collected(documents: Iterable[dict[str, Any]]) -> Entities:
    """Entities from documents; one that has ended wins over the same in progress."""
    found: Entities = {}
    for document in documents:
        trace_id = document.get("trace_id")
        waiting = [(document, document.get("parent_id"))]
        for entity, parent_id in waiting:
            id = entity.get("id")
            if not isinstance(id, str) or not isinstance(trace_id, str) or entity.get("inferred"):
                continue
            below = entity.get("subsegments")
            if isinstance(below, list):
                waiting.extend((each, id) for each in below if isinstance(each, dict))
            own = {name: held for name, held in entity.items() if name not in _AROUND}
            own["parent_id"] = parent_id
            is_segment = entity is document and entity.get("type") != "subsegment"
            own["type"] = "segment" if is_segment else "subsegment"
            known = found.get((trace_id, id))
            if known is None or "end_time" not in known:
                found[trace_id, id] = own
    return found


# -- the X-Ray API --------------------------------------------------------------------------------


def _from_api(where: str, start: float, end: float) -> Iterator[dict[str, Any]]:
    try:
        if where.startswith("xray:"):
            require_botocore()
            api = XRayApi(Signer(region_of(where.partition(":")[2].strip("/"))))
            unsigned = False
        else:
            api = XRayApi(Signer("us-east-1"), endpoint=where.rstrip("/"))
            unsigned = True
    except XRayError as error:
        raise ConfigurationError(f"{where!r}: {error}") from None
    try:
        ids = []
        while start < end:
            until = min(end, start + MAX_SPAN_SECONDS)
            question = {"StartTime": start, "EndTime": until, "TimeRangeType": "Event"}
            for page in _pages(api, "/TraceSummaries", question, unsigned):
                ids += [summary["Id"] for summary in page.get("TraceSummaries", ())]
            start = until
        ids = list(dict.fromkeys(ids))
        for first in range(0, len(ids), _TRACES_AT_ONCE):
            question = {"TraceIds": ids[first : first + _TRACES_AT_ONCE]}
            for page in _pages(api, "/Traces", question, unsigned):
                for trace in page.get("Traces", ()):
                    for segment in trace.get("Segments", ()):
                        yield {**json.loads(segment["Document"]), "trace_id": trace["Id"]}
    finally:
        api.close()


def _pages(
    api: XRayApi, path: str, question: dict[str, Any], unsigned: bool
) -> Iterator[dict[str, Any]]:
    token = None
    while True:
        asked = {**question, "NextToken": token} if token else question
        try:
            answer = api.call(
                path, json.dumps(asked).encode(), time.monotonic() + SECONDS, unsigned=unsigned
            )
        except Unreachable as error:
            raise ConfigurationError(f"{error}.") from error
        if answer.status != 200:
            code, message = error_of(answer)
            said = f"{code or answer.status} {message}".strip()
            raise ConfigurationError(f"{api.url}{path} answers with {said}.")
        try:
            page = json.loads(answer.body)
        except ValueError as error:
            raise ConfigurationError(f"{api.url}{path} doesn't answer as X-Ray does.") from error
        yield page
        token = page.get("NextToken")
        if not token:
            return


# -- databases and files --------------------------------------------------------------------------


def _from_store(path: str, start: float, end: float) -> Iterator[dict[str, Any]]:
    from ..collector.store import RangeType, Window

    store = _store.open_existing(path)
    try:
        cursor = None
        while True:
            window = Window(start, end)
            page = store.find(window, range_type=RangeType.EVENT, cursor=cursor, limit=1000)
            for summary in page.summaries:
                for data in store.raw(summary["Id"]):
                    yield json.loads(data)
            cursor = page.cursor
            if cursor is None:
                return
    finally:
        store.close()


def _from_file(path: str, start: float, end: float) -> Iterator[dict[str, Any]]:
    with open(path, "rb") as file:
        first = next(filter(None, map(bytes.strip, file)), b"")
    try:
        held = json.loads(first)
        is_of_lines = isinstance(held, dict) and ("trace_id" in held or "resourceSpans" in held)
    except ValueError:
        is_of_lines = False
    found = _from_lines(path) if is_of_lines or not first else _from_traces(path)
    for document in found:
        begun = document.get("start_time")
        if isinstance(begun, (int, float)) and start <= begun <= end:
            yield document


def _from_traces(path: str) -> Iterator[dict[str, Any]]:
    """What `xtrace export` has written, or anything else that `xtrace import` reads."""
    from ..collector import files
    from ..collector.ingest import Problem

    try:
        with open(path, "rb") as file:
            _, found = files.read(file.read(files.MAX_FILE_BYTES + 1))
        for each in found:
            if isinstance(each, Problem):
                raise ConfigurationError(f"{path}: {each.message}")
            yield each.content
    except files.Unreadable as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _from_lines(path: str) -> Iterator[dict[str, Any]]:
    """Lines of the `file:` emitter, or of an OpenTelemetry Collector's file exporter."""
    from ..collector import otlp

    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                held = json.loads(line)
                if not isinstance(held, dict):
                    raise ValueError("it is no object")
                if "resourceSpans" in held:
                    found = [json.loads(each) for each in otlp.from_line(line.encode()).documents]
                else:
                    found = [held]
            except ValueError as error:
                raise ConfigurationError(f"{path}, line {number}: {error}.") from error
            yield from found
