"""Requests: a segment each, from the first middleware to the last byte of the body."""

from __future__ import annotations

import functools
import sys
from types import GeneratorType

from asgiref.sync import iscoroutinefunction, sync_to_async

from ... import faults
from ...default import recorder as default_recorder
from ...interruption import let_through
from ...model import GOOD_CHARS
from .._http import (
    ROUTE,
    add_route,
    check_name,
    describe_request,
    describe_response,
    incoming_request,
    response_header,
)
from .._wsgi import MARK, TRACE_HEADER
from . import _settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any

    from ...model import Current, Entity, Segment
    from ...recorder import Recorder
    from .._wrap import Patcher


_SEGMENT = "_xtrace_segment"
"""Attribute of a request with its segment."""

_IS_TRACING = "_xtrace_middleware"
"""Attribute of the functions that trace."""

# What headers[TRACE_HEADER] = ... comes to, without checks that ours passes: a sixth of the steps.
_STORED_HEADER = TRACE_HEADER.lower()


def XRayMiddleware(
    get_response: Callable[[Any], Any], recorder: Recorder = default_recorder
) -> Callable[[Any], Any]:
    """Traces the requests of a project: the first entry of MIDDLEWARE. Twice changes nothing.

    recorder: xtrace.recorder unless a factory of the project's own gives one.
    Raises SegmentNameMissing, when the handler is made, if no service name is configured, and
    ConfigurationError if XRAY_RECORDER can't be used.
    """
    _settings.use()
    check_name(recorder)
    return _traced(get_response, recorder)


# What tells Django that a sync handler gets a sync middleware and an async one an async one.
vars(XRayMiddleware).update(sync_capable=True, async_capable=True)


def _traced(get_response: Callable[[Any], Any], recorder: Recorder) -> Callable[[Any], Any]:
    """What serves requests, with each in a segment: a coroutine function if get_response is one.

    Functions, since Django calls them faster than objects.
    """
    tracing = _Tracing(recorder)
    segment_of = tracing.segment_of
    served_inside = tracing.served_inside
    begin = tracing.begin
    answered = tracing.answered
    records_user = _settings.in_force.user

    def serve(request: Any) -> Any:
        segment = segment_of(request)
        if segment is None:
            response = get_response(request)
            served_inside(request)
            return response
        context = segment._current
        outside = context.get()
        if not segment.sampled:
            # Nobody asks how long it takes: the segment is current, and that is all.
            context.set(segment)
            try:
                response = get_response(request)
                _add_header(response, segment)
                return response
            finally:
                context.set(outside)
        try:
            begin(segment, request)
            response = get_response(request)
            if records_user:
                _record_user(segment, request)
            answered(segment, request, response)
            return response
        except BaseException as error:
            _failed(segment, error)
            raise
        finally:
            context.set(outside)

    async def serve_async(request: Any) -> Any:
        segment = segment_of(request)
        if segment is None:
            response = await get_response(request)
            served_inside(request)
            return response
        context = segment._current
        outside = context.get()
        if not segment.sampled:
            context.set(segment)
            try:
                response = await get_response(request)
                _add_header(response, segment)
                return response
            finally:
                context.set(outside)
        try:
            begin(segment, request)
            response = await get_response(request)
            if records_user:
                # Who it is may take a query, which may not be made in an event loop.
                await sync_to_async(_record_user)(segment, request)
            answered(segment, request, response)
            return response
        except BaseException as error:
            _failed(segment, error)
            raise
        finally:
            context.set(outside)

    _watch_exceptions()
    function = serve_async if iscoroutinefunction(get_response) else serve
    vars(function)[_IS_TRACING] = True
    return function


