"""What many traces are like together, on SQLite: counted slice by slice, and added up."""

from __future__ import annotations

from math import floor
from typing import NamedTuple

import orjson

from ..failures import Frame
from ..graph import ERROR, FAULT, OK, OPEN, THROTTLE
from ..trace import NodeKey
from . import FACETS, Cell, Distribution, Facet, Facets, FailureGroup, FailureGroups, Share
from .questions import Selection, these

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    from .questions import Question, Reading

    Value: TypeAlias = str | float | bool

ANNOTATION = "annotation."

STATUS = (
    f"case when t.has_fault then {FAULT} "
    f"when t.has_error then case when t.has_throttle then {THROTTLE} else {ERROR} end "
    f"when t.response_time is null then {OPEN} else {OK} end"
)
STATUSES = ("ok", "error", "throttle", "fault", "open")

# 123456 -> 120000: what all is known of a time in the histogram.
_MICROSECONDS = "cast(round(t.response_time * 1e6) as integer)"
_TWO_DIGITS = " ".join(
    [
        "m / case when m < 100 then 1",
        *(f"when m < {10**n} then {10 ** (n - 2)}" for n in range(3, 13)),
        f"else {10**11} end * case when m < 100 then 1",
        *(f"when m < {10**n} then {10 ** (n - 2)}" for n in range(3, 13)),
        f"else {10**11} end",
    ]
)

FACETS_ONE_BY_ONE = 2
"""Up to so many facets the condition is asked each time; for more its traces are listed first."""


# -- by time, status and response time -----------------------------------------------------------


def distribution(
    reading: Reading, question: Question, step: float, deadline: float
) -> Distribution:
    """See Store."""
    totals: dict[tuple[float, int, int | None], tuple[int, float]] = {}
    for connection, selection in question.selections(reading, deadline):
        rows = connection.execute(
            f"select period, status, {_TWO_DIGITS}, count(*), total(seconds) from ("
            f"select cast(t.start_time / ? as integer) as period, {STATUS} as status, {_MICROSECONDS} as m, "
            f"t.response_time as seconds from traces t where {selection.where}) group by 1, 2, 3",
            (step, *selection.parameters),
        )
        for period, status, microseconds, count, seconds in rows:
            key = (period * step, status, microseconds)
            before = totals.get(key, (0, 0.0))
            totals[key] = (before[0] + count, before[1] + seconds)
    return Distribution([Cell(*key, *total) for key, total in totals.items()], question.since)


# -- by what they have in common ------------------------------------------------------------------

_OF_TRACES = {
    "url": "t.http_url",
    "http_status": "t.http_status",
    "method": "t.http_method",
    "client_ip": "t.http_client_ip",
    "user_agent": "t.http_user_agent",
    "status": STATUS,
}
_OF_NODES = {"service": "n.name", "type": "n.type"}
_OF_VALUES = {
    "user": "user",
    "error": "error",
    "availability_zone": "availabilityzone",
    "instance": "instance.id",
    "arn": "resource.arn",
}


class _Source(NamedTuple):
    """Where values come from. value: an expression. joined: what hangs on `traces t`, with a
    condition. distinct: a trace may have several rows with one value.
    """

    value: str
    joined: str = ""
    parameters: tuple[Any, ...] = ()
    distinct: bool = False


def facets(
    reading: Reading, question: Question, by: Sequence[str], limit: int, deadline: float
) -> Facets:
    """See Store."""
    sources = {each: _source(each) for each in by}
    shares: dict[str, dict[tuple[str, Value], Share]] = {each: {} for each in by}
    found = 0
    for connection, chosen in question.selections(reading, deadline):
        selection = chosen
        if len(by) > FACETS_ONE_BY_ONE:
            rows = connection.execute(
                f"select t.trace_no from traces t where {chosen.where}", chosen.parameters
            )
            selection = these([number for (number,) in rows])
        found += connection.execute(
            f"select count(*) from traces t where {selection.where}", selection.parameters
        ).fetchone()[0]
        for each, source in sources.items():
            _count(connection, selection, source, shares[each])
    return Facets(found, most_common(shares, limit), question.since)


def most_common(shares: Mapping[str, Mapping[Any, Share]], limit: int) -> list[Facet]:
    """Facets with the values that most traces have, these first. shares: by facet."""
    made = []
    for by, found in shares.items():
        ordered = sorted(found.values(), key=lambda share: (-share.traces, str(share.value)))
        made.append(Facet(by, ordered[:limit], len(ordered)))
    return made


