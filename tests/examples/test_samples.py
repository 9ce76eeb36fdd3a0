"""The small samples: signup in one file, a Lambda function on this machine, where the time goes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import xtrace
from tests.helpers import eventually
from xtrace.collector import running

ROOT = Path(__file__).parents[2]


@contextmanager
def started(*words, **environment):
    """A program, and what it has printed so far."""
    program = subprocess.Popen(
        [sys.executable, "-u", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    said = []
    reader = threading.Thread(target=lambda: said.extend(program.stdout), daemon=True)
    reader.start()
    try:
        yield program, said
    finally:
        program.send_signal(signal.SIGINT)
        program.wait(10)
        reader.join()
        program.stdout.close()


def test_signing_up_is_a_trace_of_a_table_and_a_topic():
    with started("examples/signup.py", PORT="0") as (program, said):
        eventually(lambda: said and "http" in said[-1])
        url = re.search(r"http://[^;]+", said[-1])[0]
        with httpx.Client(base_url=url, trust_env=False) as visitor:
            assert "We open soon" in visitor.get("/").text
            form = {"name": "Alejandro Rosalez", "email": "alejandro@example.com", "theme": "tea"}
            assert visitor.post("/signup", data=form).status_code == 302
            assert "Thank you!" in visitor.get("/?thanks").text
            again = visitor.post("/signup", data=form)
            assert (again.status_code, "already" in again.text) == (409, True)
            assert visitor.post("/signup", data={**form, "theme": "?"}).status_code == 400
        eventually(lambda: sum("POST " in line for line in said) == 3)
    drawn = "".join(said)
    assert "→ dynamodb" in drawn
    assert "PutItem signups" in drawn
    assert "→ sns" in drawn
    assert "ConditionalCheckFailedException" in drawn
    assert "alejandro" not in drawn.lower()
    assert program.returncode == 0


def test_a_lambda_function_runs_on_this_machine():
    done = subprocess.run(
        [sys.executable, "examples/lambda_local.py"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer, head, *rows = done.stdout.splitlines()
    assert answer == '{"total": 7.5}'
    assert "2 segments" in head
    assert [row.split()[0] for row in rows[:5]] == ["till", "till", "handler", "price", "tax"]


def test_latency_says_who_made_the_others_wait():
    recorder = xtrace.Recorder(service="front", sampling=False)
    with running() as collector:
        recorder.configure(daemon_address=collector.address)
        for seconds in (1.0, 3.0):
            with recorder.in_segment("front") as front:
                with recorder.in_subsegment("back", namespace="remote") as call:
                    back = recorder.in_segment("back", header=xtrace.extract(headers_of(call)))
                start = front.start_time
                back.begin()
                back.start_time = start + 0.1
                back.close(start + 0.1 + seconds * 0.8)
                call.start_time, call.end_time = start, start + seconds * 0.9
            front.start_time = start
        collector.flush()
        done = subprocess.run(
            [sys.executable, "examples/latency.py", "--url", collector.url],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[1:]}
    assert rows["back"][0] == rows["front"][0] == "2"


def headers_of(entity):
    headers = {}
    xtrace.inject(headers, entity)
    return headers


@pytest.mark.parametrize(
    ("parts", "own"),
    [
        ([], 10),
        ([(1, 4)], 7),
        ([(1, 4), (2, 3)], 7),  # one inside the other
        ([(1, 4), (3, 6)], 5),  # side by side
        ([(6, 8), (1, 2)], 7),
        ([(0, 10), (0, 10)], 0),
        ([(8, 15)], 8),  # goes on after the segment
    ],
)
def test_own_time_is_what_nobody_else_was_waited_for(parts, own):
    sys.path.append(str(ROOT / "examples"))
    from latency import own_seconds

    below = [{"start_time": start, "end_time": end, "namespace": "remote"} for start, end in parts]
    # What a service does itself is its own, and what that calls isn't.
    below = [{"start_time": 0, "end_time": 10, "subsegments": below}]
    segment = {"start_time": 0, "end_time": 10, "subsegments": below}
    assert own_seconds(segment) == pytest.approx(own)


def test_percentiles():
    sys.path.append(str(ROOT / "examples"))
    from latency import percentile

    values = [float(number) for number in range(100)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([3.0], 0.99) == 3
