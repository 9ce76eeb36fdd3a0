"""Runs a Lambda function on this machine, as Lambda does, and draws its trace.

    python examples/lambda_local.py                    lambda_handler.handler, beside this file
    python examples/lambda_local.py shop.handler '{"items": ["tea"]}'

The function runs under AWS's own runtime client (pip install awslambdaric); stood in for are the
Runtime API, which hands it the event, the two segments that Lambda sends itself, and the daemon.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from xtrace import ids
from xtrace.collector import running
from xtrace.waterfall import draw

HERE = Path(__file__).parent
NAME = "till"
SECONDS = 30
EVENT = {"items": ["tea", "cake"]}


class RuntimeApi(ThreadingHTTPServer):
    """Hands out one event, with the header of its trace, and keeps what the function answers."""

    daemon_threads = True

    def __init__(self, event: object, header: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.event = json.dumps(event).encode()
        self.header = header
        self.is_given = False
        self.answer: object = None
        self.failed = False
        self.done = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """The three paths of the Runtime API that a function needs."""

    protocol_version = "HTTP/1.1"
    server: RuntimeApi

    def do_GET(self) -> None:
        if self.server.is_given:
            self.server.done.wait(SECONDS)  # there is no second event
            self.close_connection = True
            return
        self.server.is_given = True
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + SECONDS) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", f"arn:aws:lambda:::function:{NAME}")
        self.send_header("Lambda-Runtime-Trace-Id", self.server.header)
        self.send_header("Content-Length", str(len(self.server.event)))
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self) -> None:
        self.server.answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.failed = self.path.endswith("/error")
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.done.set()

    def log_message(self, *arguments: object) -> None:
        pass


def segments_of_lambda(trace_id: str, id: str, start: float, end: float) -> list[dict]:
    """What Lambda sends by itself: a segment of the service, and below it one of the function."""
    times = {"trace_id": trace_id, "name": NAME, "start_time": start, "end_time": end}
    service = {**times, "id": ids.segment_id(), "origin": "AWS::Lambda"}
    return [
        service,
        {**times, "id": id, "parent_id": service["id"], "origin": "AWS::Lambda::Function"},
    ]


def main(handler: str = "lambda_handler.handler", event: str = "") -> int:
    """Run the function once; gives the exit status."""
    trace_id, function = ids.trace_id(), ids.segment_id()
    api = RuntimeApi(
        json.loads(event) if event else EVENT, f"Root={trace_id};Parent={function};Sampled=1"
    )
    with api, running() as collector:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        start = time.time()
        sandbox = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler],
            cwd=HERE,
            stdout=sys.stderr,  # what the function prints and logs
            env={
                **os.environ,
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": NAME,
                "AWS_XRAY_DAEMON_ADDRESS": collector.address,
                "LAMBDA_TASK_ROOT": str(HERE),
            },
        )
        try:
            while not api.done.wait(0.05):
                if sandbox.poll() is not None or time.time() > start + SECONDS:
                    print(f"{handler} has ended without an answer", file=sys.stderr)
                    return 1
        finally:
            sandbox.kill()
            sandbox.wait()
            api.shutdown()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
            for segment in segments_of_lambda(trace_id, function, start, time.time()):
                datagram = b'{"format": "json", "version": 1}\n' + json.dumps(segment).encode()
                daemon.sendto(datagram, collector.endpoint)
        collector.flush()
        (trace,) = collector.store.traces([trace_id])
    print(json.dumps(api.answer))
    print(draw([part.document for part in trace.parts if not part.inferred]))
    return int(api.failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
