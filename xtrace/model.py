"""What is recorded: segments, subsegments, and the entities that record nothing.

Entities know their parent, never their children: a child that ends goes to its segment's list of
ended work, and whoever sends (the recorder) takes from there. So nothing waits for a child, no
child is lost with its parent, and no tree has to be kept in order while threads and tasks change
it. The lists are only appended to and popped from, which is atomic: no lock is needed.

The fields of an entity stand in one plain dict under the names of the segment document;
`document` checks and writes them when the entity is sent.
"""

from __future__ import annotations

from threading import RLock

from . import cause, faults, forks, ids, values
from .values import LARGEST_INTEGER, SMALLEST_INTEGER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any, Protocol

    from typing_extensions import Self

    from .document import Constant
    from .header import TraceHeader

    class Current(Protocol):
        """Where the current entity is kept: a ContextVar, or something like one."""

        def get(self) -> Entity | None:
            """The current entity."""
            ...

        def set(self, entity: Entity | None, /) -> object:
            """Make an entity current."""

    class Owner(Protocol):
        """What entities and their documents need of their recorder."""

        open: dict[Entity, int]
        environment: dict[str, Any]
        log_groups: tuple[str, ...]
        origin: str | None
        service_version: str | None
        constant: Constant | None
        streaming_threshold: int
        max_trace_back: int
        redact: bool

        def segment_ended(self, segment: Segment) -> None:
            """Send the segment."""

        def stream_subsegments(self, segment: Segment) -> None:
            """Send what has ended under the segment."""

        def too_late(self, entity: Entity, call: str) -> None:
            """Count a call on an ended entity."""

        def too_many_open(self) -> None:
            """Forget the oldest open entities."""

        def repaired(self, what: str, times: int = 1) -> None:
            """Count repairs."""

        def was_forgotten(self, entity: Entity) -> bool:
            """Whether the entity is one of those that were forgotten; true once."""
            ...


OPEN = 1
"""Value in Owner.open of an entity that is begun and not ended."""
SHOWN = 2
"""The same, when it has been sent as in progress already."""

MAX_OPEN = 10_000
"""Open entities of one recorder; beyond that the oldest are sent as in progress and forgotten."""

MAX_ANNOTATIONS = 50
"""Annotations that X-Ray indexes of one trace."""

GOOD_KEYS: set[object] = set()
"""Annotation keys that `document` looked at and found good."""

GOOD_CHARS = 1000
"""Characters that an annotation's text may have."""

SUBSEGMENTS = "subsegments"
"""Key of an entity's fields with what it is handed to an emitter with; `document` doesn't write it."""

UNINDEXED = "annotations"
"""Metadata namespace for annotations that can't be indexed."""

STREAM_BYTES = 64_000
"""Ended subsegments with about this many bytes of metadata are sent before their segment ends."""

WEIGHED_EACH = 8  # a power of two
"""After so many ended subsegments their bytes are looked at: weighing a small trace isn't worth it."""

LATEST = 253_402_300_800.0
"""No time is later (the year 10000): a larger end time is in milliseconds, or none."""

_WEIGHING = WEIGHED_EACH - 1

_making = RLock()


def _after_fork_in_child() -> None:
    global _making
    _making = RLock()  # a thread that is gone may have held it


forks.in_child(_after_fork_in_child)

_DEEPEST_NEST = 1000
_KEPT_EXCEPTIONS = 8
_REQUEST_KEYS = frozenset(("url", "method", "user_agent", "client_ip", "x_forwarded_for", "traced"))
_RESPONSE_KEYS = frozenset(("status", "content_length"))


