"""What many traces are like together, added up by ClickHouse."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from ...failures import Frame
from ...graph import OPEN, PERIOD, Rollup, subject_from_text
from .. import FACETS, Cell, Distribution, Facets, FailureGroup, FailureGroups, Share
from ..aggregates import ANNOTATION, STATUS, STATUSES, most_common
from .questions import Selection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, TypeAlias

    from ...graph import Subject
    from .database import Database
    from .questions import Question

    Value: TypeAlias = str | float | bool
    Ranges: TypeAlias = Sequence[tuple[int, int]]


# -- by time, status and response time -----------------------------------------------------------


def distribution(
    database: Database, question: Question, step: float, deadline: float
) -> Distribution:
    """See Store."""
    totals: dict[tuple[float, int, int | None], tuple[int, float]] = {}
    for selection in question.selections(deadline):
        rows = database.query(
            f"SELECT toInt64(t.start_time / ?) AS period, {STATUS} AS status, t.microseconds, count(), "
            f"ifNull(sum(t.response_time), 0) FROM traces AS t FINAL WHERE {selection.where} "
            "GROUP BY 1, 2, 3",
            (float(step), *selection.parameters),
        )
        for period, status, microseconds, count, seconds in rows:
            key = (period * step, status, microseconds)
            before = totals.get(key, (0, 0.0))
            totals[key] = (before[0] + count, before[1] + seconds)
    return Distribution([Cell(*key, *total) for key, total in totals.items()], question.since)


# -- by what they have in common ------------------------------------------------------------------

_NAMES = "arrayDistinct(t.`parts.node_name`)"
_TYPES = "arrayDistinct(arrayFilter(x -> isNotNull(x), t.`parts.node_type`))"
_VALUES = {
    "url": "[t.http_url]",
    "http_status": "[t.http_status]",
    "method": "[t.http_method]",
    "client_ip": "[t.http_client_ip]",
    "user_agent": "[t.http_user_agent]",
    "status": f"[{STATUS}]",
    "service": _NAMES,
    "type": _TYPES,
    "entry": "[t.root_name]",
}
_FIELDS = {
    "user": "user",
    "error": "error",
    "availability_zone": "availabilityzone",
    "instance": "instance.id",
    "arn": "resource.arn",
}


class _Source(NamedTuple):
    """An array of the values that a trace has. kinds: they are tuples of kind, text and number."""

    array: str
    parameters: tuple[Any, ...] = ()
    kinds: bool = False


def facets(
    database: Database, question: Question, by: Sequence[str], limit: int, deadline: float
) -> Facets:
    """See Store."""
    sources = {each: _source(each) for each in by}
    shares: dict[str, dict[tuple[str, Value], Share]] = {each: {} for each in by}
    found = 0
    for selection in question.selections(deadline):
        found += database.query(
            f"SELECT count() FROM traces AS t FINAL WHERE {selection.where}", selection.parameters
        )[0][0]
        for each, source in sources.items():
            for key, share in _shares(database, selection, source, each == "status"):
                before = shares[each].get(key)
                shares[each][key] = share if before is None else _added(before, share)
    return Facets(found, most_common(shares, limit), question.since)


def _source(by: str) -> _Source:
    if by in _VALUES:
        return _Source(_VALUES[by])
    if by in _FIELDS:
        return _Source(
            "arrayFilter((text, field) -> field = ?, t.`values.text`, t.`values.field`)",
            (_FIELDS[by],),
        )
    if by.startswith(ANNOTATION):
        return _Source(
            "arrayFilter((x, key) -> key = ?, arrayZip(t.`annotations.kind`, t.`annotations.text`, "
            "t.`annotations.number`), t.`annotations.key`)",
            (by.removeprefix(ANNOTATION),),
            kinds=True,
        )
    raise ValueError(f"by must be one of {', '.join(FACETS)} or annotation.KEY, not {by!r}")


def _shares(
    database: Database, selection: Selection, source: _Source, of_status: bool
) -> Iterator[tuple[tuple[str, Value], Share]]:
    """What the traces of a selection say about one facet."""
    rows = database.query(
        "SELECT value, groupArray(status), groupArray(traces), sum(timed), sum(seconds) FROM ("
        "SELECT value, status, count() AS traces, count(response_time) AS timed, "
        "ifNull(sum(response_time), 0) AS seconds FROM ("
        f"SELECT arrayJoin({source.array}) AS value, {STATUS} AS status, "
        f"t.response_time AS response_time FROM traces AS t FINAL WHERE {selection.where}) "
        "GROUP BY value, status) GROUP BY value",
        (*source.parameters, *selection.parameters),
    )
    for said, statuses, traces, timed, seconds in rows:
        kind, value = "", said
        if source.kinds:
            kind, text, number = said
            value = text if kind == "s" else bool(number) if kind == "b" else number
        elif of_status:
            value = STATUSES[said]
        if value is None:
            continue
        counts = [0, 0, 0, 0, 0]
        for status, count in zip(statuses, traces, strict=True):
            counts[status] += count
        yield (kind, value), Share(value, counts, timed, seconds)


def _added(one: Share, other: Share) -> Share:
    counts = [a + b for a, b in zip(one.counts, other.counts, strict=True)]
    return Share(one.value, counts, one.timed + other.timed, one.seconds + other.seconds)


# -- failures -------------------------------------------------------------------------------------

_FAILURES = """
SELECT f_group, count(), uniqExact(t.trace_id), min(f_time), max(f_time), groupUniqArray(f_node),
    sumMap([toInt64(floor(f_time / ?))], [toUInt64(1)]), any(f_type), any(f_message), any(f_frame),
    arraySlice(arrayReverseSort(groupArray((f_time, t.trace_id, f_entity))), 1, ?)
