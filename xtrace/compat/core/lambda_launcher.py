"""aws_xray_sdk.core.lambda_launcher: AWS Lambda, where the function's segment is Lambda's own."""

from __future__ import annotations

import logging
import os
from contextvars import ContextVar
from threading import RLock

from xtrace import faults

from ..sdk_config import global_sdk_config
from .context import Context, Local, Stack
from .models.dummy_entities import DummySegment
from .models.facade_segment import FacadeSegment
from .models.subsegment import below
from .models.trace_header import TraceHeader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

LAMBDA_TRACE_HEADER_KEY = "_X_AMZN_TRACE_ID"
LAMBDA_TASK_ROOT_KEY = "LAMBDA_TASK_ROOT"
TOUCH_FILE_DIR = "/tmp/.aws-xray/"
TOUCH_FILE_PATH = "/tmp/.aws-xray/initialized"


def check_in_lambda() -> LambdaContext | None:
    """A LambdaContext if this process runs on Lambda, which is then told that an SDK is at work."""
    if not os.getenv(LAMBDA_TASK_ROOT_KEY):
        return None
    try:
        os.makedirs(TOUCH_FILE_DIR, exist_ok=True)
        with open(TOUCH_FILE_PATH, "a"):
            os.utime(TOUCH_FILE_PATH)
    except OSError as error:
        log.debug("%s can't be written: %s", TOUCH_FILE_PATH, error)
    return LambdaContext()