class Entity:
    """A segment or a subsegment: what the two have in common.

    name: shown in traces and on the map. Cleaned and shortened when sent; may change until then.
    id: 16 hex digits.
    start_time, end_time: seconds since the epoch; end_time is None while the entity is open.
    annotations: indexed values by key. metadata: any values, by namespace and key.

    Used as `with entity:` or `async with entity:` it is begun, current inside, and ended.
    Calls on an entity that has ended change nothing and are counted (`xtrace.stats().late`).
    """

    __slots__ = (
        "__weakref__",
        "_annotations",
        "_checked",
        "_metadata",
        "_more",
        "_parent",
        "_stop",
        "id",
        "name",
        "start_time",
    )

    name: str
    id: str
    start_time: float
    end_time: float | None
    _stop: float | None
    """end_time, as xtrace itself reads it: subclasses may show another one."""
    _annotations: dict[str, Any]
    _metadata: dict[str, dict[str, Any]]
    _checked: bool
    """Whether annotations, metadata and blocks hold only what was looked at when it was put there.
    Integrations write into `_more` what they know to be short and strict JSON."""
    _parent: Entity | None
    _more: dict[str, Any] | None

    sampled = True
    """Whether what is put here is kept."""

    sql_begun: str | None = None
    """What the JSON of the `sql` block is up to the statement, where an integration knows it; it holds
    for as long as `_checked` does."""

    namespace: str | None
    """Of a subsegment: "remote" for a call to another service, "aws" for one to AWS."""

    @property
    def segment(self) -> Segment:
        """The segment this belongs to; a segment's own is itself."""
        raise NotImplementedError

    @property
    def trace_id(self) -> str:
        """ "1-<8 hex>-<24 hex>" """
        return self.segment.trace_id

    @property
    def parent_id(self) -> str | None:
        """The id of the entity this one is under; for a segment, of the caller's."""
        raise NotImplementedError

    @property
    def in_progress(self) -> bool:
        """Whether the entity hasn't ended."""
        return self._stop is None

    @property
    def subsegments(self) -> list[Subsegment]:
        """The subsegments that are sent together with this one; known to emitters only."""
        return self._more.get(SUBSEGMENTS, []) if self._more else []

    # -- what users put in ------------------------------------------------------------------

    def put_annotation(self, key: str, value: str | int | float | bool) -> None:
        """Add an indexed value, which filter expressions find.

        key: letters, digits and "_"; others become "_". value: a string of at most 1,000
        characters, a number or a boolean; others are turned into text.
        X-Ray indexes 50 of a trace; the rest of a segment's goes to its metadata.
        """
        if self._stop is not None:
            self._too_late("put_annotation")
            return
        kind = value.__class__
        try:
            # Here and not when it is sent: looking at each once more would cost three times this.
            if key not in GOOD_KEYS or not (
                (kind is int and SMALLEST_INTEGER <= value <= LARGEST_INTEGER)  # type: ignore[operator]
                or kind is bool
                or (kind is str and len(value) <= GOOD_CHARS)  # type: ignore[arg-type]
                or (kind is float and value - value == 0)  # type: ignore[operator]
            ):
                self._checked = False
            self._annotations[key] = value
        except TypeError:  # an unhashable key
            self._checked = False
            self._annotations[values.text(key)] = value

    def put_metadata(self, key: str, value: object, namespace: str = "default") -> None:
        """Add any JSON-like value, kept with the trace but not indexed.

        The value is read when the entity is sent; what isn't JSON is turned into text.
        namespace: groups keys; names starting with "AWS." are reserved.
        """
        if self._stop is not None:
            self._too_late("put_metadata")
            return
        try:
            group = self._metadata.get(namespace)
            if group is None:
                if namespace != "default":
                    self._checked = False
                group = self._metadata.setdefault(namespace, {})
            group[key] = value
        except TypeError:  # an unhashable key
            self.metadata.setdefault(values.text(namespace), {})[values.text(key)] = value

    def put_http_meta(self, key: str, value: object) -> None:
        """Add a field of the request (url, method, user_agent, client_ip, x_forwarded_for, traced)
        or of the response (status, content_length). None is ignored.

        status: also sets the error, throttle and fault flags.
        """
        if value is None:
            return
        if self._stop is not None:
            self._too_late("put_http_meta")
            return
        if key in _REQUEST_KEYS:
            part = "request"
        elif key in _RESPONSE_KEYS:
            part = "response"
            if key == "status":
                self.apply_status_code(value)
        else:
            faults.log("warning", f"put_http_meta has no field {key!r}; ignored", f"http {key}")
            return
        self.http.setdefault(part, {})[key] = value

    def apply_status_code(self, status_code: object) -> None:
        """Set the flags of an HTTP status: 429 throttle and error, other 4xx error, 5xx fault."""
        try:
            status = int(status_code)  # type: ignore[call-overload]
        except (TypeError, ValueError, OverflowError):
            return
        if status >= 500:
            self._fields["fault"] = True
        elif status >= 400:
            self._fields["error"] = True
            if status == 429:
                self._fields["throttle"] = True

    def add_fault_flag(self) -> None:
        """Mark the entity as failed on this side (a 5xx, an exception)."""
        self.fault = True

    def add_error_flag(self) -> None:
        """Mark the entity as failed by its caller's doing (a 4xx)."""
        self.error = True

    def add_throttle_flag(self) -> None:
        """Mark the entity as refused for too many requests (a 429)."""
        self.throttle = True

    def add_exception(
        self, exception: BaseException, *, remote: bool = False, fault: bool = True
    ) -> None:
        """Record an exception with its chain and stack, and set the fault flag.

        An exception that passes several entities of a trace on its way up is described in the
        innermost and referred to by its id in the others.
        remote: it was raised by a called service. fault=False: leave the flags alone.
        """
        if self._stop is not None:
            self._too_late("add_exception")
            return
        if fault:
            self._fields["fault"] = True
        with faults.absorb("exception"):
            self._fields["cause"] = self.segment._cause_of(
                exception, self._fields.get("cause"), remote
            )

    def set_aws(self, aws: Mapping[str, object]) -> None:
        """Replace the `aws` block, for example {"operation", "region", "table_name"}."""
        self._replace("aws", aws)

    def set_sql(self, sql: Mapping[str, object]) -> None:
        """Replace the `sql` block: {"url", "sanitized_query", "database_type", ...}."""
        self._replace("sql", sql)

    def _replace(self, field: str, value: Mapping[str, object]) -> None:
        self._checked = False
        if self._stop is not None:
            self._too_late(f"set_{field}")
        elif isinstance(value, dict):
            self._fields[field] = value
        else:
            with faults.absorb("values"):
                self._fields[field] = dict(value)

    # -- the fields as attributes: plain dicts while the entity is open ------------------------

    @property
    def annotations(self) -> dict[str, Any]:
        """The annotations, by key."""
        self._checked = False  # who has the dict may put anything in
        return self._annotations

    @property
    def metadata(self) -> dict[str, dict[str, Any]]:
        """The metadata, by namespace and key."""
        self._checked = False
        return self._metadata

    @property
    def http(self) -> dict[str, Any]:
        """{"request": {...}, "response": {...}}"""
        return self._dict("http")

    @property
    def aws(self) -> dict[str, Any]:
        """The `aws` block."""
        return self._dict("aws")

    @property
    def sql(self) -> dict[str, Any]:
        """The `sql` block."""
        return self._dict("sql")

    @property
    def _fields(self) -> dict[str, Any]:
        """The other fields of the document, by name. Most entities have none, so it is made late."""
        more = self._more
        if more is None:
            made: dict[str, Any] = {}  # out here, because it may run finalizers
            with _making:
                more = self._more
                if more is None:
                    more = self._more = made
        return more

    def _dict(self, field: str) -> dict[str, Any]:
        self._checked = False
        value: dict[str, Any] = self._fields.setdefault(field, {})
        return value

    @property
    def cause(self) -> dict[str, Any] | str | None:
        """The recorded exceptions, or the id of one recorded further down, or None."""
        found: dict[str, Any] | str | None = self._fields.get("cause")
        return found

    @property
    def fault(self) -> bool:
        """Failed on this side: a 5xx, an exception."""
        return bool(self._fields.get("fault"))

    @fault.setter
    def fault(self, value: bool) -> None:
        self._flag("fault", value)

    @property
    def error(self) -> bool:
        """Failed by the caller's doing: a 4xx."""
        return bool(self._fields.get("error"))

    @error.setter
    def error(self, value: bool) -> None:
        self._flag("error", value)

    @property
    def throttle(self) -> bool:
        """Refused for too many requests: a 429."""
        return bool(self._fields.get("throttle"))

    @throttle.setter
    def throttle(self, value: bool) -> None:
        self._flag("throttle", value)

    def _flag(self, field: str, value: bool) -> None:
        if value:
            self._fields[field] = True
        else:
            self._fields.pop(field, None)

    # -- begin and end -------------------------------------------------------------------------

    def begin(self) -> None:
        """Start the clock, without becoming current. A second call changes nothing."""
        raise NotImplementedError

    def close(self, end_time: float | None = None) -> None:
        """End the entity: from here on it is ready to be sent. A second call changes nothing.

        end_time: seconds since the epoch, now if not given.
        """
        raise NotImplementedError

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        end_time: float | None = None,
    ) -> None:
        # close() calls this, not the other way round: it saves a call where most calls are.
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _stopped_by(self, error: BaseException) -> None:
        """Record what ended the work: a failure as fault and cause, anything else as "cancelled".

        The one rule for cancellation: an exception that isn't an `Exception` (see
        cause.is_failure) leaves the flags alone and adds the annotation "cancelled" with its
        type's name. A generator closed early (GeneratorExit) isn't even that.
        """
        if self._stop is not None:
            return
        if cause.is_failure(error):
            self.add_exception(error)
        elif not isinstance(error, GeneratorExit):
            self.put_annotation("cancelled", type(error).__name__)

    def _may_end(self, owner: Owner) -> bool:
        """Whether an entity that isn't listed as open may be ended all the same."""
        if self._stop is None:
            return owner.was_forgotten(self)
        if self._stop != INHERITED:
            owner.too_late(self, "close")
        return False

    def _set_end_time(self, end_time: object) -> None:
        """Take the end time that a caller gave, if it can be one."""
        if isinstance(end_time, (int, float)) and self.start_time <= end_time < LATEST:
            self._stop = float(end_time)
        else:
            faults.log(
                "warning",
                f"end_time {values.text(end_time)} isn't a time after the start, in seconds",
                "end_time",
            )

    def _leave(self, current: Current) -> None:
        """Stop being current here. What was begun under this and never ended stops too: it must
        not take in what comes next.
        """
        here = current.get()
        if here is not None and here._is_under(self):
            current.set(self._return_to())

    def _return_to(self) -> Entity | None:
        """What becomes current when this ends: the nearest ancestor that is open, or had ended
        already when this began (work that outlives its request goes on under it).
        """
        ancestor = self._parent
        while ancestor is not None:
            ended = ancestor._stop
            if ended is None or ended <= self.start_time:
                return ancestor
            ancestor = ancestor._parent
        return None

    def _is_under(self, other: Entity) -> bool:
        entity: Entity | None = self
        while entity is not None:
            if entity is other:
                return True
            if isinstance(entity, Segment):
                return False
            entity = entity._parent
        return False

    def _too_late(self, call: str) -> None:
        self.segment._owner.too_late(self, call)

    def __repr__(self) -> str:
        state = "open" if self._stop is None else "ended"
        return f"<{type(self).__name__} {self.name!r} {self.id} {state}>"


