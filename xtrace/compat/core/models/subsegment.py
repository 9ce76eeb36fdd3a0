"""aws_xray_sdk.core.models.subsegment: subsegments, and `with recorder.in_subsegment(...)`, which
decorates functions, too.
"""

from __future__ import annotations

from xtrace import decorator, ids, model
from xtrace.model import MAX_OPEN, OPEN

from ..exceptions.exceptions import SegmentNotFoundException
from .entity import Entity, block, clean_name, known_names
from .segment import Segment, record_stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..recorder import AWSXRayRecorder

SUBSEGMENT_RECORDING_ATTRIBUTE = "_self___SUBSEGMENT_RECORDING_ATTRIBUTE__"
"""Attribute of functions whose calls are recorded already."""


class Subsegment(Entity, model.Subsegment):
    """A part of a segment's work.

    Beside what every entity has: parent_segment, trace_id, type, namespace and the dict sql.
    """

    __slots__ = ("_children", "sampled")

    type = "subsegment"
    sql = block("sql")
    segment: Segment

    def __init__(
        self, name: str, namespace: str, segment: Segment, parent: Entity | None = None
    ) -> None:
        if not segment:
            raise SegmentNotFoundException("A parent segment is required for creating subsegments.")
        try:
            self.name = known_names[name]
        except (KeyError, TypeError):
            self.name = clean_name(name)
        self.id = ids.random_bits(64).to_bytes(8, "big").hex()
        self.start_time = segment._base + ids.monotonic_clock()
        self._stop = None
        self.sampled = True
        self.namespace = namespace
        self.segment = segment
        self._parent = parent
        self._children = None
        self._annotations = {}
        self._checked = True
        self._metadata = {}
        self._more = None

    # -- attributes -----------------------------------------------------------------------------

    @property
    def parent_segment(self) -> Segment:
        """The segment that this is part of."""
        return self.segment

    @parent_segment.setter
    def parent_segment(self, value: Segment) -> None:
        self.segment = value

    @property
    def trace_id(self) -> str:
        """The segment's."""
        own: str | None = self.__dict__.get("trace_id")
        return self.segment.trace_id if own is None else own

    @trace_id.setter
    def trace_id(self, value: str) -> None:
        self.__dict__["trace_id"] = value

    @property
    def parent_id(self) -> str | None:
        """The id of what this is under."""
        own: str | None = self.__dict__.get("parent_id")
        if own is None and self._parent is not None:
            return self._parent.id
        return own

    @parent_id.setter
    def parent_id(self, value: str | None) -> None:
        self.__dict__["parent_id"] = value

    def _tie(self) -> None:
        if isinstance(self.segment, Segment):
            self.segment._tie()

    def _convert_later(self) -> None:
        self.segment._raw = True

    def _set_raw(self) -> None:
        self._checked = False
        self.segment._raw = True

    def _own_attributes(self, fields: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        yield "trace_id", self.trace_id
        yield "type", self.type
        yield "namespace", self.namespace
        yield "sql", fields.get("sql")

    # -- the tree -------------------------------------------------------------------------------

    def add_subsegment(self, subsegment: Any) -> None:
        """Put a subsegment directly under this."""
        super().add_subsegment(subsegment)
        self.segment.increment()

    def remove_subsegment(self, subsegment: Any) -> None:
        """Take a subsegment that is directly under this out again, with what is under it."""
        super().remove_subsegment(subsegment)
        self.segment._let_go(subsegment)

    # -- begin and end --------------------------------------------------------------------------

    def _now(self) -> float:
        return self.segment._base + ids.monotonic_clock()

    def close(self, end_time: float | None = None) -> None:
        """End the subsegment. end_time: seconds since the epoch, else now."""
        super().close(end_time)
        segment = self.segment
        if not segment._owner.open.pop(self, 0):
            segment._tie()  # a program has made it by itself: it may be in no list
        if self.sampled:
            segment._ended.append(self)
        segment.decrement_ref_counter()

    def begin(self) -> None:
        """Begin, as xtrace's own entities do: without becoming current."""
        segment = self.segment
        owner = segment._owner
        opened = owner.open
        if self in opened or self._stop is not None:
            return
        parent: Any = self._parent
        kind = type(parent)
        if (kind is Subsegment or kind is Segment) and parent._stop is None:
            # What attach() and add() come to for most, without their calls.
            if parent._children is None:
                parent._children = [self]
            else:
                parent._children.append(self)
            segment._begun += 1
            opened[self] = OPEN
            if len(opened) > MAX_OPEN:
                owner.too_many_open()
        else:
            owner.attach(self)

    def __enter__(self) -> Subsegment:
        """Begin, and become current."""
        segment = self.segment
        parent: Any = self._parent
        kind = type(parent)
        opened = segment._owner.open
        if (
            (kind is Subsegment or kind is Segment)
            and parent._stop is self._stop is None
            and self not in opened
        ):
            # The steps of begin(), without the call.
            if parent._children is None:
                parent._children = [self]
            else:
                parent._children.append(self)
            segment._begun += 1
            opened[self] = OPEN
            if len(opened) > MAX_OPEN:
                segment._owner.too_many_open()
        else:
            self.begin()
        if self._stop is None:
            segment._current.set(self)
        return self

    def __exit__(self, kind: Any, error: Any, tb: Any, end_time: float | None = None) -> None:
        """End, with what was raised inside; what it is under is current again."""
        if error is not None:
            self._stopped_by(error)
        segment = self.segment
        owner = segment._owner
        parent: Any = self._parent
        if segment._stop is not None or type(segment) is not Segment:
            if self._stop is None:
                owner.end_subsegment(self, end_time)
        elif owner.open.pop(self, 0):
            # What end_subsegment() comes to for most, without its calls.
            self._stop = end_time or (segment._base + ids.monotonic_clock())
            segment._ended.append(self)
            segment._closed += 1
            current = segment._current
            if current.get() is self:
                is_open = parent is not None and parent._stop is None
                current.set(parent if is_open else below(self))
            if segment._begun - segment._removed > owner.threshold or segment._stop is not None:
                owner.check(segment)
        elif self._stop is None:
            owner.end_subsegment(self, end_time)

    # -- what programs put in -------------------------------------------------------------------

    def set_sql(self, sql: Any) -> None:
        """Replace the sql block."""
        self.sql = sql

    def _known_exceptions(self) -> dict[int, tuple[BaseException, str]]:
        return self.segment._known_exceptions()

    def _max_trace_back(self) -> int:
        return self.segment._max_trace_back()


def below(subsegment: Any) -> Any:
    """What is current after a subsegment: the nearest that is open and that it is under, or its
    segment.
    """
    parent = subsegment._parent
    while isinstance(parent, Subsegment) and parent._stop is not None:
        parent = parent._parent
    return parent


def set_as_recording(decorated_func: Any, wrapped: Any) -> None:
    """Mark a function as recorded, if what it wraps isn't."""
    setattr(decorated_func, SUBSEGMENT_RECORDING_ATTRIBUTE, not is_already_recording(wrapped))


def is_already_recording(func: Any) -> bool:
    """Whether a function's calls are recorded."""
    return bool(getattr(func, SUBSEGMENT_RECORDING_ATTRIBUTE, False))


class SubsegmentContextManager:
    """Begins a subsegment, and ends it with what was raised inside. May be used again afterwards.

    As a decorator it records each call of a function: coroutine functions, generators, methods,
    classmethods and staticmethods too.
    """

    def __init__(
        self, recorder: AWSXRayRecorder, name: str | None = None, **subsegment_kwargs: Any
    ) -> None:
        self.name = name
        self.subsegment_kwargs = subsegment_kwargs
        self.recorder = recorder
        self.subsegment: Any = None

    def __call__(self, wrapped: Any, *args: Any) -> Any:
        """Decorate a function. With more arguments, wrapt's, call it in a subsegment."""
        if args:
            return self._record_call(wrapped, *args)
        if is_already_recording(wrapped):
            return wrapped
        if self.recorder._records_itself or isinstance(wrapped, type):
            import wrapt  # as the official SDK's decorators are: for what xtrace's aren't made for

            return wrapt.FunctionWrapper(wrapped, self._record_call)
        namespace = self.subsegment_kwargs.get("namespace", "local")
        captures: Any = self.recorder._captures
        decorated = decorator.capture(captures, wrapped, self.name, namespace, _KINDS)
        mark = getattr(decorated, "__func__", decorated)
        try:
            set_as_recording(mark, wrapped)
        except AttributeError:  # an object without a dict
            pass
        return decorated

    def _record_call(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return self.recorder.record_subsegment(
            wrapped,
            instance,
            args,
            kwargs,
            name=self.name or wrapped.__name__,
            namespace=self.subsegment_kwargs.get("namespace", "local"),
            meta_processor=None,
        )

    def __enter__(self) -> Any:
        name = self.name or "subsegment"
        recorder = self.recorder
        if recorder._is_plain and not self.subsegment_kwargs:
            subsegment = recorder.begin_subsegment(name)  # quicker than by its name
        else:
            subsegment = recorder.begin_subsegment(name=name, **self.subsegment_kwargs)
        self.subsegment = subsegment
        return subsegment

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        subsegment = self.subsegment
        recorder = self.recorder
        if (
            exc_val is None
            and type(subsegment) is Subsegment
            and recorder._is_plain
            and recorder._get_plain() is subsegment
        ):
            # What end_subsegment() comes to for most, without its calls.
            segment = subsegment.segment
            owner = segment._owner
            parent = subsegment._parent
            if (
                segment._stop is None
                and parent is not None
                and parent._stop is None
                and owner.open.pop(subsegment, 0)
            ):
                subsegment._stop = segment._base + ids.monotonic_clock()
                segment._ended.append(subsegment)
                segment._closed += 1
                segment._current.set(parent)
                if segment._begun - segment._removed > owner.threshold or segment._stop is not None:
                    owner.check(segment)
                return
        if subsegment is None:
            return
        if exc_val is not None:
            record_stop(recorder, subsegment, exc_val, exc_tb)
        recorder.end_subsegment()


def _plain(captures: Any, function: Any, name: str, namespace: str) -> Any:
    recorder = captures.recorder

    # Plain calls in place of `with`, which takes longer to enter and to leave.
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not recorder._is_plain:
            return recorder.record_subsegment(function, None, args, kwargs, name, namespace, None)
        part = recorder.begin_subsegment(name, namespace)
        if part.__class__ is not Subsegment:
            part = _ended_by(recorder, part)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            part.__exit__(type(error), error, error.__traceback__)
            raise
        part.__exit__(None, None, None)
        return result

    return wrapper


def _coroutine(captures: Any, function: Any, name: str, namespace: str) -> Any:
    recorder = captures.recorder

    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not recorder._is_plain:
            return await _record_async(recorder, function, args, kwargs, name, namespace)
        part = recorder.begin_subsegment(name, namespace)
        if part.__class__ is not Subsegment:
            part = _ended_by(recorder, part)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            part.__exit__(type(error), error, error.__traceback__)
            raise
        part.__exit__(None, None, None)
        return result

    return wrapper


async def _record_async(
    recorder: Any, function: Any, args: Any, kwargs: Any, name: str, namespace: str
) -> Any:
    record = getattr(recorder, "record_subsegment_async", None)
    if record is not None:
        return await record(function, None, args, kwargs, name, namespace, None)
    with SubsegmentContextManager(recorder, name, namespace=namespace):
        return await function(*args, **kwargs)


def _ended_by(recorder: AWSXRayRecorder, subsegment: Any) -> SubsegmentContextManager:
    """What ends a subsegment by the recorder's end_subsegment()."""
    manager = SubsegmentContextManager(recorder)
    manager.subsegment = subsegment
    return manager


_KINDS = {decorator.PLAIN: _plain, decorator.COROUTINE: _coroutine}
"""How calls are recorded here, as far as it isn't as in xtrace itself."""


def subsegment_decorator(
    wrapped: Any, instance: Any = None, args: Any = (), kwargs: Any = None
) -> Any:
    """Make a decorator of a function in wrapt's form, as wrapt.decorator does."""
    import wrapt

    return wrapt.decorator(wrapped)
