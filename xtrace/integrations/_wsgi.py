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
    Application: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
    # Called when the response starts, with the segment and the environ, to add what the
    # framework knows: the route, for one.
    OnResponse: TypeAlias = Callable[[Segment, Environ], None]

MARK = "xtrace.segment"
"""Key of the environ that holds the request's segment: it is traced already, not once more."""


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
    """The application with each request in a segment; requests and responses stay as they are, but
    for the response's trace header.
    """

    def traced_application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not recorder.enabled or MARK in environ:
            return application(environ, start_response)
        try:
            request = _Request(recorder, environ, start_response, on_response)
        except Exception as error:
            faults.report("wsgi", "A request isn't traced", error)
            return application(environ, start_response)
        try:
            body = application(environ, request.start_response)
        except BaseException as error:
            request.failed(error)
            raise
        return request.body(body)

    return traced_application


class _Request:
    """One request on its way through the application."""

    __slots__ = (
        "_context",
        "_environ",
        "_length",
        "_on_response",
        "_outside",
        "_segment",
        "_start_response",
        "_status",
    )

    def __init__(
        self,
        recorder: Recorder,
        environ: Environ,
        start_response: Callable[..., Any],
        on_response: OnResponse | None,
    ) -> None:
        get = environ.get
        self._segment = segment = incoming_request(
            recorder,
            get("HTTP_X_AMZN_TRACE_ID"),
            get("HTTP_TRACEPARENT"),
            get("HTTP_HOST") or get("SERVER_NAME"),
            get("REQUEST_METHOD", ""),
            get("PATH_INFO", ""),
        )
        self._environ = environ
        self._start_response = start_response
        self._on_response = on_response
        self._status = 0
        self._length: str | None = None
        self._context = context = recorder.context
        self._outside = context.get()
        if segment.sampled:
            describe_request(
                segment,
                get("REQUEST_METHOD", ""),
                _url(environ),
                get("HTTP_USER_AGENT"),
                get("REMOTE_ADDR"),
                get("HTTP_X_FORWARDED_FOR"),
            )
        environ[MARK] = segment
        segment.__enter__()

    def start_response(self, status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        """What the application calls in place of the server's function."""
        with_ours = headers
        with faults.absorb("wsgi"):
            self._status = int(status[:3])
            for name, value in headers:
                if name.lower() == "content-length":
                    self._length = value
            with_ours = [*headers, ("X-Amzn-Trace-Id", response_header(self._segment))]
            if self._on_response is not None and self._segment.sampled:
                self._on_response(self._segment, self._environ)
        return self._start_response(status, with_ours, *exc_info)

    def failed(self, error: BaseException) -> None:
        """The application raised."""
        self._status = self._status or 500
        self.end(error)
        self._context.set(self._outside)

    def body(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """The body for the server; with its last byte, the segment ends."""
        length = self._known_length()
        if (
            isinstance(body, (list, tuple))  # ready as a whole
            or length == 0
            or (length is not None and not self._segment.sampled)  # nobody asks how long it takes
        ):
            self.end()
            self._context.set(self._outside)
            return body
        wrapped = _Body(body, self, self._context, length)
        self._context.set(self._outside)
        file_wrapper = self._environ.get("wsgi.file_wrapper")
        if isinstance(file_wrapper, type) and isinstance(body, file_wrapper):
            # The server sends the file by itself, if it recognises it.
            try:
                body.close = wrapped.close  # type: ignore[attr-defined]
            except AttributeError:
                self.end()
            return body
        return wrapped

    def _known_length(self) -> int | None:
        """How many bytes the body will have, as far as that is known."""
        if self._environ.get("REQUEST_METHOD") == "HEAD" or self._status in (204, 304):
            return 0
        try:
            return int(self._length) if self._length is not None else None
        except ValueError:
            return None

    def end(self, error: BaseException | None = None, sent: int | None = None) -> None:
        """End the segment. sent: bytes of the body, where no header told."""
        segment = self._segment
        if segment.sampled and segment.end_time is None:
            with faults.absorb("wsgi"):
                if self._status:
                    length = self._length if self._length is not None else sent
                    describe_response(segment, self._status, length)
                if error is not None:
                    segment._stopped_by(error)
        segment.close()


class _Body:
    """A response's body. The segment, or what the application left current, is current while the
    application produces a part.
    """

    __slots__ = ("_body", "_context", "_here", "_iterator", "_length", "_request", "_sent")

    def __init__(
        self, body: Iterable[bytes], request: _Request, context: Any, length: int | None
    ) -> None:
        self._body = body
        self._length = length
        self._request = request
        self._context = context
        self._here = context.get()
        self._iterator: Iterator[bytes] | None = None
        self._sent = 0

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        context = self._context
        outside = context.get()
        context.set(self._here)
        try:
            if self._iterator is None:
                self._iterator = iter(self._body)
            part = next(self._iterator)
            self._sent += len(part)
            if self._sent == self._length:
                self._request.end()
            return part
        except StopIteration:
            self._request.end(sent=self._sent)
            raise
        except BaseException as error:
            self._request.end(error)
            raise
        finally:
            self._here = context.get()
            context.set(outside)

    def close(self) -> None:
        """Called by the server at the end, also when the client has gone."""
        context = self._context
        outside = context.get()
        context.set(self._here)
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self._request.end(error)
            raise
        finally:
            self._request.end(sent=self._sent)
            context.set(outside)


def _url(environ: Environ) -> str:
    """The URL that was asked for, without its query, from what PEP 3333 says of it."""
    host = environ.get("HTTP_HOST")
    if not host:
        host = environ.get("SERVER_NAME", "")
        port = environ.get("SERVER_PORT")
        if port and port not in ("80", "443"):
            host = f"{host}:{port}"
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    if not path.isascii():
        path = path.encode("latin-1", "replace").decode("utf-8", "replace")
    query = environ.get("QUERY_STRING")
    url = f"{environ.get('wsgi.url_scheme', 'http')}://{host}{path}"
    return f"{url}?{query}" if query else url
