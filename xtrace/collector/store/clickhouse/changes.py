"""Which traces have changed since this collector has begun, numbered as it learns of them."""

from __future__ import annotations

import time
from collections import OrderedDict
from itertools import islice
from threading import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .database import Database

SECONDS_BETWEEN_LOOKS = 0.2
LOOK_BACK_MICROSECONDS = 3_000_000
"""An insertion that began earlier may show later, by so much."""
AT_ONCE = 5_000
"""The newest of what has changed between two looks; nobody reads more."""
KEPT = 20_000


class Changes:
    """Looks, when somebody asks, what rows there are that it hasn't seen; see Store.changes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._seen: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._until = 0
        self._last = 0
        self._due = 0.0

    def begin(self, database: Database, changed: int) -> None:
        """What is there now is no change. changed: when the newest row was inserted, 0 if there is none."""
        self._until = changed
        if changed:
            self._seen = OrderedDict.fromkeys(self._rows(database))

    def look_soon(self) -> None:
        """Something has changed."""
        self._due = 0.0

    def last(self, database: Database) -> int:
        """The number of the newest change."""
        with self._lock:
            now = time.monotonic()
            if now >= self._due:
                self._due = now + SECONDS_BETWEEN_LOOKS
                self._look(database)
            return self._last

    def after(self, database: Database, number: int, limit: int) -> dict[str, int]:
        """The numbers of traces that changed after a number, by number."""
        self.last(database)
        with self._lock:
            newer: list[tuple[str, int]] = []
            for id, changed in reversed(self._numbers.items()):
                if changed <= number:
                    break
                newer.append((id, changed))
        return dict(islice(reversed(newer), limit))

    def _look(self, database: Database) -> None:
        for row in reversed(self._rows(database)):
            if row not in self._seen:
                trace_id, changed = row
                self._seen[row] = None
                self._until = max(self._until, changed)
                self._last += 1
                self._numbers[trace_id] = self._last
                self._numbers.move_to_end(trace_id)
        for kept in (self._seen, self._numbers):
            while len(kept) > KEPT:
                kept.popitem(last=False)

    def _rows(self, database: Database) -> list[tuple[str, int]]:
        """Id and time of the newest rows, newest first."""
        rows = database.query(
            "SELECT trace_id, changed FROM traces WHERE changed > ? "
            f"ORDER BY changed DESC LIMIT {AT_ONCE}",
            (max(0, self._until - LOOK_BACK_MICROSECONDS),),
        )
        return [(trace_id, changed) for trace_id, changed in rows]
