"""The mark of all that must never be recorded: every document of a test run is searched for it.

It stands alone: the benchmark's servers have passwords, too, and no library to check documents with.
"""

from __future__ import annotations

MARK = "s3cr3t-"
"""In secrets, and nowhere else."""

SECRET = f"{MARK}marked"


def password(server: str) -> str:
    """Of a server that tests start."""
    return f"{MARK}pw-of-{server}"
