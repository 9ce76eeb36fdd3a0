"""aws_xray_sdk.ext.aiohttp.client: calls made with aiohttp's client."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.models import http
from aws_xray_sdk.ext.util import get_hostname, inject_trace_header, strip_url

from xtrace.redaction import without_credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REMOTE_NAMESPACE = "remote"
LOCAL_NAMESPACE = "local"
LOCAL_EXCEPTIONS = (aiohttp.client_exceptions.ClientConnectionError, OSError)
"""Those that mean that no other service was reached."""


async def begin_subsegment(session: Any, trace_config_ctx: Any, params: Any) -> None:
    """Begin the subsegment of a request."""
    name = trace_config_ctx.name or get_hostname(str(params.url))
    subsegment = xray_recorder.begin_subsegment(name, REMOTE_NAMESPACE)
    trace_config_ctx.subsegment = subsegment
    trace_config_ctx.give_up = subsegment is None
    if subsegment is not None:
        subsegment.put_http_meta(http.METHOD, params.method)
        url = strip_url(params.url.human_repr())
        subsegment.put_http_meta(http.URL, without_credentials(url))
        inject_trace_header(params.headers, subsegment)


async def end_subsegment(session: Any, trace_config_ctx: Any, params: Any) -> None:
    """End it, with what was answered."""
    subsegment = getattr(trace_config_ctx, "subsegment", None)
    if subsegment is not None and subsegment.in_progress:
        subsegment.put_http_meta(http.STATUS, params.response.status)
        _end(subsegment)


async def end_subsegment_with_exception(session: Any, trace_config_ctx: Any, params: Any) -> None:
    """End it, with what was raised."""
    subsegment = getattr(trace_config_ctx, "subsegment", None)
    if subsegment is None or not subsegment.in_progress:
        return
    subsegment.add_exception(params.exception, None)
    if isinstance(params.exception, LOCAL_EXCEPTIONS):
        subsegment.namespace = LOCAL_NAMESPACE
    _end(subsegment)


def _end(subsegment: Any) -> None:
    """End a subsegment, which is current, unless the application has changed that meanwhile."""
    if xray_recorder.current_subsegment() is not subsegment:
        xray_recorder.set_trace_entity(subsegment)
    xray_recorder.end_subsegment()


def aws_xray_trace_config(name: str | None = None) -> Any:
    """What to give to ClientSession(trace_configs=[...]). name: of the subsegments, else the host."""

    def _trace_config_ctx_factory(trace_request_ctx: Any) -> Any:
        return SimpleNamespace(name=name, trace_request_ctx=trace_request_ctx)

    factory: Any = _trace_config_ctx_factory
    trace_config: Any = aiohttp.TraceConfig(trace_config_ctx_factory=factory)
    trace_config.on_request_start.append(begin_subsegment)
    trace_config.on_request_end.append(end_subsegment)
    trace_config.on_request_exception.append(end_subsegment_with_exception)
    return trace_config
