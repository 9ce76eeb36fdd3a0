"""The service graph: what a trace says about nodes and edges, added up, in the API's shape. Pure.

Everything is additive and in whole numbers, so that what a trace said can be taken back exactly
when it is compiled anew: the sums are the same as if they had been made from scratch. Times of
the graph are whole seconds, as X-Ray gives them; durations are counted in microseconds.
"""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

import orjson

from .trace import NodeKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    from .trace import Call, Part, Trace


class Edge(NamedTuple):
    """A connection of two nodes. link: by a trace link, not by a call."""

    source: NodeKey
    target: NodeKey
    link: bool


if TYPE_CHECKING:
    Subject: TypeAlias = NodeKey | Edge

PERIOD = 60
"""Seconds that a stored rollup covers."""

CLIENT = "client"

OK, ERROR, THROTTLE, FAULT, OPEN = range(5)
"""How it ended; open: it hasn't yet, it is seen but not counted in statistics."""


class Observation(NamedTuple):
    """What one part or call says about a node or an edge.

    status: OK to OPEN, the gravest. start, end: whole seconds that enclose it. response: how long
    it took, in microseconds; of a link, how old the event was. duration: the same with work that
    went on after the response. root, received: of a node: nothing led to it; it sent a segment.
    """

    subject: Subject
    status: int
    start: int
    end: int
    response: int
    duration: int
    root: bool
    received: bool


def observations(trace: Trace) -> list[Observation]:
    """What a trace says about nodes and edges."""
    seen = []
    for part in trace.parts:
        if part.orphan:
            continue  # of a service that hasn't said yet which it is
        response = _microseconds(part.response_time)
        seen.append(
            Observation(
                part.node,
                _status(part),
                *_seconds(part.start, part.end),
                response,
                max(response, _microseconds(part.duration)),
                part.root,
                not part.inferred,
            )
        )
    for call in trace.calls:
        took = _microseconds(call.age if call.link else call.response_time)
        unknown = call.link and call.age is None
        seen.append(
            Observation(
                Edge(call.source, call.target, call.link),
                OPEN if unknown else _status(call),
                *_seconds(call.start, call.end),
                took,
                took,
                False,
                False,
            )
        )
    return seen


def _status(of: Part | Call) -> int:
    if of.end is None:
        return OPEN
    if of.fault:
        return FAULT
    if of.throttle:
        return THROTTLE
    return ERROR if of.error else OK


def _seconds(start: float, end: float | None) -> tuple[int, int]:
    first = floor(start)
    return first, first if end is None else max(first, ceil(end))


def _microseconds(seconds: float | None) -> int:
    return 0 if seconds is None else max(0, round(seconds * 1e6))


# -- as bytes ----------------------------------------------------------------------------------


def pack(seen: Iterable[Observation]) -> bytes:
    """Observations as bytes, to be kept with a trace."""
    numbers: dict[NodeKey, int] = {}
    rows: list[list[Any]] = []
    for subject, *rest in seen:
        if type(subject) is Edge:
            source = numbers.setdefault(subject.source, len(numbers))
            target = numbers.setdefault(subject.target, len(numbers))
            rows.append([source, target, subject.link, *rest])
        else:
            node = numbers.setdefault(subject, len(numbers))  # type: ignore[arg-type]
            rows.append([node, None, False, *rest])
    return orjson.dumps([[list(node) for node in numbers], rows])


def unpack(data: bytes) -> list[Observation]:
    """The observations that were packed."""
    packed, rows = orjson.loads(data)
    nodes = [NodeKey(*node) for node in packed]
    return [
        Observation(
            nodes[source] if target is None else Edge(nodes[source], nodes[target], link), *rest
        )
        for source, target, link, *rest in rows
    ]


def subject_text(subject: Subject) -> str:
    """A node or edge as text; equal ones have the same text."""
    if type(subject) is Edge:
        return orjson.dumps([list(subject.source), list(subject.target), subject.link]).decode()
    return orjson.dumps(list(subject)).decode()


def subject_from_text(text: str) -> Subject:
    """The node or edge with this text."""
    first, second, third = orjson.loads(text)
    if isinstance(first, list):
        return Edge(NodeKey(*first), NodeKey(*second), third)
    return NodeKey(first, second, third)


# -- rollups -----------------------------------------------------------------------------------


