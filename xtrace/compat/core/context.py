"""aws_xray_sdk.core.context: where "now" is, as the official SDK's contexts say it.

The current entity is in a ContextVar, as in xtrace itself: right for threads and tasks alike.
The stack that the official SDK keeps is what the entity is under; `context._local.entities` shows
it. A subclass that puts a `_local` of its own there gets a stack that is kept in that.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextvars import ContextVar
from weakref import WeakSet

from xtrace import context as native
from xtrace import faults, model

from ..sdk_config import global_sdk_config
from .exceptions.exceptions import SegmentNotFoundException
from .models.dummy_entities import DummySegment
from .models.entity import nobody
from .models.subsegment import below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

MISSING_SEGMENT_MSG = (
    "no segment or subsegment is open here; begin one, or add the middleware of your framework"
)
SUPPORTED_CONTEXT_MISSING = ("RUNTIME_ERROR", "LOG_ERROR", "IGNORE_ERROR")
CXT_MISSING_STRATEGY_KEY = "AWS_XRAY_CONTEXT_MISSING"

MOST_LINES = 100
"""Lines about a missing segment that one place in the application writes within a minute."""

_HOOKS = frozenset(
    (
        "put_segment",
        "end_segment",
        "put_subsegment",
        "end_subsegment",
        "get_trace_entity",
        "set_trace_entity",
        "clear_trace_entities",
    )
)


class Context(native.Context):
    """The current entity in this thread or task. The methods are what subclasses override."""

    _is_plain = True
    """Whether the recorder may go past the methods: they are these, and so is `_local`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not _HOOKS.isdisjoint(vars(cls)) or "_is_subsegment" in vars(cls):
            cls._is_plain = False

    def __init__(self, context_missing: str = "LOG_ERROR") -> None:
        self._variable: ContextVar[Any] = ContextVar("xtrace.compat.current", default=None)
        self.get = self._variable.get
        self.set = self._variable.set
        self.__local: Any = Local(self)
        self.__own_local = self.__local
        self._is_plain = type(self)._is_plain  # an object's own attribute is quick to read
        self._context_missing = os.getenv(CXT_MISSING_STRATEGY_KEY, context_missing)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in _HOOKS:  # a test puts something in the method's place
            self._set_plain(False)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if name in _HOOKS:
            is_ours = isinstance(self.__local, Local) and _HOOKS.isdisjoint(vars(self))
            self._set_plain(type(self)._is_plain and is_ours)

    @property
    def _local(self) -> Any:
        return self.__local

    @_local.setter
    def _local(self, value: Any) -> None:
        self.__local = value
        if value is self.__own_local:  # put back, as mock.patch() does
            self.get = self._variable.get
            self.set = self._variable.set
            self._set_plain(type(self)._is_plain and _HOOKS.isdisjoint(vars(self)))
        else:
            self.get = self._last
            self.set = self._replace  # type: ignore[assignment]
            self._set_plain(False)

    @_local.deleter
    def _local(self) -> None:
        del self.__local

    # Where `_local` is a program's own, its list `entities` is the stack.

    def _last(self) -> Any:
        entities = getattr(self.__local, "entities", None)
        return entities[-1] if entities else None

    def _replace(self, entity: Any, /) -> None:
        stack = list(getattr(self.__local, "entities", None) or ())
        if entity is None:
            self.__local.entities = []
        elif entity in stack:
            self.__local.entities = stack[: stack.index(entity) + 1]
        else:
            self.__local.entities = [*stack, entity]

    # -- what programs override -----------------------------------------------------------------

    def put_segment(self, segment: Any) -> None:
        """Make a segment current."""
        self._adopt(segment)
        outer = self.get()
        if isinstance(outer, model.Entity) and isinstance(segment, model.Entity):
            segment._parent = model.outer_entity(self)
            if outer.sampled and outer.segment.in_progress:
                faults.log(
                    "warning",
                    f"A segment begins inside {outer.segment.name!r}, which hasn't ended; "
                    "is an end_segment() missing?",
                    f"nested segment {outer.segment.name}",
                )
        if self._is_plain:
            self.set(segment)
        else:
            self._local.entities = [segment]

    def end_segment(self, end_time: float | None = None) -> None:
        """End the segment that the current entity belongs to."""
        entity = self.get_trace_entity()
        if not entity:
            log.warning("There is no segment to end")
            return
        if self._is_subsegment(entity):
            entity.parent_segment.close(end_time)
        else:
            entity.close(end_time)

    def put_subsegment(self, subsegment: Any) -> None:
        """Put a subsegment under the current entity, and make it current."""
        entity = self.get_trace_entity()
        if not entity:
            log.warning("No segment is open; %s isn't kept", subsegment.name)
            return
        entity.add_subsegment(subsegment)
        self._push(subsegment)

    def end_subsegment(self, end_time: float | None = None) -> bool:
        """End the current subsegment; gives whether there was one."""
        entity = self.get_trace_entity()
        if self._is_subsegment(entity):
            entity.close(end_time)
            self._pop(entity)
            return True
        if not isinstance(entity, DummySegment):
            log.warning("There is no subsegment to end")
        return False

    def get_trace_entity(self) -> Any:
        """The current entity; without one, what handle_context_missing() gives."""
        entity = self.get()
        if entity is None:
            if not global_sdk_config.sdk_enabled():
                return DummySegment()
            return self.handle_context_missing()
        return entity

    def set_trace_entity(self, trace_entity: Any) -> None:
        """Make an entity current: in another thread, to go on there."""
        self._adopt(trace_entity)
        if self._is_plain:
            self.set(trace_entity)
        else:
            self._local.entities = [trace_entity]

    def clear_trace_entities(self) -> None:
        """Make nothing current."""
        if self._is_plain:
            self.set(None)
            self._local.__dict__.clear()  # what a program has put there goes, too
        elif hasattr(self._local, "__dict__"):
            if isinstance(self._local, Local):
                self.set(None)
            self._local.__dict__.clear()
        else:
            self._local.entities = []

    def handle_context_missing(self) -> None:
        """Log, raise or do nothing, as `context_missing` says."""
        if self.context_missing == "RUNTIME_ERROR":
            raise SegmentNotFoundException(MISSING_SEGMENT_MSG)
        if self.context_missing == "LOG_ERROR" and _is_due():
            log.error(MISSING_SEGMENT_MSG)

    def _is_subsegment(self, entity: Any) -> bool:
        return getattr(entity, "type", None) == "subsegment"

    @property
    def context_missing(self) -> Any:
        """RUNTIME_ERROR, LOG_ERROR or IGNORE_ERROR."""
        return self._context_missing

    @context_missing.setter
    def context_missing(self, value: Any) -> None:
        if value not in SUPPORTED_CONTEXT_MISSING:
            log.warning(
                "context_missing stays %s: %r isn't one of %s",
                self._context_missing,
                value,
                ", ".join(SUPPORTED_CONTEXT_MISSING),
            )
            return
        self._context_missing = value

    # -- for the layer, and xtrace itself -------------------------------------------------------

    _owner: Any = None
    """The Owner of the recorder whose context this is."""
    _recorders: WeakSet[Any] | None = None
    """All recorders that were given it."""

    def _belong_to(self, recorder: Any) -> None:
        """It is this recorder's from now on."""
        self._owner = recorder._owner

    def _tell(self, recorder: Any) -> None:
        """Have a recorder know when something is put in the place of a method."""
        if self._recorders is None:
            self._recorders = WeakSet()
        self._recorders.add(recorder)

    def _set_plain(self, is_plain: bool) -> None:
        self._is_plain = is_plain
        for recorder in list(self._recorders or ()):
            recorder._look_for_hooks()

    def _adopt(self, entity: Any) -> None:
        """Have a segment that a program has made by itself belong to the recorder."""
        segment: Any = getattr(entity, "segment", None)
        if self._owner is not None and getattr(segment, "_owner", None) is nobody:
            segment._owner = self._owner
            segment._current = self
            segment.__dict__["_is_made_by_hand"] = True

    def missing(self, call: str) -> None:
        """What xtrace's own integrations call where no segment is open."""
        self.handle_context_missing()

    def _push(self, subsegment: Any) -> None:
        if self._is_plain:
            self.set(subsegment)
        else:
            self._local.entities.append(subsegment)

    def _pop(self, subsegment: Any) -> None:
        if not self._is_plain:
            self._local.entities.pop()
        elif self.get() is subsegment:
            self.set(below(subsegment))


