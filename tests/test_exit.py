"""A program that ends: what is open is sent, and nobody waits for a dead backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.delivery.backend import backend, dripping, silent
from tests.helpers import free_port

ROOT = Path(__file__).parents[1]
EXIT_SECONDS = 1.0


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def test_what_is_open_at_the_end_is_sent_in_progress(tmp_path):
    code = """
import xtrace
xtrace.configure(service="test", sampling=False, emitter="file:traces.jsonl")
xtrace.begin_segment("open")
xtrace.begin_subsegment("open too")
with xtrace.in_subsegment("done"):
    pass
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    documents = [json.loads(line) for line in (tmp_path / "traces.jsonl").read_text().splitlines()]
    assert {d["name"] for d in documents} == {"open", "open too", "done"}
    assert sum(d.get("in_progress", False) for d in documents) == 2


RESOLVER_HANGS = """
import os, socket, threading, time
real = socket.getaddrinfo
def getaddrinfo(*args, **kwargs):
    if not kwargs.get("flags"):  # else an address, not a name
        threading.Event().wait()
    return real(*args, **kwargs)
socket.getaddrinfo = getaddrinfo
import atexit, xtrace
began = []
atexit.register(lambda: print(time.monotonic() - began[0]))
xtrace.configure(service="test", sampling=False, emitter=os.environ["EMITTER"])
before = time.monotonic()
for _ in range(int(os.environ["SEGMENTS"])):
    with xtrace.in_segment():
        pass
xtrace.begin_segment("still open")
print(time.monotonic() - before)
began.append(time.monotonic())
"""


@pytest.mark.parametrize("segments", ["100", "0"])
@pytest.mark.parametrize(
    "emitter", ["udp://somewhere.invalid:2000", "otlp+http://somewhere.invalid:4318"]
)
def test_a_name_that_is_never_resolved_delays_neither_requests_nor_the_exit(emitter, segments):
    before = time.monotonic()
    done = run(RESOLVER_HANGS, EMITTER=emitter, SEGMENTS=segments)
    assert done.returncode == 0, done.stderr
    requests, exit = map(float, done.stdout.split())
    assert requests < 0.5
    assert exit < EXIT_SECONDS + 0.5
    assert time.monotonic() - before < 30


@pytest.mark.parametrize("emitter", ["udp://127.0.0.1:9", "udp://[::1]:9", "file:/nowhere/x.jsonl"])
def test_a_dead_backend_changes_no_result_and_one_line_says_so(emitter):
    code = f"""
import xtrace
xtrace.configure(service="test", sampling=False, emitter={emitter!r})
for number in range(200):
    with xtrace.in_segment():
        pass
xtrace.flush()
stats = xtrace.stats()
assert stats.recorded == 200 == stats.sent + sum(stats.dropped.values()), stats
print(stats)
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) <= 1
    assert "sent 200" not in done.stdout


ENDING = """
import atexit, sys, time
began = []
atexit.register(lambda: print(time.monotonic() - began[0]))
import xtrace
xtrace.configure(service="test", sampling=False, emitter=sys.argv[1:])
for number in range(100):
    with xtrace.in_segment():
        pass
xtrace.begin_segment("still open")
began.append(time.monotonic())
"""


@pytest.mark.parametrize(
    "scheme",
    [
        "otlp+http",
        pytest.param(
            "xray",
            marks=pytest.mark.skipif(
                find_spec("botocore") is None,
                reason="botocore is not where the core is tested alone",
            ),
        ),
    ],
)
def test_dead_backends_of_every_kind_share_one_wait_at_the_exit(scheme):
    with backend(silent) as hole, backend(dripping(1.0)) as slow:
        places = [f"127.0.0.1:{port}" for port in (hole.port, slow.port, free_port())]
        # Each kind of them alone, and all together, of which none may wait for its turn.
        programs = [[place] for place in places] + [places * 3]
        running = []
        for these in programs if scheme == "otlp+http" else programs[:3]:
            urls = [f"{scheme}://{'eu-west-1' if scheme == 'xray' else each}" for each in these]
            environment = {
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "AWS_ENDPOINT_URL_XRAY": f"http://{these[0]}",
                "AWS_ACCESS_KEY_ID": "a",
                "AWS_SECRET_ACCESS_KEY": "b",
            }
            program = [sys.executable, "-c", ENDING, *urls]
            running.append(
                subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment)
            )
        for process in running:
            said, _ = process.communicate(timeout=60)
            assert process.returncode == 0
            # Less than a second is the aim (tests/bench_backends); six waits after each other are 4.
            assert float(said) < 3.0


def test_an_exception_ends_the_program_as_it_would_without_us():
    code = """
import xtrace
xtrace.configure(service="test", sampling=False, emitter="memory:")
with xtrace.in_segment(), xtrace.in_subsegment("x"):
    raise SystemExit(7)
"""
    assert run(code).returncode == 7
