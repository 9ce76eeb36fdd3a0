"""Trace, segment and exception ids, and the two clocks.

Everything that differs from run to run comes through the names below, looked up here at each
call, so that a test can set them (`xtrace.testing` does) and count 1, 2, 3.
"""

from __future__ import annotations

import time
from random import Random

from . import forks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Private, so that an application's random.seed() neither repeats our ids nor is disturbed by us.
_random = Random()

random_bits: Callable[[int], int] = _random.getrandbits
"""n -> an integer of n random bits."""

random_fraction: Callable[[], float] = _random.random
"""A float in [0, 1): what a sampling rate is compared with."""

wall_clock: Callable[[], float] = time.time
"""Seconds since the epoch; may jump. Read once for each segment."""

monotonic_clock: Callable[[], float] = time.perf_counter
"""Seconds from an arbitrary point; never goes back. All durations come from it."""


def trace_id(now: float | None = None) -> str:
    """A new trace id: "1-<8 hex: seconds since the epoch>-<24 hex: 96 random bits>"."""
    global _stamp
    second = int(wall_clock() if now is None else now)
    stamp = _stamp
    if stamp[0] != second:
        stamp = _stamp = (second, f"1-{second & 0xFFFFFFFF:08x}-")
    return stamp[1] + random_bits(96).to_bytes(12, "big").hex()


# The time part of the last trace id: it changes once a second, ids are made more often.
_stamp = (-1, "")


def segment_id() -> str:
    """A new segment, subsegment or exception id: 16 hex digits."""
    return random_bits(64).to_bytes(8, "big").hex()


def reseed() -> None:
    """Take a new seed from the operating system, so that a forked child repeats no id."""
    _random.seed()


forks.in_child(reseed)
