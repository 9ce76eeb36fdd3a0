"""When to try again, and when not to: which statuses, how long to wait, a backend taken for dead. Pure."""

from __future__ import annotations

from .. import ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_SECONDS = 0.5
LAST_SECONDS = 30.0
MAX_RETRY_AFTER_SECONDS = 300.0
"""However long a backend asks to be left alone."""
FAILURES_UNTIL_DEAD = 4
"""In a row; then nothing is prepared for it but a small probe now and then."""
ATTEMPTS = 10
"""Of the same documents at a backend that answers each time that it can't: they may be why."""


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds that a Retry-After header asks for; None without one that can be read.

    value: a number of seconds, or a date. now: seconds since the epoch.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    from email.utils import parsedate_to_datetime

    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, until - now), MAX_RETRY_AFTER_SECONDS)


class Backoff:
    """How long to leave a backend alone after failures: twice as long each time, with jitter.

    failures: in a row, since the last success.
    """

    def __init__(self, random: Callable[[], float] = ids.random_fraction) -> None:
        self.failures = 0
        self._random = random

    @property
    def is_open(self) -> bool:
        """Whether the backend is taken for dead, and only probed."""
        return self.failures >= FAILURES_UNTIL_DEAD

    def succeeded(self) -> None:
        """It works."""
        self.failures = 0

    def failed(self, retry_after: float | None = None) -> float:
        """It doesn't work; gives how many seconds to wait. retry_after: what it has asked for."""
        self.failures += 1
        most: float = min(FIRST_SECONDS * 2 ** min(self.failures - 1, 20), LAST_SECONDS)
        # Half of it at least; the other half is chance, so that a thousand processes that a
        # backend has left at once don't come back at once.
        seconds = most * (0.5 + self._random() / 2)
        if retry_after is not None:
            seconds = max(seconds, retry_after * (1 + self._random() / 10))
        return seconds
