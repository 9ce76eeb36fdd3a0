"""One trace as rows: what was going on when, inside what, and what waited for what. Pure.

Every segment, subsegment and inferred segment is a row; rows are depth first, children by start. Times
are as the documents have them, never corrected. All are seconds, rounded to microseconds; those of rows
count from the trace's start.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from .causes import own_exceptions
from .documents import text, time_of
from .logs import has_logs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from .trace import NodeKey, Part, Trace

SEGMENT, SUBSEGMENT, INFERRED = range(3)

ERROR, THROTTLE, FAULT = 1, 2, 4
IN_PROGRESS, ORPHAN, IS_INFERRED = 8, 16, 32
REMOTE, AWS, EXCEPTIONS = 64, 128, 256
SKEWED, SQL, LOGS = 512, 1024, 2048
"""Bits of a row's flags."""

FAILED = ERROR | THROTTLE | FAULT

SKEW_SECONDS = 0.0005
"""A callee that begins so long before its caller: the clocks of their hosts differ."""

MAX_LABEL_CHARS = 120
MAX_WARNINGS = 20
"""Of one kind; what is beyond is counted in the last one."""


class Row(NamedTuple):
    """parent: place of the row above, -1 at the top. service: place in the timeline's services.

    kind: SEGMENT, SUBSEGMENT or INFERRED. label: what was done, None if the document doesn't say.
    start: from the trace's. duration: None while in progress. self_seconds: the part of its duration
    in which none of its children was going on; of what is in progress None.
    """

    id: str
    parent: int
    depth: int
    service: int
    kind: int
    name: str
    label: str | None
    start: float
    duration: float | None
    flags: int
    http_status: int | None
    self_seconds: float | None


class Gap(NamedTuple):
    """A called segment inside the row that called it. before: until it began; after: from its end to
    the caller's. None if one of them is in progress, or it began when the caller had ended.
    """

    caller: int
    callee: int
    before: float
    after: float | None


class Stretch(NamedTuple):
    """Something that the response waited for. start: from the trace's."""

    row: int
    start: float
    duration: float


class Warning(NamedTuple):
    """Something that may make the rows misleading. row: None if it is about the trace."""

    code: str
    row: int | None
    seconds: float | None
    text: str


