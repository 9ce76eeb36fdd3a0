"""A request that an aiohttp server serves is a segment that ends with the last body byte."""

from __future__ import annotations

import asyncio

from aiohttp import web

from .. import faults, header
from ..model import OPEN, SHOWN
from ._http import (
    add_route,
    describe_request,
    describe_response,
    incoming_request,
    response_header,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeAlias

    from ..model import Segment
    from ..recorder import Recorder

    Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MARK = "_xtrace_segment"
"""Attribute of a request that holds its segment: it is traced already, not once more."""

_CLOSE_CODE = "websocket_close_code"
_INTERNAL_ERROR = 1011


async def serve(recorder: Recorder, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve a request by `handler`, in a segment.

    It ends when aiohttp has sent the response's last byte, which it does in the same task.
    """
    if not recorder.enabled or _MARK in vars(request):
        return await handler(request)
    segment = None
    try:
        get = request.headers.get
        segment = incoming_request(
            recorder,
            get(header.NAME),
            get(header.TRACEPARENT),
            _asked,
            request,
            get(header.TRACESTATE),
        )
        exchange = _Exchange(recorder, segment, request)
        context = segment._current
        outside = context.get()
        if segment.sampled:
            exchange.begin()
        else:
            context.set(segment)
    except Exception as error:
        faults.report("aiohttp", "A request isn't traced", error)
        segment = None
    if segment is None:
        return await handler(request)
    try:
        return await handler(request)
    except web.HTTPException:  # a response
        raise
    except BaseException as error:
        exchange.error = error
        raise
    finally:
        context.set(outside)


def _asked(request: web.Request) -> tuple[str | None, str, str]:
    """What names and sampling rules look at: host, method and path."""
    return _host(request), request.method, request.path


def _host(request: web.Request) -> str:
    """The host that the caller sees. (request.host would ask the resolver if there is none.)"""
    host = request.headers.get("Host")
    if host:
        return host
    address = request.get_extra_info("sockname")
    if isinstance(address, tuple):
        name, port = address[:2]
        return f"{name}:{port}" if port not in (80, 443) else str(name)
    return ""


class _Exchange:
    """A request and its response, until the last byte is sent."""

    def __init__(self, recorder: Recorder, segment: Segment, request: web.Request) -> None:
        self._recorder = recorder
        self._segment = segment
        self._request = request
        self._header = response_header(segment)
        self._response: web.StreamResponse | None = None
        self.error: BaseException | None = None
        # A response may be begun anywhere in the application: aiohttp calls this for each. (Past
        # the attribute check of its debug mode.)
        self._prepare_hook: Callable[[web.StreamResponse], Awaitable[None]] = request._prepare_hook
        vars(request)[_MARK] = segment
        vars(request)["_prepare_hook"] = self._prepare

    def begin(self) -> None:
        """Begin the segment; it ends with the task, in which aiohttp also sends the response."""
        request, segment = self._request, self._segment
        get = request.headers.get
        describe_request(
            segment,
            request.method,
            f"{request.scheme}://{_host(request)}{request.path}",
            request.query_string,
            get("User-Agent"),
            request.remote,
            ",".join(request.headers.getall("X-Forwarded-For", ())),
        )
        segment.__enter__()
        task = asyncio.current_task()
        if task is not None:
            task.add_done_callback(self._end)

    async def _prepare(self, response: web.StreamResponse) -> None:
        await self._prepare_hook(response)
        with faults.absorb("aiohttp"):
            self._response = response
            if response.status < 500:
                self.error = None  # if there was one, this answers it
            response.headers[header.NAME] = self._header
            if response.status == 101 and self._segment.sampled:
                self._show()

    def _show(self) -> None:
        """Send the segment of a websocket as in progress: it may last for hours."""
        recorder, segment = self._recorder, self._segment
        self._describe_route()
        describe_response(segment, 101, None)
        if recorder.open.get(segment) == OPEN:
            recorder.open[segment] = SHOWN
            recorder._show(segment)

    def _describe_route(self) -> None:
        resource = self._request.match_info.route.resource
        if resource is not None:
            add_route(self._segment, resource.canonical)

    def _end(self, task: asyncio.Task[Any]) -> None:
        segment = self._segment
        error, self.error = self.error, None  # its frames know the request: a circle
        try:
            if segment._stop is None:
                self._describe(task)
        except Exception as fault:
            faults.report("aiohttp", "A response isn't described", fault)
        if isinstance(error, ConnectionError) and self._request.transport is None:
            segment.put_annotation("cancelled", type(error).__name__)
            error = None  # the client has gone
        try:
            segment.__exit__(None, error, None)
        except Exception as fault:
            faults.report("aiohttp", "A segment isn't sent", fault)

    def _describe(self, task: asyncio.Task[Any]) -> None:
        segment, response = self._segment, self._response
        self._describe_route()
        if response is None:  # there was nobody to answer
            return
        if isinstance(response, web.WebSocketResponse):
            code = response.close_code
            if code is not None:
                segment.put_annotation(_CLOSE_CODE, code)
                if code == _INTERNAL_ERROR:
                    segment.add_fault_flag()
        if response.status != 101:
            describe_response(segment, response.status, _length(response))
        if task.cancelled():
            segment.put_annotation("cancelled", "CancelledError")


def _length(response: web.StreamResponse) -> int | None:
    length = response.content_length
    if length is not None:
        return length
    try:
        return response.body_length or None
    except AssertionError:  # it never began
        return None