class Rollup:
    """Observations of one node or edge, added up; one that has been added can be taken away again.

    counts: by status, OK to OPEN. roots, received: how many were so. microseconds: sum of the
    response times. buckets: count by response time (of links: by age), `later`: what to add to
    it to get the durations; in ms, see bucket(). starts, ends: count by whole second.
    """

    __slots__ = (
        "_ends",
        "_outline",
        "_packed",
        "_starts",
        "buckets",
        "counts",
        "later",
        "microseconds",
        "received",
        "roots",
        "subject",
    )

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.counts = [0, 0, 0, 0, 0]
        self.roots = 0
        self.received = 0
        self.microseconds = 0
        self.buckets: dict[int, int] = {}
        self.later: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        # The starts and ends as they were packed: two thirds of a busy rollup, and whoever only
        # reads it needs no more of them than the outline, the first start and the last end.
        self._packed: bytes | None = None
        self._outline: tuple[int, int] | None = None

    @property
    def starts(self) -> dict[int, int]:
        """Count of observations by the second in which they start."""
        self._unpack_seconds()
        return self._starts

    @property
    def ends(self) -> dict[int, int]:
        """Count of observations by the second by which they have ended."""
        self._unpack_seconds()
        return self._ends

    @property
    def outline(self) -> tuple[int, int] | None:
        """First start and last end, None if there are none."""
        if self._packed is None and self._starts:
            return min(self._starts), max(self._ends)
        return self._outline

    def _unpack_seconds(self) -> None:
        if self._packed is not None:
            starts, started, ends, ended = orjson.loads(self._packed)
            self._starts = dict(zip(starts, started, strict=True))
            self._ends = dict(zip(ends, ended, strict=True))
            self._packed = self._outline = None

    def add(self, seen: Observation, times: int = 1) -> None:
        """Add an observation; times=-1 takes it away."""
        _, status, start, end, response, duration, root, received = seen
        self.counts[status] += times
        self.roots += root * times
        self.received += received * times
        _count(self.starts, start, times)
        _count(self.ends, end, times)
        if status != OPEN:
            value = bucket(response)
            _count(self.buckets, value, times)
            self.microseconds += response * times
            if duration != response:
                lasted = bucket(duration)
                if lasted != value:
                    _count(self.later, value, -times)
                    _count(self.later, lasted, times)

    def add_all(self, other: Rollup) -> None:
        """Add what another one holds of the same subject."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.roots += other.roots
        self.received += other.received
        self.microseconds += other.microseconds
        _count_all(self.buckets, other.buckets)
        _count_all(self.later, other.later)
        _count_all(self.starts, other.starts)
        _count_all(self.ends, other.ends)

    def __bool__(self) -> bool:
        """Whether it holds anything; a change may hold no more than that a node isn't a root."""
        return bool(
            self.starts
            or self.ends
            or self.buckets
            or self.later
            or self.roots
            or self.received
            or self.microseconds
            or any(self.counts)
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Rollup)
            and self.subject == other.subject
            and self._members() == other._members()
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Rollup of {self.subject}: {self._members()}>"

    def _members(self) -> list[Any]:
        return [
            self.counts,
            self.roots,
            self.received,
            self.microseconds,
            *(sorted(each.items()) for each in (self.buckets, self.later, self.starts, self.ends)),
        ]

    def pack(self) -> bytes:
        """What it holds, without the subject, as bytes."""
        head = [
            self.counts,
            self.roots,
            self.received,
            str(self.microseconds),  # JSON has 64 bits, centuries add up
            self.outline,
            *_flat(self.buckets),
            *_flat(self.later),
        ]
        seconds = orjson.dumps([*_flat(self.starts), *_flat(self.ends)])
        return orjson.dumps(head) + b"\n" + seconds

    @classmethod
    def unpack(cls, subject: Subject, data: bytes) -> Rollup:
        """The rollup that was packed."""
        made = cls(subject)
        head, _, seconds = data.partition(b"\n")
        counts, roots, received, microseconds, outline, *maps = orjson.loads(head)
        made.counts, made.roots, made.received = counts, roots, received
        made.microseconds = int(microseconds)
        made.buckets = dict(zip(maps[0], maps[1], strict=True))
        if maps[2]:
            made.later = dict(zip(maps[2], maps[3], strict=True))
        made._packed = seconds
        if outline is not None:
            made._outline = (outline[0], outline[1])
        return made


