"""The servers that fork: whatever the kind of worker, each request is traced once, in the worker that
served it, nothing is lost when the server stops, and each worker takes part in central sampling.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers import (
    DEADLINE_SECONDS,
    Received,
    entities_in,
    eventually,
    free_port,
    listening,
    parents_in,
)
from tests.sampling.daemon import Daemon, answering, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).parent / "served"
BIN = Path(sys.executable).parent
WORKERS = 2
REQUESTS = 40

GUNICORN = [
    BIN / "gunicorn",
    "--bind=127.0.0.1:{port}",
    f"--workers={WORKERS}",
    "--no-control-socket",
]
UVICORN = [BIN / "uvicorn", "--host=127.0.0.1", "--port={port}", f"--workers={WORKERS}"]
UWSGI = [
    BIN / "uwsgi",
    "--http-socket=127.0.0.1:{port}",
    "--module=flask_app",
    "--master",
    f"--processes={WORKERS}",
    "--need-app",
    # As gunicorn takes it: finish what is begun.
    "--hook-master-start=unix_signal:15 gracefully_kill_them_all",
]
FLASK, STARLETTE = "flask_app:application", "starlette_app:application"
SERVERS: dict[str, list[Any]] = {
    "gunicorn sync": [*GUNICORN, FLASK],
    "gunicorn sync, preload": [*GUNICORN, "--preload", FLASK],
    "gunicorn gthread": [*GUNICORN, "-k=gthread", "--threads=4", FLASK],
    "gunicorn gthread, preload": [*GUNICORN, "-k=gthread", "--threads=4", "--preload", FLASK],
    "gunicorn gevent": [*GUNICORN, "-k=gevent", FLASK],
    "gunicorn gevent, preload": [*GUNICORN, "-k=gevent", "--preload", FLASK],
    "gunicorn uvicorn": [*GUNICORN, "-k=uvicorn.workers.UvicornWorker", STARLETTE],
    "gunicorn uvicorn, preload": [
        *GUNICORN,
        "-k=uvicorn.workers.UvicornWorker",
        "--preload",
        STARLETTE,
    ],
    "gunicorn asgi": [*GUNICORN, "-k=asgi", STARLETTE],
    "uvicorn": [*UVICORN, STARLETTE],
    "uwsgi": [*UWSGI, "--enable-threads"],
    "uwsgi, threads": [*UWSGI, "--enable-threads", "--threads=2"],
    "uwsgi, lazy": [*UWSGI, "--enable-threads", "--lazy-apps"],
}

FORKS_AFTER_IMPORT = (
    *(name for name in SERVERS if "preload" in name),
    "uwsgi",
    "uwsgi, threads",
)


class Served:
    """A server that runs."""

    def __init__(self, command: list[Any], port: int, begun: Path, output: Path, **environ: str):
        self.port = port
        self.begun = begun
        self.output = output
        with output.open("wb") as log:
            self.process = subprocess.Popen(
                [str(each).format(port=port) for each in command],
                cwd=APPS,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    **os.environ,
                    "PYTHONPATH": f"{APPS}{os.pathsep}{ROOT}",
                    "BEGUN": str(begun),
                    **environ,
                },
            )

    def get(self, number: str) -> str:
        """The answer to a request."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        try:
            connection.request("GET", f"/{number}", headers={"Connection": "close"})
            response = connection.getresponse()
            text = response.read().decode()
            assert response.status == 200, text + self.output.read_text()
            return text
        finally:
            connection.close()

    def answers(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        """As an operator or orchestrator does it; then nobody is left."""
        self.process.terminate()
        (self.begun / "stopping").touch()
        assert self.process.wait(DEADLINE_SECONDS) in (0, -signal.SIGTERM), self.output.read_text()
        eventually(self.is_gone)

    def is_gone(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def kill(self) -> None:
        if not self.is_gone():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def serving(command: list[Any], tmp_path: Path, **environ: str) -> Iterator[Served]:
    begun = tmp_path / "begun"
    begun.mkdir()
    served = Served(command, free_port(), begun, tmp_path / "output", **environ)
    try:
        eventually(served.answers)
        yield served
    finally:
        served.kill()


def drive(served: Served, daemon: Daemon) -> dict[str, str]:
    """Send requests until each worker has served some and reported; gives who served which."""
    answers: dict[str, str] = {}
    deadline = time.monotonic() + DEADLINE_SECONDS

    def request(number: str) -> None:
        answers[number] = served.get(number)

    with ThreadPoolExecutor(4) as clients:
        while (
            len(answers) < REQUESTS
            or len(set(answers.values())) < WORKERS
            or len({each["ClientID"] for each in daemon.reports()}) < WORKERS
        ):
            assert time.monotonic() < deadline, (
                answers,
                daemon.reports(),
                served.output.read_text(),
            )
            first = len(answers)
            list(clients.map(request, (str(first + each) for each in range(8))))
        slow = [clients.submit(request, f"slow{each}") for each in range(WORKERS)]
        eventually(lambda: len(list(served.begun.iterdir())) == WORKERS)
        served.stop()
        for each in slow:
            each.result()
    return answers


@pytest.mark.parametrize("server", SERVERS)
def test_each_request_is_traced_once_in_the_worker_that_served_it(server, tmp_path):
    with answering() as daemon, listening() as udp, Received(udp) as received:
        daemon.rules = [rule("everything", FixedRate=1.0)]
        addresses = f"tcp:{daemon.address} udp:127.0.0.1:{udp.getsockname()[1]}"
        with serving(SERVERS[server], tmp_path, AWS_XRAY_DAEMON_ADDRESS=addresses) as served:
            answers = drive(served, daemon)
    at_import = [d for d in received.documents if d["name"] == "at import"]
    assert len(at_import) == (1 if server in FORKS_AFTER_IMPORT else WORKERS)
    segments = [d for d in received.documents if d["name"] == "served"]
    check_requests(answers, segments)
    parents_in(received.documents)  # no id twice
    assert len({d["trace_id"] for d in segments}) == len(segments)
    check_sampling(answers, segments, at_import, daemon)
    left_open = [d for d in entities_in(received.documents) if d["name"] == "left open"]
    assert [d.get("in_progress") for d in left_open] == [True] * WORKERS


def check_requests(answers: dict[str, str], segments: list[dict[str, Any]]) -> None:
    """Each has its segment, complete and from the worker that served it."""
    served_by = [(d["annotations"]["number"], str(d["annotations"]["process"])) for d in segments]
    assert sorted(served_by) == sorted(answers.items())
    for segment in segments:
        (work,) = (each for each in segment["subsegments"] if each["name"] == "work")
        assert sorted(each["name"] for each in work["subsegments"]) == ["pool", "thread"]
        assert segment["http"]["response"]["status"] == 200


def check_sampling(
    answers: dict[str, str],
    segments: list[dict[str, Any]],
    at_import: list[dict[str, Any]],
    daemon: Daemon,
) -> None:
    """Each worker decides by the daemon's rules and reports as a client of its own."""
    clients = {(d["annotations"]["process"], d["annotations"]["client_id"]) for d in segments}
    assert len(clients) == len({pid for pid, _ in clients}) == len({c for _, c in clients})
    assert len(clients) == WORKERS == len(set(answers.values()))
    reported: dict[str, int] = {}
    for each in daemon.reports():
        assert each["RuleName"] == "everything"
        reported[each["ClientID"]] = reported.get(each["ClientID"], 0) + each["RequestCount"]
    for _, client in clients:
        by_rule = [
            d
            for d in segments + at_import
            if d["annotations"]["client_id"] == client
            and d["aws"]["xray"].get("sampling_rule_name") == "everything"
        ]
        assert 0 < reported[client] <= len(by_rule)
