"""Traces out into files, and in from them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ... import files
from ...files import Contents, Unreadable
from ...ingest import Problem
from ...report import report
from ...store import Document, StoreError
from ...summaries import summary
from ...timeline import Timeline
from ..errors import invalid
from ..shapes import quoted
from .administration import RUN_NAMES, is_run_name
from .asked import stored, wrong
from .one import ROW_COLUMNS, head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .asked import Asked
    from .console import Console

FORMATS = ("json", "ndjson", "csv", "html")
DEFAULT_TRACES = 1000
MAX_TRACES = 100_000
SECONDS_OF_A_PAGE = 5.0
TRACES_AT_ONCE = 500

MAX_PROBLEMS = 20
MAX_IDS = 100
DOCUMENTS_AT_ONCE = 1000
SECONDS_TO_SHOW = 30.0

_TYPES = {
    "json": ("application/json", files.SUFFIX),
    "ndjson": ("application/x-ndjson", ".ndjson"),
    "csv": ("text/csv; charset=utf-8", ".csv"),
    "html": ("text/html; charset=utf-8", ".html"),
}


@dataclass
class File:
    """An answer that is a file. name: to keep it under."""

    name: str
    media_type: str
    pieces: Iterator[bytes]
    headers: dict[str, str] = field(default_factory=dict)


# -- out -----------------------------------------------------------------------------------------


def export(console: Console, asked: Asked) -> File:
    """GET /api/v1/export."""
    form = asked.get("format", FORMATS[0])
    ids = asked.get("id")
    if form == "html":
        if ids is None or len(ids) != 1:
            raise wrong("format", "A report is of one trace; name it with id.")
        return _report(console, asked, ids[0])
    left_out = 0
    if ids is None:
        summaries, left_out = _found(console, asked)
    else:
        summaries = [_summary(console, each) for each in ids]
    without = asked.get("redact", [])
    if form == "csv":
        pieces = files.list_csv(summaries, asked.get("annotations", []), without)
    else:
        contents = (
            Contents(each["Id"], each["Duration"], documents)
            for each in summaries
            if (documents := console.store.raw(each["Id"]))
        )
        if form == "json":
            pieces = files.trace_file(contents, console.now(), without)
        else:
            pieces = files.lines(contents, without)
    name = time.strftime("traces-%Y%m%d-%H%M%S", time.gmtime(console.now()))
    if ids is not None and len(ids) == 1:
        name = _name(ids[0])
    return _file(asked, name, form, pieces, {"x-xtrace-left-out": str(left_out)})


def export_trace(console: Console, asked: Asked) -> File:
    """GET /api/v1/traces/TRACE_ID/export."""
    trace_id = asked.path["trace_id"]
    form = asked.get("format", FORMATS[0])
    if form == "html":
        return _report(console, asked, trace_id)
    trace = stored(console, trace_id)
    without = asked.get("redact", [])
    contents = [Contents(trace_id, trace.duration, console.store.raw(trace_id))]
    if form == "csv":
        timeline = Timeline(trace)
        if "sql" in without:
            timeline.rows = [row._replace(label=None) for row in timeline.rows]
        pieces = files.trace_csv(timeline, ROW_COLUMNS)
    elif form == "json":
        pieces = files.trace_file(contents, console.now(), without)
    else:
        pieces = files.lines(contents, without)
    return _file(asked, _name(trace_id), form, pieces)


def _found(console: Console, asked: Asked) -> tuple[list[dict[str, Any]], int]:
    """Summaries of the traces that are asked for, and how many are left out, at least."""
    window, filter, run = asked.window(), asked.filter(), asked.run()
    limit = asked.get("limit", DEFAULT_TRACES)
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = console.store.find(
            window,
            filter=filter,
            run=run,
            cursor=cursor,
            limit=min(TRACES_AT_ONCE, limit - len(found)),
            seconds=SECONDS_OF_A_PAGE,
        )
        found += page.summaries
        cursor = page.cursor
        if cursor is None:
            return found, 0
        if len(found) >= limit:
            break
    cells = console.store.distribution(window, 86_400.0, filter=filter, run=run).cells
    return found, max(0, sum(cell.traces for cell in cells) - len(found))


def _summary(console: Console, trace_id: str) -> dict[str, Any]:
    return summary(stored(console, trace_id))


def _report(console: Console, asked: Asked, trace_id: str) -> File:
    trace = stored(console, trace_id)
    documents = console.store.raw(trace_id)
    without = asked.get("redact", [])
    contents = [Contents(trace_id, trace.duration, documents)]
    data = b"".join(files.trace_file(contents, console.now(), without))
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(trace.start))
    pieces = report(Timeline(trace), head(trace), documents, data, when, without)
    return _file(asked, _name(trace_id), "html", pieces)


def _name(trace_id: str) -> str:
    """A file's name after a trace: an id may hold anything."""
    return (
        "trace-"
        + "".join(char if char.isalnum() or char in "-_." else "_" for char in trace_id)[:100]
    )


def _file(
    asked: Asked,
    name: str,
    form: str,
    pieces: Iterator[bytes],
    headers: dict[str, str] | None = None,
) -> File:
    media_type, suffix = _TYPES[form]
    if asked.get("gzip", False):
        return File(f"{name}{suffix}.gz", "application/gzip", files.zipped(pieces), headers or {})
    return File(f"{name}{suffix}", media_type, pieces, headers or {})


# -- in ------------------------------------------------------------------------------------------


def import_file(console: Console, asked: Asked) -> dict[str, Any]:
    """POST /api/v1/import."""
    run = asked.get("run")
    if run is not None and not is_run_name(run):
        raise wrong("run", f"run is {quoted(run)}; {RUN_NAMES}")
    try:
        form, found = files.read(asked.body or b"")
        return _taken(console, form, found, run)
    except Unreadable as error:
        raise invalid(str(error)) from error


def _taken(
    console: Console, form: str, found: Iterator[Document | Problem], run: str | None
) -> dict[str, Any]:
    store, ingest = console.store, console.service.ingest
    known_of: dict[str, set[bytes]] = {}
    new: list[Document] = []
    stored = known = malformed = 0
    starts: list[float] = []
    problems: list[dict[str, Any]] = []

    def hand_over() -> None:
        nonlocal stored
        if not ingest.take_documents(new):
            raise StoreError(
                f"There is no room for the file now: {stored} documents of it are stored, the rest "
                "isn't. Import it again; what is stored isn't stored twice."
            )
        stored += len(new)
        new.clear()

    for each in found:
        if isinstance(each, Problem):
            malformed += 1
            ingest.refuse(each.beginning, each.message)
            if len(problems) < MAX_PROBLEMS:
                problems.append({"id": each.id, "message": each.message})
            continue
        before = known_of.get(each.trace_id)
        if before is None:
            before = known_of[each.trace_id] = set(store.raw(each.trace_id))
        starts.append(each.content["start_time"])
        if each.data in before:
            known += 1
            continue
        before.add(each.data)
        new.append(each)
        if len(new) >= DOCUMENTS_AT_ONCE:
            hand_over()
    if new:
        hand_over()
    store.flush(SECONDS_TO_SHOW)
    if run is not None:
        store.put_in_run(run, list(known_of))
    return {
        "format": form,
        "traces": len(known_of),
        "documents": stored + known + malformed,
        "stored": stored,
        "known": known,
        "malformed": malformed,
        "trace_ids": list(known_of)[:MAX_IDS],
        "problems": problems,
        "first": min(starts, default=None),
        "last": max(starts, default=None),
    }
