"""aws_xray_sdk.ext.util: what integrations and middlewares have in common."""

from __future__ import annotations

import re
from urllib.parse import urlparse

from aws_xray_sdk.core.models import http
from aws_xray_sdk.core.models.trace_header import TraceHeader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

first_cap_re = re.compile("(.)([A-Z][a-z]+)")
all_cap_re = re.compile("([a-z0-9])([A-Z])")
UNKNOWN_HOSTNAME = "UNKNOWN HOST"


def inject_trace_header(headers: Any, entity: Any) -> None:
    """Write the trace header of an entity into the headers of a request that goes out.

    Of one that isn't recorded, the caller's trace goes on, or what Lambda says as it came.
    """
    if not entity:
        return
    segment = getattr(entity, "parent_segment", entity)
    handed_on = getattr(segment, "handed_on", None)
    if handed_on is not None:
        if handed_on:
            headers[http.XRAY_HEADER] = handed_on
        return
    origin = getattr(segment, "get_origin_trace_header", lambda: None)()
    parent = entity.id
    if not segment.sampled and segment.parent_id:
        parent = segment.parent_id
    to_insert = TraceHeader(
        root=entity.trace_id,
        parent=parent,
        sampled=entity.sampled,
        data=origin.data if origin else None,
    )
    headers[http.XRAY_HEADER] = to_insert.to_header_str()


def calculate_sampling_decision(trace_header: Any, recorder: Any, sampling_req: Any) -> Any:
    """The caller's decision, else the sampler's: the name of a rule, 1 or True, or 0."""
    if trace_header.sampled is not None and trace_header.sampled != "?":
        return trace_header.sampled
    if not recorder.sampling:
        return 1
    return recorder.sampler.should_trace(sampling_req) or 0


def construct_xray_header(headers: Any) -> TraceHeader:
    """The trace header among the headers of a request, or in a WSGI environ."""
    value = headers.get(http.XRAY_HEADER) or headers.get(http.ALT_XRAY_HEADER)
    return TraceHeader.from_header_str(value) if value else TraceHeader()


def calculate_segment_name(host_name: str | None, recorder: Any) -> Any:
    """The name of the segment of a request to a host."""
    naming = recorder.dynamic_naming
    return (naming.get_name(host_name) if naming else None) or recorder.service


def prepare_response_header(origin_header: Any, segment: Any) -> str:
    """The trace header of a response: the decision is in it if the caller asked for it."""
    asks = bool(origin_header) and origin_header.sampled == "?"
    header = TraceHeader(root=segment.trace_id, sampled=segment.sampled if asks else None)
    return header.to_header_str()


def to_snake_case(name: str) -> str:
    """ "TableName" -> "table_name" """
    return all_cap_re.sub(r"\1_\2", first_cap_re.sub(r"\1_\2", name)).lower()


def strip_url(url: Any) -> Any:
    """A URL without its query."""
    return url.partition("?")[0] if url else url


def get_hostname(url: Any) -> Any:
    """The host of a URL, without port and user."""
    if url is None:
        return UNKNOWN_HOSTNAME
    try:
        return urlparse(url).hostname or UNKNOWN_HOSTNAME
    except ValueError:  # as of "http://[::1"
        return UNKNOWN_HOSTNAME


def unwrap(obj: Any, attr: str) -> None:
    """Put back a function that wrapt has wrapped."""
    found = getattr(obj, attr, None)
    if found is not None and hasattr(found, "__wrapped__") and hasattr(found, "_self_wrapper"):
        setattr(obj, attr, found.__wrapped__)
