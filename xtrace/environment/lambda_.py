"""AWS Lambda: the segment of a function is Lambda's own; what is recorded here are parts of it.

Lambda sends the function's segment and tells its trace, its id and the sampling decision in the
environment variable _X_AMZN_TRACE_ID, anew for each invocation. A LambdaContext reads it at each
look at the current entity and has an entity in the segment's place, which is never sent. Below it
are subsegments, which are sent as soon as they have ended: the sandbox is frozen between
invocations. While the variable says nothing complete (at init, or where tracing is off) nothing is
recorded, and what it says is handed on as it came.
"""

from __future__ import annotations

import os
from threading import RLock

from .. import faults, header, ids
from ..context import Context
from ..model import WEIGHED_EACH, Segment, Subsegment
from ..noop import NO_TRACE_ID, UnsampledSegment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from ..header import TraceHeader
    from ..model import Current, Entity
    from ..recorder import Recorder

TASK_ROOT = "LAMBDA_TASK_ROOT"
"""Variable by which a program knows that it runs on Lambda."""

TRACE_HEADER = "_X_AMZN_TRACE_ID"
"""Variable with the trace header of the invocation."""

FUNCTION_NAME = "AWS_LAMBDA_FUNCTION_NAME"

READY_FOLDER = "/tmp/.aws-xray"
"""Where a file tells Lambda that an X-Ray SDK is at work."""

READY_FILE = "initialized"

_STARTED_FROM_SNAPSHOT = ("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")


def is_here() -> bool:
    """Whether this process runs on Lambda."""
    return bool(os.environ.get(TASK_ROOT))


