"""Run the HTTP clients' tests against the oldest supported versions of the libraries.

    python tests/support/versions.py [pytest options]

The newest are those of the development environment, in which `make unit` runs the same tests.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv-oldest"
TESTS = ROOT / "tests" / "integrations" / "clients"

OLDEST = (
    "aiohttp==3.9.0",
    "httpx==0.24.0",
    "requests==2.28.0",
    "urllib3==1.26.9",
)
# What the tests need besides, in the versions of the development environment.
TOOLS = ("hypothesis", "jsonschema_rs", "pytest", "trustme", "wrapt")


def wanted() -> list[str]:
    """What is installed."""
    lines = (ROOT / "tests" / "requirements.txt").read_text().splitlines()
    tools = [line for line in lines if line.partition("==")[0].lower() in TOOLS]
    return [*OLDEST, *tools]


def environment() -> Path:
    """The Python of the virtual environment, which is made if it isn't there yet."""
    python, ready = FOLDER / "bin" / "python", FOLDER / "ready"
    text = "\n".join(wanted())
    if not ready.exists() or ready.read_text() != text:
        subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, *wanted()], check=True)
        ready.write_text(text)
    return python


def main() -> int:
    """Run them; the exit status is pytest's."""
    python = environment()
    print(" ".join(OLDEST), flush=True)
    run = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *sys.argv[1:], TESTS]
    return subprocess.run(run, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