FROM traces AS t FINAL
ARRAY JOIN t.`failures.group_id` AS f_group, t.`failures.time` AS f_time,
    t.`failures.node` AS f_node, t.`failures.type` AS f_type, t.`failures.message` AS f_message,
    t.`failures.frame` AS f_frame, t.`failures.entity` AS f_entity
WHERE """


def failures(
    database: Database,
    question: Question,
    step: float,
    group: str | None,
    samples: int,
    deadline: float,
) -> FailureGroups:
    """See Store."""
    groups: dict[str, FailureGroup] = {}
    for chosen in question.selections(deadline):
        selection = chosen
        if group is not None:
            selection &= Selection("f_group = ?", (group,))
        rows = database.query(
            f"{_FAILURES}{selection.where} GROUP BY f_group",
            (float(step), samples, *selection.parameters),
        )
        for row in rows:
            made = _group(row, step)
            before = groups.get(made.group)
            groups[made.group] = made if before is None else _together(before, made, samples)
    ordered = sorted(groups.values(), key=lambda group: (-group.failures, group.group))
    return FailureGroups(ordered, question.since)


def _group(row: Sequence[Any], step: float) -> FailureGroup:
    group, count, traces, first, last, nodes, (starts, counts), type, message, frame, samples = row
    return FailureGroup(
        group,
        type,
        message,
        None if frame is None else Frame(*orjson.loads(frame)),
        count,
        traces,
        first,
        last,
        [subject_from_text(node) for node in sorted(nodes)],  # type: ignore[misc]
        {start * step: count for start, count in zip(starts, counts, strict=True)},
        [(trace_id, entity, when) for when, trace_id, entity in samples],
    )


def _together(newer: FailureGroup, older: FailureGroup, samples: int) -> FailureGroup:
    """The same group in two slices, the newer first; no trace is in both."""
    series = dict(newer.series)
    for start, count in older.series.items():
        series[start] = series.get(start, 0) + count
    return newer._replace(
        failures=newer.failures + older.failures,
        traces=newer.traces + older.traces,
        first=min(newer.first, older.first),
        last=max(newer.last, older.last),
        nodes=list(dict.fromkeys([*newer.nodes, *older.nodes])),
        series=series,
        samples=sorted([*newer.samples, *older.samples], key=lambda each: -each[2])[:samples],
    )


# -- the service graph ----------------------------------------------------------------------------

# What is added up of what traces have seen, as Rollup has it.
_SUMS = f"""
[countIf(s_status = 0), countIf(s_status = 1), countIf(s_status = 2), countIf(s_status = 3),
    countIf(s_status = 4)] AS counts,
sum(s_root) AS roots, sum(s_received) AS received,
sumIf(toInt128(s_response), s_status != {OPEN}) AS microseconds,
sumMapIf([s_bucket], [toInt64(1)], s_status != {OPEN}) AS buckets,
sumMapIf([s_bucket, s_lasted], [toInt64(-1), toInt64(1)],
    s_status != {OPEN} AND s_bucket != s_lasted) AS later,
min(s_start) AS first, max(s_end) AS last"""

_SEEN = """
FROM traces AS t FINAL
ARRAY JOIN t.`seen.subject` AS s_subject, t.`seen.status` AS s_status, t.`seen.start` AS s_start,
    t.`seen.end` AS s_end, t.`seen.response` AS s_response, t.`seen.bucket` AS s_bucket,
    t.`seen.lasted` AS s_lasted, t.`seen.root` AS s_root, t.`seen.received` AS s_received