class Timeline:
    """The rows of a trace. services: nodes in the order in which they first occur.

    entities: the document of each row, subsegments included; parts: the part that it belongs to.
    root: the row of the entry point, None of an empty trace.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.rows: list[Row] = []
        self.services: list[NodeKey] = []
        self.entities: list[dict[str, Any]] = []
        self.parts: list[Part] = []
        self.root: int | None = None
        self._children: list[list[int]] = []
        self._walk()
        self._add_self_times()

    # -- rows

    def _walk(self) -> None:
        trace = self.trace
        called: dict[str, list[Part]] = {}
        for part in trace.parts:
            if not part.root and part.parent_id is not None:
                called.setdefault(part.parent_id, []).append(part)
        numbers: dict[NodeKey, int] = {}
        tops = [part for part in trace.parts if part.root]
        tops.sort(key=lambda part: part is not trace.root)  # the entry point first
        waiting = [(part.document, part, -1, 0) for part in reversed(tops)]
        met = set(tops)
        while waiting:
            entity, part, parent, depth = waiting.pop()
            place = len(self.rows)
            if entity is part.document and part is trace.root:
                self.root = place
            service = numbers.get(part.node)
            if service is None:
                service = numbers[part.node] = len(numbers)
                self.services.append(part.node)
            self.rows.append(self._row(entity, part, parent, depth, service))
            self.entities.append(entity)
            self.parts.append(part)
            self._children.append([])
            if parent >= 0:
                self._children[parent].append(place)
            below: list[tuple[float, dict[str, Any], Part]] = []
            subsegments = entity.get("subsegments")
            if subsegments.__class__ is list:
                for each in subsegments:
                    if each.__class__ is dict:
                        start = time_of(each.get("start_time"))
                        below.append((part.start if start is None else start, each, part))
            id = entity.get("id")
            if id.__class__ is str:
                for other in called.get(id, ()):
                    if other not in met:  # ids may be used twice
                        met.add(other)
                        below.append((other.start, other.document, other))
            below.sort(key=_start)
            waiting.extend((each, owner, place, depth + 1) for _, each, owner in reversed(below))

    def _row(
        self, entity: dict[str, Any], part: Part, parent: int, depth: int, service: int
    ) -> Row:
        whole = entity is part.document
        kind = (INFERRED if part.inferred else SEGMENT) if whole and not part.orphan else SUBSEGMENT
        start = time_of(entity.get("start_time"))
        start = part.start if start is None else start
        end = time_of(entity.get("end_time"))
        flags = _flags(entity)
        if end is None:
            flags |= IN_PROGRESS
        if part.inferred:
            flags |= IS_INFERRED
        if whole and part.root and (part.orphan or part.parent_id is not None):
            flags |= ORPHAN
        offset = _rounded(start - self.trace.start)
        if whole and parent >= 0 and offset < self.rows[parent].start - SKEW_SECONDS:
            flags |= SKEWED
        return Row(
            text(entity.get("id")) or "",
            parent,
            depth,
            service,
            kind,
            text(entity.get("name")) or "unknown",
            label(entity),
            offset,
            None if end is None else _rounded(max(0.0, end - start)),
            flags,
            _http_status(entity),
            None,
        )

    def _add_self_times(self) -> None:
        rows = self.rows
        for place, children in enumerate(self._children):
            row = rows[place]
            if row.duration is None:
                continue
            spent = 0.0
            at, end = row.start, row.start + row.duration
            for child in children:  # by start
                other = rows[child]
                until = end if other.duration is None else other.start + other.duration
                begin, until = max(at, other.start), min(until, end)
                if until > begin:
                    spent += until - begin
                    at = until
            rows[place] = row._replace(self_seconds=_rounded(max(0.0, row.duration - spent)))

    # -- what follows from them

    def gaps(self) -> list[Gap]:
        """Called segments and how they lie in what called them."""
        found = []
        for place, row in enumerate(self.rows):
            if row.kind != SEGMENT or row.parent < 0:
                continue
            caller = self.rows[row.parent]
            after = None
            if caller.duration is not None and row.duration is not None:
                end = caller.start + caller.duration
                if row.start <= end:
                    after = _rounded(end - row.start - row.duration)
            found.append(Gap(row.parent, place, _rounded(row.start - caller.start), after))
        return found

    def critical_path(self) -> list[Stretch]:
        """What the response waited for, by time.

        From the entry point's end backwards: the child that ended last is what was waited for until
        its end, then what ended last before that one began, and so on; between them it is the row
        itself. A child that goes on after its parent, or begins after it, wasn't waited for; a called
        segment that ends after its caller counts up to the caller's end.
        """
        if self.root is None:
            return []
        rows = self.rows
        top = rows[self.root]
        end = top.start + top.duration if top.duration is not None else None
        if end is None:
            end = _rounded(self.trace.end - self.trace.start)
        found: list[Stretch] = []
        waiting = [(self.root, top.start, end)]
        while waiting:
            place, low, high = waiting.pop()
            at = high
            for until, child in self._by_end(place, high):
                if until > at + 1e-6 or rows[child].start >= at:
                    continue
                begin = max(rows[child].start, low)
                if until <= begin:
                    continue
                if at > until:
                    found.append(Stretch(place, until, _rounded(at - until)))
                waiting.append((child, begin, min(until, at)))
                at = begin
                if at <= low:
                    break
            if at > low:
                found.append(Stretch(place, low, _rounded(at - low)))
        found = [each for each in found if each.duration > 0]
        found.sort(key=lambda stretch: (stretch.start, stretch.row))
        return [each._replace(start=_rounded(each.start)) for each in found]

    def _by_end(self, place: int, high: float) -> list[tuple[float, int]]:
        """When the children of a row ended, the last one first."""
        found = []
        for child in self._children[place]:
            row = self.rows[child]
            if row.duration is not None:
                end = row.start + row.duration
                found.append((min(end, high) if row.kind != SUBSEGMENT else end, child))
        found.sort(reverse=True)
        return found

    def warnings(self) -> list[Warning]:
        """What may make the rows misleading."""
        found = []
        skewed = [place for place, row in enumerate(self.rows) if row.flags & SKEWED]
        for place in skewed[:MAX_WARNINGS]:
            row = self.rows[place]
            early = _rounded(row.start - self.rows[row.parent].start)
            found.append(
                Warning(
                    "clock_skew",
                    place,
                    early,
                    f"{row.name} begins {_shown(-early)} before its caller: the clocks differ.",
                )
            )
        orphans = [place for place, row in enumerate(self.rows) if row.flags & ORPHAN]
        for place in orphans[:MAX_WARNINGS]:
            row = self.rows[place]
            found.append(
                Warning("parent_missing", place, None, f"The parent of {row.name} wasn't received.")
            )
        running = [place for place, row in enumerate(self.rows) if row.flags & IN_PROGRESS]
        for place in running[:MAX_WARNINGS]:
            found.append(
                Warning("in_progress", place, None, f"{self.rows[place].name} is in progress.")
            )
        for code, places in (
            ("clock_skew", skewed),
            ("parent_missing", orphans),
            ("in_progress", running),
        ):
            if len(places) > MAX_WARNINGS:
                more = len(places) - MAX_WARNINGS
                found.append(Warning(code, None, None, f"The same is so for {more} more rows."))
        if self.root is not None and self.rows[self.root].flags & ORPHAN:
            found.append(
                Warning("root_missing", None, None, "What led to this trace wasn't received.")
            )
        return found

    def statistics(self) -> list[tuple[Any, ...]]:
        """By service and name: place of the service, name, count, total, self time, average, highest
        duration, errors, faults; the longest self time first. What is in progress only counts.
        """
        found: dict[tuple[int, str], list[Any]] = {}
        for row in self.rows:
            if row.kind == INFERRED:
                continue  # its caller, told twice
            seen = found.setdefault((row.service, row.name), [0, 0, 0.0, 0.0, 0.0, 0, 0])
            seen[0] += 1
            if row.duration is not None:
                seen[1] += 1
                seen[2] += row.duration
                seen[3] += row.self_seconds or 0.0
                seen[4] = max(seen[4], row.duration)
            seen[5] += bool(row.flags & (ERROR | THROTTLE) and not row.flags & FAULT)
            seen[6] += bool(row.flags & FAULT)
        made = [
            (
                *key,
                count,
                _rounded(total),
                _rounded(own),
                _rounded(total / timed) if timed else None,
                highest,
                errors,
                faults,
            )
            for key, (count, timed, total, own, highest, errors, faults) in found.items()
        ]
        made.sort(key=lambda each: (-each[4], each[0], each[1]))
        return made


def _start(item: tuple[float, dict[str, Any], Part]) -> float:
    return item[0]


def _rounded(seconds: float) -> float:
    return round(seconds, 6)


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _flags(entity: dict[str, Any]) -> int:
    flags = 0
    if entity.get("error") is True:
        flags |= ERROR
    if entity.get("throttle") is True:
        flags |= THROTTLE
    if entity.get("fault") is True:
        flags |= FAULT
    namespace = entity.get("namespace")
    if namespace == "remote":
        flags |= REMOTE
    elif namespace == "aws":
        flags |= AWS
    cause = entity.get("cause")
    if cause is not None and (cause.__class__ is str or own_exceptions(cause)):
        flags |= EXCEPTIONS
    if entity.get("sql").__class__ is dict:
        flags |= SQL
    if has_logs(entity):
        flags |= LOGS
    return flags


def _http_status(entity: dict[str, Any]) -> int | None:
    http = entity.get("http")
    response = http.get("response") if http.__class__ is dict else None
    status = response.get("status") if response.__class__ is dict else None
    return status if status.__class__ is int and 0 <= status < 100_000 else None


# -- labels ------------------------------------------------------------------------------------

_RESOURCES = ("table_name", "bucket_name", "queue_url", "function_name", "topic_arn", "stream_name")


def label(entity: dict[str, Any]) -> str | None:
    """What an entity did: "GET /path", "GetItem: ProductCatalog", the beginning of a statement."""
    sql = entity.get("sql")
    if sql.__class__ is dict:
        statement = text(sql.get("sanitized_query"))
        if statement:
            return _line(statement)
    aws = entity.get("aws")
    if aws.__class__ is dict:
        operation = text(aws.get("operation"))
        if operation:
            resource = resource_of(aws)
            return _line(f"{operation}: {resource}" if resource else operation)
    http = entity.get("http")
    request = http.get("request") if http.__class__ is dict else None
    if request.__class__ is dict:
        method, url = text(request.get("method")), text(request.get("url"))
        return _line(" ".join(word for word in (method, path_of(url)) if word)) or None
    return None


def resource_of(aws: dict[str, Any]) -> str | None:
    """The name of what an AWS call was about."""
    for member in _RESOURCES:
        value = text(aws.get(member))
        if value:
            return value.rstrip("/").rpartition("/" if member == "queue_url" else ":")[2] or value
    for member in ("table_names", "resource_names"):
        names = aws.get(member)
        if names.__class__ is list:
            known = [name for each in names if (name := text(each))]
            if known:
                return ", ".join(known[:3])
    return None


def path_of(url: str | None) -> str | None:
    """The path of a URL, or what there is of it."""
    if not url:
        return None
    try:
        return urlsplit(url).path or "/"
    except ValueError:
        return url


def _line(said: str) -> str:
    line = " ".join(said[: 8 * MAX_LABEL_CHARS].split())
    return line if len(line) <= MAX_LABEL_CHARS else f"{line[: MAX_LABEL_CHARS - 1]}…"


# -- two traces --------------------------------------------------------------------------------


class Pair(NamedTuple):
    """Rows of two traces that stand for the same; None where one of them has none."""

    depth: int
    a: int | None
    b: int | None


def pairs(a: Timeline, b: Timeline) -> list[Pair]:
    """The rows of two traces side by side: those with the same service and name, in their order,
    under rows that are a pair. Depth first, in the order of the first trace.
    """
    found: list[Pair] = []
    tops_a = [place for place, row in enumerate(a.rows) if row.parent < 0]
    tops_b = [place for place, row in enumerate(b.rows) if row.parent < 0]
    waiting = [(0, *each) for each in reversed(_paired(a, tops_a, b, tops_b))]
    while waiting:
        depth, one, other = waiting.pop()
        found.append(Pair(depth, one, other))
        below = _paired(
            a,
            [] if one is None else a._children[one],
            b,
            [] if other is None else b._children[other],
        )
        waiting.extend((depth + 1, *each) for each in reversed(below))
    return found


def _paired(
    a: Timeline, in_a: Sequence[int], b: Timeline, in_b: Sequence[int]
) -> list[tuple[int | None, int | None]]:
    """Siblings of two traces, those of the second alone where they stand among the others."""
    waiting: dict[tuple[Any, ...], list[int]] = {}
    for place in reversed(in_b):
        waiting.setdefault(_identity(b, place), []).append(place)
    partners: dict[int, int] = {}
    for place in in_a:
        same = waiting.get(_identity(a, place))
        if same:
            partners[place] = same.pop()
    taken = {other: place for place, other in partners.items()}
    # Rows of the second trace alone come before the next one that has a partner.
    alone: dict[int | None, list[int]] = {}
    behind: list[int] = []
    for place in in_b:
        if place in taken:
            alone[taken[place]] = behind
            behind = []
        else:
            behind.append(place)
    made: list[tuple[int | None, int | None]] = []
    for place in in_a:
        made.extend((None, other) for other in alone.get(place, ()))
        made.append((place, partners.get(place)))
    made.extend((None, other) for other in behind)
    return made


def _identity(timeline: Timeline, place: int) -> tuple[Any, ...]:
    row = timeline.rows[place]
    return timeline.services[row.service], row.name, row.kind


def by_id(rows: Iterable[Row]) -> dict[str, int]:
    """Places of rows by id, the first of each."""
    found: dict[str, int] = {}
    for place, row in enumerate(rows):
        found.setdefault(row.id, place)
    return found