# The same slot under its public name: a property would take longer to read.
Entity.end_time = Entity._stop  # type: ignore[misc]

INHERITED = -1.0
"""end_time of an entity that was open when the process forked: the parent process will send it."""


class Segment(Entity):
    """The work of one service for one request.

    trace_id: "1-<8 hex>-<24 hex>", shared by all segments of the trace.
    header: the incoming trace header, whose unknown fields are carried on to called services.
    """

    __slots__ = (
        "_base",
        "_caller_id",
        "_current",
        "_ended",
        "_exceptions",
        "_held_bytes",
        "_indexed",
        "_owner",
        "_trace_id",
        "header",
    )

    namespace = None
    handed_on: str | None = None
    """The trace header that called services get, where it isn't ours to write; "" for none."""
    _trace_id: str | None
    header: TraceHeader | None

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
        self.id = ids.random_bits(64).to_bytes(8, "big").hex()  # ids.segment_id()
        self.start_time = 0.0
        self._stop = None
        self.header = header
        self._trace_id = trace_id
        self._caller_id = parent_id
        self._parent = None
        self._owner = owner
        self._current = current
        self._annotations = {}
        self._checked = True
        self._metadata = {}
        self._more = None
        # Subsegments that ended and weren't sent; popped by whoever sends them.
        self._ended: list[Subsegment] = []
        self._held_bytes = 0
        self._indexed = 0
        self._exceptions: dict[int, tuple[BaseException, str]] | None = None

    @property
    def segment(self) -> Segment:
        """This segment."""
        return self

    @property
    def trace_id(self) -> str:
        """ "1-<8 hex>-<24 hex>", shared by all segments of the trace."""
        if self._trace_id is None:
            self._trace_id = ids.trace_id()
        return self._trace_id

    @property
    def parent_id(self) -> str | None:
        """The id of the subsegment or segment that called this service, if it told."""
        return self._caller_id

    @property
    def user(self) -> str | None:
        """Who the request was for."""
        found: str | None = self._fields.get("user")
        return found

    def set_user(self, user: str) -> None:
        """Say for whom the request is: an id of at most 250 characters, searchable."""
        if self._stop is not None:
            self._too_late("set_user")
        else:
            self._fields["user"] = values.text(user) if user is not None else None

    def set_service(self, service: Mapping[str, object]) -> None:
        """Add to the `service` block, for example {"version": "1.4.2"}."""
        with faults.absorb("values"):
            self._dict("service").update(service)

    def add_link(
        self, trace_id: str, id: str, attributes: Mapping[str, object] | None = None
    ) -> None:
        """Link to an entity of another trace, such as the producer of a message."""
        if self._stop is not None:
            self._too_late("add_link")
            return
        link: dict[str, object] = {"trace_id": trace_id, "id": id}
        if attributes:
            link["attributes"] = dict(attributes)
        self._fields.setdefault("links", []).append(link)

    def begin(self) -> None:
        """Start the clock, without becoming current. A second call changes nothing."""
        if self.start_time:
            return
        now = ids.wall_clock()
        mono = ids.monotonic_clock()
        self._base = base = now - mono
        if self._trace_id is None:
            self._trace_id = ids.trace_id(now)
        # All times of a trace are base + monotonic clock: the wall clock may jump meanwhile, and
        # one rounding for all keeps starts and ends in order.
        self.start_time = base + mono
        opened = self._owner.open
        opened[self] = OPEN
        if len(opened) > MAX_OPEN:
            self._owner.too_many_open()

    def __enter__(self) -> Self:
        current = self._current
        if not self.start_time:
            if current.get() is not None:
                self._parent = outer_entity(current)
            # The steps of begin(), without the call.
            now = ids.wall_clock()
            mono = ids.monotonic_clock()
            self._base = base = now - mono
            if self._trace_id is None:
                self._trace_id = ids.trace_id(now)
            self.start_time = base + mono
            opened = self._owner.open
            opened[self] = OPEN
            if len(opened) > MAX_OPEN:
                self._owner.too_many_open()
        elif self._stop is not None:
            return self
        current.set(self)
        return self

    def close(self, end_time: float | None = None) -> None:
        """End the segment and send it, with what has ended under it. A second call changes nothing.

        end_time: seconds since the epoch, now if not given.
        """
        self.__exit__(None, None, None, end_time)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        end_time: float | None = None,
    ) -> None:
        if error is not None:
            try:
                self._stopped_by(error)
            except BaseException:  # of a signal's handler: the end comes all the same
                self.__exit__(None, None, None, end_time)
                raise
        owner = self._owner
        if not owner.open.pop(self, 0) and not self._may_end(owner):
            return
        self._stop = self._base + ids.monotonic_clock()
        if end_time is not None:
            self._set_end_time(end_time)
        current = self._current
        if current.get() is self and self._parent is None:
            current.set(None)
        else:
            self._leave(current)
        self._exceptions = None
        owner.segment_ended(self)

    def _unindex(self, batch: list[Entity]) -> None:
        """Of entities about to be sent, move to the metadata what goes beyond the annotations that
        X-Ray indexes of a trace.
        """
        moved = 0
        room = max(0, MAX_ANNOTATIONS - self._indexed)
        for entity in batch:
            rest = entity._annotations
            if len(rest) <= room:
                room -= len(rest)
                continue
            entries = list(rest.items())
            entity._annotations = dict(entries[:room])
            if room:
                rest = dict(entries[room:])
                room = 0
            metadata = entity._metadata
            there = metadata.get(UNINDEXED)
            if there is not None:
                rest = {**(there if isinstance(there, dict) else {"value": there}), **rest}
            metadata[UNINDEXED] = rest
            moved += 1
        self._indexed = MAX_ANNOTATIONS - room
        if moved:
            self._owner.repaired("annotation moved to metadata", moved)

    def _holds_too_much(self) -> bool:
        """Whether its ended subsegments hold many bytes of metadata. Called after each eighth."""
        for subsegment in self._ended[-WEIGHED_EACH:]:
            if subsegment._metadata:
                self._held_bytes += values.weight(subsegment._metadata)
        return self._held_bytes > STREAM_BYTES

    def _cause_of(self, error: BaseException, before: object, remote: bool) -> object:
        """The value of `cause` for an exception; `before` is what the entity holds already."""
        known = self._exceptions
        if known is None:
            known = self._exceptions = {}
        seen = known.get(id(error))
        if seen is not None:
            # The exception itself is kept beside its id, so id() can't name a later one.
            return before if isinstance(before, dict) else seen[1]
        owner = self._owner
        described = cause.describe(error, owner.max_trace_back, remote, owner.redact)
        found = described
        if isinstance(before, dict) and isinstance(before.get("exceptions"), list):
            found = before
            if not cause.join(before["exceptions"], described["exceptions"]):
                return found
        if len(known) >= _KEPT_EXCEPTIONS:
            known.pop(next(iter(known)), None)
        known[id(error)] = (error, described["exceptions"][0]["id"])
        return found