WHERE t.seen_first < ? AND t.seen_last >= ? AND """


def rollups(
    database: Database, selection: Selection, ranges: Ranges, period: int
) -> Iterator[tuple[int, Rollup]]:
    """What traces say of the graph in some ranges of seconds: by the start of a period, and subject.

    ranges: sorted, each up to its end.
    """
    within = _within("s_start", ranges)
    rows = database.query(
        f"SELECT toInt64(floor(s_start / ?)) AS period, s_subject, {_SUMS} {_SEEN} {within} "
        f"AND {selection.where} GROUP BY period, s_subject",
        (
            float(period),
            ranges[-1][1],
            ranges[0][0],
            *selection.parameters,
        ),
    )
    for start, text, *said in rows:
        yield start * period, _rollup(subject_from_text(text), said)


def add_up(database: Database, generation: str, version: int, ranges: Ranges) -> None:
    """Make the sums of the minutes in some ranges, as far as traces say something about them."""
    within = _within("s_start", ranges)
    names = ("subject", "counts", "roots", "received", "microseconds", "first", "last")
    arrays = [(name, name) for name in names]
    for map in ("buckets", "later"):
        arrays += [(map, f"{map}.1"), (f"in_{map}", f"{map}.2")]
    columns = ", ".join(f"`sums.{name}`" for name, _ in arrays)
    gathered = ", ".join(f"groupArray({value})" for _, value in arrays)
    statement = (
        f"INSERT INTO graph (generation, minute, version, is_marked, {columns}) "
        f"SELECT ?, minute, toUInt64(?), 0, {gathered} FROM ("
        f"SELECT toInt64(floor(s_start / {PERIOD}.0)) * {PERIOD} AS minute, s_subject AS subject, {_SUMS} "
        f"{_SEEN} {within} GROUP BY minute, subject) GROUP BY minute"
    )
    # In one line: what follows the first of an insertion is data to some servers.
    database.command(
        " ".join(statement.split()),
        (generation, version, ranges[-1][1], ranges[0][0]),
    )


def added_up_before(
    database: Database, generation: str, low: int, high: int, period: int, but: Ranges
) -> Iterator[tuple[int, Rollup, list[int]]]:
    """What was added up of minutes in a range, without some: also the minutes that a rollup is of."""
    without = _within("minute", but)
    rows = database.query(
        "SELECT toInt64(floor(minute / ?)) AS period, subject, groupArray(minute), sumForEach(counts), "
        "sum(roots), sum(received), sum(microseconds), sumMap(buckets, in_buckets), "
        "sumMap(later, in_later), min(first), max(last) FROM graph FINAL ARRAY JOIN "
        "`sums.subject` AS subject, `sums.counts` AS counts, `sums.roots` AS roots, "
        "`sums.received` AS received, `sums.microseconds` AS microseconds, "
        "`sums.buckets` AS buckets, `sums.in_buckets` AS in_buckets, `sums.later` AS later, "
        "`sums.in_later` AS in_later, `sums.first` AS first, `sums.last` AS last "
        "WHERE generation = ? AND NOT is_marked AND minute >= ? AND minute < ? "
        f"AND NOT {without} GROUP BY period, subject",
        (float(period), generation, low, high),
    )
    for start, text, minutes, *said in rows:
        yield start * period, _rollup(subject_from_text(text), said), minutes


def _within(column: str, ranges: Ranges) -> str:
    # Numbers stand in the statement itself: parameters travel in the URL, which has an end.
    each = [f"{column} >= {int(low)} AND {column} < {int(high)}" for low, high in ranges]
    return f"({' OR '.join(each) or '0'})"


def _rollup(subject: Subject, said: Sequence[Any]) -> Rollup:
    counts, roots, received, microseconds, buckets, later, first, last = said
    made = Rollup(subject)
    made.counts = list(counts)
    made.roots, made.received, made.microseconds = roots, received, int(microseconds)
    made.buckets = dict(zip(*buckets, strict=True))
    made.later = dict(zip(*later, strict=True))
    made.starts[first] = made.ends[last] = 1
    return made


# -- words ----------------------------------------------------------------------------------------

WORDS_OF_TRACES = 100_000
"""The newest, that words are looked for in."""


def _filtered(column: str, condition: str) -> str:
    return f"arrayFilter((x, y) -> {condition}, {column})"


WORDS = {
    "name": "arrayConcat(`parts.node_name`, `calls.source_name`, `calls.target_name`)",
    "type": "arrayConcat(`parts.node_type`, `calls.source_type`, `calls.target_type`)",
    "annotation": "`annotations.key`",
    "value": _filtered("`annotations.text`, `annotations.key`", "y = ? AND isNotNull(x)"),
    **{
        field: _filtered("`values.text`, `values.field`", f"y = '{field}'")
        for field in ("user", "availabilityzone", "instance.id", "resource.arn")
    },
    "http.url": "[http_url]",
    "http.method": "[http_method]",
}
"""Arrays with the words of a trace; of "value" with a placeholder for the annotation's key."""


def vocabulary(
    database: Database, kind: str, key: str | None, prefix: str, limit: int
) -> list[str]:
    """See Store."""
    if kind not in WORDS:
        raise ValueError(f"kind must be one of {', '.join(WORDS)}, not {kind!r}")
    rows = database.query(
        f"SELECT DISTINCT arrayJoin(words) AS word FROM (SELECT {WORDS[kind]} AS words FROM traces "
        f"ORDER BY changed DESC LIMIT {WORDS_OF_TRACES}) "
        f"WHERE startsWith(word, ?) ORDER BY word LIMIT {limit}",
        (*([key or ""] if kind == "value" else []), prefix),
    )
    return [word for (word,) in rows if word is not None]
