"""aws_xray_sdk.ext.aiohttp.middleware: the requests that an aiohttp server serves."""

from __future__ import annotations

from aiohttp import web
from aiohttp.web_exceptions import HTTPException
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.models import http
from aws_xray_sdk.ext.util import (
    calculate_sampling_decision,
    calculate_segment_name,
    construct_xray_header,
    prepare_response_header,
)

from xtrace import faults
from xtrace.compat.ext import requests_served as served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@web.middleware
async def middleware(request: Any, handler: Any) -> Any:
    """Serve a request in a segment. For web.Application(middlewares=[middleware])."""
    recorder = xray_recorder  # a test may put another there meanwhile
    segment = None
    with faults.absorb("compat:aiohttp"):
        segment = _begin(recorder, request)
    if segment is None:
        return await handler(request)
    error: BaseException | None = None
    response: Any = None
    try:
        response = await handler(request)
        return response
    except HTTPException as answer:
        response = answer
        raise
    except BaseException as raised:
        error = raised
        raise
    finally:
        with faults.absorb("compat:aiohttp"):
            _describe_outcome(segment, response, error)
            served.end(recorder, segment, False)


def _begin(recorder: Any, request: Any) -> Any:
    headers = request.headers
    header = construct_xray_header(headers)
    host = headers.get("host")
    name = calculate_segment_name(host.split(":", 1)[0] if host else None, recorder)
    asked = {"host": host, "method": request.method, "path": request.path, "service": name}
    decision = calculate_sampling_decision(header, recorder, asked)
    segment = served.begin(recorder, name, header, decision, False)
    served.describe(
        segment,
        str(request.url),
        request.method,
        headers.get("User-Agent"),
        headers.get("X-Forwarded-For"),
        headers.get("remote_addr") or request.remote,
    )
    return segment


def _describe_outcome(segment: Any, response: Any, error: BaseException | None) -> None:
    if error is not None:
        segment.put_http_meta(http.STATUS, 500)
        segment.add_exception(error, None)
        return
    segment.put_http_meta(http.STATUS, response.status)
    served.describe_length(segment, response.headers.get("Content-Length"))
    if not response.prepared:
        origin = segment.get_origin_trace_header()
        response.headers[http.XRAY_HEADER] = prepare_response_header(origin, segment)
