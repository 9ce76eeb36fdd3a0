"""What the store on SQLite keeps of a trace besides its documents: rows, without their numbers yet. Pure."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from ..failures import failures
from ..graph import observations, pack
from ..summaries import summary
from .links import packed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ..failures import Failure
    from ..graph import Observation
    from ..trace import Call, NodeKey, Part, Trace
    from .links import Link, Producer

SECONDS_BETWEEN_ID_AND_START = 86_400.0
"""An id whose time is further from the trace's start is random: its time says nothing."""

LATEST = 253_402_300_800.0  # the year 10000


class Derived(NamedTuple):
    """The rows of a trace, each without trace_no at its beginning; nodes as their keys.

    trace: time to http_client_ip, in the table's order. nodes: of the root, then of each part.
    """

    trace: tuple[Any, ...]
    root: NodeKey | None
    parts: list[tuple[NodeKey, tuple[Any, ...]]]
    calls: list[tuple[NodeKey, NodeKey, tuple[Any, ...]]]
    annotations: list[tuple[str, str, str | None, float | None]]
    values: set[tuple[str, str]]
    links: list[tuple[str, str, bytes | None]]
    failures: list[tuple[NodeKey, tuple[Any, ...]]]
    observations: list[Observation]
    packed: bytes
    summary: bytes


def derive(trace: Trace, links: Mapping[Link, Producer | None]) -> Derived:
    """The rows of a trace. links: what its links to other traces lead from."""
    told = summary(trace)
    seen = observations(trace)
    root = trace.root
    values: set[tuple[str, str]] = {("user", user) for user, _ in trace.users}
    values |= {("error", name) for name in _exceptions(trace)}
    has_inferred = has_throttle = False
    parts = []
    for part in trace.parts:
        has_inferred = has_inferred or part.inferred
        has_throttle = has_throttle or part.throttle
        if part.availability_zone is not None:
            values.add(("availabilityzone", part.availability_zone))
        if part.instance_id is not None:
            values.add(("instance.id", part.instance_id))
        if part.resource_arn is not None:
            values.add(("resource.arn", part.resource_arn))
        row = (
            int(part.root),
            int(part.inferred),
            int(part.ok),
            int(part.error),
            int(part.fault),
            int(part.throttle),
            part.response_time,
            part.duration,
            part.end,
            _status(part),
        )
        if not part.orphan:  # of a service that isn't known yet: no filter finds it
            parts.append((part.node, row))
    return Derived(
        (
            time_of(trace.id, trace.start),
            trace.start,
            trace.end,
            trace.duration,
            trace.response_time,
            int(root is not None and root.ok),
            int(root is not None and root.error),
            int(root is not None and root.fault),
            int(has_throttle),
            int(trace.partial),
            int(has_inferred),
            *(_http(root) if root is not None else (None,) * 5),
        ),
        None if root is None else root.node,
        parts,
        [(call.source, call.target, _call(call)) for call in trace.calls],
        [_annotation(key, value) for key, found in trace.annotations.items() for value, _ in found],
        values,
        [(*link, packed(producer)) for link, producer in links.items()],
        [(failure.node, _failure(failure)) for failure in failures(trace)],
        seen,
        pack(seen),
        orjson.dumps(told),
    )


def _exceptions(trace: Trace) -> Iterator[str]:
    """The types of the exceptions at the ends of root causes."""
    for kind in ("fault", "error") if trace.failing else ():
        for cause in trace.causes[kind]:
            for name, _ in cause.services[-1].entities[-1].exceptions:
                if name is not None:
                    yield name


def _failure(failure: Failure) -> tuple[Any, ...]:
    frame = failure.frame
    return (
        failure.group,
        failure.type,
        failure.message,
        None if frame is None else orjson.dumps(list(frame)),
        failure.time,
        failure.entity,
    )


def _call(call: Call) -> tuple[Any, ...]:
    return (
        int(call.link),
        int(call.ok),
        int(call.error),
        int(call.fault),
        int(call.throttle),
        call.response_time,
    )


def _status(part: Part) -> int | None:
    status = part.http_status  # of any size
    return status if status is not None and abs(status) < 1 << 31 else None


def _http(part: Part) -> tuple[Any, ...]:
    return (
        part.http_url,
        part.http_method,
        _status(part),
        part.http_user_agent,
        part.http_client_ip,
    )


def _annotation(key: str, value: str | float | bool) -> tuple[str, str, str | None, float | None]:
    if isinstance(value, str):
        return key, "s", value, None
    return key, "b" if isinstance(value, bool) else "n", None, float(value)


def time_of(trace_id: str, start: float) -> float:
    """The time that a trace is looked for by: the one in its id, or its start.

    The id's time is whole seconds, so that a trace begins up to a second after it; other ids
    are random where the time would stand.
    """
    try:
        embedded = float(int(trace_id[2:10], 16))
    except ValueError:
        return start
    return embedded if abs(embedded - start) <= SECONDS_BETWEEN_ID_AND_START else start
