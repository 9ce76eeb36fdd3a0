"""HTTP servers, once for all frameworks: an incoming request is a segment. Clients: _outgoing."""

from __future__ import annotations

from .. import faults, header
from ..document import MAX_FIELD_CHARS
from ..errors import SegmentNameMissing
from ..model import GOOD_CHARS
from ..naming import UNNAMED, without_port
from ..noop import UnsampledSegment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from ..model import Segment
    from ..recorder import Recorder

    Source = TypeVar("Source")

ROUTE = "http_route"
"""Key of the annotation with the route's template."""


def check_name(recorder: Recorder) -> None:
    """Raise SegmentNameMissing, while the application is set up, if segments would have no name."""
    if recorder.enabled and recorder.service is None and recorder.naming is None:
        raise SegmentNameMissing(
            "The segments of this application have no name. Before the middleware, call "
            "xtrace.configure(service='my-service'), or set AWS_XRAY_TRACING_NAME."
        )


def incoming_request(
    recorder: Recorder,
    trace_header: str | None,
    traceparent: str | None,
    asked: Callable[[Source], tuple[str | None, str, str]],
    source: Source,
    tracestate: str | None = None,
) -> Segment:
    """The segment of a request, not begun yet: named, joined to the caller's trace, and sampled.

    trace_header, traceparent, tracestate: the values of these headers, if the request has them.
    asked: gives the host (with or without the port), the method and the path of `source`. Called
    if a name or a decision depends on them.
    """
    came_in = header.parse(trace_header) if trace_header else header.NO_HEADER
    if traceparent and not came_in:
        came_in = header.parse_traceparent(traceparent, tracestate)
    if recorder.naming is None:
        sampled = came_in.sampled
        if sampled is None and not recorder.sampling:
            sampled = True
        if sampled is not None and recorder.in_use:
            # What in_segment() comes to, in a third of the steps: most requests are of this kind.
            return (recorder.segment_class if sampled else UnsampledSegment)(
                recorder.service or UNNAMED,
                recorder,
                recorder._context,
                came_in.root,
                came_in.parent,
                came_in,
            )
    host, method, path = asked(source)
    name = recorder.service
    if recorder.naming is not None:
        with faults.absorb("naming"):
            name = recorder.naming.get_name(host) or name
    request = {
        "service": name,
        "host": without_port(host) if host else None,
        "method": method,
        "path": path,
    }
    return recorder.in_segment(name, header=came_in, request=request)


def describe_request(
    segment: Segment,
    method: str,
    url: str,
    query: str | None,
    user_agent: str | None,
    client: str | None,
    forwarded_for: str | None,
) -> None:
    """Record what a request looks like.

    url: as the caller sees it, without the query. client: the peer's address; forwarded_for: the
    header X-Forwarded-For, whose first address counts as the client's.
    """
    if query and not segment._owner.redact:
        url = f"{url}?{query}"
    request: dict[str, Any] = {"method": method, "url": url}
    if user_agent:
        request["user_agent"] = user_agent
        if len(user_agent) > MAX_FIELD_CHARS:
            segment._checked = False  # it is cut when it is sent
    if forwarded_for:
        request["client_ip"] = first = forwarded_for.split(",", 1)[0].strip()
        request["x_forwarded_for"] = True
        if len(first) > MAX_FIELD_CHARS:
            segment._checked = False
    elif client:
        request["client_ip"] = client
    if len(method) + len(url) > MAX_FIELD_CHARS:
        segment._checked = False
    if segment._more is None:
        segment._more = {"http": {"request": request}}
    else:
        segment._more["http"] = {"request": request}


def add_route(segment: Segment, template: str) -> None:
    """Record which route of the application serves the request: "/items/<int:item>".

    An object given as dynamic_naming may name the segment by it: get_route_name(template).
    """
    if len(template) <= GOOD_CHARS:
        segment._annotations[ROUTE] = template
    else:
        segment.put_annotation(ROUTE, template)
    naming = segment._owner.naming  # type: ignore[attr-defined]
    if naming is not None and hasattr(naming, "get_route_name"):
        with faults.absorb("naming"):
            segment.name = naming.get_route_name(template) or segment.name


def describe_response(segment: Segment, status: int, content_length: int | None) -> None:
    """Record the final response; its status sets the flags."""
    response = {"status": status}
    if content_length is not None:
        response["content_length"] = content_length
    more = segment._more
    if more is not None and "http" in more:
        more["http"]["response"] = response
    else:
        segment._fields["http"] = {"response": response}
    if status >= 400:
        segment.apply_status_code(status)


def response_header(segment: Segment) -> str:
    """The X-Amzn-Trace-Id of a response: "Root=...", and the decision if the caller asked for it."""
    came_in = segment.header
    root = segment._trace_id or segment.trace_id
    if came_in is not None and came_in.asks:
        return f"Root={root};Sampled={segment.sampled:d}"
    return f"Root={root}"
