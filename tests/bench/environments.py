"""Virtual environments of the peers, and the environment variables of what runs in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STORE = ROOT / ".bench"

# Of the caller's variables, what a process needs to run at all. The rest may configure a peer.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XTRACE_TEST_POSTGRESQL")


def python_of(environment: str) -> Path:
    """The Python of a peer's virtual environment, which is made if it isn't there yet.

    Raises RuntimeError with pip's own words if that fails.
    """
    folder = STORE / f"venv-{environment}"
    python = folder / "bin" / "python"
    stamp = folder / "made-from"
    wanted = f"{sys.version}\n{_requirements(environment)}"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making {folder.relative_to(ROOT)}", file=sys.stderr)
        _run(sys.executable, "-m", "venv", "--clear", folder)
        requirements = HERE / "requirements" / f"{environment}.txt"
        _run(
            python, "-m", "pip", "install", "--disable-pip-version-check", "-q", "-r", requirements
        )
        stamp.write_text(wanted)
    return python


def _requirements(environment: str) -> str:
    """A requirements file with what it includes."""
    text = (HERE / "requirements" / f"{environment}.txt").read_text()
    for line in text.splitlines():
        if line.startswith("-r "):
            text += _requirements(line[3:].removesuffix(".txt"))
    return text


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def variables(**extra: str) -> dict[str, str]:
    """Environment variables for a process of a peer: none that could configure it but `extra`.

    xtrace comes from the checkout; compiled files go to .bench, so that the checkout stays clean.
    """
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": str(STORE / "compiled"),
        "PYTHONHASHSEED": "0",
        **extra,
    }
