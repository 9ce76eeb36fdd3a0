"""A real HTTP server on the loopback for the clients' tests: it does what a path says."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.marks import SECRET

DEADLINE_SECONDS = 10


class Server(ThreadingHTTPServer):
    """Keeps what it was asked; `go` lets requests go on that wait for it."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address=("127.0.0.1", 0), tls=None):
        super().__init__(address, Handler)
        self.scheme = "http"
        if tls is not None:
            self.scheme = "https"
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.seen = []
        self.times = Counter()
        self.go = threading.Event()

    @property
    def url(self):
        host = self.server_address[0]
        host = f"[{host}]" if ":" in host else host
        return f"{self.scheme}://{host}:{self.server_address[1]}"

    def headers(self, name="X-Amzn-Trace-Id"):
        """The values of a header, of each request."""
        return [headers.get_all(name, []) for _, _, headers in self.seen]

    @property
    def trace_headers(self):
        """The trace header of each request, which has exactly one."""
        return [one for (one,) in self.headers()]

    def handle_error(self, request, client_address):
        pass  # clients that hang up

    def server_bind(self):
        if ":" in self.server_address[0]:
            self.address_family = socket.AF_INET6
        super().server_bind()


class IPv6Server(Server):
    address_family = socket.AF_INET6


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.server.seen.append((self.command, self.path, self.headers))
        parts = urlsplit(self.path)
        name, *rest = unquote(parts.path).strip("/").split("/") or [""]
        query = {key: value for key, (value, *_) in parse_qs(parts.query).items()}
        getattr(self, f"do_{name}", self.do_status)(rest, query)

    do_GET = do_POST = do_HEAD = do_PUT = handle_any

    def answer(self, status, body=b"hello", **headers):
        body = b"" if status == 204 else body
        self.send_response(status)
        self.send_header("Set-Cookie", f"session={SECRET}")
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        if status != 204 and not {"Transfer_Encoding", "Content_Length"} & headers.keys():
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_status(self, rest, query):
        self.answer(int(rest[0]) if rest and rest[0].isdecimal() else 200)

    def do_redirect(self, rest, query):
        self.answer(302, Location=query.get("to", "/status/200"))

    def do_loop(self, rest, query):
        self.answer(302, Location="/loop")

    def do_flaky(self, rest, query):
        self.server.times[self.path] += 1
        self.answer(503 if self.server.times[self.path] <= int(rest[0]) else 200)

    def do_stream(self, rest, query):
        self.answer(200, b"5\r\nfirst\r\n", Transfer_Encoding="chunked")
        self.server.go.wait(DEADLINE_SECONDS)
        with contextlib.suppress(OSError):
            self.wfile.write(b"6\r\nsecond\r\n0\r\n\r\n")

    def do_wait(self, rest, query):
        self.server.go.wait(DEADLINE_SECONDS)
        with contextlib.suppress(OSError):
            self.answer(200)

    def do_hang_up(self, rest, query):
        self.close_connection = True

    def do_broken(self, rest, query):
        self.answer(200, b"hell", Content_Length="5")
        self.close_connection = True

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(server):
    """The server, running in a thread."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield server
    finally:
        server.go.set()
        server.shutdown()
        thread.join()
        server.server_close()
