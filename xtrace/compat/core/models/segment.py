"""aws_xray_sdk.core.models.segment: segments, and `with recorder.in_segment():`."""

from __future__ import annotations

import copy
import sys
import threading
from weakref import getweakrefcount

from xtrace import forks, ids, model

from ..exceptions.exceptions import SegmentNameMissingException
from ..utils.atomic_counter import AtomicCounter
from .entity import (
    ORIGIN_TRACE_HEADER_ATTR_KEY,
    Entity,
    clean_name,
    innermost_frames,
    known_names,
    nobody,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..recorder import AWSXRayRecorder
    from .trace_header import TraceHeader

__all__ = ["ORIGIN_TRACE_HEADER_ATTR_KEY", "Segment", "SegmentContextManager"]


class Segment(Entity, model.Segment):
    """The work of one service for one request.

    Beside what every entity has: trace_id, user, and, once they are set, service and origin.
    """

    # How many subsegments were put under it, anywhere, and how many of these have ended and were
    # taken out again. Adding to a slot is one step to other threads.
    __slots__ = ("_begun", "_children", "_closed", "_is_released", "_raw", "_removed", "sampled")

    _is_released: bool | None
    """Whether what is under it was released; None: it never is any more."""
    _owner: Any  # the recorder's Owner
    _current: Any
    _begun: int
    _closed: int
    _removed: int
    _raw: bool

    def __init__(
        self,
        name: str,
        entityid: str | None = None,
        traceid: str | None = None,
        parent_id: str | None = None,
        sampled: Any = True,
    ) -> None:
        if not name:
            raise SegmentNameMissingException("Segment name is required.")
        now = ids.wall_clock()
        mono = ids.monotonic_clock()
        try:
            self.name = known_names[name]
        except (KeyError, TypeError):
            self.name = clean_name(name)
        self.id = entityid or ids.random_bits(64).to_bytes(8, "big").hex()
        self._base = base = now - mono
        self.start_time = base + mono
        self._stop = None
        self._trace_id = traceid or ids.trace_id(now)
        self._caller_id = parent_id
        self._parent = None
        self._owner = self._current = nobody
        self._annotations = {}
        self._checked = True
        self._metadata = {}
        self._more = None
        self._ended = []
        self._held_bytes = self._indexed = self._begun = self._closed = self._removed = 0
        self._exceptions = None
        self._children = None
        self._is_released = self._raw = False
        self.header = None
        self.sampled = sampled

    # -- attributes -----------------------------------------------------------------------------

    @property
    def segment(self) -> Segment:
        """This segment."""
        return self

    @property
    def trace_id(self) -> str:
        """The id that all segments of the trace have."""
        return self._trace_id or ""

    @trace_id.setter
    def trace_id(self, value: str) -> None:
        self._trace_id = value

    @property
    def parent_id(self) -> str | None:
        """The id of the entity that called this service."""
        return self._caller_id

    @parent_id.setter
    def parent_id(self, value: str | None) -> None:
        self._caller_id = value

    @property
    def aws(self) -> Any:
        """The aws block; the recorder adds what the process runs on."""
        found = self.__dict__.get("_aws")
        if found is None:
            found = self.__dict__["_aws"] = self._aws_block()
            self._set_raw()
        return found

    @aws.setter
    def aws(self, value: Any) -> None:
        self._set_raw()
        self.__dict__["_aws"] = value

    @property
    def _recorder(self) -> Any:
        """The recorder that has begun it; None if the program has made it by itself."""
        return None if "_is_made_by_hand" in self.__dict__ else self._owner.recorder

    def _aws_block(self) -> Any:
        found = self.__dict__.get("_aws")
        if found is None:
            recorder = self._recorder
            found = {} if recorder is None else copy.deepcopy(recorder._aws_metadata)
            given = (self._more or {}).get("aws")
            if given and "xray" in given:
                found.setdefault("xray", {}).update(given["xray"])
        return found

    @property
    def service(self) -> Any:
        """The service block. Not there on a segment that no recorder has begun."""
        fields = self._more or {}
        if "service" in fields:
            return fields["service"]
        recorder = self._recorder
        if recorder is None:
            raise AttributeError("service")
        return recorder._service_info

    @service.setter
    def service(self, value: Any) -> None:
        self._checked = False
        self._fields["service"] = value

    @property
    def origin(self) -> Any:
        """What the process runs on. Not there if no plugin has told."""
        fields = self._more or {}
        if "origin" in fields:
            return fields["origin"]
        recorder = self._recorder
        if recorder is None or not recorder._origin:
            raise AttributeError("origin")
        return recorder._origin

    @origin.setter
    def origin(self, value: Any) -> None:
        self._fields["origin"] = value

    @origin.deleter
    def origin(self) -> None:
        if self._fields.pop("origin", None) is None:
            raise AttributeError("origin")

    @property
    def user(self) -> Any:
        """Who the request was for."""
        return (self._more or {}).get("user")

    @user.setter
    def user(self, value: Any) -> None:
        self._fields["user"] = value

    @property
    def ref_counter(self) -> Any:
        """An AtomicCounter of the subsegments that are open."""
        return _Counter(self, "_closed")

    @property
    def _subsegments_counter(self) -> Any:
        """The same of those that it holds."""
        return _Counter(self, "_removed")

    def _convert_later(self) -> None:
        self._raw = True

    def _set_raw(self) -> None:
        self._checked = False
        self._raw = True

    def _own_attributes(self, fields: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        yield "trace_id", self._trace_id
        yield "user", fields.get("user")
        yield "service", getattr(self, "service", None)
        yield "origin", getattr(self, "origin", None)

    # -- counting -------------------------------------------------------------------------------

    def increment(self) -> None:
        """Count a subsegment that was put somewhere under this."""
        self._begun += 1

    def decrement_ref_counter(self) -> None:
        """Count a subsegment that has ended."""
        self._closed += 1

    def ready_to_send(self) -> bool:
        """Whether this and all under it has ended."""
        return self._begun <= self._closed and not self.in_progress

    def get_total_subsegments_size(self) -> int:
        """How many subsegments it holds."""
        return self._begun - self._removed

    def decrement_subsegments_size(self) -> int:
        """Count a subsegment that was taken out."""
        self._removed += 1
        return self._begun - self._removed

    def _let_go(self, subsegment: Any) -> None:
        """Forget a subsegment that was taken out, with what is under it."""
        gone = subsegment._with_all_under()
        self._removed += len(gone)
        for each in gone:
            if each in self._ended:
                self._ended.remove(each)

    # -- the tree -------------------------------------------------------------------------------

    def add_subsegment(self, subsegment: Any) -> None:
        """Put a subsegment directly under this."""
        super().add_subsegment(subsegment)
        self.increment()

    def remove_subsegment(self, subsegment: Any) -> None:
        """Take a subsegment that is directly under this out again, with what is under it."""
        super().remove_subsegment(subsegment)
        self._let_go(subsegment)

    def _release(self, ended: list[Any]) -> None:
        """Have subsegments that were sent forget what they are under, unless somebody has kept one.

        A segment and what is under it know each other, so that only the garbage collector would free
        them: later, when the memory is cold, and for a service under load that takes a tenth more of
        each call. Who looks at `subsegments` afterwards finds them tied again.

        ended: those that were sent with the segment. Somebody has kept one if there are more
        references to all of them than from this list, from the lists of what they are under, and
        among themselves; or a weak one; or has looked at `subsegments`, in any thread. What is in
        no such list would make up for one: whatever may be so calls _tie(), but for calls of
        xtrace's own integrations, which aren't counted in `_closed`.
        """
        with _releasing:
            if (
                self._is_released is False
                and len(ended) == self._closed - self._removed  # else others are, in no such list
                and sum(map(_references, ended))
                == _REFERENCES * len(ended) - len(self._children or ())
                and not any(map(getweakrefcount, ended))
            ):
                self._is_released = True
                for each in ended:
                    each._parent = each.segment = None

    def _tie(self) -> None:
        if self._is_released is None:
            return
        with _releasing:
            above: list[Any] = [self] if self._is_released else []
            for each in above:
                for child in each._children or ():
                    child._parent = each
                    child.segment = self
                    above.append(child)
            self._is_released = None

    # -- begin and end --------------------------------------------------------------------------

    def _now(self) -> float:
        return self._base + ids.monotonic_clock()

    def begin(self) -> None:
        """Begin as xtrace's own integrations do: without becoming current."""
        if self._stop is None and self not in self._owner.open:
            self._owner.add(self)

    def __enter__(self) -> Segment:
        if self._stop is None:
            current = self._current
            if self not in self._owner.open:
                if current.get() is not None:
                    self._parent = model.outer_entity(current)
                self._owner.add(self)
            current.set(self)
        return self

    def __exit__(self, kind: Any, error: Any, tb: Any, end_time: float | None = None) -> None:
        """End the segment as xtrace's own integrations do."""
        if error is not None:
            self._stopped_by(error)
        if self._stop is None:
            self._owner.end_segment(self, end_time)

    def _leave_context(self) -> None:
        current = self._current
        here = current.get()
        if here is self or (here is not None and here.segment is self):
            current.set(self._return_to() if self._parent is not None else None)

    # -- what programs put in -------------------------------------------------------------------

    def set_user(self, user: str) -> None:
        """Say for whom the request is."""
        self._check_ended()
        self.user = user

    def set_service(self, service_info: Any) -> None:
        """Replace the service block."""
        self.service = service_info

    def set_rule_name(self, rule_name: str) -> None:
        """Record which sampling rule has decided."""
        self.aws.setdefault("xray", {})["sampling_rule_name"] = rule_name

    def save_origin_trace_header(self, trace_header: TraceHeader) -> None:
        """Keep the header of the request that this serves; its unknown fields are passed on."""
        super().save_origin_trace_header(trace_header)
        if hasattr(trace_header, "native"):
            self.header = trace_header.native()

    def _known_exceptions(self) -> dict[int, tuple[BaseException, str]]:
        if self._exceptions is None:
            self._exceptions = {}
        return self._exceptions

    def _max_trace_back(self) -> int:
        most: int = self._owner.max_trace_back
        return most


# PyPy counts no references, and doesn't mind circles: there, nothing is ever released.
_references: Any = getattr(sys, "getrefcount", lambda entity: 0)
_REFERENCES = sum(map(_references, [object()])) + 2
"""What _references() counts of an object in a list, and one each for the list of what it is under, and
for its own to that, unless that is the segment."""


_releasing = threading.RLock()


def _after_fork_in_child() -> None:
    """Whoever holds the lock isn't there."""
    global _releasing
    _releasing = threading.RLock()


forks.in_child(_after_fork_in_child)


class _Counter(AtomicCounter):
    """A segment's `ref_counter` and the like: kept by the segment. less: what counts down."""

    def __init__(self, segment: Segment, less: str) -> None:
        self._segment = segment
        self._less = less

    @property
    def value(self) -> Any:
        """The number."""
        return self._segment._begun - getattr(self._segment, self._less)

    @value.setter
    def value(self, number: int) -> None:
        setattr(self._segment, self._less, self._segment._begun - number)

    def get_current(self) -> int:
        """The number."""
        return int(self.value)

    def increment(self, num: int = 1) -> int:
        """Count more."""
        return self.decrement(-num)

    def decrement(self, num: int = 1) -> int:
        """Count fewer."""
        setattr(self._segment, self._less, getattr(self._segment, self._less) + num)
        return self.get_current()

    def reset(self) -> int:
        """Count none."""
        self.value = 0
        return 0


class SegmentContextManager:
    """Begins a segment, and ends it with what was raised inside. May be used again afterwards."""

    def __init__(
        self, recorder: AWSXRayRecorder, name: str | None = None, **segment_kwargs: Any
    ) -> None:
        self.name = name
        self.segment_kwargs = segment_kwargs
        self.recorder = recorder
        self.segment: Any = None

    def __enter__(self) -> Any:
        begin = self.recorder.begin_segment
        if self.segment_kwargs:
            self.segment = begin(name=self.name, **self.segment_kwargs)
        else:
            self.segment = begin(name=self.name)
        return self.segment

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        segment = self.segment
        if segment is None:
            return
        if exc_val is not None:
            record_stop(self.recorder, segment, exc_val, exc_tb)
        self.recorder.end_segment()


def record_stop(recorder: AWSXRayRecorder, entity: Any, error: BaseException, tb: Any) -> None:
    """Record what has ended the work of an entity: see xtrace's one rule for cancellation."""
    if not entity.in_progress:
        return
    if isinstance(error, Exception):
        entity.add_exception(error, innermost_frames(tb, recorder.max_trace_back))
    else:
        entity._stopped_by(error)