def _flat(counts: dict[int, int]) -> tuple[list[int], list[int]]:
    return list(counts), list(counts.values())


def _count(counts: dict[int, int], key: int, times: int) -> None:
    total = counts.get(key, 0) + times
    if total:
        counts[key] = total
    else:
        del counts[key]


def _count_all(counts: dict[int, int], others: dict[int, int]) -> None:
    if not counts:
        counts.update(others)
        return
    for key, times in others.items():
        _count(counts, key, times)


def bucket(microseconds: int) -> int:
    """The histogram's value for a time, in ms: exact to the ms up to 0.1 s, to two digits above."""
    if microseconds < 100_000:
        return (microseconds + 500) // 1000
    unit: int = 10 ** (len(str(microseconds)) - 2)
    return (microseconds + unit // 2) // unit * unit // 1000


def change(
    old: Iterable[Observation], new: Iterable[Observation]
) -> dict[tuple[int, Subject], Rollup]:
    """What to add to rollups when a trace that said `old` says `new`: by period and subject.

    The key's first member is the second in which the period begins, a multiple of PERIOD. What
    remains the same cancels out; a change may hold negative counts.
    """
    changes: dict[tuple[int, Subject], Rollup] = {}
    for times, all_seen in ((-1, old), (1, new)):
        for seen in all_seen:
            key = (seen.start // PERIOD * PERIOD, seen.subject)
            rollup = changes.get(key)
            if rollup is None:
                rollup = changes[key] = Rollup(seen.subject)
            rollup.add(seen, times)
    return {key: rollup for key, rollup in changes.items() if rollup}


def added_up(rollups: Iterable[Rollup]) -> list[Rollup]:
    """One rollup for each subject, for reading: of starts and ends it keeps the first and last."""
    totals: dict[Subject, Rollup] = {}
    for each in rollups:
        outline = each.outline
        if outline is None:
            continue
        start, end = outline
        total = totals.get(each.subject)
        if total is None:
            total = totals[each.subject] = Rollup(each.subject)
        else:
            start, end = min(start, *total._starts), max(end, *total._ends)
        total.counts = [a + b for a, b in zip(total.counts, each.counts, strict=True)]
        total.roots += each.roots
        total.received += each.received
        total.microseconds += each.microseconds
        _count_all(total.buckets, each.buckets)
        if each.later:
            _count_all(total.later, each.later)
        total._starts = {start: 1}
        total._ends = {end: 1}
    return list(totals.values())


def rollups_of(traces: Iterable[Trace]) -> list[Rollup]:
    """What some traces say, added up."""
    return added_up(change((), (seen for trace in traces for seen in observations(trace))).values())


# -- in the API's shape ------------------------------------------------------------------------


def services(rollups: Iterable[Rollup]) -> list[dict[str, Any]]:
    """The graph as `Services` of GetServiceGraph and GetTraceGraph."""
    totals = added_up(rollups)
    nodes: dict[NodeKey, Rollup | None] = {}
    edges: dict[NodeKey, list[Rollup]] = {}
    for total in totals:
        if isinstance(total.subject, Edge):
            edges.setdefault(total.subject.source, []).append(total)
            # A window may hold an edge and not its nodes, which began earlier or later.
            nodes.setdefault(total.subject.source, None)
            nodes.setdefault(total.subject.target, None)
        else:
            nodes[total.subject] = total
    ordered = sorted(nodes, key=_order)
    numbers = {node: number for number, node in enumerate(ordered)}
    arriving: dict[NodeKey, list[Rollup]] = {}
    for leaving in edges.values():
        leaving.sort(key=lambda edge: (numbers[edge.subject.target], edge.subject.link))  # type: ignore[union-attr]
        for edge in leaving:
            arriving.setdefault(edge.subject.target, []).append(edge)  # type: ignore[union-attr]
    made = []
    for node in ordered:
        seen = nodes[node]
        leaving = edges.get(node, [])
        about = [seen] if seen is not None else [*leaving, *arriving.get(node, [])]
        service: dict[str, Any] = {
            "ReferenceId": numbers[node],
            "Name": node.name,
            "Names": [node.name],
            "AccountId": node.account_id,
            "Type": node.type,
            "State": "active" if seen is not None and seen.received else "unknown",
            "Root": seen is not None and seen.roots > 0,
            "StartTime": float(min(each.outline[0] for each in about if each.outline)),
            "EndTime": float(max(each.outline[1] for each in about if each.outline)),
            "Edges": [_edge(edge, numbers) for edge in leaving],
        }
        if node.type != CLIENT:
            known = seen or Rollup(node)
            durations = dict(known.buckets)
            _count_all(durations, known.later)
            service["SummaryStatistics"] = statistics(known)
            service["DurationHistogram"] = _histogram(durations)
            service["ResponseTimeHistogram"] = _histogram(known.buckets)
        made.append(service)
    return made


def _order(node: NodeKey) -> tuple[bool, str, str, str]:
    return node.type == CLIENT, node.name, node.type or "", node.account_id or ""


def _edge(edge: Rollup, numbers: dict[NodeKey, int]) -> dict[str, Any]:
    subject = edge.subject
    assert isinstance(subject, Edge)
    first, last = edge.outline or (0, 0)
    made: dict[str, Any] = {
        "ReferenceId": numbers[subject.target],
        "StartTime": float(first),
        "EndTime": float(last),
        "SummaryStatistics": statistics(edge),
        "ResponseTimeHistogram": [] if subject.link else _histogram(edge.buckets),
        "Aliases": [],
        "ReceivedEventAgeHistogram": _histogram(edge.buckets) if subject.link else [],
    }
    if subject.link:
        made["EdgeType"] = "link"
    return made


def statistics(rollup: Rollup) -> dict[str, Any]:
    """ServiceStatistics or EdgeStatistics of the API."""
    ok, error, throttle, fault, _ = rollup.counts
    link = isinstance(rollup.subject, Edge) and rollup.subject.link
    return {
        "OkCount": ok,
        "ErrorStatistics": {
            "ThrottleCount": throttle,
            "OtherCount": error,
            "TotalCount": error + throttle,
        },
        "FaultStatistics": {"OtherCount": fault, "TotalCount": fault},
        "TotalCount": ok + error + throttle + fault,
        # What a link has is an age; nobody waited for a response.
        "TotalResponseTime": 0.0 if link else rollup.microseconds / 1e6,
    }


def _histogram(buckets: dict[int, int]) -> list[dict[str, Any]]:
    return [{"Value": ms / 1000, "Count": count} for ms, count in sorted(buckets.items())]


def node_series(
    periods: Iterable[tuple[float, Iterable[Rollup]]],
    selects: Callable[[NodeKey], bool] = lambda node: True,
) -> list[dict[str, Any]]:
    """TimeSeriesServiceStatistics of some nodes together.

    periods: when each begins, and its rollups. Clients are no services and never count.
    """

    def chosen(subject: Subject) -> bool:
        return not isinstance(subject, Edge) and subject.type != CLIENT and selects(subject)

    return _series(periods, chosen, "ServiceSummaryStatistics")


def edge_series(
    periods: Iterable[tuple[float, Iterable[Rollup]]],
    selects: Callable[[Edge], bool] = lambda edge: True,
) -> list[dict[str, Any]]:
    """TimeSeriesServiceStatistics of some edges together; periods as for node_series()."""

    def chosen(subject: Subject) -> bool:
        return isinstance(subject, Edge) and selects(subject)

    return _series(periods, chosen, "EdgeSummaryStatistics")


def _series(
    periods: Iterable[tuple[float, Iterable[Rollup]]],
    chosen: Callable[[Subject], bool],
    member: str,
) -> list[dict[str, Any]]:
    series = []
    for start, rollups in periods:
        totals = [each for each in added_up(rollups) if chosen(each.subject)]
        if totals:
            # Ages of links are no response times.
            calls = [t for t in totals if not (isinstance(t.subject, Edge) and t.subject.link)]
            whole = Rollup(totals[0].subject if not calls else calls[0].subject)
            for each in totals:
                whole.counts = [a + b for a, b in zip(whole.counts, each.counts, strict=True)]
            for each in calls:
                whole.microseconds += each.microseconds
                _count_all(whole.buckets, each.buckets)
            series.append(
                {
                    "Timestamp": float(start),
                    member: statistics(whole),
                    "ResponseTimeHistogram": _histogram(whole.buckets),
                }
            )
    return series
