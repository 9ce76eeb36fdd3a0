"""The tests of aioboto3 run in an environment of their own: it pins botocore to an older version."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.own_environment import listed_in, python_with

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
REQUIREMENTS = HERE / "requirements-aio.txt"
FILES = [HERE / f"test_{name}.py" for name in ("contract", "messages", "pynamodb")]


@pytest.fixture(scope="module")
def python():
    """The Python of the environment."""
    return python_with("aioboto3", listed_in(REQUIREMENTS))


@pytest.mark.skipif(find_spec("aioboto3") is not None, reason="this is that environment")
def test_in_their_own_environment(python):
    run = subprocess.run(
        [
            python,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-k",
            "aioboto3 or pynamodb",
            *FILES,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout[-10_000:]
    assert " passed" in run.stdout