class Foreign(Context):
    """A context that is no Context of ours, with what xtrace asks of one. given: that context."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        self.given = given
        self.get = self.get_trace_entity
        self.set = self._put  # type: ignore[assignment]

    def _put(self, entity: Any, /) -> None:
        if entity is None:
            self.given.clear_trace_entities()
        else:
            self.given.set_trace_entity(entity)

    def put_segment(self, segment: Any) -> None:
        """Handed on, as all others."""
        self.given.put_segment(segment)

    def end_segment(self, end_time: float | None = None) -> None:
        """Handed on."""
        self.given.end_segment(end_time)

    def put_subsegment(self, subsegment: Any) -> None:
        """Handed on."""
        self.given.put_subsegment(subsegment)

    def end_subsegment(self, end_time: float | None = None) -> bool:
        """Handed on."""
        return bool(self.given.end_subsegment(end_time))

    def get_trace_entity(self) -> Any:
        """Handed on."""
        return self.given.get_trace_entity()

    def set_trace_entity(self, trace_entity: Any) -> None:
        """Handed on."""
        self.given.set_trace_entity(trace_entity)

    def clear_trace_entities(self) -> None:
        """Handed on."""
        self.given.clear_trace_entities()

    def handle_context_missing(self) -> None:
        """Handed on."""
        self.given.handle_context_missing()


class Native(Context):
    """One of xtrace's own contexts, with what the layer asks of one. given: that context."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        self.given = given
        self.get = given.get
        self.set = given.set

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["given"], name)  # those of Lambda have more than others

    @property
    def context_missing(self) -> Any:
        """What the context is set to; any object with get, set and missing may be one."""
        return getattr(self.given, "context_missing", "LOG_ERROR")

    @context_missing.setter
    def context_missing(self, value: Any) -> None:
        self.given.context_missing = value

    def missing(self, call: str) -> None:
        """Handed on; calls of the layer's recorder get the official SDK's exception."""
        self.given.missing(call)


