"""What happens, as it happens: which traces are new, changed or gone, and counts.

A `Stream` is asked again and again and gives what has happened since; who asks it says how often.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import NamedTuple

from ... import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...filters import Filter
    from ...store import Change
    from .console import Console

ROWS_AT_ONCE = 100
CHANGES_AT_ONCE = 1000
"""Looked at each time; of more only the newest are, the others are counted."""

KNOWN_TRACES = 20_000
"""Traces that one stream remembers having told of."""

SECONDS_BETWEEN_STATS = 1.0
HEARTBEAT_SECONDS = 15.0


class Event(NamedTuple):
    """name: "trace", "update", "gone", "clear", "stats" or "heartbeat". id: the number of the newest
    change up to which all has been told, None if it isn't about changes.
    """

    name: str
    data: dict[str, Any]
    id: int | None = None


class Stream:
    """What one listener is told.

    after: the number of a change; what came later is told. None: what comes from now on.
    only_stats: no traces.
    """

    def __init__(
        self,
        console: Console,
        filter: Filter | None = None,
        run: str | None = None,
        after: int | None = None,
        only_stats: bool = False,
    ) -> None:
        self._console = console
        self._filter = filter
        self._run = run
        self._only_stats = only_stats
        last = console.store.last_change()
        # A number of another store, which was opened since, says nothing here.
        self._after = last if after is None or not 0 <= after <= last else after
        self._removals = console.removals
        self._known: OrderedDict[str, None] = OrderedDict()
        self._stats: dict[str, Any] = {}
        self._stats_due = 0.0
        self._told = time.monotonic()

    def poll(self) -> list[Event]:
        """What has happened since the last time."""
        events = self._changes()
        now = time.monotonic()
        if now >= self._stats_due:
            self._stats_due = now + SECONDS_BETWEEN_STATS
            stats = stats_of(self._console)
            if stats != self._stats:
                self._stats = stats
                events.append(Event("stats", {"time": self._console.now(), **stats}))
        if events:
            self._told = now
        elif now - self._told >= HEARTBEAT_SECONDS:
            self._told = now
            events.append(Event("heartbeat", {}))
        return events

    def _changes(self) -> list[Event]:
        store = self._console.store
        events: list[Event] = []
        if self._removals != self._console.removals:
            self._removals = self._console.removals
            self._known.clear()
            events.append(Event("clear", {}))
        last = store.last_change()
        if last == self._after or self._only_stats:
            self._after = last
            return events
        skipped = max(0, last - self._after - CHANGES_AT_ONCE)
        changes = store.changes(self._after + skipped, CHANGES_AT_ONCE)
        if not changes:
            self._after = last  # of traces that are no more
            return events
        self._after = changes[-1].number
        return events + self._sorted(changes, skipped)

    def _sorted(self, changes: list[Change], skipped: int) -> list[Event]:
        """Changes as events."""
        ids = [change.trace_id for change in changes]
        matching = set(ids)
        if self._filter is not None or self._run is not None:
            matching = self._console.store.matching(ids, filter=self._filter, run=self._run)
        new: list[list[Any]] = []
        changed: list[list[Any]] = []
        gone: list[str] = []
        for change in changes:
            known = change.trace_id in self._known
            if change.trace_id in matching:
                (changed if known else new).append(listing.row(change.summary))
                self._known[change.trace_id] = None
                self._known.move_to_end(change.trace_id)
            elif known:
                del self._known[change.trace_id]
                gone.append(change.trace_id)
        while len(self._known) > KNOWN_TRACES:
            self._known.popitem(last=False)
        events = []
        if new or skipped:
            more = max(0, len(new) - ROWS_AT_ONCE) + skipped
            events.append(Event("trace", {"rows": new[-ROWS_AT_ONCE:], "more": more}, self._after))
        if changed:
            more = max(0, len(changed) - ROWS_AT_ONCE)
            data = {"rows": changed[-ROWS_AT_ONCE:], "more": more}
            events.append(Event("update", data, self._after))
        if gone:
            events.append(Event("gone", {"ids": gone}, self._after))
        return events


def stats_of(console: Console) -> dict[str, Any]:
    """The counts that a page shows all the time."""
    store, stats = console.store, console.stats()
    size, counts = store.size(), store.counts()
    about = console.about().get("store", {})
    return {
        "traces": size.traces,
        "documents": size.documents,
        "bytes": size.bytes,
        "max_bytes": about.get("max_bytes"),
        "trimmed_traces": counts.trimmed_traces,
        **{
            name: stats.get(name, 0)
            for name in ("received", "malformed", "dropped", "lost_by_kernel", "waiting")
        },
        "change": store.last_change(),
        "run": store.current_run(),
        "alarms": sum(each["state"] == "ALARM" for each in console.alarms()["alarms"]),
    }