class LambdaContext(Context):
    """The current entity; without another, what stands for the function's segment.

    What Lambda tells of the segment is read at each look: what was current in an earlier invocation
    is so no more.
    """

    def __init__(self) -> None:
        self.__state: ContextVar[tuple[Any, Any] | None] = ContextVar(
            "xtrace.compat.lambda", default=None
        )
        self.__lock = RLock()
        self.__value: str | None = None
        self.__segment: Any = None
        self.get = self.get_trace_entity
        self.set = self.set_trace_entity  # type: ignore[assignment]
        self.__local = _LambdaLocal(self)

    _is_plain = False

    @property
    def _local(self) -> Any:
        return self.__local

    @_local.setter
    def _local(self, value: Any) -> None:
        self.__local = value

    # -- the segment ----------------------------------------------------------------------------

    def _refresh_context(self) -> None:
        """Take over what Lambda tells, if it is something new."""
        value = os.getenv(LAMBDA_TRACE_HEADER_KEY)
        with self.__lock:
            if self.__segment is None:
                self._initialize_context(TraceHeader.from_header_str(value))
            elif value != self.__value:
                header = TraceHeader.from_header_str(value)
                if header.root:
                    self._initialize_context(header)
            self.__value = value

    def _initialize_context(self, trace_header: TraceHeader) -> None:
        sampled: bool | None = None
        if not global_sdk_config.sdk_enabled() or trace_header.sampled == 0:
            sampled = False
        elif trace_header.sampled == 1:
            sampled = True
        segment: Any
        if not trace_header.root or not trace_header.parent or trace_header.sampled is None:
            from xtrace.environment import lambda_

            segment = DummySegment()
            segment.handed_on = lambda_._printable(os.getenv(LAMBDA_TRACE_HEADER_KEY))
            log.debug("Lambda tells of no complete segment yet")
        else:
            segment = FacadeSegment("facade", trace_header.parent, trace_header.root, sampled)
        segment.save_origin_trace_header(trace_header)
        self._own(segment)
        self.__segment = segment

    def _own(self, segment: Any) -> None:
        """Have a segment belong to the recorder whose context this is."""
        segment._current = self
        recorder = self.recorder
        if recorder is not None:
            segment._owner = recorder._owner

    recorder: Any = None
    """The recorder whose context this is."""

    def _belong_to(self, recorder: Any) -> None:
        super()._belong_to(recorder)
        self.recorder = recorder
        if self.__segment is not None:
            self._own(self.__segment)

    makes_segments = False
    """A recorder of xtrace's own asks segment() instead."""

    def segment(self, name: str | None, request: Any) -> Any:
        """What in_segment() of xtrace's own recorder gives: the function's, or a request in it."""
        function = self.function_segment()
        if request is None or not function.sampled:
            return function
        from xtrace.environment import lambda_

        return lambda_.Request(name or function.name, self.get_trace_entity(), function)

    def function_segment(self) -> Any:
        """What stands for the function's segment."""
        self._refresh_context()
        return self.__segment

    # -- what is current ------------------------------------------------------------------------

    def get_trace_entity(self) -> Any:
        """The current entity, which belongs to the invocation that runs now."""
        self._refresh_context()
        state = self.__state.get()
        if state is None or state[0] is not self.__segment or state[1] is None:
            return self.__segment
        return state[1]

    def set_trace_entity(self, trace_entity: Any) -> None:
        """Make an entity current."""
        self._refresh_context()
        if trace_entity is self.__segment:
            trace_entity = None
        elif trace_entity is not None and not self._is_subsegment(trace_entity):
            self.__segment = trace_entity
            trace_entity = None
        self.__state.set((self.__segment, trace_entity))

    def clear_trace_entities(self) -> None:
        """Make nothing current, and read anew what Lambda tells.

        Not while something is open under the segment: that is another thread's, most likely.
        """
        self.__state.set(None)
        segment = self.__segment
        if segment is None or not any(each.in_progress for each in segment._with_all_under()[1:]):
            self.__segment = None

    def put_segment(self, segment: Any) -> None:
        """Nothing: the segment is Lambda's."""
        self._explain("begun")

    def end_segment(self, end_time: float | None = None) -> None:
        """Nothing: the segment is Lambda's."""
        self._explain("ended")

    def _explain(self, what: str) -> None:
        site = faults.call_site()
        if faults.due(f"compat lambda {site}") is not None:
            log.warning(
                "A segment is %s at %s: on Lambda the only segment is the function's own, which "
                "Lambda sends. Use a subsegment",
                what,
                site,
            )

    def put_subsegment(self, subsegment: Any) -> None:
        """Put a subsegment under the current entity, unless Lambda tells of no segment yet."""
        current = self.get_trace_entity()
        if not self._is_subsegment(current) and (
            getattr(current, "initializing", False) or isinstance(current, DummySegment)
        ):
            if not os.getenv(LAMBDA_TRACE_HEADER_KEY):
                log.warning("Lambda tells of no segment yet: %s isn't recorded", subsegment.name)
            return
        current.add_subsegment(subsegment)
        self.__state.set((self.__segment, subsegment))

    def end_subsegment(self, end_time: float | None = None) -> bool:
        """End the current subsegment; gives whether there was one."""
        entity = self.get_trace_entity()
        if self._is_subsegment(entity):
            if entity.in_progress:
                entity.close(end_time)
            above = below(entity)
            self.__state.set((self.__segment, above if self._is_subsegment(above) else None))
            return True
        return False

    def handle_context_missing(self) -> None:
        """Nothing: there always is a segment."""

    def missing(self, call: str) -> None:
        """Nothing: there always is a segment."""

    @property
    def context_missing(self) -> Any:
        """None: there always is a segment."""
        return None

    @context_missing.setter
    def context_missing(self, value: Any) -> None:
        """Ignored."""


class _LambdaLocal(Local):
    """The `_local` of a context on Lambda; `segment` is what stands for the function's."""

    def __init__(self, context: LambdaContext) -> None:
        super().__init__(context)
        self.__of = context

    @property
    def segment(self) -> Any:
        """What stands for the function's segment."""
        return self.__of.function_segment()

    def _subsegments(self) -> Stack:
        """The subsegments that are open, the current one last."""
        entities = Local.entities.fget(self)  # type: ignore[attr-defined]
        return Stack(entities[1:], self.__of)

    entities = property(_subsegments, Local.entities.fset, Local.entities.fdel)  # type: ignore[attr-defined]
