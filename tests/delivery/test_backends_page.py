"""The commands of docs/backends.md do what it says: as they stand there, but for ports and hosts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.delivery.backend import answering, backend
from tests.delivery.signatures import KEY, SECRET, is_signed
from tests.helpers import eventually
from tests.servers.clickhouse import clickhouse_server
from tests.support.own_environment import ROOT
from xtrace import collector

PAGE = (ROOT / "docs" / "backends.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
APP = """
import xtrace
xtrace.configure(service="shop", sampling=False)
with xtrace.in_segment(), xtrace.in_subsegment("pay"):
    pass
"""
PROCESSED = answering(200, b'{"UnprocessedTraceSegments": []}')


def the_command(*words):
    """The one command of the page that has all of these words."""
    (found,) = (line for line in COMMANDS if all(word in line for word in words))
    return found


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with app.py, and an environment that has python, xtrace and an AWS account."""
    (tmp_path / "app.py").write_text(APP)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL", "XTRACE_EMITTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_XRAY_DAEMON_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)


def ran(command, **environment):
    done = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout + done.stderr


@contextmanager
def running(command, end=signal.SIGTERM):
    """The address that a command says it listens on, while it runs: on a port that is free."""
    process = subprocess.Popen(
        ["sh", "-c", f"exec {command}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:0"},
    )
    try:
        line = process.stdout.readline()
        found = re.match(r"Listening on udp \S+?:(\d+), http://\S+?:(\d+)", line)
        assert found is not None, line + process.communicate(timeout=20)[1]
        yield f"tcp:127.0.0.1:{found[2]} udp:127.0.0.1:{found[1]}"
    finally:
        process.send_signal(end)
        process.communicate(timeout=20)


def test_a_laptop_and_two_backends_at_once(home):
    """A collector, a program that sends there and elsewhere at once, and what compares the two."""
    at_once, compare = the_command("XTRACE_EMITTER=udp:,"), the_command("compare-backends")
    assert "xtrace collector" in COMMANDS
    with running("xtrace collector") as address, collector.running() as other:
        command = at_once.replace("localhost:4318", other.address)
        assert ran(command, AWS_XRAY_DAEMON_ADDRESS=address) == (0, "")
        eventually(lambda: other.received == 2)
        assert other.flush()
        tcp = address.split()[0].removeprefix("tcp:")
        command = compare.replace("127.0.0.1:2000", tcp)
        # The one in a process of its own stores at its own pace.
        eventually(lambda: ran(command, AWS_ENDPOINT_URL_XRAY=other.url)[0] == 0)
        _, said = ran(command, AWS_ENDPOINT_URL_XRAY=other.url)
    assert "2 entities are in both, and they are the same." in said


def test_an_opentelemetry_collector(home):
    with backend() as there:
        command = the_command("XTRACE_EMITTER=otlp+http:")
        assert ran(command.replace("4318", str(there.port))) == (0, "")
        assert {span.name for span in there.spans()} == {"shop", "pay"}


def test_x_ray_without_a_daemon(home):
    with backend(PROCESSED) as there:
        url = f"http://127.0.0.1:{there.port}"
        assert ran(the_command("XTRACE_EMITTER=xray:"), AWS_ENDPOINT_URL_XRAY=url) == (0, "")
        (request,) = there.requests
    (document,) = request.json()["TraceSegmentDocuments"]
    assert json.loads(document)["name"] == "shop"
    assert is_signed(request, "eu-west-1")


@pytest.mark.parametrize("words", [("xtrace daemon",), ("xtrace collector --forward",)])
def test_in_place_of_the_daemon_and_handing_on(home, monkeypatch, words):
    with backend(PROCESSED) as x_ray, backend() as otlp:
        monkeypatch.setenv("AWS_ENDPOINT_URL_XRAY", f"http://127.0.0.1:{x_ray.port}")
        command = the_command(*words).replace("0.0.0.0:2000", "127.0.0.1:0")
        with running(command.replace("otel:4318", f"127.0.0.1:{otlp.port}")) as address:
            assert ran("python app.py", AWS_XRAY_DAEMON_ADDRESS=address) == (0, "")
            eventually(lambda: [each for each in x_ray.requests if each.path == "/TraceSegments"])
            if "otlp" in command:
                eventually(lambda: len(otlp.spans()) == 2)
        put = next(each for each in x_ray.requests if each.path == "/TraceSegments")
    assert is_signed(put, "eu-west-1")


def test_several_collectors_on_one_clickhouse_and_one_is_killed(home, tmp_path):
    command = the_command("--db clickhouse:")
    with clickhouse_server(tmp_path / "clickhouse") as server:
        database = f"{server}/page_{os.getpid()}"
        command = command.replace("clickhouse://user:password@clickhouse:8123/traces", database)
        assert database in command
        with running(command) as one, running(command, signal.SIGKILL) as other:
            for address in (one, other, other):
                assert ran("python app.py", AWS_XRAY_DAEMON_ADDRESS=address) == (0, "")
            tcp = other.split()[0].removeprefix("tcp:")
            # What it has counted as stored, the other has, and the commands; whatever becomes of it.
            eventually(lambda: stored(tcp) == 2)
            eventually(lambda: stored(one.split()[0].removeprefix("tcp:")) == 1)
        with running(command) as third:
            tcp = third.split()[0].removeprefix("tcp:")
            found = ran(f"xtrace find --ids --address {tcp}")
            shown = ran(f"xtrace find --ids --db {database}")
    assert len(found[1].split()) == 3
    assert found == shown


def stored(tcp):
    with urlopen(f"http://{tcp}/api/v1/stats") as answer:
        return json.load(answer)["stored"]
