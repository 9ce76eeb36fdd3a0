"""A service on the loopback that answers as it is told, and what it was asked; signatures."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlsplit

from tests.marks import SECRET

KEY = "AKIDEXAMPLE"


class Stub(ThreadingHTTPServer):
    """Answers each request with the next of `answers`, and the last of them for ever.

    An answer: (status, body as JSON or bytes), "reset", or "hang".
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = [(200, {})]
        self.seen = []
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def error(self, status, code):
        return status, {"__type": code, "message": "no"}

    def handle_error(self, request, client_address):
        pass  # clients that hang up


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Stub

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        server.seen.append((self.command, self.path, self.headers, body))
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        if answer == "hang":
            server.over.wait(10)
        if isinstance(answer, str):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" + bytes(4))
            self.close_connection = True
            self.connection.close()
            return
        status, content = answer
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        if "X-Amz-Target" in self.headers:
            self.send_header("x-amzn-RequestId", f"request-{len(server.seen)}")
        else:  # as S3 does
            self.send_header("x-amz-request-id", f"request-{len(server.seen)}")
            self.send_header("x-amz-id-2", "second id")
        if status != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any

    def log_message(self, *args):
        pass


def is_signed_right(seen):
    """Whether a request's signature is what its bytes give (AWS, "Signature Version 4")."""
    method, target, headers, body = seen
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(.+), SignedHeaders=(.+), Signature=(.+)",
        headers["Authorization"],
    )
    _, scope, names, signature = found.groups()
    url = urlsplit(target)
    query = "&".join(
        f"{quote(key, safe='-_.~')}={quote(value, safe='-_.~')}"
        for key, value in sorted(parse_qsl(url.query, keep_blank_values=True))
    )
    signed = "".join(f"{n}:{' '.join(headers[n].split())}\n" for n in names.split(";"))
    payload = headers.get("X-Amz-Content-SHA256") or hashlib.sha256(body).hexdigest()
    canonical = "\n".join((method, url.path, query, signed, names, payload))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{headers['X-Amz-Date']}\n{scope}\n{digest}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex() == signature
