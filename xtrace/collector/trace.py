"""The documents of one trace, compiled: its parts, its calls, and what it says as a whole. Pure.

All times are seconds since the epoch, durations seconds, both as floats.
"""

from __future__ import annotations

from typing import NamedTuple

from . import causes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class NodeKey(NamedTuple):
    """What makes a node of the service graph that node.

    type: "AWS::DynamoDB::Table", "remote", "client", or None for a plain service.
    """

    name: str
    type: str | None
    account_id: str | None


class Part:
    """One service's part in a trace: one segment, received or inferred.

    root: nothing in the trace led to it. orphan: a subsegment that travelled alone and whose parent
    hasn't arrived; of the service it belongs to nothing is known. ok: none of error, fault and throttle, of which several
    may be true. end: None while in progress. response_time: end - start. duration: from its start
    to the latest end beneath it. document: compiled, subsegments merged in.
    """

    __slots__ = (
        "availability_zone",
        "document",
        "duration",
        "end",
        "error",
        "fault",
        "http_client_ip",
        "http_method",
        "http_status",
        "http_url",
        "http_user_agent",
        "id",
        "in_progress",
        "inferred",
        "instance_id",
        "name",
        "names",
        "node",
        "ok",
        "orphan",
        "parent_id",
        "resource_arn",
        "response_time",
        "root",
        "start",
        "throttle",
        "user",
    )

    id: str
    parent_id: str | None
    name: str
    node: NodeKey
    names: list[str]
    inferred: bool
    orphan: bool
    root: bool
    in_progress: bool
    ok: bool
    error: bool
    fault: bool
    throttle: bool
    start: float
    end: float | None
    response_time: float | None
    duration: float | None
    http_url: str | None
    http_method: str | None
    http_user_agent: str | None
    http_client_ip: str | None
    http_status: int | None
    user: str | None
    resource_arn: str | None
    instance_id: str | None
    availability_zone: str | None
    document: dict[str, Any]


class Call:
    """An edge of a trace: a caller's subsegment, or the client, and the part it led to.

    link: the parts are joined by a trace link, not by a call; age then says how long after the
    source's end the target began. The status and times are the caller's; of a client's call the
    target's.
    """

    __slots__ = (
        "age",
        "end",
        "error",
        "fault",
        "link",
        "ok",
        "response_time",
        "source",
        "start",
        "target",
        "throttle",
    )

    source: NodeKey
    target: NodeKey
    link: bool
    ok: bool
    error: bool
    fault: bool
    throttle: bool
    start: float
    end: float | None
    response_time: float | None
    age: float | None


class Trace:
    """A compiled trace.

    root: the entry point; None of a trace without parts. parts: by start, inferred ones included.
    annotations, users: each distinct value with the nodes that set it. revision: how many
    different documents it was compiled from. partial: something is in progress or missing.
    """

    __slots__ = (
        "_causes",
        "annotations",
        "calls",
        "duration",
        "end",
        "id",
        "partial",
        "parts",
        "response_time",
        "revision",
        "root",
        "start",
        "users",
    )

    id: str
    start: float
    end: float
    duration: float
    response_time: float | None
    partial: bool
    root: Part | None
    parts: list[Part]
    calls: list[Call]
    annotations: dict[str, list[tuple[str | float | int | bool, list[NodeKey]]]]
    users: list[tuple[str, list[NodeKey]]]
    revision: int

    @property
    def causes(self) -> dict[str, list[causes.RootCause]]:
        """The root causes under "fault", "error" and "responsetime"."""
        if self._causes is None:
            self._causes: dict[str, list[causes.RootCause]] | None = causes.root_causes(self)
        return self._causes


def compile_trace(trace_id: str, documents: Sequence[dict[str, Any]]) -> Trace:
    """The trace that documents make: any order and number of repetitions gives the same.

    documents: JSON objects with text in trace_id and id and a number in start_time; everything
    else may be of any type. Never raises because of what is in them, and leaves them unchanged.
    """
    raise NotImplementedError
