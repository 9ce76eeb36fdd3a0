"""What a web framework's integration has to keep, and what the tests need to know of a framework.

A framework is one file in apps/ and one entry in FRAMEWORKS. The file has

application()      -> a new application with the routes below, not traced
trace(application) -> what to serve instead: the same, traced by its middleware
serving(application)  a context manager: a real server on the loopback; gives its port
LIBRARY               the name for xtrace.patch(), or None
ENTRIES               the module of ours that a request comes to first
TEMPLATE              the route of /items/7 as the framework writes it

and these routes, each answering GET:

/plain        "plain"
/items/7      "item 7", made in a subsegment "work"; what isn't a number is a 404
/echo/TEXT    the text, and the header X-Text as the framework reads it
/fails        raises ValueError("boom")
/busy         429
/unchanged    304
/stream       "0", "1", "2", each part made in a subsegment "part N"
/gate/NAME    "here", waits for GATE, then "there", in parts
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from tests.marks import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

library = pytest.mark.library

FRAMEWORKS = {
    "aiohttp": library("aiohttp", "async"),
    "asgi": (),
    "bottle": library("bottle", "sync"),
    "django_asgi": library("Django", "async"),
    "django_wsgi": library("Django", "sync"),
    "fastapi": library("fastapi", "async"),
    "flask": library("Flask", "sync"),
    "litestar": library("litestar", "async"),
    "pyramid": library("pyramid", "sync"),
    "quart": library("Quart", "async"),
    "starlette": library("starlette", "async"),
    "wsgi": (),
}
"""By the name of their file, what distribution their tests are about, and in which mode."""

SECONDS = 15.0


def framework(name: str) -> Any:
    """The file of a framework."""
    return import_module(f"tests.integrations.servers.apps.{name}")


class Gate:
    """Requests wait here until the test lets them go on."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self._is_open = threading.Event()

    def arrive(self, name: str) -> None:
        """Called by a request that is at the gate."""
        self.arrived.append(name)

    @property
    def is_open(self) -> bool:
        """Whether requests may go on; for those that can't block."""
        return self._is_open.is_set()

    def wait(self) -> None:
        """Block until the gate opens."""
        assert self._is_open.wait(SECONDS)

    def open(self) -> None:
        """Let all requests go on, now and later."""
        self._is_open.set()

    def close(self) -> None:
        """Stop requests from now on."""
        self.arrived.clear()
        self._is_open.clear()


GATE = Gate()

# -- servers -----------------------------------------------------------------------------------


@contextmanager
def uvicorn_serving(application: Any, **config: Any) -> Iterator[int]:
    """Serve an ASGI application."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            log_level=60,
            ws="wsproto",
            timeout_graceful_shutdown=5,
            h11_max_incomplete_event_size=2**20,  # else it depends on how a large header arrives
            **config,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def wsgi_serving(application: Any) -> Iterator[int]:
    """Serve a WSGI application with the standard library's server, a thread for each request."""
    from socketserver import ThreadingMixIn
    from wsgiref import simple_server

    class Server(ThreadingMixIn, simple_server.WSGIServer):
        daemon_threads = True

    class Handler(simple_server.WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def get_stderr(self) -> Any:
            return io.StringIO()

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                pass

    with simple_server.make_server("127.0.0.1", 0, application, Server, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


# -- clients -----------------------------------------------------------------------------------

# With each request, and in no document.
CREDENTIALS = {"Authorization": f"Bearer {SECRET}", "Cookie": f"session={SECRET}"}

# What differs from one response to the next.
_VARYING = {"date", "x-amzn-trace-id"}


@dataclass
class Answer:
    """A response as it came over the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def trace_header(self) -> str | None:
        """The one X-Amzn-Trace-Id, if there is one."""
        found = [value for name, value in self.headers if name.lower() == "x-amzn-trace-id"]
        assert len(found) <= 1
        return found[0] if found else None

    @property
    def constant(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Everything that must not depend on tracing."""
        headers = [(n.lower(), v) for n, v in self.headers if n.lower() not in _VARYING]
        return self.status, sorted(headers), self.body


def ask(port: int, path: str, headers: dict[str, Any] | None = None, method: str = "GET") -> Answer:
    """Make a request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request(
            method, path, headers={**CREDENTIALS, "Host": "shop.test", **(headers or {})}
        )
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def ask_raw(port: int, request: bytes) -> Answer | None:
    """Send these bytes; None if the server closes the connection without an answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        try:
            connection.sendall(request)
        except ConnectionError:  # refused before its end
            pass
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            return Answer(response.status, response.getheaders(), response.read())
        except (http.client.HTTPException, ConnectionError):
            return None
        finally:
            response.close()


@contextmanager
def begun(port: int, path: str) -> Iterator[Callable[[], bytes]]:
    """A request whose answer has begun; gives a function that reads the rest of the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.read(4) == b"here"
        yield response.read
    finally:
        connection.close()