def _source(by: str) -> _Source:
    if by in _OF_TRACES:
        return _Source(_OF_TRACES[by])
    if by in _OF_NODES:
        joined = "join parts p on p.trace_no = t.trace_no join nodes n on n.node_no = p.node_no"
        return _Source(_OF_NODES[by], joined, (), True)
    if by == "entry":
        return _Source("n.name", "join nodes n on n.node_no = t.root_node")
    if by in _OF_VALUES:
        joined = "join values_of v on v.trace_no = t.trace_no and v.field = ?"
        return _Source("v.text", joined, (_OF_VALUES[by],))
    if by.startswith(ANNOTATION):
        joined = "join annotations a on a.trace_no = t.trace_no and a.key = ?"
        value = "case a.kind when 's' then a.text when 'n' then a.number else a.number <> 0 end"
        return _Source(value, joined, (by.removeprefix(ANNOTATION),))
    raise ValueError(f"by must be one of {', '.join(FACETS)} or annotation.KEY, not {by!r}")


def _count(
    connection: sqlite3.Connection,
    selection: Selection,
    source: _Source,
    shares: dict[tuple[str, Value], Share],
) -> None:
    """Add what the traces of a slice say about one facet."""
    is_annotation = source.joined.startswith("join annotations")
    kind = "a.kind" if is_annotation else "''"
    rows = connection.execute(
        f"select kind, value, status, count(*), count(response_time), total(response_time) from ("
        f"select {'distinct t.trace_no,' if source.distinct else ''} {kind} as kind, "
        f"{source.value} as value, {STATUS} as status, t.response_time as response_time "
        f"from traces t {source.joined} where {selection.where}) "
        "where value is not null group by 1, 2, 3",
        (*source.parameters, *selection.parameters),
    )
    for kind, value, status, count, timed, seconds in rows:
        if kind == "b":
            value = bool(value)
        elif source.value is STATUS:
            value = STATUSES[value]
        key = (kind, value)
        before = shares.get(key)
        if before is None:
            before = Share(value, [0, 0, 0, 0, 0], 0, 0.0)
        before.counts[status] += count
        shares[key] = before._replace(timed=before.timed + timed, seconds=before.seconds + seconds)


# -- failures -------------------------------------------------------------------------------------


class _Group:
    """What is known of a group so far."""

    __slots__ = ("count", "first", "last", "nodes", "samples", "series", "traces")

    def __init__(self) -> None:
        self.count = 0
        self.traces: set[int] = set()
        self.first = float("inf")
        self.last = float("-inf")
        self.nodes: dict[int, None] = {}
        self.series: dict[float, int] = {}
        self.samples: list[tuple[str, str, float]] = []


def failures(
    reading: Reading,
    question: Question,
    step: float,
    group: str | None,
    samples: int,
    deadline: float,
) -> FailureGroups:
    """See Store."""
    groups: dict[str, _Group] = {}
    only = "" if group is None else "and f.group_id = ?"
    for connection, selection in question.selections(reading, deadline):
        rows = connection.execute(
            "select f.group_id, f.trace_no, f.node_no, f.time, f.entity, t.trace_id "
            f"from traces t join failures f on f.trace_no = t.trace_no {only} "
            f"where {selection.where} order by f.time desc",
            (*(() if group is None else (group,)), *selection.parameters),
        )
        for group_id, trace_no, node_no, when, entity, trace_id in rows:
            seen = groups.get(group_id)
            if seen is None:
                seen = groups[group_id] = _Group()
            seen.count += 1
            seen.traces.add(trace_no)
            seen.first = min(seen.first, when)
            seen.last = max(seen.last, when)
            seen.nodes[node_no] = None
            start = floor(when / step) * step
            seen.series[start] = seen.series.get(start, 0) + 1
            if len(seen.samples) < samples:
                seen.samples.append((trace_id, entity, when))
    ordered = sorted(groups.items(), key=lambda item: (-item[1].count, item[0]))
    with reading() as connection:
        made = [_described(connection, group_id, seen) for group_id, seen in ordered]
    return FailureGroups([each for each in made if each is not None], question.since)


def _described(connection: sqlite3.Connection, group_id: str, seen: _Group) -> FailureGroup | None:
    """A group with what its failures have in common; None if they have been removed meanwhile."""
    found = connection.execute(
        "select type, message, frame from failures where group_id = ? limit 1", (group_id,)
    ).fetchone()
    if found is None:
        return None
    type, message, frame = found
    nodes = [
        NodeKey(
            *connection.execute(
                "select name, type, account_id from nodes where node_no = ?", (number,)
            ).fetchone()
            or ("unknown", None, None)
        )
        for number in seen.nodes
    ]
    return FailureGroup(
        group_id,
        type,
        message,
        None if frame is None else Frame(*orjson.loads(frame)),
        seen.count,
        len(seen.traces),
        seen.first,
        seen.last,
        nodes,
        seen.series,
        seen.samples,
    )