class LambdaContext(Context):
    """The current entity of a recorder on Lambda; without another, the function's segment.

    What was current in an earlier invocation is so no more, in any thread.
    """

    makes_segments = False
    """A recorder's in_segment() asks segment() of this context instead."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._kept = self.get
        self.get = self._current
        self._recorder = recorder
        self._trees: Any = _Trees(recorder)
        self._value: str | None = None
        self._function: Segment | None = None
        self._has_begun = False
        self._lock = RLock()  # a signal's handler may come in between, and record something

    def _current(self) -> Entity | None:
        if not self._recorder.enabled:
            return None
        function = self.function()
        entity = self._kept()
        if entity is None or entity.segment is not function:
            return function
        return entity

    def function(self) -> Segment:
        """The segment of the function for the invocation that runs now."""
        value = os.environ.get(TRACE_HEADER)
        function = self._function
        if function is None or value != self._value:
            function = self._next(value)
        return function

    def _next(self, value: str | None) -> Segment:
        with self._lock:
            before = self._function
            if before is not None and value == self._value:  # another thread was faster
                return before
            function = self._of(value)
            self._function = function  # before the value: who compares it takes this
            self._value = value
            is_first = value is not None and not self._has_begun
            self._has_begun |= is_first
        if is_first:
            self._first_invocation()
        if before is not None:
            self._give_up(before)
        return function

    def _of(self, value: str | None) -> Segment:
        name = os.environ.get(FUNCTION_NAME) or "function"
        came_in = header.parse(value)
        # Something must be complete to be joined; _X_AMZN_TRACE_ID=Root=... alone means that
        # tracing is off here and that the caller's trace goes on behind us.
        if came_in.root and came_in.parent and came_in.sampled:
            return FunctionSegment(name, self._trees, self, came_in)
        return UnrecordedFunction(name, self._trees, self, came_in, value)

    def _first_invocation(self) -> None:
        variable, snapshot = _STARTED_FROM_SNAPSHOT
        if os.environ.get(variable) == snapshot:
            # All sandboxes that are started from the snapshot would make the same ids.
            ids.reseed()
        self._recorder.begin_use()
        try:
            os.makedirs(READY_FOLDER, exist_ok=True)
            with open(os.path.join(READY_FOLDER, READY_FILE), "a"):
                os.utime(os.path.join(READY_FOLDER, READY_FILE))
        except OSError as error:
            faults.log("debug", f"{READY_FOLDER} can't be written: {error}", "lambda ready")

    def _give_up(self, function: Segment) -> None:
        """Send what an invocation left open as in progress, once the next one is there."""
        if function.sampled:
            with faults.absorb("lambda"):
                self._recorder.forget(self._open_in(function))
                self._recorder.send_ended(function)

    def _open_in(self, function: Segment) -> list[Entity]:
        return [each for each in list(self._recorder.open) if each.segment is function]

    def show_open(self) -> None:
        """Send what is open in this invocation as in progress, and what has ended inside of it."""
        function = self._function
        if function is not None and function.sampled:
            self._recorder.show(self._open_in(function))
            self._recorder.send_ended(function)

    def segment(self, name: str | None, request: Mapping[str, Any] | None) -> Segment:
        """What in_segment() gives: the one segment that there is, the function's.

        For a request that a web framework serves inside of the function, a part of it.
        """
        function = self.function()
        if request is None:
            if function.sampled:
                site = faults.call_site()
                faults.log(
                    "warning",
                    f"in_segment at {site}: on Lambda the segment is the function's own; what is "
                    "inside belongs to that one. Use in_subsegment()",
                    f"lambda segment {site}",
                )
            return function
        if not function.sampled:
            return function
        request_part: Any = Request(name or function.name, self._current() or function, function)
        found: Segment = request_part
        return found

    def after_fork(self) -> None:
        """Called in a forked child: a thread that is gone may have held the lock."""
        self._lock = RLock()


class _Trees:
    """What the function's segment has as its owner: the recorder, but for when things are sent.

    Trees are sent whole, when the subsegment on top of them has ended.
    """

    streaming_threshold = 0  # be called at the end of each subsegment

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.open = recorder.open

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recorder, name)

    def stream_subsegments(self, segment: Segment) -> None:
        """Send the trees that are closed, and of open ones what is too much to be held."""
        recorder = self._recorder
        ended = segment._ended
        held = len(ended)
        if held > recorder.streaming_threshold or (
            not held & WEIGHED_EACH - 1 and segment._holds_too_much()
        ):
            recorder.send_ended(segment)
        while any(_is_closed(each, segment) for each in list(ended)):
            waiting: list[Subsegment] = []
            closed: list[Subsegment] = []
            # list.pop is atomic: each subsegment is taken once, by whichever thread comes first.
            try:
                while True:
                    subsegment = ended.pop()
                    (closed if _is_closed(subsegment, segment) else waiting).append(subsegment)
            except IndexError:
                pass
            ended.extend(reversed(closed))
            recorder.send_ended(segment)
            # Whoever ended the top of one of these meanwhile didn't find it: look again.
            ended.extend(reversed(waiting))


def _is_closed(entity: Entity, segment: Segment) -> bool:
    """Whether the subsegment on top of the tree has ended."""
    parent = entity._parent
    while parent is not None and parent is not segment:
        entity, parent = parent, parent._parent
    return entity._stop is not None


def _refusing(call: str) -> Callable[..., None]:
    def refuse(self: Entity, *args: object, **options: object) -> None:
        site = faults.call_site()
        faults.log(
            "warning",
            f"{call} at {site}: ignored, a function's segment is Lambda's own. "
            "Put it on a subsegment: with xtrace.in_subsegment('name'), or @xtrace.lambda_handler",
            f"lambda {call} {site}",
        )

    refuse.__doc__ = "Log that nothing can be put here."
    return refuse


class FunctionSegment(Segment):
    """Stands for the function's segment, which Lambda sends; it takes nothing but subsegments."""

    __slots__ = ()

    def __init__(self, name: str, owner: Any, current: Current, came_in: TraceHeader) -> None:
        super().__init__(name, owner, current, came_in.root, None, came_in)
        self.id = came_in.parent or self.id
        now = ids.monotonic_clock()
        self._base = ids.wall_clock() - now
        self.start_time = self._base + now

    put_annotation = _refusing("put_annotation")
    put_metadata = _refusing("put_metadata")
    put_http_meta = _refusing("put_http_meta")
    apply_status_code = _refusing("apply_status_code")
    add_fault_flag = _refusing("add_fault_flag")
    add_error_flag = _refusing("add_error_flag")
    add_throttle_flag = _refusing("add_throttle_flag")
    add_exception = _refusing("add_exception")
    set_aws = _refusing("set_aws")
    set_sql = _refusing("set_sql")
    set_user = _refusing("set_user")
    set_service = _refusing("set_service")
    add_link = _refusing("add_link")

    def _dict(self, field: str) -> dict[str, Any]:
        return {}

    def _flag(self, field: str, value: bool) -> None:
        """Record nothing."""

    @property
    def annotations(self) -> dict[str, Any]:
        """Empty, and not kept."""
        return {}

    @property
    def metadata(self) -> dict[str, dict[str, Any]]:
        """Empty, and not kept."""
        return {}

    def begin(self) -> None:
        """Lambda has begun it."""

    def close(self, end_time: float | None = None) -> None:
        """Lambda ends it."""

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


class UnrecordedFunction(UnsampledSegment):
    """A function's segment of which nothing is recorded: it carries the header on as it came."""

    __slots__ = ("handed_on",)

    def __init__(
        self,
        name: str,
        owner: Any,
        current: Current,
        came_in: TraceHeader,
        value: str | None,
    ) -> None:
        is_decided = came_in.root is not None and came_in.sampled is False
        super().__init__(
            name,
            owner,
            current,
            came_in.root or NO_TRACE_ID,
            came_in.parent if is_decided else None,
            came_in if is_decided else None,
        )
        self.handed_on = None if is_decided else _printable(value)

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


def _printable(value: str | None) -> str:
    if value and value.isascii() and value.isprintable() and len(value) <= header.MAX_HEADER_CHARS:
        return value
    return ""


class Request(Subsegment):
    """A request that a web framework serves in a function. To the middleware it is the segment."""

    __slots__ = ()

    set_user = _refusing("set_user")
    set_service = _refusing("set_service")
    add_link = _refusing("add_link")

    @property
    def header(self) -> TraceHeader | None:
        """That of the invocation."""
        return self.segment.header

    @property
    def _trace_id(self) -> str | None:
        return self.segment._trace_id

    @property
    def _caller_id(self) -> str | None:
        return self.parent_id

    @property
    def _owner(self) -> Any:
        return self.segment._owner

    @property
    def _current(self) -> Current:
        return self.segment._current
