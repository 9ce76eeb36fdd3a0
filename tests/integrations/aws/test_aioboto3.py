"""The tests of aioboto3 run in an environment of their own: it pins botocore to an older version."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FOLDER = ROOT / ".venv-aioboto3"
REQUIREMENTS = HERE / "requirements-aio.txt"
FILES = [HERE / f"test_{name}.py" for name in ("contract", "messages", "pynamodb")]
BIN = "Scripts" if os.name == "nt" else "bin"


@pytest.fixture(scope="module")
def python():
    """The Python of the environment, which is made if it isn't there yet."""
    ready = FOLDER / "ready"
    wanted = f"{sys.version}\n{REQUIREMENTS.read_text()}"
    python = FOLDER / BIN / "python"
    if not ready.exists() or ready.read_text() != wanted:
        venv.create(FOLDER, clear=True, with_pip=True)
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", REQUIREMENTS], check=True)
        ready.write_text(wanted)
    return python


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
