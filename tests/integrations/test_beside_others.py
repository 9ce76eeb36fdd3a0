"""Another tracer in the same program: both record everything, and the application notices neither."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.own_environment import ROOT, listed_in, python_with

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def python():
    """The Python of an environment with the others."""
    return python_with("beside", listed_in(HERE / "requirements-beside.txt"))


@pytest.mark.parametrize("first", ["ours", "theirs"])
@pytest.mark.parametrize("other", ["otel", "sentry"])
def test_both_record_a_request_and_its_calls(python, other, first):
    run = subprocess.run(
        [python, HERE / "beside_program.py", other, first],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr[-5000:]
    said = json.loads(run.stdout.splitlines()[-1])
    assert said.pop("theirs") >= 5
    assert said == {
        "calls": [*["127.0.0.1"] * 4, ":memory:"],
        "annotations": {"http_route": "/", "in_thread": True},
        "carried": [True] * 4,
        "twice": [],
        "failed": [],
        "faults": {},
    }