def adapted(context: Any) -> Context:
    """A context that a program gives, with what the layer asks of one."""
    if issubclass(type(context), Context):  # a mock says that it is an instance
        return context  # type: ignore[no-any-return]
    return Foreign(context) if hasattr(context, "get_trace_entity") else Native(context)


_lines: dict[str, tuple[float, int]] = {}


def _is_due() -> bool:
    """Whether a place in the application may write another line about a missing segment."""
    site = faults.call_site()
    now = time.monotonic()
    since, count = _lines.get(site, (now, 0))
    if now - since > faults.SECONDS_BETWEEN_LINES:
        since, count = now, 0
    if len(_lines) > 1000:
        _lines.clear()
    _lines[site] = (since, count + 1)
    return count < MOST_LINES


class Local(threading.local):
    """The `_local` of a context: `entities` is what the current entity is under, itself the last.

    Not there while nothing is current. A change of the list is one of the context. Whatever else a
    program puts here is the thread's own.
    """

    __slots__ = ("__context",)  # all threads have the same

    def __init__(self, context: Context) -> None:
        self.__context = context

    @property
    def entities(self) -> Stack:
        """The segment, the subsegments that are open, the current one."""
        entity = self.__context.get()
        if entity is None:
            raise AttributeError("entities")
        found = [entity]
        while isinstance(entity, model.Subsegment) and entity._parent is not None:
            entity = entity._parent
            found.append(entity)
        return Stack(reversed(found), self.__context)

    @entities.setter
    def entities(self, value: Any) -> None:
        if value:
            self.__context._adopt(value[-1])
        self.__context.set(value[-1] if value else None)

    @entities.deleter
    def entities(self) -> None:
        self.__context.set(None)


class Stack(list["Any"]):
    """A list whose changes are those of a context."""

    def __init__(self, entities: Any, context: Context) -> None:
        super().__init__(entities)
        self.__context = context

    def _writes(name: str) -> Any:  # type: ignore[misc]
        change = getattr(list, name)

        def changed(self: Stack, *args: Any, **kwargs: Any) -> Any:
            result = change(self, *args, **kwargs)
            if self:
                self.__context._adopt(self[-1])
            self.__context.set(self[-1] if self else None)
            return result

        return changed

    append = _writes("append")
    extend = _writes("extend")
    insert = _writes("insert")
    remove = _writes("remove")
    pop = _writes("pop")
    clear = _writes("clear")
    __setitem__ = _writes("__setitem__")
    __delitem__ = _writes("__delitem__")
