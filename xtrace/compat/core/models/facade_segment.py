"""aws_xray_sdk.core.models.facade_segment: the segment of a Lambda function, seen from inside."""

from __future__ import annotations

from ..exceptions.exceptions import FacadeSegmentMutationException
from .segment import Segment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MUTATION_UNSUPPORTED_MESSAGE = "FacadeSegments cannot be mutated."


def _refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Nothing can be put here: the segment is Lambda's own."""
    raise FacadeSegmentMutationException(MUTATION_UNSUPPORTED_MESSAGE)


class FacadeSegment(Segment):
    """Stands for a Lambda function's segment, which Lambda itself sends; it takes subsegments only.

    initializing: whether what Lambda tells of the segment isn't complete yet.
    """

    __slots__ = ()

    _recorder = None  # it says nothing of what the process runs on

    def __init__(
        self, name: str, entityid: str | None, traceid: str | None, sampled: bool | None
    ) -> None:
        self.initializing = self._is_initializing(entityid, traceid, sampled)
        super().__init__(name, entityid, traceid, None, sampled)

    close = put_http_meta = put_annotation = put_metadata = set_aws = set_user = _refuse
    add_throttle_flag = add_fault_flag = add_error_flag = _refuse
    add_exception = apply_status_code = serialize = _refuse

    def ready_to_send(self) -> bool:
        """Never: Lambda sends it."""
        return False

    def increment(self) -> None:
        """Count a subsegment as held, not as one to wait for."""
        self._begun += 1
        self._closed += 1

    def decrement_ref_counter(self) -> None:
        """There is nothing to wait for."""

    def _is_initializing(
        self, entityid: str | None, traceid: str | None, sampled: bool | None
    ) -> bool:
        return not entityid or not traceid or sampled is None
