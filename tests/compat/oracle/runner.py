"""Run all programs, on the official SDK or on the layer, and print what they did as JSON.

    python runner.py official|layer FOLDER

FOLDER: an empty one, which is the current one of the programs.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

HERE = Path(__file__).parent


class Kept:
    """An emitter that keeps what it is given, as it would be sent."""

    def __init__(self):
        self.sent = []

    def send_entity(self, entity):
        self.sent.append(json.loads(entity.serialize()))

    def set_daemon_address(self, address):
        pass


class Lines(logging.Handler):
    """What is logged: the logger and the level; words are free."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append([record.name, record.levelname])


class Answers(BaseHTTPRequestHandler):
    """Answers by the path: /status/404, /redirect, /close, /dynamodb."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        path = self.path.partition("?")[0]
        if path == "/close":
            self.close_connection = True
            self.connection.close()
            return
        status = int(path.rpartition("/")[2]) if path.startswith("/status/") else 200
        headers = {}
        if path == "/redirect":
            status, headers = 302, {"Location": "/status/200"}
        target = self.headers.get("X-Amz-Target")
        body = json.dumps({"seen": self.headers.get("X-Amzn-Trace-Id")})
        if target:
            body = json.dumps({"TableNames": ["t1", "t2"]})
            headers["x-amzn-RequestId"] = "R1"
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_PUT = do_HEAD = do_GET

    def log_message(self, *args):
        pass


class Run:
    """What a program has: the recorder, its emitter, and a place for what it sees."""

    def __init__(self, url, folder):
        from aws_xray_sdk.core import xray_recorder

        self.recorder = xray_recorder
        self.emitter = Kept()
        self.url = url
        self.folder = folder
        self.noted = []
        self.lines = Lines()
        logging.getLogger("aws_xray_sdk").addHandler(self.lines)
        xray_recorder.configure(service="oracle", sampling=False, emitter=self.emitter)

    def note(self, *values):
        """Keep what the program sees, as text unless JSON has it."""
        for value in values:
            try:
                self.noted.append(json.loads(json.dumps(value)))
            except TypeError:
                self.noted.append(repr(value))

    def attempt(self, function, *args, **kwargs):
        """Note what a call gives, or the class of what it raises."""
        try:
            self.note(function(*args, **kwargs))
        except Exception as error:
            self.note(f"raised {type(error).__name__}")


def run_one(function, url, folder):
    """Run a program in a child process; gives what it did."""
    with tempfile.TemporaryFile("w+") as told:
        child = os.fork()
        if child == 0:
            try:
                run = Run(url, folder)
                failure = None
                try:
                    function(run)
                except Exception:
                    failure = traceback.format_exc()
                done = {
                    "sent": run.emitter.sent,
                    "noted": run.noted,
                    "logged": run.lines.lines,
                    "failed": failure,
                }
                told.write(json.dumps(done, default=str))
                told.flush()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        told.seek(0)
        text = told.read()
    return json.loads(text) if text else {"failed": "the process has died"}


def main():
    side, folder = sys.argv[1:]
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")
    os.environ.update(
        AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="s", AWS_EC2_METADATA_DISABLED="true"
    )
    logging.getLogger("aws_xray_sdk").setLevel(logging.WARNING)
    logging.getLogger("aws_xray_sdk").propagate = False
    if side == "layer":
        from xtrace.compat import aws_xray_sdk

        aws_xray_sdk.install()
    import aws_xray_sdk.core

    is_layer = "xtrace/compat/" in aws_xray_sdk.core.__file__
    assert is_layer == (side == "layer"), aws_xray_sdk.core.__file__
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.path.insert(0, str(HERE))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    results = {}
    for file in sorted(HERE.glob("programs_*.py")):
        module = __import__(file.stem)
        for name, function in list(vars(module).items()):
            is_here = callable(function) and getattr(function, "__module__", "") == file.stem
            if is_here and not name.startswith("_"):
                program = f"{file.stem.partition('_')[2]}.{name}"
                results[program] = run_one(function, url, folder)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
