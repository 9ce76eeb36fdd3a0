"""The examples do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*words, timeout=60):
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_the_ten_line_example_draws_a_trace():
    done = run("examples/quickstart.py")
    assert done.returncode == 0, done.stderr
    assert "load_prices" in done.stderr
    assert "select ? as price" in done.stderr
    assert "recorded 3, sent 3" in done.stdout


def test_the_demo_draws_its_traces_and_misses_nothing(tmp_path):
    done = run("examples/quickstart/demo.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Nothing is missing.\n")
    assert "40 segments stored in 20 traces, 1 with a fault" in done.stdout
    assert "KeyError" in done.stdout


def test_one_request_through_three_frameworks_is_one_trace():
    done = run("examples/frameworks/demo.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 segments" in done.stdout
    assert done.stdout.endswith("Every segment has the parent that it should.\n")