class _Tracing:
    """What is done around requests."""

    def __init__(self, recorder: Recorder) -> None:
        from django.conf import settings

        self._recorder = recorder
        self._annotates = _settings.in_force.annotates
        # Whether a header of a proxy says if it is HTTPS.
        self._asks_proxy = settings.SECURE_PROXY_SSL_HEADER is not None

    def segment_of(self, request: Any) -> Segment | None:
        """The segment of a request, not begun; None if it has one already, or none is wanted."""
        recorder = self._recorder
        try:
            meta = request.META
            if (
                not recorder.enabled
                or MARK in meta
                or getattr(request, _SEGMENT, None) is not None
                or ("wsgi.url_scheme" not in meta and _traced_by(request) is not None)
            ):
                return None
            segment = incoming_request(
                recorder,
                meta.get("HTTP_X_AMZN_TRACE_ID"),
                meta.get("HTTP_TRACEPARENT"),
                _asked,
                request,
                meta.get("HTTP_TRACESTATE"),
            )
            request._xtrace_segment = segment
            return segment
        except Exception as error:
            faults.report("integration:django", "A request isn't traced", error)
            return None

    def begin(self, segment: Segment, request: Any) -> None:
        """Begin a sampled segment, and describe the request."""
        try:
            meta = request.META
            get = meta.get
            scheme = get("wsgi.url_scheme")
            if self._asks_proxy or scheme is None:
                scheme = request.scheme
            describe_request(
                segment,
                request.method,
                f"{scheme}://{get('HTTP_HOST') or _server(meta)}{request.path}",
                get("QUERY_STRING"),
                get("HTTP_USER_AGENT"),
                get("REMOTE_ADDR"),
                get("HTTP_X_FORWARDED_FOR"),
            )
        except Exception as error:
            faults.report("integration:django", "A request isn't described", error)
        try:
            segment.__enter__()
        except Exception as error:
            faults.report("integration:django", "A segment isn't begun", error)

    def served_inside(self, request: Any) -> None:
        """Add what Django knows to the segment of a middleware outside."""
        with faults.absorb("integration:django"):
            segment = _traced_by(request)
            if segment is not None and segment.sampled:
                _add_route(segment, request)

    def answered(self, segment: Segment, request: Any, response: Any) -> None:
        """Describe a response, and end the segment unless parts of it are yet to be made."""
        try:
            headers = response.headers._store
            headers[_STORED_HEADER] = (TRACE_HEADER, response_header(segment))
            match = request.resolver_match
            if match is not None:
                route = match.route
                template = _templates.get(route)
                if template is not None:
                    segment._annotations[ROUTE] = template
                else:
                    _add_route(segment, request)
            streaming = response.streaming
            length = headers.get("content-length")
            if length is not None:
                length = int(length[1])
            elif not streaming and request.method != "HEAD":
                length = len(response.content)
            status = response.status_code
            if self._annotates:
                _annotate(segment, status, length)
            if not streaming:
                describe_response(segment, status, length)
            elif getattr(response, "file_to_stream", None) is None:
                _stream(response, segment, length)
                return
            else:
                # The server may send the file by itself: the body must stay what it is.
                describe_response(segment, status, length)
                response._resource_closers.append(lambda: _end(segment, None))
                return
        except Exception as error:
            faults.report("integration:django", "A response isn't described", error)
        try:
            segment.__exit__(None, None, None)
        except Exception as error:
            faults.report("integration:django", "A segment isn't sent", error)


# -- without a middleware ----------------------------------------------------------------------

_TRACING = "_xtrace_tracing"
"""Attribute of a handler with what traces its requests; None if its middleware does."""


def patch(patcher: Patcher, handler: Any) -> None:
    """Trace the requests of all handlers, those that there are already too."""
    get_response, get_response_async = handler.get_response, handler.get_response_async

    @functools.wraps(get_response)
    def traced(self: Any, request: Any) -> Any:
        tracing = self.__dict__.get(_TRACING, _traced)
        if tracing is _traced:
            tracing = _make_tracing(self, get_response)
        return get_response(self, request) if tracing is None else tracing(request)

    @functools.wraps(get_response_async)
    async def traced_async(self: Any, request: Any) -> Any:
        tracing = self.__dict__.get(_TRACING, _traced)
        if tracing is _traced:
            tracing = _make_tracing(self, get_response_async)
        serving = get_response_async(self, request) if tracing is None else tracing(request)
        return await serving

    patcher.replace(handler, "get_response", traced)
    patcher.replace(handler, "get_response_async", traced_async)


def _make_tracing(handler: Any, get_response: Any) -> Callable[[Any], Any] | None:
    """Look once for each handler whether it needs to be traced."""
    tracing = None
    try:
        _settings.use()
        outermost = getattr(handler._middleware_chain, "__wrapped__", None)
        if not hasattr(outermost, _IS_TRACING):
            tracing = _traced(get_response.__get__(handler), default_recorder)
    except Exception as error:
        faults.report("integration:django", "Requests aren't traced", error)
    setattr(handler, _TRACING, tracing)
    return tracing


# -- what is recorded --------------------------------------------------------------------------


def _asked(request: Any) -> tuple[str | None, str, str]:
    """What names and sampling rules look at: host, method and path."""
    meta = request.META
    return meta.get("HTTP_HOST") or meta.get("SERVER_NAME"), request.method, request.path


def _server(meta: dict[str, Any]) -> str:
    """The host, where the client doesn't name it."""
    host, port = meta.get("SERVER_NAME", ""), meta.get("SERVER_PORT")
    return f"{host}:{port}" if port and port not in ("80", "443") else str(host)


def _add_header(response: Any, segment: Segment) -> None:
    """Add the trace header of an unsampled segment, which stays current while the body is made."""
    try:
        response.headers._store[_STORED_HEADER] = (TRACE_HEADER, response_header(segment))
        if response.streaming and getattr(response, "file_to_stream", None) is None:
            _stream(response, segment, None)
    except Exception as error:
        faults.report("integration:django", "A response has no trace header", error)


def _traced_by(request: Any) -> Segment | None:
    """The segment that a request has: of this middleware, or of one around the whole project."""
    found: Segment | None = getattr(request, _SEGMENT, None)
    if found is None:
        found = request.META.get(MARK)
    if found is None:
        found = getattr(request, "scope", {}).get(MARK)
    return found


_templates: dict[str, str] = {}
"""What is recorded of a route, by Django's form of it."""
_MOST_TEMPLATES = 1024


