"""gRPC's servers: an interceptor makes a segment of each call, sync and asyncio."""

from __future__ import annotations

from functools import partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction
from urllib.parse import unquote

import grpc
import grpc._server
import grpc.aio
from grpc import StatusCode

from ... import faults
from ...default import recorder as default_recorder
from ...header import NAME, TRACEPARENT, TRACESTATE
from ...noop import NO_SEGMENT
from .._http import add_route, check_name, describe_request, describe_response, incoming_request
from .._wrap import argument
from ._status import DETAILS, HTTP_STATUS, STATUS, status_of, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from typing import Any

    from ...model import Segment
    from ...recorder import Recorder
    from .._wrap import Patcher

_TRACED = "_xtrace_traced"
"""Attribute of a method that an interceptor has seen to: another one leaves it alone."""

_INTERCEPTORS_POSITION = 2

_TRACE_HEADER = NAME.lower()
_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def patch(patcher: Patcher) -> None:
    """Have every server made from now on intercepted, until the library is unpatched."""
    for interceptor, server in (
        (_of_all, grpc._server._Server),
        (_of_all_aio, grpc.aio._server.Server),
    ):
        patcher.wrap(server, "__init__", partial(_made, interceptor))
        interceptor._is_on = True
        patcher.on_undo(interceptor._switch_off)


def _made(interceptor: Any, original: Any, server: Any, args: Any, kwargs: Any) -> Any:
    given = argument(args, kwargs, _INTERCEPTORS_POSITION, "interceptors")
    interceptors = (interceptor, *(given or ()))
    if len(args) > _INTERCEPTORS_POSITION:
        before, after = args[:_INTERCEPTORS_POSITION], args[_INTERCEPTORS_POSITION + 1 :]
        return original(*before, interceptors, *after, **kwargs)
    return original(*args, **{**kwargs, "interceptors": interceptors})


class _Interceptor:
    """What the interceptors of both kinds have in common."""

    _recorder = default_recorder
    _is_on = True

    def __init__(self, recorder: Recorder = default_recorder) -> None:
        check_name(recorder)
        self._recorder = recorder

    def _switch_off(self) -> None:
        self._is_on = False

    def _traced(self, handler: Any, details: Any, wraps: Callable[..., Any]) -> Any:
        """A handler whose method is traced. wraps: gives the traced method, by the kind of its answer."""
        try:
            for kind in _KINDS if self._is_on else ():
                method = getattr(handler, kind, None)
                if method is not None and not hasattr(method, _TRACED):
                    traced = wraps(self._recorder, details, method, kind.endswith("stream"))
                    setattr(traced, _TRACED, True)
                    make = getattr(grpc, f"{kind}_rpc_method_handler")
                    return make(traced, handler.request_deserializer, handler.response_serializer)
        except Exception as error:
            _report("A call isn't recorded", error)
        return handler

    def _refused(self, details: Any) -> None:
        """Record a call of a method that isn't there."""
        if not self._is_on:
            return
        segment = _begin(self._recorder, details, None)
        segment.__enter__()
        _end(segment, StatusCode.UNIMPLEMENTED, "Method not found!", None)


class XRayInterceptor(_Interceptor, grpc.ServerInterceptor):  # type: ignore[misc]
    """For grpc.server(pool, interceptors=[XRayInterceptor()]): a segment for each call.

    Raises SegmentNameMissing if segments would have no name.
    """

    def intercept_service(
        self, continuation: Callable[[Any], Any], handler_call_details: Any
    ) -> Any:
        """Give the handler of a call, traced."""
        handler = continuation(handler_call_details)
        if handler is None:
            self._refused(handler_call_details)
            return None
        return self._traced(handler, handler_call_details, _sync_method)


