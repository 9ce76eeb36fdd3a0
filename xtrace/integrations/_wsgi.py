"""WSGI, once for all frameworks on it: a request is a segment that ends with the last body byte."""

from __future__ import annotations

from .. import faults
from ._http import (
    add_route,
    describe_request,
    describe_response,
    incoming_request,
    response_header,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias

    from ..model import Current, Entity, Segment
    from ..recorder import Recorder

    Environ: TypeAlias = dict[str, Any]
    Headers: TypeAlias = list[tuple[str, str]]
    StartResponse: TypeAlias = Callable[..., Any]
    Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]
    # Called when the response of a sampled request starts, to add what the framework knows: the
    # route, for one.
    OnResponse: TypeAlias = Callable[[Segment, Environ], None]

MARK = "xtrace.segment"
"""Key of the environ that holds the request's segment: it is traced already, not once more."""

TRACE_HEADER = "X-Amzn-Trace-Id"
_LENGTH = "Content-Length"


def traced(
    application: Application, recorder: Recorder, on_response: OnResponse | None = None
) -> Application:
    """The application with each request in a segment.

    Requests and responses stay as they are, but for the response's trace header.
    """

    def traced_application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not recorder.enabled or MARK in environ:
            return application(environ, start_response)
        try:
            segment = incoming_request(
                recorder,
                environ.get("HTTP_X_AMZN_TRACE_ID"),
                environ.get("HTTP_TRACEPARENT"),
                _asked,
                environ,
                environ.get("HTTP_TRACESTATE"),
            )
            if sampled := segment.sampled:
                _describe(segment, environ)
            else:
                header = response_header(segment)
        except Exception as error:
            faults.report("wsgi", "A request isn't traced", error)
            return application(environ, start_response)
        environ[MARK] = segment
        if sampled:
            response = _Response(segment, environ, start_response, on_response)
            return response.of(application)
        return _serve_unsampled(application, environ, start_response, segment, header)

    return traced_application


def _asked(environ: Environ) -> tuple[str | None, str, str]:
    """What names and sampling rules look at: host, method and path."""
    get = environ.get
    return get("HTTP_HOST") or get("SERVER_NAME"), get("REQUEST_METHOD", ""), get("PATH_INFO", "")


def _describe(segment: Segment, environ: Environ) -> None:
    get = environ.get
    path = get("SCRIPT_NAME", "") + get("PATH_INFO", "")
    if not path.isascii():
        path = path.encode("latin-1", "replace").decode("utf-8", "replace")
    host = get("HTTP_HOST")
    if not host:
        host, port = get("SERVER_NAME", ""), get("SERVER_PORT")
        if port and port not in ("80", "443"):
            host = f"{host}:{port}"
    describe_request(
        segment,
        get("REQUEST_METHOD", ""),
        f"{get('wsgi.url_scheme', 'http')}://{host}{path}",
        get("QUERY_STRING"),
        get("HTTP_USER_AGENT"),
        get("REMOTE_ADDR"),
        get("HTTP_X_FORWARDED_FOR"),
    )


def describe_route(segment: Segment, environ: Environ) -> None:
    """Record the route's template, if the framework leaves it in the environ."""
    template = getattr(environ.get("bottle.route"), "rule", None)
    if template is not None:
        add_route(segment, template)


def _serve_unsampled(
    application: Application,
    environ: Environ,
    start_response: StartResponse,
    segment: Segment,
    header: str,
) -> Iterable[bytes]:
    """Nobody asks how long it takes: the segment is current, and that is all."""
    sized = False

    def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
        nonlocal sized
        sized = _LENGTH in dict(headers)
        headers = [*headers, (TRACE_HEADER, header)]
        if exc_info is None:
            return start_response(status, headers)
        return start_response(status, headers, exc_info)

    context = segment._current
    outside = context.get()
    context.set(segment)
    try:
        body = application(environ, start)
    finally:
        context.set(outside)
    return body if sized or isinstance(body, (list, tuple)) else _Body(body, context, segment)


