"""ASGI, once for all frameworks on it: a request is a segment that ends with the last body byte,
a websocket one that ends with the connection.
"""

from __future__ import annotations

import functools
import sys

from .. import faults
from ..cause import is_failure
from ..default import recorder as default_recorder
from ..model import OPEN, SHOWN
from ._asgi_routes import describe_route
from ._http import (
    describe_request,
    describe_response,
    incoming_request,
    response_header,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any, TypeAlias

    from ..model import Segment
    from ..recorder import Recorder
    from ._wrap import Patcher

    Scope: TypeAlias = MutableMapping[str, Any]
    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
    Headers: TypeAlias = dict[bytes, bytes]

MARK = "xtrace.segment"
"""Key of the scope that holds the request's segment: it is traced already, not once more."""

CLOSE_CODE = "websocket_close_code"
"""Key of the annotation with the code that a websocket was closed with."""

CANCELLED = "cancelled"
"""Key of the annotation that says what stopped a request that nobody waits for any more."""

INCOMPLETE = "IncompleteResponse"
"""Its value where an application returns before the last body byte, as it does when it learns
that the client has gone.
"""

# What frameworks tell an application that the client has gone.
_DISCONNECT = "ClientDisconnect"
_WEBSOCKET_DISCONNECT = "WebSocketDisconnect"

_TRACE_HEADER = b"x-amzn-trace-id"
_TRACEPARENT = b"traceparent"
_FORWARDED_FOR = b"x-forwarded-for"
_SHUT_DOWN = ("lifespan.shutdown.complete", "lifespan.shutdown.failed")
_FAULTS = (1011, 4500)  # by the specification, and of Litestar


class TracedApplication:
    """An ASGI application with each request in a segment.

    Requests and responses stay as they are, but for the response's trace header.
    """

    def __init__(self, app: Application, recorder: Recorder) -> None:
        self.app = app
        self.recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, a websocket, or the application's lifespan."""
        recorder = self.recorder
        kind = scope["type"]
        if (kind != "http" and kind != "websocket") or MARK in scope or not recorder.enabled:
            if kind == "lifespan" and recorder.enabled:
                send = _flushing(send, recorder)
            await self.app(scope, receive, send)
            return
        segment = None
        try:
            headers: Headers = dict(scope["headers"])
            trace_header = headers.get(_TRACE_HEADER)
            traceparent = headers.get(_TRACEPARENT)
            segment = incoming_request(
                recorder,
                trace_header.decode("latin-1") if trace_header is not None else None,
                traceparent.decode("latin-1") if traceparent is not None else None,
                _asked,
                scope,
                headers[b"tracestate"].decode("latin-1") if b"tracestate" in headers else None,
            )
            context = segment._current
            outside = context.get()
            if sampled := segment.sampled:
                segment.__enter__()
                _describe(segment, scope, headers)
            else:
                context.set(segment)
            header = (_TRACE_HEADER, response_header(segment).encode())
        except Exception as error:
            faults.report("asgi", "A request isn't traced", error)
            if segment is not None:
                recorder.open.pop(segment, None)
                context.set(outside)
                segment = None
        if segment is None:
            await self.app(scope, receive, send)
            return
        scope[MARK] = segment
        if not sampled:
            # Nobody asks how long it takes: the segment is current, and that is all.
            def send_with_header(message: Message) -> Awaitable[None]:
                kind = message["type"]
                if kind == "http.response.start" or kind == "websocket.accept":
                    message = _with_header(message, header)
                return send(message)

            try:
                await self.app(scope, receive, send_with_header)
            finally:
                context.set(outside)
            return
        response: _Response | _Connection
        if kind == "http":
            response = _Response(segment, scope, send, header)
        else:
            response = _Connection(segment, scope, receive, send, header, recorder)
            receive = response.receive
        try:
            await self.app(scope, receive, response.send)
        except BaseException as error:
            response.end(error)
            raise
        else:
            if not response.ended:
                response.end(None)
        finally:
            context.set(outside)


def _flushing(send: Send, recorder: Recorder) -> Send:
    """Passes on an application's lifespan; before it says that it has shut down, all is sent.

    Uvicorn ends by the signal that stopped it, past Python's exit functions.
    """

    async def send_after_flush(message: Message) -> None:
        if message["type"] in _SHUT_DOWN:
            with faults.absorb("flush"):
                recorder.flush()
        await send(message)

    return send_after_flush


def trace_applications(patcher: Patcher, application_class: Any) -> None:
    """Trace what all applications of a class serve, those that there are already too."""
    serve = application_class.__call__

    @functools.wraps(serve)
    async def traced(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if MARK in scope:
            await serve(self, scope, receive, send)
        else:
            application = functools.partial(serve, self)
            await TracedApplication(application, default_recorder)(scope, receive, send)

    patcher.replace(application_class, "__call__", traced)


def _asked(scope: Scope) -> tuple[str | None, str, str]:
    """What names and sampling rules look at: host, method and path."""
    return _host(scope, dict(scope["headers"])), scope.get("method", "GET"), scope.get("path", "")


def _host(scope: Scope, headers: Headers) -> str:
    """The host that the caller sees, with the port if it isn't the usual one."""
    host = headers.get(b"host")
    if host:
        return host.decode("latin-1")
    server = scope.get("server")
    if not server:
        return ""
    name, port = server
    return f"{name}:{port}" if port and port not in (80, 443) else str(name)


def _describe(segment: Segment, scope: Scope, headers: Headers) -> None:
    get = headers.get
    forwarded_for = get(_FORWARDED_FOR)
    if forwarded_for is not None and len(headers) != len(scope["headers"]):
        # Of two headers of one name, the dict has the last.
        values = [value for name, value in scope["headers"] if name == _FORWARDED_FOR]
        forwarded_for = b",".join(values)
    host = get(b"host")
    user_agent = get(b"user-agent")
    client = scope.get("client")
    query = scope.get("query_string")
    describe_request(
        segment,
        scope.get("method", "GET"),
        f"{scope.get('scheme', 'http')}://"
        f"{host.decode('latin-1') if host else _host(scope, headers)}{scope['path']}",
        query.decode("latin-1") if query else None,
        user_agent.decode("latin-1") if user_agent is not None else None,
        client[0] if client else None,
        forwarded_for.decode("latin-1") if forwarded_for is not None else None,
    )


class _Response:
    """The response to a sampled request, from its start to its last byte, where the segment ends."""

    _status = 0
    _length: int | None = None
    _sent: int | None = 0
    _has_trailers = False
    _error: BaseException | None = None
    _gone: OSError | None = None
    ended = False

    def __init__(
        self, segment: Segment, scope: Scope, send: Send, header: tuple[bytes, bytes]
    ) -> None:
        self._segment = segment
        self._scope = scope
        self._send = send
        self._header = header

    async def send(self, message: Message) -> None:
        """Pass on what the application sends; the last of it ends the segment."""
        is_last = False
        try:
            kind = message["type"]
            if kind == "http.response.body":
                is_last = not (message.get("more_body") or self._has_trailers)
                if self._length is None and self._sent is not None:
                    self._sent += len(message.get("body", b""))
            elif kind == "http.response.start":
                status = message["status"]
                if status >= 200:  # below, it isn't the response yet
                    headers = [*message.get("headers", ()), self._header]
                    self._status = status
                    find = dict(headers).get
                    length = find(b"content-length") or find(b"Content-Length")
                    if length is not None and length.isdigit():
                        self._length = int(length)
                    if status >= 500:
                        self._error = _handled_error()
                    if "trailers" in message:
                        self._has_trailers = message["trailers"]
                    message = {**message, "headers": headers}
            else:
                is_last = self._is_last(kind, message)
        except Exception as error:
            faults.report("asgi", "A response isn't described", error)
        try:
            await self._send(message)
        except OSError as error:
            self._gone = error
            raise
        if is_last and not self.ended:
            # What the application does from here on, background tasks, goes on under the segment.
            context = self._segment._current
            here = context.get()
            self._end(self._error)
            context.set(here)

    def _is_last(self, kind: str, message: Message) -> bool:
        if kind == "http.response.trailers":
            return not message.get("more_trailers")
        if kind == "http.response.zerocopysend":
            self._sent = None
            return not message.get("more_body") and not self._has_trailers
        if kind == "http.response.pathsend":
            self._sent = None
            return not self._has_trailers
        return False

    def end(self, error: BaseException | None) -> None:
        """End the segment, unless the body was complete: `error` stopped the application, or it
        has returned.
        """
        if self.ended:
            return
        if error is None:
            error = self._error
            if error is None:
                self._segment.put_annotation(CANCELLED, INCOMPLETE)
        elif _stems_from(error, self._gone) or type(error).__name__ == _DISCONNECT:
            self._segment.put_annotation(CANCELLED, type(error).__name__)
            error = None
        elif not self._status and is_failure(error):
            self._status = 500  # what the server answers
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self.ended = True
        self._error = self._gone = None  # their frames know who sends: a circle
        segment = self._segment
        if segment._stop is not None:  # the application has ended it
            return
        try:
            if self._status:
                describe_response(
                    segment, self._status, self._sent if self._length is None else self._length
                )
            describe_route(segment, self._scope)
        except Exception as fault:
            faults.report("asgi", "A response isn't described", fault)
        try:
            segment.__exit__(None, error, None)
        except Exception as fault:
            faults.report("asgi", "A segment isn't sent", fault)


class _Connection:
    """A traced websocket, from the handshake until the application returns."""

    _code: int | None = None
    _has_left = False
    _error: BaseException | None = None
    _gone: Exception | None = None
    ended = False

    def __init__(
        self,
        segment: Segment,
        scope: Scope,
        receive: Receive,
        send: Send,
        header: tuple[bytes, bytes],
        recorder: Recorder,
    ) -> None:
        self._segment = segment
        self._scope = scope
        self._receive = receive
        self._send = send
        self._header = header
        self._recorder = recorder

    async def receive(self) -> Message:
        """Pass on what the client sends; the last of it is the code that it closes with."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._has_left = True
            if self._code is None:
                self._code = message.get("code")
        return message

    async def send(self, message: Message) -> None:
        """Pass on what the application sends: the handshake's answer, messages, the close."""
        kind = message["type"]
        segment = self._segment
        is_answer = kind == "websocket.accept"
        try:
            if is_answer:
                message = _with_header(message, self._header)
                describe_response(segment, 101, None)
                describe_route(segment, self._scope)
            elif kind == "websocket.close":
                if self._code is None:
                    self._code = message.get("code", 1000)
                    if self._code in _FAULTS:
                        self._error = _handled_error()
                if "response" not in segment.http:
                    describe_response(segment, 403, None)  # what the server answers
            elif kind == "websocket.http.response.start":
                describe_response(segment, message["status"], None)
                message = _with_header(message, self._header)
        except Exception as error:
            faults.report("asgi", "A websocket isn't described", error)
        try:
            await self._send(message)
        except Exception as error:
            if self._has_left:
                self._gone = error
            raise
        if is_answer:
            with faults.absorb("asgi"):
                self._show()

    def _show(self) -> None:
        """Send the segment as in progress: the connection may last for hours."""
        recorder, segment = self._recorder, self._segment
        if recorder.open.get(segment) == OPEN:
            recorder.open[segment] = SHOWN
            recorder._show(segment)

    def end(self, error: BaseException | None) -> None:
        """End the segment: the application has returned, or `error` has stopped it."""
        if self.ended:
            return
        self.ended = True
        segment = self._segment
        try:
            if self._code is not None:
                segment.put_annotation(CLOSE_CODE, self._code)
                if self._code in _FAULTS:
                    segment.add_fault_flag()
            if error is None:
                error = self._error
            elif _stems_from(error, self._gone) or type(error).__name__ == _WEBSOCKET_DISCONNECT:
                error = None  # the client has closed the connection: that is how they end
            self._error = self._gone = None  # their frames know who sends: a circle
        except Exception as fault:
            faults.report("asgi", "A websocket isn't described", fault)
        try:
            segment.__exit__(None, error, None)
        except Exception as fault:
            faults.report("asgi", "A segment isn't sent", fault)


def _with_header(message: Message, header: tuple[bytes, bytes]) -> Message:
    return {**message, "headers": [*(message.get("headers") or ()), header]}


def _stems_from(error: BaseException, gone: BaseException | None) -> bool:
    """Whether an exception is, or was raised from, what the server raised when the client had gone."""
    return gone is not None and (error is gone or error.__cause__ is gone)


def _handled_error() -> BaseException | None:
    """What the application has caught and answers just now; not an exception that is an answer
    itself, such as HTTPException.
    """
    error = sys.exc_info()[1]
    return None if error is None or hasattr(error, "status_code") else error
