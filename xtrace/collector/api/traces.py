"""Operations on traces: putting documents in, and getting traces, summaries and graphs out."""

from __future__ import annotations

import zlib

from .. import graph
from ..documents import encode
from ..store import RangeType, Window
from . import tokens
from .errors import invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from ..trace import Trace
    from .service import Service

    Members: TypeAlias = dict[str, Any]

TRACES_PER_PAGE = 100
TRACES_AT_ONCE = 10
BYTES_PER_PAGE = 4 * 1024 * 1024
"""Of documents: no more traces are added to a page that has so much."""

SUMMARIES_PER_PAGE = 100

MAX_GRAPH_TRACES = 1000
"""Of one GetTraceGraph."""


def put_trace_segments(service: Service, input: Members) -> Members:
    """Take documents in; says of each that can't be why."""
    documents = [text.encode() for text in input["TraceSegmentDocuments"]]
    problems = service.ingest.take_each(documents)
    return {
        "UnprocessedTraceSegments": [
            {"Id": problem.id, "ErrorCode": problem.code, "Message": problem.message}
            for problem in problems
            if problem is not None
        ]
    }


def put_telemetry_records(service: Service, input: Members) -> Members:
    """Keep what a daemon counts, for show."""
    sender = {key: value for key, value in input.items() if key != "TelemetryRecords"}
    service.telemetry.extend({**record, **sender} for record in input["TelemetryRecords"])
    return {}


def batch_get_traces(service: Service, input: Members) -> Members:
    """Compiled traces by their ids."""
    ids = list(dict.fromkeys(input["TraceIds"]))
    at = int(tokens.cursor("BatchGetTraces", input) or 0)
    end = min(len(ids), at + TRACES_PER_PAGE)
    found: list[Members] = []
    unknown: list[str] = []
    size = 0
    while at < end and size < BYTES_PER_PAGE:
        some = ids[at : min(end, at + TRACES_AT_ONCE)]
        made = {trace.id: _trace(trace) for trace in service.store.traces(some)}
        found += made.values()
        unknown += [id for id in some if id not in made]
        size += sum(len(s["Document"]) for trace in made.values() for s in trace["Segments"])
        at += len(some)
    service.usage.retrieved += len(found)
    answer: Members = {"Traces": found, "UnprocessedTraceIds": unknown}
    if at < len(ids):
        answer["NextToken"] = tokens.token("BatchGetTraces", input, str(at))
    return answer


def _trace(trace: Trace) -> Members:
    return {
        "Id": trace.id,
        "Duration": trace.duration,
        "LimitExceeded": False,
        "Segments": segments(trace),
    }


def segments(trace: Trace) -> list[Members]:
    """The compiled documents of a trace, each as text."""
    return [{"Id": part.id, "Document": encode(part.document).decode()} for part in trace.parts]


def get_trace_summaries(service: Service, input: Members) -> Members:
    """What traces in a window say, those that a filter expression matches."""
    asked = window(input)
    takes = _sample(input)
    page = service.store.find(
        asked,
        range_type=RangeType(input.get("TimeRangeType", "TraceId")),
        filter=service.filter(input.get("FilterExpression", "")),
        cursor=tokens.cursor("GetTraceSummaries", input),
        limit=SUMMARIES_PER_PAGE,
    )
    service.usage.scanned += page.scanned
    summaries = [summary for summary in page.summaries if takes(summary["Id"])]
    answer = {
        "TraceSummaries": summaries,
        "ApproximateTime": min((s["StartTime"] for s in summaries), default=asked.start),
        "TracesProcessedCount": page.scanned,
    }
    if page.cursor is not None:
        answer["NextToken"] = tokens.token("GetTraceSummaries", input, page.cursor)
    return answer


def window(input: Members) -> Window:
    """The time range of a request."""
    if input["EndTime"] < input["StartTime"]:
        raise invalid("EndTime is before StartTime.")
    return Window(input["StartTime"], input["EndTime"])


def _sample(input: Members) -> Callable[[str], bool]:
    """Which traces a sample takes; the same on every page."""
    strategy = input.get("SamplingStrategy", {})
    share = strategy.get("Value")
    if share is None:
        if strategy.get("Name") == "FixedRate":
            raise invalid("SamplingStrategy.Value is missing; FixedRate needs one.")
        return lambda trace_id: True
    if not 0 <= share <= 1:
        raise invalid(f"SamplingStrategy.Value is {share}; it must be from 0 to 1.")
    return lambda trace_id: zlib.crc32(trace_id.encode()) < share * 2**32


def get_trace_graph(service: Service, input: Members) -> Members:
    """The service graph of some traces."""
    tokens.cursor("GetTraceGraph", input)
    ids = list(dict.fromkeys(input["TraceIds"]))
    if len(ids) > MAX_GRAPH_TRACES:
        raise invalid(f"TraceIds has {len(ids)} items; it may have at most {MAX_GRAPH_TRACES}.")
    return {"Services": graph.services(graph.rollups_of(service.store.traces(ids)))}
