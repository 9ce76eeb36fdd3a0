"""aws_xray_sdk.core.models.dummy_entities: entities that aren't recorded."""

from __future__ import annotations

import os

from xtrace.noop import NO_ID, NO_TRACE_ID

from ...sdk_config import SDKConfig
from .entity import Entity
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


def _wants_ids() -> bool:
    return os.environ.get("AWS_XRAY_NOOP_ID", "").lower() == "false"


class DummySegment(Segment):
    """A segment that isn't recorded. Its ids are zero, unless AWS_XRAY_NOOP_ID is "false", or a
    caller's trace goes on through it.
    """

    __slots__ = ()

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

    sampled = False

    set_aws = put_http_meta = put_annotation = put_metadata = apply_status_code = _ignore
    add_exception = serialize = set_user = set_service = _ignore


class DummySubsegment(Subsegment):
    """A subsegment that isn't recorded."""

    __slots__ = ()

    sampled = False

    def __init__(
        self,
        segment: Any,
        name: str = SDKConfig.DISABLED_ENTITY_NAME,
        parent: Entity | None = None,
    ) -> None:
        super().__init__(name, "dummy", segment, parent)
        if not _wants_ids():
            self.id = NO_ID

    set_aws = put_http_meta = put_annotation = put_metadata = apply_status_code = _ignore
    add_exception = serialize = set_sql = _ignore