class Subsegment(Entity):
    """A part of a segment's work: a call to another service, a query, a function.

    It belongs to the entity that was current where it was made, and is begun by `with` or begin().
    namespace: "remote" for a call to another service, "aws" for one to AWS, None for own code.
    """

    __slots__ = ("namespace", "segment")

    segment: Segment

    def __init__(
        self, name: str, parent: Entity, segment: Segment, namespace: str | None = None
    ) -> None:
        self.name = name
        self.id = ids.random_bits(64).to_bytes(8, "big").hex()  # ids.segment_id()
        self.namespace = namespace
        self.start_time = 0.0
        self._stop = None
        self._parent = parent
        self.segment = segment
        self._annotations = {}
        self._checked = True
        self._metadata = {}
        self._more = None

    @property
    def parent_id(self) -> str | None:
        """The id of the entity this one is under."""
        parent = self._parent
        return None if parent is None else parent.id

    def add_precursor(self, id: str) -> None:
        """Name an earlier sibling that had to finish before this one could start."""
        if self._stop is not None:
            self._too_late("add_precursor")
        else:
            self._fields.setdefault("precursor_ids", []).append(id)

    def begin(self) -> None:
        """Start the clock, without becoming current. A second call changes nothing."""
        if not self.start_time:
            segment = self.segment
            self.start_time = segment._base + ids.monotonic_clock()
            opened = segment._owner.open
            opened[self] = OPEN
            if len(opened) > MAX_OPEN:
                segment._owner.too_many_open()

    def __enter__(self) -> Self:
        # The steps of begin(), without the call: this runs for every subsegment.
        segment = self.segment
        if not self.start_time:
            self.start_time = segment._base + ids.monotonic_clock()
            opened = segment._owner.open
            opened[self] = OPEN
            if len(opened) > MAX_OPEN:
                segment._owner.too_many_open()
        elif self._stop is not None:
            return self
        segment._current.set(self)
        return self

    def close(self, end_time: float | None = None) -> None:
        """End the subsegment. A second call changes nothing.

        end_time: seconds since the epoch, now if not given.
        """
        self.__exit__(None, None, None, end_time)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        end_time: float | None = None,
    ) -> None:
        if error is not None:
            try:
                self._stopped_by(error)
            except BaseException:  # of a signal's handler: the end comes all the same
                self.__exit__(None, None, None, end_time)
                raise
        segment = self.segment
        owner = segment._owner
        if not owner.open.pop(self, 0) and not self._may_end(owner):
            return
        self._stop = segment._base + ids.monotonic_clock()
        if end_time is not None:
            self._set_end_time(end_time)
        current = segment._current
        parent = self._parent
        if current.get() is self and parent is not None and parent._stop is None:
            current.set(parent)  # as it nearly always is
        else:
            self._leave(current)
        # Append first, then look whether the segment has ended meanwhile: its close() sets
        # end_time first and takes from the list then, so one of the two sees this subsegment.
        ended = segment._ended
        ended.append(self)
        held = len(ended)
        if (
            held > owner.streaming_threshold
            or segment._stop is not None
            or (not held & _WEIGHING and segment._holds_too_much())
        ):
            owner.stream_subsegments(segment)


def outer_entity(current: Current) -> Entity | None:
    """The entity around a segment that begins now, to return to afterwards.

    Segments do nest (a test client inside a traced test), but a deep nest means that somebody
    never ends them: it is cut, so that the forgotten ones don't keep each other alive.
    """
    outer = current.get()
    entity, depth = outer, 0
    while entity is not None:
        entity, depth = entity._parent, depth + 1
        if depth > _DEEPEST_NEST:
            return None
    return outer
