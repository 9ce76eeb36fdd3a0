"""aws_xray_sdk.ext.requests.patch: calls made with requests."""

from __future__ import annotations

from contextvars import ContextVar

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.models import http
from aws_xray_sdk.ext.util import get_hostname, inject_trace_header, strip_url

from xtrace.compat.ext.patching import argument, is_current, patching
from xtrace.redaction import without_credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_is_inside: ContextVar[bool] = ContextVar("xtrace.compat.requests", default=False)


def patch() -> None:
    """Record Session.request, and Session.send where that is called by itself."""
    import requests

    with patching("requests") as patcher:
        if patcher is not None:
            patcher.wrap(requests.Session, "request", _xray_traced_requests)
            patcher.wrap(requests.Session, "send", _xray_traced_send)
            patcher.wrap(requests.Session, "prepare_request", _inject_header)


def _xray_traced_requests(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    url = argument(args, kwargs, 1, "url")
    token = _is_inside.set(True)
    try:
        return xray_recorder.record_subsegment(
            wrapped,
            instance,
            args,
            kwargs,
            name=get_hostname(url if isinstance(url, str) else str(url)),
            namespace="remote",
            meta_processor=requests_processor,
        )
    finally:
        _is_inside.reset(token)


def _xray_traced_send(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    request = argument(args, kwargs, 0, "request")
    if _is_inside.get() or getattr(request, "url", None) is None:
        return wrapped(*args, **kwargs)

    def send(*args: Any, **kwargs: Any) -> Any:
        inject_trace_header(request.headers, xray_recorder.current_subsegment())
        return wrapped(*args, **kwargs)

    def describe(
        return_value: Any, exception: Any, subsegment: Any, stack: Any, **more: Any
    ) -> None:
        _describe(request.method, request.url, return_value, exception, subsegment, stack)

    token = _is_inside.set(True)
    try:
        return xray_recorder.record_subsegment(
            send,
            instance,
            args,
            kwargs,
            name=get_hostname(request.url),
            namespace="remote",
            meta_processor=describe,
        )
    finally:
        _is_inside.reset(token)


def _inject_header(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    request = argument(args, kwargs, 0, "request")
    headers = getattr(request, "headers", None)
    if headers is not None and is_current(xray_recorder):
        inject_trace_header(headers, xray_recorder.current_subsegment())
    return wrapped(*args, **kwargs)


def requests_processor(
    wrapped: Any,
    instance: Any,
    args: Any,
    kwargs: Any,
    return_value: Any,
    exception: Any,
    subsegment: Any,
    stack: Any,
) -> None:
    """Describe a call of Session.request."""
    method = argument(args, kwargs, 0, "method")
    url = argument(args, kwargs, 1, "url")
    _describe(method, url, return_value, exception, subsegment, stack)


def _describe(
    method: Any, url: Any, return_value: Any, exception: Any, subsegment: Any, stack: Any
) -> None:
    subsegment.put_http_meta(http.METHOD, method)
    subsegment.put_http_meta(http.URL, without_credentials(strip_url(str(url))))
    if return_value is not None:
        subsegment.put_http_meta(http.STATUS, return_value.status_code)
    elif exception:
        subsegment.add_exception(exception, stack)
