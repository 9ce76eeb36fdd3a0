"""WSGI with no framework at all."""

from __future__ import annotations

import xtrace
from tests.integrations.servers.contract import GATE, wsgi_serving
from xtrace.integrations.wsgi import XRayMiddleware

LIBRARY = None
ENTRIES = "xtrace.integrations._wsgi"
TEMPLATE = None

serving = wsgi_serving
trace = XRayMiddleware


def application():
    def app(environ, start_response):
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        _, first, rest = (path + "/").split("/", 2)
        rest = rest.removesuffix("/")
        answer = {"plain": plain, "items": item, "echo": echo, "fails": fails, "busy": busy}
        answer |= {"unchanged": unchanged, "stream": stream, "gate": gate}
        status, body = answer.get(first, nowhere)(rest, environ)
        headers = []
        if isinstance(body, bytes):
            if status != "304 Not Modified":
                headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
            body = [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]
        start_response(status, headers)
        return body

    return app


def plain(rest, environ):
    return "200 OK", b"plain"


def item(rest, environ):
    if not rest.isdigit():
        return nowhere(rest, environ)
    with xtrace.in_subsegment("work"):
        return "200 OK", f"item {rest}".encode()


def echo(rest, environ):
    return "200 OK", f"{rest} {environ.get('HTTP_X_TEXT')}".encode()


def fails(rest, environ):
    raise ValueError("boom")


def busy(rest, environ):
    return "429 Too Many Requests", b"later"


def unchanged(rest, environ):
    return "304 Not Modified", b""


def nowhere(rest, environ):
    return "404 Not Found", b"nothing here"


def stream(rest, environ):
    def parts():
        for number in range(3):
            with xtrace.in_subsegment(f"part {number}"):
                yield b"%d" % number

    return "200 OK", parts()


def gate(rest, environ):
    def parts():
        yield b"here"
        GATE.arrive(rest)
        GATE.wait()
        with xtrace.in_subsegment(rest):
            yield b"there"

    return "200 OK", parts()
