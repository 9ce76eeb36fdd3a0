"""How many documents X-Ray would reject: of those that arrive, as many as there is time to check."""

from __future__ import annotations

import logging
import time
from collections import Counter
from threading import Lock
from typing import NamedTuple

from .validation import REJECTS, verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .store import Document

log = logging.getLogger("xtrace.collector")

BYTES_PER_SECOND = 1024 * 1024
"""Of documents that are checked, 700 of 1.5 KB: all that a program under development sends, and
1 or 2 % of the time of a collector that has much to do."""


class CheckCounts(NamedTuple):
    """What was found: checked documents, rejected ones among them, and these by verdict's code.

    A document is counted once for each code that one of its verdicts has.
    """

    checked: int
    rejected: int
    codes: dict[str, int]


class Checks:
    """Checks documents while there is time, and counts. All methods may be called on any thread.

    clock: in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._credit = float(BYTES_PER_SECOND)  # in bytes; a document may overdraw it
        self._counted_at = clock()
        self._checked = 0
        self._rejected = 0
        self._codes: Counter[str] = Counter()

    def check(self, documents: Iterable[Document]) -> None:
        """Check the first of these, as many as there is time for."""
        for document in documents:
            if not self._take(len(document.data)):
                return
            try:
                found = verdicts(document.content, len(document.data))
            except Exception:  # a fault of ours; the document is stored all the same
                log.exception("A document of trace %s can't be checked", document.trace_id)
                continue
            codes = {verdict.code for verdict in found if verdict.effect == REJECTS}
            with self._lock:
                self._checked += 1
                self._rejected += bool(codes)
                self._codes.update(codes)

    def _take(self, size: int) -> bool:
        with self._lock:
            now = self._clock()
            earned = (now - self._counted_at) * BYTES_PER_SECOND
            self._counted_at = now
            self._credit = min(self._credit + earned, BYTES_PER_SECOND)
            if self._credit <= 0:
                return False
            self._credit -= size
            return True

    def counts(self) -> CheckCounts:
        """What was found so far."""
        with self._lock:
            return CheckCounts(self._checked, self._rejected, dict(sorted(self._codes.items())))
