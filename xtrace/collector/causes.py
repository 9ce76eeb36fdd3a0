"""Root causes of a trace: why it failed, and where its time went. Pure."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .trace import NodeKey, Trace


class CauseException(NamedTuple):
    """An exception at the end of a path of failures. None: the document doesn't say."""

    name: str | None
    message: str | None


class CauseEntity(NamedTuple):
    """A segment or subsegment on the way to a cause.

    remote: it is a call to another service. coverage: its share of the root's response time, 0 to
    1, of response time causes; None of failures. exceptions: of the last entity of a failure.
    """

    name: str
    remote: bool
    coverage: float | None
    exceptions: list[CauseException]


class CauseService(NamedTuple):
    """A service on the way to a cause. entities: its segment, then subsegments downwards."""

    node: NodeKey
    names: list[str]
    inferred: bool
    entities: list[CauseEntity]


class RootCause(NamedTuple):
    """A path of services from the entry point down to a cause.

    client_impacting: the client saw it: the root failed too, or is slow because of it.
    """

    client_impacting: bool
    services: list[CauseService]


def root_causes(trace: Trace) -> dict[str, list[RootCause]]:
    """The causes of a trace under "fault", "error" and "responsetime"."""
    return {"fault": [], "error": [], "responsetime": []}
