"""aws_xray_sdk.ext.httpx.patch: calls made with httpx, each hop of a redirect by itself."""

from __future__ import annotations

import httpx
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.models import http
from aws_xray_sdk.ext.util import get_hostname, inject_trace_header

from xtrace.compat.ext.patching import patching
from xtrace.redaction import without_credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def patch() -> None:
    """Record what httpx's clients send, those that there are already too."""
    with patching("httpx") as patcher:
        if patcher is not None:
            patcher.wrap(httpx.Client, "_transport_for_url", _wrapping(SyncInstrumentedTransport))
            patcher.wrap(
                httpx.AsyncClient, "_transport_for_url", _wrapping(AsyncInstrumentedTransport)
            )


def _wrapping(kind: Any) -> Any:
    def transport_for_url(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        transport = wrapped(*args, **kwargs)
        return transport if isinstance(transport, kind) else kind(transport)

    return transport_for_url


class SyncInstrumentedTransport(httpx.BaseTransport):
    """Records each request that it hands on to another transport."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._wrapped_transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Hand a request on."""
        with xray_recorder.in_subsegment(_name(request), namespace="remote") as subsegment:
            _describe(request, subsegment)
            response = self._wrapped_transport.handle_request(request)
            if subsegment is not None:
                subsegment.put_http_meta(http.STATUS, response.status_code)
            return response

    def close(self) -> None:
        """Handed on."""
        self._wrapped_transport.close()


class AsyncInstrumentedTransport(httpx.AsyncBaseTransport):
    """Records each request that it hands on to another transport."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._wrapped_transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Hand a request on."""
        manager = xray_recorder.in_subsegment_async(_name(request), namespace="remote")
        async with manager as subsegment:
            _describe(request, subsegment)
            response = await self._wrapped_transport.handle_async_request(request)
            if subsegment is not None:
                subsegment.put_http_meta(http.STATUS, response.status_code)
            return response

    async def aclose(self) -> None:
        """Handed on."""
        await self._wrapped_transport.aclose()


def _name(request: httpx.Request) -> str:
    return get_hostname(str(request.url))


def _describe(request: httpx.Request, subsegment: Any) -> None:
    if subsegment is not None:
        url = without_credentials(str(request.url)).partition("?")[0].partition("#")[0]
        subsegment.put_http_meta(http.METHOD, request.method)
        subsegment.put_http_meta(http.URL, url)
        inject_trace_header(request.headers, subsegment)
