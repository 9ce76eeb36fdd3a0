"""A stand-in for Lambda: its Runtime API, the sandbox with its freezes and its timeout, the daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.helpers import DEADLINE_SECONDS, Received, listening, port_of

ROOT = Path(__file__).parents[2]
API = "/2018-06-01/runtime"


@dataclass
class Invocation:
    """What a function is called with, and what became of it.

    header: of the trace, or None. seconds: the function's time. freeze: whether the sandbox stands
    still before this invocation. answer: what the handler returned; error: what it failed with.
    """

    event: Any
    header: str | None = None
    seconds: float = 30.0
    freeze: bool = False
    answer: Any = None
    error: dict[str, Any] | None = None
    timed_out: bool = False


@dataclass
class Sandbox:
    """A process of the public runtime client with a handler, and what it is asked and answers."""

    invocations: list[Invocation]
    process: subprocess.Popen[str] | None = None
    init_error: Any = None
    done: threading.Event = field(default_factory=threading.Event)
    _next: int = 0

    def next(self) -> Invocation | None:
        """The invocation that is due; None when all are done."""
        if self._next == len(self.invocations):
            self.done.set()
            return None
        invocation = self.invocations[self._next]
        self._next += 1
        if invocation.freeze:
            assert self.process is not None
            self.process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
            self.process.send_signal(signal.SIGCONT)
        return invocation

    def kill_at(self, invocation: Invocation) -> None:
        """What Lambda does when a function's time is over."""

        def strike() -> None:
            if invocation.answer is None and invocation.error is None:
                invocation.timed_out = True
                assert self.process is not None
                self.process.kill()
                self.done.set()

        timer = threading.Timer(invocation.seconds, strike)
        timer.daemon = True
        timer.start()


def _handler(sandbox: Sandbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # an answer is one write

        def do_GET(self) -> None:
            assert self.path == f"{API}/invocation/next"
            invocation = sandbox.next()
            if invocation is None:
                sandbox.done.wait()
                self.close_connection = True
                return
            headers = {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": str(sandbox._next - 1),
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + invocation.seconds) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:1:function:f",
            }
            if invocation.header is not None:
                headers["Lambda-Runtime-Trace-Id"] = invocation.header
            if invocation.seconds < 10:
                sandbox.kill_at(invocation)
            self.answer(200, json.dumps(invocation.event).encode(), headers)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
            parts = self.path.removeprefix(API).strip("/").split("/")
            if parts[0] == "init":
                sandbox.init_error = body
                sandbox.done.set()
            else:
                invocation = sandbox.invocations[int(parts[1])]
                if parts[2] == "error":
                    invocation.error = body
                else:
                    invocation.answer = body
            self.answer(202, b"{}", {})

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def run(
    handler: str, invocations: Iterable[Invocation], folder: Path, **environment: str
) -> tuple[Sandbox, list[dict[str, Any]], str]:
    """Have a function serve invocations, one after the other in one process.

    handler: "module.function", found from the root of the repository. folder: for files.
    Gives the sandbox, the documents that came in, and what the process has logged.
    """
    sandbox = Sandbox(list(invocations))
    log = folder / "log"
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(sandbox))
    server.daemon_threads = True
    with (
        listening() as daemon,
        Received(daemon) as received,
        server,
        log.open("w") as log_file,
    ):
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        sandbox.process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler],
            stdout=log_file,
            stderr=log_file,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": "f",
                "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{port_of(daemon)}",
                "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
                "LAMBDA_TASK_ROOT": str(ROOT),
                "TEST_FOLDER": str(folder),
                **environment,
            },
        )
        try:
            deadline = time.monotonic() + DEADLINE_SECONDS * 8
            while not sandbox.done.wait(0.05):
                assert sandbox.process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
        finally:
            sandbox.process.kill()
            sandbox.process.wait()
            sandbox.done.set()
            server.shutdown()
            serving.join()
    return sandbox, received.documents, log.read_text()