def _add_route(segment: Segment, request: Any) -> None:
    match = request.resolver_match
    if match is not None:
        route = match.route
        template = "/" + str(route).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
        if len(_templates) < _MOST_TEMPLATES and len(template) <= GOOD_CHARS:
            _templates[route] = template
        add_route(segment, template)


def _annotate(segment: Segment, status: int, length: int | None) -> None:
    """What URLS_AS_ANNOTATION asks for."""
    for key, value in segment.http.get("request", {}).items():
        segment.put_annotation(key, value)
    segment.put_annotation("status", status)
    if length is not None:
        segment.put_annotation("content_length", length)


def _record_user(segment: Segment, request: Any) -> None:
    with faults.absorb("integration:django"):
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            segment.set_user(str(user.pk))


# -- exceptions --------------------------------------------------------------------------------


def _failed(segment: Segment, error: BaseException) -> None:
    """Django answers exceptions itself; one that comes here is passed on to the server."""
    with faults.absorb("integration:django"):
        if segment.sampled and isinstance(error, Exception):
            describe_response(segment, 500, None)
    _end(segment, error)


def _end(segment: Segment, error: BaseException | None) -> None:
    try:
        segment.__exit__(None, error, None)
    except Exception as fault:
        faults.report("integration:django", "A segment isn't sent", fault)


_watching = False


def _watch_exceptions() -> None:
    """From now on, see exceptions before a middleware, or Django, makes responses of them."""
    global _watching
    if _watching:
        return
    _watching = True
    from django.core.handlers.base import BaseHandler
    from django.core.signals import got_request_exception

    ask_middleware = BaseHandler.process_exception_by_middleware

    def process_exception_by_middleware(self: Any, exception: Exception, request: Any) -> Any:
        _add_exception(request, exception)
        return ask_middleware(self, exception, request)

    BaseHandler.process_exception_by_middleware = process_exception_by_middleware
    got_request_exception.connect(_on_exception)


def _on_exception(sender: Any, request: Any = None, **extra: Any) -> None:
    """One of a middleware's, or of an error handler's."""
    _add_exception(request, sys.exc_info()[1])


def _add_exception(request: Any, error: BaseException | None) -> None:
    """Record what the application raised. Whether that is a fault, the final response decides."""
    with faults.absorb("integration:django"):
        segment = _traced_by(request)
        if segment is not None and segment.sampled and error is not None:
            segment.add_exception(error, fault=False)


# -- streams -----------------------------------------------------------------------------------


def _stream(response: Any, segment: Segment, length: int | None) -> None:
    """Keep the segment current while parts of a response are made, and end it after the last."""
    source = response._iterator
    parts: _Stream
    if response.is_async:
        parts = _AsyncParts(response, segment, length, source)
    else:
        parts = _Parts(response, segment, length, source)
    response.streaming_content = parts
    # First of all that is closed: what the application does then is in the segment, too.
    closers = response._resource_closers
    closers.insert(0, closers.pop())


class _Stream:
    """The parts of a response. While one is made, the entity is current that was when the response
    was returned, or when the last part was done.
    """

    __slots__ = ("_context", "_here", "_length", "_response", "_segment", "_sent", "_source")

    def __init__(self, response: Any, segment: Segment, length: int | None, source: Any) -> None:
        self._response = response
        self._segment = segment
        self._context: Current = segment._current
        self._here: Entity | None = self._context.get()
        self._length = length
        self._sent = 0
        self._source = source

    def close(self) -> None:
        """Called when the response is closed: after its end, or when the client has gone."""
        context = self._context
        outside = context.get()
        context.set(self._here)
        try:
            if isinstance(self._source, GeneratorType):
                self._source.close()
        except BaseException as error:
            self._end(error)
            raise
        finally:
            self._end(None)
            context.set(outside)

    def _count(self, part: Any) -> None:
        try:
            if isinstance(part, str):
                part = part.encode(self._response.charset)
            self._sent += len(part)
        except Exception as error:  # Django turns anything into bytes
            let_through(error)
            self._sent += len(str(part))

    def _end(self, error: BaseException | None) -> None:
        segment = self._segment
        if segment.sampled and segment._stop is None:
            try:
                length = self._sent if self._length is None else self._length
                describe_response(segment, self._response.status_code, length)
            except Exception as fault:
                faults.report("integration:django", "A response isn't described", fault)
            _end(segment, error)


class _Parts(_Stream):
    """Of an iterator."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        context = self._context
        outside = context.get()
        context.set(self._here)
        try:
            part = next(self._source)
            self._count(part)
            return part
        except StopIteration:
            self._end(None)
            raise
        except BaseException as error:
            self._end(error)
            raise
        finally:
            self._here = context.get()
            context.set(outside)


class _AsyncParts(_Stream):
    """Of an async iterator."""

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        context = self._context
        outside = context.get()
        context.set(self._here)
        try:
            part = await self._source.__anext__()
            self._count(part)
            return part
        except StopAsyncIteration:
            self._end(None)
            raise
        except BaseException as error:
            self._end(error)
            raise
        finally:
            self._here = context.get()
            context.set(outside)
