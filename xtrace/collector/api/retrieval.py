"""Retrieval of traces from cold storage, which here is complete at once."""

from __future__ import annotations

import secrets

from .. import graph
from . import tokens
from .errors import invalid, not_found
from .shapes import quoted
from .traces import segments, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from ..trace import Trace
    from .service import Service

    Members: TypeAlias = dict[str, Any]

MAX_RETRIEVALS = 1000
"""Remembered; the oldest are forgotten."""

TRACES_PER_PAGE = 5
SPANS_PER_PAGE = 100
"""Of one trace."""


class Retrieval:
    """One retrieval. window: in which its traces begin."""

    def __init__(self, input: Members) -> None:
        self.trace_ids = list(dict.fromkeys(input["TraceIds"]))
        self.window = window(input)
        self.status = "COMPLETE"

    def traces(self, service: Service) -> list[Trace]:
        """Its traces that are stored."""
        if self.status == "CANCELLED":
            return []
        found = service.store.traces(self.trace_ids)
        return [t for t in found if self.window.start <= t.start <= self.window.end]


def start_trace_retrieval(service: Service, input: Members) -> Members:
    """Begin a retrieval; gives its token."""
    token = secrets.token_urlsafe(24)
    retrieval = Retrieval(input)
    with service.lock:
        service.retrievals[token] = retrieval
        while len(service.retrievals) > MAX_RETRIEVALS:
            del service.retrievals[next(iter(service.retrievals))]
    return {"RetrievalToken": token}


def list_retrieved_traces(service: Service, input: Members) -> Members:
    """The traces of a retrieval, their segments as spans."""
    if input.get("TraceFormat") == "OTEL":
        raise invalid("TraceFormat: this collector gives traces as XRAY only.")
    retrieval = _retrieval(service, input)
    first, skipped = map(int, (tokens.cursor("ListRetrievedTraces", input) or "0 0").split())
    answer: Members = {
        "RetrievalStatus": retrieval.status,
        "TraceFormat": "XRAY",
        "Traces": [],
    }
    traces = retrieval.traces(service)
    for at, trace in enumerate(traces[first:], first):
        spans = segments(trace)
        for start in range(skipped, len(spans), SPANS_PER_PAGE):
            if len(answer["Traces"]) == TRACES_PER_PAGE:
                next_page = tokens.token("ListRetrievedTraces", input, f"{at} {start}")
                return {**answer, "NextToken": next_page}
            some = spans[start : start + SPANS_PER_PAGE]
            answer["Traces"].append({"Id": trace.id, "Duration": trace.duration, "Spans": some})
        skipped = 0
    return answer


def get_retrieved_traces_graph(service: Service, input: Members) -> Members:
    """The service graph of a retrieval's traces."""
    tokens.cursor("GetRetrievedTracesGraph", input)
    retrieval = _retrieval(service, input)
    services = graph.services(graph.rollups_of(retrieval.traces(service)))
    return {
        "RetrievalStatus": retrieval.status,
        "Services": [{"Service": each, "Links": []} for each in services],
    }


def cancel_trace_retrieval(service: Service, input: Members) -> Members:
    """Have a retrieval give nothing more."""
    _retrieval(service, input).status = "CANCELLED"
    return {}


def _retrieval(service: Service, input: Members) -> Retrieval:
    token = input["RetrievalToken"]
    with service.lock:
        found: Retrieval | None = service.retrievals.get(token)
    if found is None:
        raise not_found(f"RetrievalToken: there is no retrieval {quoted(token)}.", token)
    return found