class AsyncXRayInterceptor(_Interceptor, grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """For grpc.aio.server(interceptors=[AsyncXRayInterceptor()]): a segment for each call.

    Raises SegmentNameMissing if segments would have no name.
    """

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Give the handler of a call, traced."""
        handler = await continuation(handler_call_details)
        if handler is None:
            self._refused(handler_call_details)
            return None
        return self._traced(handler, handler_call_details, _method)


# What patch() gives to all servers; without a check, as the name may be set later.
_of_all = XRayInterceptor.__new__(XRayInterceptor)
_of_all_aio = AsyncXRayInterceptor.__new__(AsyncXRayInterceptor)


# -- methods -----------------------------------------------------------------------------------
# Each kind of function stays one: servers ask which it is.


def _method(recorder: Recorder, details: Any, method: Any, gives_stream: bool) -> Any:
    """A traced method of an asyncio server, which takes sync ones, too."""
    if isasyncgenfunction(method):

        @wraps(method)
        async def asyncgen_method(request: Any, context: Any) -> AsyncIterator[Any]:
            segment = _begin(recorder, details, context)
            segment.__enter__()
            try:
                async for response in method(request, context):
                    yield response
            except BaseException as error:
                _end_of(segment, context, error)
                raise
            _end_of(segment, context)

        return asyncgen_method
    if iscoroutinefunction(method):

        @wraps(method)
        async def coroutine_method(request: Any, context: Any) -> Any:
            segment = _begin(recorder, details, context)
            segment.__enter__()
            try:
                response = await method(request, context)
            except BaseException as error:
                _end_of(segment, context, error)
                raise
            _end_of(segment, context)
            return response

        return coroutine_method
    return _sync_method(recorder, details, method, gives_stream)


def _sync_method(recorder: Recorder, details: Any, method: Any, gives_stream: bool) -> Any:
    """A traced method that runs in a thread of a pool: of a call, always in the same."""
    if gives_stream and not getattr(method, "experimental_non_blocking", False):

        @wraps(method)
        def stream_method(request: Any, context: Any) -> Iterator[Any]:
            segment = _begin(recorder, details, context)
            segment.__enter__()
            try:
                yield from method(request, context)
            except BaseException as error:
                _end_of(segment, context, error)
                raise
            _end_of(segment, context)

        return stream_method

    @wraps(method)
    def plain_method(request: Any, context: Any, *more: Any) -> Any:
        segment = _begin(recorder, details, context)
        segment.__enter__()
        try:
            response = method(request, context, *more)
        except BaseException as error:
            _end_of(segment, context, error)
            raise
        _end_of(segment, context)
        return response

    return plain_method


# -- segments ----------------------------------------------------------------------------------


def _begin(recorder: Recorder, details: Any, context: Any) -> Segment:
    """The segment of a call, not begun yet."""
    if not recorder.enabled:
        return NO_SEGMENT
    try:
        metadata: dict[str, Any] = {}
        for name, value in details.invocation_metadata or ():
            metadata.setdefault(name, value)
        segment = incoming_request(
            recorder,
            _text(metadata.get(_TRACE_HEADER)),
            _text(metadata.get(TRACEPARENT)),
            _asked,
            (details, context),
            _text(metadata.get(TRACESTATE)),
        )
        if segment.sampled:
            path = _text(details.method) or ""
            host = _host(context)
            describe_request(
                segment,
                "POST",
                f"grpc://{host}{path}" if host else path,
                None,
                _text(metadata.get("user-agent")),
                _client(context),
                _text(metadata.get("x-forwarded-for")),
            )
            add_route(segment, path)
        return segment
    except Exception as error:
        _report("A call isn't recorded", error)
        return NO_SEGMENT


def _asked(source: tuple[Any, Any]) -> tuple[str | None, str, str]:
    details, context = source
    return _host(context), "POST", _text(details.method) or ""


def _host(context: Any) -> str | None:
    """The authority that a client has asked for, which only sync servers know."""
    try:
        return _text(context._rpc_event.call_details.host)
    except AttributeError:
        return None


def _client(context: Any) -> str | None:
    """The address of the peer: "ipv4:10.0.0.7:51234", "ipv6:[::1]:51234", "unix:"."""
    kind, _, address = (context.peer() if context is not None else "").partition(":")
    if kind not in ("ipv4", "ipv6"):
        return None
    return unquote(address).rpartition(":")[0].strip("[]") or None


def _end_of(segment: Segment, context: Any, error: BaseException | None = None) -> None:
    """End the segment of a call with the status that its method has set, or the server will."""
    try:
        status = status_of(context.code())
        if isinstance(error, Exception):
            if status in (None, StatusCode.OK):
                status = StatusCode.UNKNOWN
            elif _is_abort(error):
                error = None
        _end(segment, status or StatusCode.OK, context.details(), error)
    except Exception as fault:
        _report("The status of a call isn't recorded", fault)
        segment.__exit__(None, error, None)


def _is_abort(error: Exception) -> bool:
    """Whether context.abort() has raised it, to end the method: it isn't a failure of its own."""
    return isinstance(error, grpc.aio.AbortError) or (type(error) is Exception and not error.args)


def _end(segment: Segment, status: StatusCode, details: Any, error: BaseException | None) -> None:
    if segment.sampled and segment._stop is None:
        if error is not None and not isinstance(error, Exception):
            segment._stopped_by(error)  # cancelled: no status is sent
            if isinstance(error, GeneratorExit):
                segment.put_annotation("cancelled", StatusCode.CANCELLED.name)
        elif status is StatusCode.CANCELLED:
            segment.put_annotation("cancelled", status.name)
        else:
            describe_response(segment, HTTP_STATUS[status], None)
            if status is not StatusCode.OK:
                segment.put_annotation(STATUS, status.name)
                if details:
                    segment.put_metadata(DETAILS, text_of(details), "grpc")
            if error is not None:
                segment.add_exception(error, fault=False)
    segment.__exit__(None, None, None)


def _text(value: Any) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _report(message: str, error: Exception) -> None:
    faults.report("integration:grpc", message, error)
