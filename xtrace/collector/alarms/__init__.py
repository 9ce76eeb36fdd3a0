"""Alarms: thresholds on response time, faults, errors and throttles of the nodes of the service graph.

Each node has an alarm for each threshold that its entry sets. Time is cut in periods; an alarm is
raised when the value was above its threshold in M of the last N. It reads what it needs through one
function, and knows no store.
"""

from __future__ import annotations

import logging
from collections import deque
from math import ceil
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

from ... import ids
from ..graph import CLIENT, ERROR, FAULT, OPEN, THROTTLE
from ..trace import NodeKey
from .actions import Actions
from .settings import (
    ALARM,
    INSUFFICIENT_DATA,
    METRICS,
    OK,
    STATES,
    AlarmsError,
    Command,
    Configuration,
    Thresholds,
    Webhook,
    edited,
    load,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TypeAlias

    from ..graph import Rollup

    # (start, end of a window, seconds since the epoch) -> what was seen of the nodes
    Read: TypeAlias = "Callable[[float, float], Iterable[NodeStatistics]]"

__all__ = [
    "ALARM",
    "INSUFFICIENT_DATA",
    "NO_ALARMS",
    "OK",
    "STATES",
    "Alarms",
    "AlarmsError",
    "Change",
    "Command",
    "Configuration",
    "NodeStatistics",
    "Thresholds",
    "Webhook",
    "edited",
    "load",
    "statistics_of",
]

log = logging.getLogger("xtrace.collector.alarms")

SETTLE_SECONDS = 5.0
"""A period is looked at when it has been over for so long: its last documents are stored by then."""

MAX_NODES = 1000
"""Nodes that have alarms; programs that make names from values would fill the memory."""

FORGET_SECONDS = 24 * 3600.0
"""An alarm without data is forgotten after so long."""

HISTORY = 500
"""State changes remembered."""

SECONDS_BETWEEN_LOOKS = 1.0

_JUDGING = ("statistic", "period_seconds", "periods", "breaching", "minimum_requests")
"""What an alarm goes by, besides its threshold."""

NO_ALARMS: dict[str, Any] = {
    "alarms": [],
    "history": [],
    "thresholds": {"default": {}, "nodes": []},
}
"""What is told where there are no thresholds at all."""


class NodeStatistics(NamedTuple):
    """What was seen of one node in a window.

    errors: requests answered 4xx, throttled ones included; each request is an error, a fault, or
    neither. seconds: all response times added up. histogram: (seconds, how many requests).
    """

    node: NodeKey
    requests: int
    errors: int = 0
    faults: int = 0
    throttles: int = 0
    seconds: float = 0.0
    histogram: Sequence[tuple[float, int]] = ()

    def value(self, metric: str, statistic: str) -> float:
        """One of METRICS; for response_time also which statistic of it. requests isn't 0."""
        if metric == "response_time":
            return self._response_time(statistic)
        count = {
            "fault_percent": self.faults,
            "error_percent": self.errors,
            "throttle_percent": self.throttles,
        }[metric]
        return 100.0 * count / self.requests

    def _response_time(self, statistic: str) -> float:
        total = sum(count for _, count in self.histogram)
        if statistic == "average" or not total:
            return self.seconds / self.requests
        rank = ceil(total * int(statistic[1:]) / 100)
        for seconds, count in sorted(self.histogram):
            rank -= count
            if rank <= 0:
                return seconds
        return 0.0


def statistics_of(rollups: Iterable[Rollup]) -> list[NodeStatistics]:
    """The same from what a store's graph() gives; clients aren't nodes that could be at fault."""
    found = []
    for rollup in rollups:
        counts = rollup.counts
        requests = sum(counts[:OPEN])
        node = rollup.subject
        if isinstance(node, NodeKey) and node.type != CLIENT and requests:
            found.append(
                NodeStatistics(
                    node,
                    requests,
                    counts[ERROR] + counts[THROTTLE],
                    counts[FAULT],
                    counts[THROTTLE],
                    rollup.microseconds / 1e6,
                    [(ms / 1000, count) for ms, count in rollup.buckets.items()],
                )
            )
    return found


class Change(NamedTuple):
    """An alarm went from one state to another. time: when that was seen."""

    time: float
    node: NodeKey
    metric: str
    previous: str
    state: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data; `text` says it in words."""
        return {
            "text": f"{self.state}: {self.node.name} {self.metric}: {self.reason}",
            "time": self.time,
            "node": {"name": self.node.name, "type": self.node.type},
            "metric": self.metric,
            "previous": self.previous,
            "state": self.state,
            "reason": self.reason,
        }


class _Alarm:
    """One threshold of one node."""

    def __init__(self, node: NodeKey, metric: str, entry: Thresholds, now: float) -> None:
        self.node = node
        self.metric = metric
        self.entry = entry
        self.threshold: float = getattr(entry, metric)
        self.state = INSUFFICIENT_DATA
        self.since = now
        self.reason = "no period has been looked at yet"
        # (start of the period, the value; None: too few requests), the newest last
        self.values: list[tuple[float, float | None]] = []

    def is_like(self, other: _Alarm) -> bool:
        """Whether the other one judges the same by the same."""
        return self.threshold == other.threshold and all(
            getattr(self.entry, name) == getattr(other.entry, name) for name in _JUDGING
        )

    def look(self, seen: list[tuple[float, NodeStatistics | None]], now: float) -> Change | None:
        """Judge the last periods."""
        entry = self.entry
        self.values = [
            (start, each.value(self.metric, entry.statistic))
            if each is not None and each.requests >= entry.minimum_requests
            else (start, None)
            for start, each in seen[-entry.periods :]
        ]
        known = [value for _, value in self.values if value is not None]
        above = [value for value in known if value > self.threshold]
        state = OK if known else INSUFFICIENT_DATA
        if len(above) >= entry.breaching:
            state = ALARM
        self.reason = self._reason(known, above)
        if state == self.state:
            return None
        previous, self.state, self.since = self.state, state, now
        return Change(now, self.node, self.metric, previous, state, self.reason)

    def _reason(self, known: list[float], above: list[float]) -> str:
        entry = self.entry
        periods = f"the last {entry.periods} × {entry.period_seconds} s"
        if not known:
            return f"fewer than {entry.minimum_requests} requests in {periods}"
        unit = " s" if self.metric == "response_time" else " %"
        values = ", ".join(f"{value:.4g}{unit}" for value in known)
        return f"{len(above)} above {self.threshold:g}{unit} in {periods} ({values})"

    def as_dict(self) -> dict[str, Any]:
        entry = self.entry
        values = [value for _, value in self.values if value is not None]
        return {
            "node": {"name": self.node.name, "type": self.node.type},
            "metric": self.metric,
            "statistic": entry.statistic if self.metric == "response_time" else None,
            "threshold": self.threshold,
            "period_seconds": entry.period_seconds,
            "periods": entry.periods,
            "breaching": entry.breaching,
            "minimum_requests": entry.minimum_requests,
            "state": self.state,
            "since": self.since,
            "reason": self.reason,
            "value": values[-1] if values else None,
            "values": [{"start": start, "value": value} for start, value in self.values],
        }


class Alarms:
    """The alarms of all nodes, their states, and who is told of changes.

    configuration: as load() gives it. read: gives what was seen of the nodes in a window, whose
    ends are whole minutes. All methods may be called on any thread.
    """

    def __init__(self, configuration: Configuration, read: Read) -> None:
        self._configuration = configuration
        self._read = read
        self._actions = Actions(configuration.actions)
        self._alarms: dict[tuple[NodeKey, str], _Alarm] = {}
        self._entries: dict[NodeKey, Thresholds | None] = {}
        self._evaluated: dict[int, float] = {}
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._unwatched = 0
        self._failures = 0
        self._last_error: str | None = None
        self._lock = Lock()
        self._evaluating = Lock()
        self._stop = Event()
        self._thread: Thread | None = None

    @property
    def actions(self) -> tuple[Webhook | Command, ...]:
        """What is done when a state changes."""
        return self._configuration.actions

    def replace(self, configuration: Configuration) -> None:
        """Have other thresholds from now on, with the same actions. An alarm that is the same keeps its
        state; the others are looked at anew, as far back as their periods reach.
        """
        with self._evaluating, self._lock:
            self._configuration = configuration
            before, self._alarms = self._alarms, {}
            nodes, self._entries = list(self._entries), {}
            now = ids.wall_clock()
            for node in nodes:
                self._watch(node, now)
            for key, alarm in self._alarms.items():
                known = before.get(key)
                if known is not None and known.is_like(alarm):
                    self._alarms[key] = known
            self._evaluated.clear()

    def evaluate(self, now: float) -> list[Change]:
        """Look at the periods that are over, if there are any that weren't looked at; gives what
        changed. Never raises: what fails is counted, and tried again the next time.

        now: seconds since the epoch. It may be called at any time, and costs nothing mostly.
        """
        changes = []
        with self._evaluating:
            for period in sorted({entry.period_seconds for entry in self._configuration.entries}):
                end = (now - SETTLE_SECONDS) // period * period
                if end <= self._evaluated.get(period, 0.0):
                    continue
                try:
                    changes += self._evaluate(period, end, now)
                except Exception as error:
                    self._failures += 1
                    said = f"{type(error).__name__}: {error}"
                    if said != self._last_error:
                        log.error("Alarms can't be evaluated: %s", said)
                    self._last_error = said
                else:
                    self._evaluated[period] = end
                    self._last_error = None
        for change in changes:
            level = logging.WARNING if change.state == ALARM else logging.INFO
            told = change.as_dict()
            log.log(level, "%s", told["text"])
            self._actions.tell(change.state, told)
        return changes

    def _evaluate(self, period: int, end: float, now: float) -> list[Change]:
        entries = [e for e in self._configuration.entries if e.period_seconds == period]
        most = max(entry.periods for entry in entries)
        starts = [end - period * back for back in range(most, 0, -1)]
        seen = [
            (start, {each.node: each for each in self._read(start, start + period)})
            for start in starts
        ]
        with self._lock:
            for _, nodes in seen:
                for node in nodes:
                    self._watch(node, now)
            changes = []
            for key, alarm in list(self._alarms.items()):
                if alarm.entry.period_seconds != period:
                    continue
                own = [(start, nodes.get(alarm.node)) for start, nodes in seen]
                change = alarm.look(own, now)
                if change is not None:
                    changes.append(change)
                elif alarm.state == INSUFFICIENT_DATA and now - alarm.since > FORGET_SECONDS:
                    del self._alarms[key]
                    self._entries.pop(alarm.node, None)
            self._history.extend(changes)
        return changes

    def _watch(self, node: NodeKey, now: float) -> None:
        """Give a node its alarms when it is seen for the first time."""
        if node in self._entries:
            return
        if len(self._entries) >= MAX_NODES:
            self._unwatched += 1
            return
        entry = self._entries[node] = self._configuration.entry(node)
        for metric in METRICS:
            if entry is not None and getattr(entry, metric) is not None:
                self._alarms[node, metric] = _Alarm(node, metric, entry, now)

    def as_dict(self) -> dict[str, Any]:
        """States and history (newest first) as plain data, for JSON.

        unwatched: how often a node was beyond MAX_NODES. failures: evaluations that failed.
        """
        order = {ALARM: 0, OK: 1, INSUFFICIENT_DATA: 2}
        with self._lock:
            alarms = [alarm.as_dict() for alarm in self._alarms.values()]
            history = [change.as_dict() for change in reversed(self._history)]
        alarms.sort(key=lambda each: (order[each["state"]], each["node"]["name"], each["metric"]))
        return {
            "alarms": alarms,
            "history": history,
            "actions": self._actions.as_list(),
            "unwatched": self._unwatched,
            "failures": self._failures,
            "last_error": self._last_error,
            "thresholds": self._configuration.written,
        }

    def start(self) -> None:
        """Evaluate by the clock from now on, on a thread."""
        if self._thread is None:
            self._stop.clear()
            self._thread = Thread(target=self._run, name="xtrace-alarms", daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread; actions that wait are done, for so many seconds at most."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout)
        self._actions.stop(timeout)

    def _run(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_LOOKS):
            self.evaluate(ids.wall_clock())
