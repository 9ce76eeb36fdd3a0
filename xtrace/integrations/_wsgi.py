"""WSGI, once for all frameworks on it: a request is a segment that ends with the last body byte."""

from __future__ import annotations

from .. import faults
from ..errors import SegmentNameMissing
from ._http import describe_request, describe_response, incoming_request, response_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias

    from ..model import Segment
    from ..recorder import Recorder

    Environ: TypeAlias = dict[str, Any]
    StartResponse: TypeAlias = Callable[..., Any]
    Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]
    # Called when the response of a sampled request starts, to add what the framework knows: the
    # route, for one.
    OnResponse: TypeAlias = Callable[[Segment, Environ], None]

MARK = "xtrace.segment"
"""Key of the environ that holds the request's segment: it is traced already, not once more."""

TRACE_HEADER = "X-Amzn-Trace-Id"
_NO_BODY = (204, 304)


def check_name(recorder: Recorder) -> None:
    """Raise SegmentNameMissing, while the application is set up, if segments would have no name."""
    if recorder.enabled and recorder.service is None and recorder.naming is None:
        raise SegmentNameMissing(
            "The segments of this application have no name. Before the middleware, call "
            "xtrace.configure(service='my-service'), or set AWS_XRAY_TRACING_NAME."
        )


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
            get = environ.get
            segment = incoming_request(
                recorder,
                get("HTTP_X_AMZN_TRACE_ID"),
                get("HTTP_TRACEPARENT"),
                get("HTTP_HOST") or get("SERVER_NAME"),
                get("REQUEST_METHOD", ""),
                get("PATH_INFO", ""),
            )
            header = response_header(segment)
            if segment.sampled:
                _describe(segment, environ)
        except Exception as error:
            faults.report("wsgi", "A request isn't traced", error)
            return application(environ, start_response)
        environ[MARK] = segment
        serve = _serve if segment.sampled else _serve_unsampled
        return serve(
            application, environ, start_response, segment, (TRACE_HEADER, header), on_response
        )

    return traced_application


def _serve_unsampled(
    application: Application,
    environ: Environ,
    start_response: StartResponse,
    segment: Segment,
    header: tuple[str, str],
    on_response: OnResponse | None,
) -> Iterable[bytes]:
    """Nobody asks how long it takes: the segment is current, and that is all."""
    context = segment._current
    outside = context.get()
    context.set(segment)
    complete = False

    def with_header(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        nonlocal complete
        for name, _ in headers:
            if name == "Content-Length":
                complete = True
        return start_response(status, [*headers, header], *exc_info)

    try:
        body = application(environ, with_header)
    finally:
        context.set(outside)
    if complete or isinstance(body, (list, tuple)):
        return body
    return _Body(body, segment, lambda error, sent: None, None)


def _serve(
    application: Application,
    environ: Environ,
    start_response: StartResponse,
    segment: Segment,
    header: tuple[str, str],
    on_response: OnResponse | None,
) -> Iterable[bytes]:
    context = segment._current
    outside = context.get()
    status_code = 0
    length: int | None = None

    def with_header(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        nonlocal status_code, length
        try:
            status_code = int(status[:3])
            for name, value in headers:
                if len(name) == 14 and name.lower() == "content-length":
                    length = int(value)
            if on_response is not None:
                on_response(segment, environ)
        except Exception as error:
            faults.report("wsgi", "A response isn't described", error)
        return start_response(status, [*headers, header], *exc_info)

    def end(error: BaseException | None, sent: int | None) -> None:
        if segment.end_time is None:
            if status_code:
                try:
                    describe_response(segment, status_code, length if length is not None else sent)
                except Exception as fault:
                    faults.report("wsgi", "A response isn't described", fault)
            segment.__exit__(None, error, None)

    segment.__enter__()
    try:
        body = application(environ, with_header)
    except BaseException as error:
        status_code = status_code or 500
        end(error, None)
        context.set(outside)
        raise
    here = context.get()
    if environ.get("REQUEST_METHOD") == "HEAD" or status_code in _NO_BODY:
        length = 0
    if length == 0 or isinstance(body, (list, tuple)):
        end(None, None)
        context.set(outside)
        return body
    context.set(outside)
    wrapped = _Body(body, here, end, length)
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type) and isinstance(body, wrapper):
        # The server sends the file by itself, if it recognises it.
        try:
            body.close = wrapped.close  # type: ignore[attr-defined]
        except AttributeError:
            end(None, None)
        return body
    return wrapped


class _Body:
    """A response's body. The segment, or what the application left current, is current while the
    application produces a part; `end` is called with what stopped it, and the bytes that it had.
    """

    __slots__ = ("_body", "_context", "_end", "_ended", "_here", "_iterator", "_length", "_sent")

    def __init__(
        self,
        body: Iterable[bytes],
        here: Any,
        end: Callable[[BaseException | None, int | None], None],
        length: int | None,
    ) -> None:
        self._body = body
        self._here = here
        self._context = here.segment._current if here is not None else None
        self._end = end
        self._ended = False
        self._length = length
        self._iterator: Iterator[bytes] | None = None
        self._sent = 0

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        iterator = self._iterator
        if iterator is None:
            iterator = self._iterator = iter(self._body)
        context = self._context
        if self._ended or context is None:
            return next(iterator)
        outside = context.get()
        context.set(self._here)
        try:
            part = next(iterator)
            self._sent += len(part)
            if self._sent == self._length:
                self._finish(None)
            return part
        except StopIteration:
            self._finish(None)
            raise
        except BaseException as error:
            self._finish(error)
            raise
        finally:
            self._here = context.get()
            context.set(outside)

    def close(self) -> None:
        """Called by the server at the end, also when the client has gone."""
        close = getattr(self._body, "close", None)
        context = self._context
        if self._ended or context is None:
            if close is not None:
                close()
            return
        outside = context.get()
        context.set(self._here)
        try:
            if close is not None:
                close()
        except BaseException as error:
            self._finish(error)
            raise
        finally:
            self._finish(None)
            context.set(outside)

    def _finish(self, error: BaseException | None) -> None:
        if not self._ended:
            self._ended = True
            self._end(error, self._sent)


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
