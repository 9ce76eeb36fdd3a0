"""The entities that record nothing: an unsampled segment, and the one subsegment inside it.

They have every method and attribute of the real ones, so callers never test for None, and cost
next to nothing. Both are falsy.
"""

from __future__ import annotations

from itertools import repeat

from .model import Entity, Segment, Subsegment, outer_entity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from .document import Constant
    from .header import TraceHeader
    from .model import Current, Owner

NO_ID = "0000000000000000"
"""The id of what is never sent."""

NO_TRACE_ID = "1-00000000-000000000000000000000000"


class _Unrecorded(Entity):
    """Overrides whatever of Entity would store something."""

    __slots__ = ()

    sampled = False
    _stop = end_time = None

    def __bool__(self) -> bool:
        return False

    # The three that programs call most have their own signatures: collecting arguments into a
    # tuple and a dict costs more than the call.
    def put_annotation(self, key: str, value: object) -> None:
        """Record nothing."""

    def put_metadata(self, key: str, value: object, namespace: str = "default") -> None:
        """Record nothing."""

    def put_http_meta(self, key: str, value: object) -> None:
        """Record nothing."""

    def _ignore(self, *args: object, **options: object) -> None:
        """Record nothing."""

    apply_status_code = add_fault_flag = add_error_flag = add_throttle_flag = _ignore
    add_exception = set_aws = set_sql = set_user = set_service = _ignore
    add_link = add_precursor = begin = _ignore

    def _dict(self, field: str) -> dict[str, Any]:
        return {}

    def _flag(self, field: str, value: bool) -> None:
        """Record nothing."""

    @property
    def id(self) -> str:  # type: ignore[override]
        """All zero."""
        return NO_ID

    @property
    def start_time(self) -> float:  # type: ignore[override]
        """Zero: unrecorded work has no times."""
        return 0.0

    @property
    def annotations(self) -> dict[str, Any]:
        """Empty, and not kept."""
        return {}

    @property
    def metadata(self) -> dict[str, dict[str, Any]]:
        """Empty, and not kept."""
        return {}

    @property
    def _fields(self) -> dict[str, Any]:
        return {}

    @property
    def in_progress(self) -> bool:
        """Whether the entity hasn't ended."""
        return False

    @property
    def subsegments(self) -> list[Subsegment]:
        """None."""
        return []

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UnsampledSegment(_Unrecorded, Segment):
    """A segment that was decided not to be recorded: it only carries the trace on.

    Called services learn the same trace id and the decision.
    """

    __slots__ = ()

    def __init__(
        self,
        name: str,
        owner: Owner,
        current: Current,
        trace_id: str | None = None,
        parent_id: str | None = None,
        header: TraceHeader | None = None,
    ) -> None:
        self.name = name
        self.header = header
        self._trace_id = trace_id
        self._caller_id = parent_id
        self._current = current
        self._owner = owner
        self._parent = None

    def __enter__(self) -> Self:
        current = self._current
        if current.get() is not None:
            self._parent = outer_entity(current)
        current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        end_time: float | None = None,
    ) -> None:
        current = self._current
        if current.get() is self:
            current.set(self._parent)

    def close(self, end_time: float | None = None) -> None:
        """Make current again what was current before."""
        self.__exit__(None, None, None)


class NoSubsegment(_Unrecorded, Subsegment):
    """What in_subsegment gives in an unsampled segment, and where there is none: one for all."""

    __slots__ = ()

    name = "no subsegment"
    namespace = None

    def __init__(self) -> None:
        pass

    @property
    def segment(self) -> Segment:  # type: ignore[override]
        """An unsampled segment that is nobody's."""
        return _no_segment

    @property
    def trace_id(self) -> str:
        """All zero; see the current segment for the trace that goes on."""
        return NO_TRACE_ID

    @property
    def parent_id(self) -> str | None:
        """None."""
        return None

    @property
    def _parent(self) -> None:  # type: ignore[override]
        return None

    def close(self, end_time: float | None = None) -> None:
        """Nothing to end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        end_time: float | None = None,
    ) -> None:
        return None


class _NowhereToGo:
    """The Current and the Owner of entities that belong to no recorder."""

    def __init__(self) -> None:
        self.open: dict[Entity, int] = {}
        self.environment: dict[str, Any] = {}
        self.log_groups: tuple[str, ...] = ()
        self.origin: str | None = None
        self.service_version: str | None = None
        self.constant: Constant | None = None
        self.streaming_threshold = 0
        self.max_trace_back = 0
        self.redact = True

    def get(self) -> None:
        return None

    def set(self, entity: Entity | None, /) -> None:
        return None

    def segment_ended(self, segment: Segment) -> None:
        return None

    stream_subsegments = segment_ended

    def too_late(self, entity: Entity, call: str) -> None:
        return None

    def too_many_open(self) -> None:
        return None

    def repaired(self, what: str, times: int = 1) -> None:
        return None

    def was_forgotten(self, entity: Entity) -> bool:
        return False


_nowhere = _NowhereToGo()
_no_segment = UnsampledSegment("no segment", _nowhere, _nowhere, NO_TRACE_ID)
NO_SUBSEGMENT = NoSubsegment()

# Every subsegment of an unsampled request comes through these two. What they do, C functions do
# as well, at half of a Python function's cost: the one gives the entity, the other ignores its
# arguments and gives something false.
NoSubsegment.__enter__ = repeat(NO_SUBSEGMENT).__next__  # type: ignore[assignment, method-assign]
NoSubsegment.__exit__ = "".format  # type: ignore[assignment, method-assign]

NO_SEGMENT = _no_segment
"""A segment for callers that need one where there is none: with tracing off."""
