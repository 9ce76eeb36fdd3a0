"""The official SDK, in an environment of its own: what the layer for it is compared with.

    python tests/support/official.py

makes the environment and says where its Python is. Nothing of the official SDK is read: it is run.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv-official"

# Its last release; and the wrapt of its time: with 2, its unpatch() functions do nothing.
OFFICIAL = ("aws-xray-sdk==2.15.0", "wrapt==1.17.2", "aiobotocore==3.10.0", "boto3")
# In the versions of the development environment.
LIBRARIES = (
    "aiohttp",
    "bottle",
    "django",
    "flask",
    "flask-sqlalchemy",
    "httpx",
    "mysql-connector-python",
    "pg8000",
    "psycopg",
    "psycopg-binary",
    "psycopg-pool",
    "psycopg2-binary",
    "pymongo",
    "pymysql",
    "pynamodb",
    "requests",
    "sqlalchemy",
    "urllib3",
)


def wanted() -> list[str]:
    """What is installed."""
    lines = (ROOT / "tests" / "requirements.txt").read_text().splitlines()
    pinned = [line for line in lines if line.partition("==")[0].lower() in LIBRARIES]
    return [*OFFICIAL, *pinned]


def environment() -> Path:
    """The Python of the virtual environment, which is made if it isn't there yet."""
    python, ready = FOLDER / "bin" / "python", FOLDER / "ready"
    text = "\n".join(wanted())
    with open(FOLDER.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes ask for it at the same time
        if not ready.exists() or ready.read_text() != text:
            subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
            install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*install, *wanted()], check=True)
            ready.write_text(text)
    return python


if __name__ == "__main__":
    print(environment())