class _Body:
    """A response's body. While the application produces a part of it, the entity is current that
    was when it returned, or when the last part was done.
    """

    _length: int | None = None
    _sent = 0
    _ended = False

    def __init__(self, body: Iterable[bytes], context: Current, here: Entity | None) -> None:
        self._body = body
        self._context = context
        self._here = here

    def __iter__(self) -> Iterator[bytes]:
        context = self._context
        iterator = iter(self._body)
        sent = 0
        while True:
            outside = context.get()
            context.set(self._here)
            try:
                part = next(iterator)
                self._sent = sent = sent + len(part)
                if sent == self._length:
                    self._end(None)
            except StopIteration:
                self._end(None)
                return
            except BaseException as error:
                self._end(error)
                raise
            finally:
                self._here = context.get()
                context.set(outside)
            yield part
            if self._ended:
                yield from iterator
                return

    def close(self) -> None:
        """Called by the server at the end, also when the client has gone."""
        close = getattr(self._body, "close", None)
        if self._ended:
            if close is not None:
                close()
            return
        context = self._context
        outside = context.get()
        context.set(self._here)
        try:
            if close is not None:
                close()
        except BaseException as error:
            self._end(error)
            raise
        finally:
            self._end(None)
            context.set(outside)

    def _end(self, error: BaseException | None) -> None:
        """Called when the body is complete, and with what stopped it."""


class _Response(_Body):
    """The response to a sampled request, from its start to its last byte, where the segment ends."""

    _header = ""
    _sent = -1
    _status = 0
    _error: BaseException | None = None

    def __init__(
        self,
        segment: Segment,
        environ: Environ,
        start_response: StartResponse,
        on_response: OnResponse | None,
    ) -> None:
        self._segment = segment
        self._environ = environ
        self._start_response = start_response
        self._on_response = on_response

    def of(self, application: Application) -> Iterable[bytes]:
        """Serve the request."""
        segment = self._segment
        self._context = context = segment._current
        outside = context.get()
        try:
            segment.__enter__()
            self._header = response_header(segment)
        except Exception as error:
            faults.report("wsgi", "A segment isn't begun", error)
        try:
            self._body = body = application(self._environ, self._start)
        except BaseException as error:
            self._status = self._status or 500
            self._end(error)
            raise
        else:
            self._here = context.get()
        finally:
            context.set(outside)
        if isinstance(body, (list, tuple)):
            self._end(None)
            return body
        wrapper = self._environ.get("wsgi.file_wrapper")
        if wrapper is not None and isinstance(wrapper, type) and isinstance(body, wrapper):
            # The server sends the file by itself, if it recognises it.
            self._end_with(body)
            return body
        self._sent = 0
        return self

    def _end_with(self, body: Any) -> None:
        """End when a body that must stay itself is closed."""
        close = getattr(body, "close", None)

        def close_and_end() -> None:
            try:
                if close is not None:
                    close()
            finally:
                self._end(None)

        try:
            body.close = close_and_end
        except AttributeError:
            self._end(None)

    def _start(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        try:
            self._status = int(status[:3])
            if exc_info is not None:  # what the framework has caught and answers
                self._error = exc_info[1]
            length = dict(headers).get(_LENGTH)
            if length is None:
                length = dict(headers).get(_LENGTH.lower())
            if length is not None:
                self._length = int(length)
            if self._on_response is not None:
                self._on_response(self._segment, self._environ)
        except Exception as error:
            faults.report("wsgi", "A response isn't described", error)
        if self._header:
            headers = [*headers, (TRACE_HEADER, self._header)]
        if exc_info is None:
            return self._start_response(status, headers)
        return self._start_response(status, headers, exc_info)

    def _end(self, error: BaseException | None) -> None:
        if self._ended:
            return
        self._ended = True
        segment = self._segment
        if segment._stop is None:
            if self._status:
                length = self._length
                if length is None and self._sent >= 0:
                    length = self._sent
                try:
                    describe_response(segment, self._status, length)
                except Exception as fault:
                    faults.report("wsgi", "A response isn't described", fault)
            error = error or self._error
            self._error = None  # its frames know the response: a circle
            try:
                segment.__exit__(None, error, None)
            except Exception as fault:
                faults.report("wsgi", "A segment isn't sent", fault)
