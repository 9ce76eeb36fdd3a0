"""A daemon of the tests' own: hands out rules and targets over HTTP on the loopback."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RULES = "/GetSamplingRules"
TARGETS = "/SamplingTargets"


def rule(name: str = "Default", **members: Any) -> dict[str, Any]:
    """A rule as the API gives it, for any request unless `members` say otherwise."""
    return {
        "RuleName": name,
        "RuleARN": f"arn:aws:xray:eu-west-1:123456789012:sampling-rule/{name}",
        "ResourceARN": "*",
        "Priority": 10_000 if name == "Default" else 100,
        "FixedRate": 0.0,
        "ReservoirSize": 0,
        "ServiceName": "*",
        "ServiceType": "*",
        "Host": "*",
        "HTTPMethod": "*",
        "URLPath": "*",
        "Version": 1,
        "Attributes": {},
        **members,
    }


def records(*rules: Any) -> list[dict[str, Any]]:
    return [{"SamplingRule": each, "CreatedAt": 0.0, "ModifiedAt": 0.0} for each in rules]


class Daemon:
    """Answers as it is told.

    rules: of the next answers. targets: from a report to the targets; modified: when it says that
    the rules changed. answers: by path, what is answered in place of all that: bytes (a body),
    an int (a status) or a function of the handler.
    asked: what was posted, path and body.
    """

    def __init__(self) -> None:
        self.rules: list[Any] = [rule(FixedRate=0.05, ReservoirSize=1)]
        self.targets: Callable[[dict[str, Any]], list[Any]] = lambda report: []
        self.modified: Any = 0
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.address = ""

    def reports(self) -> list[dict[str, Any]]:
        """The statistics that were reported, one after the other."""
        return [
            document
            for path, body in self.asked
            if path == TARGETS
            for document in body["SamplingStatisticsDocuments"]
        ]

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == RULES:
            return {"SamplingRuleRecords": records(*self.rules)}
        return {
            "SamplingTargetDocuments": self.targets(body),
            "LastRuleModification": self.modified,
            "UnprocessedStatistics": [],
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        daemon = self.server.daemon
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        daemon.asked.append((self.path, body))
        daemon.headers.append(dict(self.headers))
        instead = daemon.answers.get(self.path)
        if callable(instead):
            instead(self)
            self.close_connection = True
        elif isinstance(instead, int):
            self.give(b"no", instead)
        elif isinstance(instead, bytes):
            self.give(instead)
        else:
            self.give(json.dumps(daemon.answer(self.path, body)).encode())

    def give(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    daemon: Daemon

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that went away is what some tests are about


@contextmanager
def answering() -> Iterator[Daemon]:
    """A daemon that runs inside the block."""
    daemon = Daemon()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.daemon = daemon
        daemon.address = f"127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield daemon
        finally:
            server.shutdown()
            thread.join()


def trickle(handler: _Handler) -> None:
    """A byte now and then, without end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.02)


def half(handler: _Handler) -> None:
    """Less than was promised."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"SamplingRuleRecords": []}')


def endless(handler: _Handler) -> None:
    """More than anybody wants."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65_536)


def no_http(handler: _Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9\r\n")
