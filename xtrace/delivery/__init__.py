"""Requests to backends: an OTLP endpoint, the X-Ray API. For the emitters and for the collector's
forwarding.

Each call waits at most until its deadline, whatever the other side does, and says what became of
what it was given: delivered, refused for good, or to be tried again.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Protocol

    class Backend(Protocol):
        """Where documents are delivered to. Used by one thread at a time."""

        url: str
        max_documents: int
        max_bytes: int
        """Of one call to deliver()."""
        gives_way: bool
        """Whether other threads may run again and again while a request is prepared."""
        needs: Sequence[str]
        """Modules that deliver() imports."""

        def deliver(self, parcels: Sequence[Parcel], deadline: float, final: bool) -> Outcome:
            """Send documents; wait until the deadline (of the monotonic clock) at most.

            final: nothing follows; what was held back goes out, too.
            """
            ...

        def close(self) -> None:
            """Give up connections; the next delivery opens others."""
            ...

        def give_up(self) -> int:
            """Forget what is held back; gives how many entities that was."""
            ...

        def after_fork(self) -> None:
            """Forget connections that belong to the parent process."""
            ...


class Parcel(NamedTuple):
    """A document on its way to a backend.

    data: JSON in UTF-8. entities: described in it. service: the name of the segment that it belongs
    to, and what all segments of its process say (service, aws, origin): documents of subsegments
    don't say it.
    """

    data: bytes
    entities: int
    service: tuple[str, Mapping[str, Any]] | None = None


class Outcome(NamedTuple):
    """What became of the documents of one delivery.

    sent: entities that the backend has. bytes: sent for them. superseded: entities that weren't
    sent because they were sent in a later state. dropped: entities by reason. again: what is to be
    tried again; then `trouble` says why, in words, and `kind` in one of TROUBLES. retry_after:
    seconds to wait before, as the backend has said. is_dead: nobody is there, or it answers
    nonsense; else the backend has answered that it can't now.
    What is in none of these is held back until later.
    """

    sent: int = 0
    bytes: int = 0
    superseded: int = 0
    dropped: dict[str, int] = {}  # noqa: RUF012 - never changed
    again: Sequence[Parcel] = ()
    trouble: str = ""
    kind: str = ""
    retry_after: float | None = None
    is_dead: bool = False


TIMEOUT, REFUSED, CLIENT_ERROR, SERVER_ERROR, UNKNOWN_HOST, OTHER = TROUBLES = (
    "TimeoutCount",
    "ConnectionRefusedCount",
    "HTTPCode4XXCount",
    "HTTPCode5XXCount",
    "UnknownHostCount",
    "OtherCount",
)
"""Kinds of trouble, in the words of the daemon's telemetry."""
