"""Jobs of RQ's tests."""

from __future__ import annotations

import xtrace


def add(a: int, b: int) -> int:
    """With a part of its own."""
    with xtrace.in_subsegment("adding"):
        return a + b


def fails() -> None:
    """Always."""
    raise ValueError("boom")
