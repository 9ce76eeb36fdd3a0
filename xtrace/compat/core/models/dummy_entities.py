"""aws_xray_sdk.core.models.dummy_entities: entities that aren't recorded."""

from __future__ import annotations

import os

from xtrace import ids
from xtrace.noop import NO_ID, NO_TRACE_ID

from ...sdk_config import SDKConfig
from .noop_traceid import NoOpTraceId
from .segment import Segment
from .subsegment import Subsegment
from .traceid import TraceId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["DummySegment", "DummySubsegment", "NoOpTraceId", "Segment", "Subsegment", "TraceId"]


def _ignore(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Record nothing."""


# Those that are called most: what takes any arguments has to pack them.
def _ignore_annotation(self: Any, key: Any, value: Any) -> None:
    """Record nothing."""


def _ignore_metadata(self: Any, key: Any, value: Any, namespace: Any = "default") -> None:
    """Record nothing."""


def _wants_ids() -> bool:
    return os.environ.get("AWS_XRAY_NOOP_ID", "").lower() == "false"


class DummySegment(Segment):
    """A segment that isn't recorded. Its ids are zero, unless AWS_XRAY_NOOP_ID is "false", or a
    caller's trace goes on through it.
    """

    __slots__ = ()

    _recorder = None  # it says nothing of what the process runs on

    def __init__(
        self,
        name: str = SDKConfig.DISABLED_ENTITY_NAME,
        traceid: str | None = None,
        parent_id: str | None = None,
    ) -> None:
        if _wants_ids():
            super().__init__(name, traceid=traceid or TraceId().to_id(), sampled=False)
        else:
            super().__init__(name, NO_ID, traceid or NO_TRACE_ID, sampled=False)
        self._caller_id = parent_id

    put_annotation = _ignore_annotation
    put_metadata = _ignore_metadata
    set_aws = put_http_meta = apply_status_code = add_exception = serialize = _ignore
    set_user = set_service = _ignore


class DummySubsegment(Subsegment):
    """A subsegment that isn't recorded."""

    __slots__ = ()

    def __init__(
        self,
        segment: Any,
        name: str = SDKConfig.DISABLED_ENTITY_NAME,
    ) -> None:
        super().__init__(name, "dummy", segment)
        self.sampled = False
        if segment.id == NO_ID or not _wants_ids():
            self.id = NO_ID

    def __exit__(self, kind: Any, error: Any, tb: Any, end_time: float | None = None) -> None:
        """End; what it is under is current again."""
        segment = self.segment
        parent: Any = self._parent
        current = segment._current
        if current.get() is self and parent._stop is segment._stop is self._stop is None:
            # What end_subsegment() comes to for most, without its calls.
            self._stop = end_time or (segment._base + ids.monotonic_clock())
            segment._closed += 1
            # It isn't sent, and would make up for one that is in no list.
            segment._is_released = None
            current.set(parent)
        else:
            segment._owner.end_subsegment(self, end_time)

    put_annotation = _ignore_annotation
    put_metadata = _ignore_metadata
    set_aws = put_http_meta = apply_status_code = add_exception = serialize = set_sql = _ignore


def dummy_under(parent: Any, name: str) -> DummySubsegment:
    """A subsegment that isn't recorded under what is open, begun and current."""
    segment = parent.segment
    made = DummySubsegment(segment, name)
    made._parent = parent
    if parent._children is None:
        parent._children = [made]
    else:
        parent._children.append(made)
    segment._begun += 1
    segment._current.set(made)
    return made
