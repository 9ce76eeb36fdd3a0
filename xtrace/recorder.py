"""The recorder: what programs hold. Puts context, model, sampling and emitters together."""

from __future__ import annotations

import atexit
import os
import re
import time
from functools import partial
from itertools import islice
from threading import RLock
from weakref import WeakSet

from . import faults, forks, ids, ledger, model, settings
from .context import Context
from .daemon import DaemonAddress, endpoint_text
from .decorator import capture
from .errors import ConfigurationError
from .header import NAME, TRACEPARENT, TRACESTATE
from .header import traceparent as format_traceparent
from .model import INHERITED, MAX_ANNOTATIONS, OPEN, SHOWN, Segment, Subsegment
from .naming import UNNAMED, HostNaming
from .noop import NO_SEGMENT, NO_SUBSEGMENT, UnsampledSegment
from .sampling.local import LocalSampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
    from types import TracebackType
    from typing import Any, ParamSpec, TypeVar, overload

    from typing_extensions import Unpack

    from .daemon import DaemonAddress, Endpoint
    from .document import Constant
    from .emitters import Emitter
    from .header import TraceHeader
    from .model import Entity

    P = ParamSpec("P")
    R = TypeVar("R")

FLUSH_SECONDS = 1.0
"""How long a flush waits, at most, for what isn't sent yet."""
EXIT_SECONDS = 0.7
"""The same for a program's exit, all of which is to take a second at most: a line about what is lost
may be logged, and then the interpreter takes itself apart, which with botocore loaded takes a tenth
of a second, and more on a busy machine."""

AFTERMATH_SECONDS = 300.0
"""Work begun so long after the end of what is current is no longer part of it: a thread or task that
was started during a request and lives on isn't the request's for ever."""

_valid_trace_id = re.compile(r"1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}", re.ASCII).fullmatch
_valid_id = re.compile(r"[0-9a-fA-F]{16}", re.ASCII).fullmatch
_between_urls = re.compile(r"\s*,\s*(?=[a-z+]+:)").split

# Settings that are no more than an attribute of the recorder.
_PLAIN = (
    "enabled",
    "excluded_urls",
    "link_messages",
    "log_groups",
    "max_trace_back",
    "peer_names",
    "redact",
    "sampling",
    "service",
    "service_version",
    "stream_sql",
    "streaming",
    "streaming_threshold",
    "trace_header_targets",
    "traceparent",
)
# Settings that together say where documents go.
_DELIVERY = ("daemon_address", "emitter", "max_datagram_bytes")


class Recorder:
    """Records the segments of one service and sends them.

    A process needs one, `xtrace.recorder`; any number may stand beside it, each with a current
    entity, emitters and counts of its own. Methods may be called from any thread or task, and
    none raises because of what it is given once the program serves.

    The arguments are those of configure().
    """

    # Reading a slot is quick, however many there are; a dict is only fast up to thirty names.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_bad_environment",
        "_begun",
        "_context",
        "_delivery",
        "_emitters",
        "_fallback_sampler",
        "_forgotten",
        "_former_emitters",
        "_get_current",
        "_late",
        "_lock",
        "_repaired",
        "constant",
        "enabled",
        "environment",
        "excluded_urls",
        "in_use",
        "link_messages",
        "log_groups",
        "max_trace_back",
        "naming",
        "open",
        "origin",
        "peer_names",
        "redact",
        "sampler",
        "sampling",
        "service",
        "service_version",
        "stream_sql",
        "streaming",
        "streaming_threshold",
        "trace_header_targets",
        "traceparent",
    )

    # What sampled work is recorded in; subclasses may stand here.
    segment_class: type[Segment] = Segment
    subsegment_class: type[Subsegment] = Subsegment
    # Makes of a context that is given the one that is used, where others ask more of it.
    adapt_context: Callable[[Any], Any] | None = None

    enabled: bool
    excluded_urls: tuple[str, ...]
    link_messages: bool
    log_groups: tuple[str, ...]
    max_trace_back: int
    peer_names: tuple[tuple[str, str], ...]
    redact: bool
    sampling: bool
    service: str | None
    service_version: str | None
    stream_sql: bool | str
    streaming: Any
    streaming_threshold: int
    trace_header_targets: tuple[str, ...]
    traceparent: bool

    def __init__(self, **given: Unpack[settings.Arguments]) -> None:
        for name in _PLAIN:
            setattr(self, name, settings.SETTINGS[name].default)
        # Entities that are begun and not ended, oldest first, and whether they were sent as in
        # progress. They enter and leave it themselves.
        self.open: dict[Entity, int] = {}
        # What the process runs on: added to the `aws` block and `origin` of each segment.
        self.environment: dict[str, Any] = {}
        self.origin: str | None = None
        self._places: object = None
        # What of them all segments have in common; made by `document` from the attributes above.
        self.constant: Constant | None = None
        self.naming: Any = None
        self.sampler: Any = LocalSampler()
        self.context = Context()
        self._begun = False
        self._delivery = {name: settings.SETTINGS[name].default for name in _DELIVERY}
        self._emitters: list[Emitter] | None = None
        self._former_emitters: list[Emitter] = []
        self._fallback_sampler: LocalSampler | None = None
        self.in_use = False
        self._lock = RLock()
        self._forgotten: WeakSet[Entity] = WeakSet()
        self._late = 0
        self._repaired: dict[str, int] = {}
        self._bad_environment: ConfigurationError | None = None
        if os.environ.get("LAMBDA_TASK_ROOT"):
            self._work_on_lambda()
        self._read_environment()
        _recorders.add(self)
        if given:
            self.configure(**given)

    # -- settings -----------------------------------------------------------------------------

    def configure(self, **given: Unpack[settings.Arguments]) -> None:
        """Change settings; what isn't given stays as it is.

        The arguments are those of docs/settings.md. Where a setting has an environment variable
        and the program runs with it, the environment wins.
        Raises ConfigurationError (or a subclass) with what to write instead; nothing has changed
        then.
        """
        if self._bad_environment is not None:
            raise self._bad_environment
        self._apply(settings.check(given))

    def _work_on_lambda(self) -> None:
        from .environment.lambda_ import FUNCTION_NAME, LambdaContext  # nobody else needs it

        self.context = LambdaContext(self)
        self.service = os.environ.get(FUNCTION_NAME)

    def _read_environment(self) -> None:
        for name, setting in settings.SETTINGS.items():
            if setting.is_in_environment() and name not in _DELIVERY:
                try:
                    self._apply({name: setting.value(setting.default)})
                except ConfigurationError as error:
                    # Not raised here: no import may fail for it. configure() raises it, and a
                    # program without configure() finds it in the log of its first segment.
                    self._bad_environment = error

    def _apply(self, values: Mapping[str, Any]) -> None:
        # What can fail comes first, so that nothing has changed if it does.
        sampler = _sampler(values, self.sampler)
        delivery = {**self._delivery, **{n: v for n, v in values.items() if n in _DELIVERY}}
        endpoint = _asked_endpoint(sampler or self.sampler, delivery)
        emitters = _emitters(delivery) if delivery != self._delivery else None
        places = _places(values)
        for name in _PLAIN:
            if name in values:
                setattr(self, name, values[name])
        self.constant = None
        if sampler is not None:
            self.sampler = sampler
        if endpoint is not None:
            self.sampler.direct(endpoint, self.origin)
        if values.get("context") is not None:
            self.context = values["context"]
        if "context_missing" in values:
            self.context.context_missing = values["context_missing"]
        if "dynamic_naming" in values:
            pattern = values["dynamic_naming"]
            self.naming = HostNaming(pattern) if isinstance(pattern, str) else pattern
        if emitters is not None:
            self._delivery = delivery
            self._replace_emitters(emitters)
        if places is not None:
            self._places = places
            places(partial(self._is_on, places))

    def _is_on(self, places: object, environment: dict[str, Any], origin: str | None) -> None:
        """Take over where the process runs, for the segments that are sent from now on."""
        if places is not self._places:  # asked for before the settings changed again
            return
        self.environment = environment
        self.origin = origin
        self.constant = None
        if _asks_daemon(self.sampler):
            self.sampler.direct(self.sampler.endpoint, origin)

    def override(self, **given: Unpack[settings.Arguments]) -> Callable[[], None]:
        """Change settings, whatever the environment says; gives the function that changes them back.

        For tests. Emitters that are put aside meanwhile are neither flushed nor closed.
        """
        names = (*_PLAIN, "sampler", "naming", "context", "constant", "_delivery", "_emitters")
        before = {name: getattr(self, name) for name in names}
        strategy = self.context.context_missing

        def change_back() -> None:
            for name, value in before.items():
                setattr(self, name, value)
            self.context.context_missing = strategy

        values = settings.check(given, environment=False)
        if "emitter" in given:
            self._emitters = None
        try:
            self._apply(values)
        except BaseException:
            change_back()
            raise
        return change_back

    @property
    def context(self) -> Any:
        """What keeps the current entity: a Context, or an object like one."""
        return self._context

    @context.setter
    def context(self, context: Any) -> None:
        if self.adapt_context is not None:
            context = self.adapt_context(context)
        self._context = context
        self.in_use = False  # it may be of the other kind: see begin_use()
        self._get_current: Callable[[], Entity | None] = context.get

    # -- segments -----------------------------------------------------------------------------

    def in_segment(
        self,
        name: str | None = None,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        sampling: bool | str | None = None,
        header: TraceHeader | None = None,
        request: Mapping[str, Any] | None = None,
    ) -> Segment:
        """A segment, for `with` or `async with`: begun there, current inside, sent at the end.

        name: the service name unless given.
        trace_id, parent_id: continue a trace by hand; `header` does it from a trace header.
        sampling: True or False decides; None leaves it to the header, then to the sampler.
        request: what sampling rules look at, see xtrace.sampling.
        A segment that isn't sampled is an entity too, on which nothing is kept.
        """
        if not self.enabled:
            return NO_SEGMENT
        if not self.in_use:
            self.begin_use()
            if not self.in_use:
                segment: Segment = self._context.segment(name or self.service, request)
                return segment
        if header is not None:
            trace_id = header.root
            parent_id = header.parent
            if sampling is None:
                sampling = header.sampled
        elif trace_id is not None or parent_id is not None:
            trace_id, parent_id = self._valid(trace_id, parent_id)
        if name is None:
            name = self.service or self._no_name()
        if sampling is None:
            if self.sampling:
                try:
                    sampling = self.sampler.should_trace(request or {"service": name})
                except Exception as error:
                    sampling = self._sampler_failed(error)
            else:
                sampling = True
        kind = self.segment_class if sampling else UnsampledSegment
        segment = kind(name, self, self._context, trace_id, parent_id, header)
        if sampling.__class__ is str:
            segment.aws["xray"] = {"sampling_rule_name": sampling}
        return segment

    def begin_segment(
        self,
        name: str | None = None,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        sampling: bool | str | None = None,
        header: TraceHeader | None = None,
        request: Mapping[str, Any] | None = None,
    ) -> Segment:
        """Begin a segment and make it current, until end_segment(). Arguments as in in_segment()."""
        outer = self._get_current()
        if outer is not None and outer.sampled and outer.segment._stop is None and self.in_use:
            faults.log(
                "warning",
                f"A segment begins inside {outer.segment.name!r}, which hasn't ended; "
                "is an end_segment() missing?",
                f"nested segment {outer.segment.name}",
            )
        segment = self.in_segment(
            name,
            trace_id=trace_id,
            parent_id=parent_id,
            sampling=sampling,
            header=header,
            request=request,
        )
        segment.__enter__()
        return segment

    def end_segment(self, end_time: float | None = None) -> None:
        """End the current segment and send it. end_time: seconds since the epoch, else now."""
        entity = self._get_current()
        if entity is not None:
            entity.segment.close(end_time)
        elif self.enabled:
            self._context.missing("end_segment")

    def _sampler_failed(self, error: Exception) -> bool:
        faults.report("sampler", "The sampler failed; the built-in rules decide", error)
        if self._fallback_sampler is None:
            self._fallback_sampler = LocalSampler()
        return self._fallback_sampler.should_trace()

    def _valid(self, trace_id: Any, parent_id: Any) -> tuple[str | None, str | None]:
        """Ids that were given by hand, as far as they are ids: others would be refused later."""
        if trace_id is not None and not (isinstance(trace_id, str) and _valid_trace_id(trace_id)):
            self.repaired("trace id")
            return None, None
        if parent_id is not None and not (isinstance(parent_id, str) and _valid_id(parent_id)):
            self.repaired("parent id")
            parent_id = None
        return trace_id, parent_id

    def _no_name(self) -> str:
        faults.log(
            "error",
            f"A segment has no name at {faults.call_site()}. "
            "Set one for all: xtrace.configure(service='my-service'), or AWS_XRAY_TRACING_NAME",
            "no segment name",
        )
        return UNNAMED

    # -- subsegments --------------------------------------------------------------------------

    def in_subsegment(self, name: str, namespace: str | None = None) -> Subsegment:
        """A part of the current segment's work, for `with` or `async with`.

        namespace: "remote" for a call to another service, "aws" for one to AWS, None for own code.
        Where nothing is recorded, it is an entity too, on which nothing is kept.
        """
        parent = self._get_current()
        if parent is not None:
            if not parent.sampled:
                return NO_SUBSEGMENT
            if parent._stop is None or not self._is_over(parent):
                return self.subsegment_class(name, parent, parent.segment, namespace)
        if self.enabled:
            self._context.missing(f"in_subsegment({name!r})")
        return NO_SUBSEGMENT

    def in_call(self, name: str, namespace: str | None) -> Subsegment:
        """A subsegment for what a library does on the application's behalf.

        Like in_subsegment(), but where no segment is open nothing is said about it: a library is
        used outside of requests too.
        """
        parent = self._get_current()
        if parent is None or not parent.sampled:
            return NO_SUBSEGMENT
        if parent._stop is not None and self._is_over(parent):
            return NO_SUBSEGMENT
        return self.subsegment_class(name, parent, parent.segment, namespace)

    def _is_over(self, entity: Entity) -> bool:
        """Whether the current entity, which has ended, did so too long ago; then nothing is current
        from now on.
        """
        if entity._stop == INHERITED:  # the parent process ends it, nobody here knows when
            return False
        now = entity.segment._base + ids.monotonic_clock()
        if now - (entity._stop or now) < AFTERMATH_SECONDS:
            return False
        self._context.set(None)
        return True

    def begin_subsegment(self, name: str, namespace: str | None = None) -> Subsegment:
        """Begin a subsegment and make it current, until end_subsegment()."""
        subsegment = self.in_subsegment(name, namespace)
        subsegment.__enter__()
        return subsegment

    def end_subsegment(self, end_time: float | None = None) -> None:
        """End the current subsegment. end_time: seconds since the epoch, else now."""
        entity = self._get_current()
        if entity is None:
            if self.enabled:
                self._context.missing("end_subsegment")
        elif isinstance(entity, Subsegment):
            entity.close(end_time)
        elif entity.sampled:
            site = faults.call_site()
            faults.log("warning", f"end_subsegment at {site}: none is open", f"no end {site}")

    if TYPE_CHECKING:

        @overload
        def capture(self, name: Callable[P, R], /) -> Callable[P, R]: ...
        @overload
        def capture(
            self, name: str | None = None, *, namespace: str | None = None
        ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def capture(self, name: Any = None, *, namespace: str | None = None) -> Any:
        """Decorator: record each call of a function as a subsegment.

        `@capture`, `@capture()` or `@capture("name")`, on functions, coroutine functions,
        generators, async generators, methods, classmethods and staticmethods.
        name: the function's unless given. namespace: as of in_subsegment().
        """
        if name is None or isinstance(name, str):
            return lambda function: capture(self, function, name, namespace)
        return capture(self, name, None, namespace)

    if TYPE_CHECKING:

        @overload
        def lambda_handler(self, function: Callable[P, R], /) -> Callable[P, R]: ...
        @overload
        def lambda_handler(
            self, *, name: str | None = None, reserve_seconds: float = 0.2
        ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def lambda_handler(
        self, function: Any = None, *, name: str | None = None, reserve_seconds: float = 0.2
    ) -> Any:
        """Decorator for the handler of a Lambda function: a subsegment for each invocation.

        If the function's time is nearly over, what is open is sent as in progress, with the place
        where the handler is. Outside of Lambda, without a segment, it does nothing.
        name: of the subsegment, the function's unless given. reserve_seconds: how long before the
        end of the function's time.
        """
        from .environment.handler import traced_handler  # not before a program asks for it

        if function is None:
            return lambda each: traced_handler(self, each, name, reserve_seconds)
        return traced_handler(self, function, name, reserve_seconds)

    # -- the current entity -------------------------------------------------------------------

    def current_segment(self) -> Segment:
        """The current segment; an entity that is false, on which nothing is kept, if there is none."""
        entity = self._get_current()
        if entity is not None:
            return entity.segment
        if self.enabled:
            self._context.missing("current_segment")
        return NO_SEGMENT

    def current_subsegment(self) -> Subsegment:
        """The current subsegment; an entity that is false if there is none."""
        entity = self._get_current()
        if isinstance(entity, Subsegment):
            return entity
        if entity is None and self.enabled:
            self._context.missing("current_subsegment")
        return NO_SUBSEGMENT

    def get_trace_entity(self) -> Entity | None:
        """The current entity, or None: to hand it to a thread, see attach()."""
        return self._get_current()

    def set_trace_entity(self, entity: Entity | None) -> None:
        """Make an entity current in this thread or task, for good. See attach()."""
        self._context.set(entity)

    def clear_trace_entities(self) -> None:
        """Make nothing current in this thread or task."""
        self._context.set(None)

    def attach(self, entity: Entity | None) -> Attached:
        """`with recorder.attach(entity):` makes it current inside, for work in another thread."""
        return Attached(self._context, entity)

    def is_sampled(self) -> bool:
        """Whether what is recorded here is kept."""
        entity = self._get_current()
        return entity is not None and entity.sampled

    def put_annotation(self, key: str, value: str | int | float | bool) -> None:
        """Add an indexed value to the current entity. See Entity.put_annotation."""
        entity = self._get_current()
        if entity is not None:
            entity.put_annotation(key, value)
        elif self.enabled:
            self._context.missing("put_annotation")

    def put_metadata(self, key: str, value: object, namespace: str = "default") -> None:
        """Add any value to the current entity. See Entity.put_metadata."""
        entity = self._get_current()
        if entity is not None:
            entity.put_metadata(key, value, namespace)
        elif self.enabled:
            self._context.missing("put_metadata")

    # -- propagation --------------------------------------------------------------------------

    def inject(self, headers: MutableMapping[str, str], entity: Entity | None = None) -> None:
        """Write the trace header of an entity into the headers of a request that goes out.

        entity: the subsegment of the call, or whatever is current. Without one, nothing is
        written.
        """
        if entity is None or not entity.sampled:
            entity = self._get_current()
            if entity is None:
                return
        segment = entity.segment
        trace_id = segment._trace_id or segment.trace_id
        if entity.sampled:
            value = f"Root={trace_id};Parent={entity.id};Sampled=1"
        elif segment.parent_id is not None:
            value = f"Root={trace_id};Parent={segment.parent_id};Sampled=0"
        elif segment.handed_on is None:
            value = f"Root={trace_id};Sampled=0"
        elif segment.handed_on:
            value = segment.handed_on
        else:
            return
        came_in = segment.header
        if came_in is not None and came_in.extra:
            value += "".join(f";{key}={text}" for key, text in came_in.extra.items())
        headers[NAME] = value
        if self.traceparent:
            self._inject_w3c(headers, entity, segment)

    def _inject_w3c(
        self, headers: MutableMapping[str, str], entity: Entity, segment: Segment
    ) -> None:
        parent_id = entity.id if entity.sampled else segment.parent_id
        if parent_id is not None:  # without one, there is no valid traceparent
            headers[TRACEPARENT] = format_traceparent(segment.trace_id, parent_id, entity.sampled)
            if segment.header is not None and segment.header.tracestate:
                headers[TRACESTATE] = segment.header.tracestate

    # -- sending ------------------------------------------------------------------------------

    def segment_ended(self, segment: Segment) -> None:
        """Send a segment that has ended, with what has ended under it. Called by the segment."""
        batch: list[Entity] = [segment]
        if segment._ended or len(segment._annotations) + segment._indexed > MAX_ANNOTATIONS:
            self._take(segment, batch)
        else:
            segment._indexed += len(segment._annotations)
        self._send(batch)
        segment._parent = None

    def stream_subsegments(self, segment: Segment) -> None:
        """Send what has ended under a segment as independent subsegments, and keep the rest.

        Called by a subsegment when it ends and the segment holds a lot, or has ended itself.
        """
        if self.streaming is not None and segment._stop is None:
            with faults.absorb("streaming"):
                if not self.streaming.is_eligible(segment):
                    return
        self.send_ended(segment)

    def send_ended(self, segment: Segment) -> None:
        """Send what has ended under a segment as independent subsegments."""
        segment._held_bytes = 0
        batch: list[Entity] = []
        self._take(segment, batch)
        if batch:
            batch.reverse()  # the last that ended was taken first
            self._send(batch)
            if not any(emitter.keeps_entities for emitter in self._emitters or ()):
                # What is begun under them from now on keeps them alive, not all their ancestors:
                # work that reschedules itself would make a chain without end.
                for subsegment in batch:
                    subsegment._parent = segment

    def _take(self, segment: Segment, batch: list[Entity]) -> None:
        """Add to a batch whatever has ended under a segment and is nobody's yet."""
        ended = segment._ended
        # list.pop is atomic: each subsegment is taken once, by whichever thread comes first.
        try:
            while ended:
                batch.append(ended.pop())
        except IndexError:  # another thread took the last one
            pass
        indexed = segment._indexed
        for entity in batch:
            indexed += len(entity._annotations)
        if indexed > MAX_ANNOTATIONS:
            segment._unindex(batch)
        else:
            segment._indexed = indexed

    def _send(self, batch: list[Entity]) -> None:
        emitters = self._emitters
        if emitters is None:
            emitters = self._make_emitters()
        for emitter in emitters:
            try:
                emitter.send(batch)
            except Exception as error:
                emitter.ledger.drop("emitter failed", len(batch), recorded=len(batch))
                faults.report("emitter", f"{emitter.url} failed; {len(batch)} are dropped", error)

    def too_many_open(self) -> None:
        """Send the oldest of the open entities as in progress and forget them: nobody ends them."""
        with self._lock:
            surplus = len(self.open) - model.MAX_OPEN + model.MAX_OPEN // 10
            oldest = list(islice(self.open, max(0, surplus)))
        faults.log(
            "warning",
            f"{model.MAX_OPEN} entities are open; the oldest are sent as in progress. "
            "Segments or subsegments are begun and never ended",
            "too many open",
        )
        self.forget(oldest)

    def forget(self, entities: Iterable[Entity]) -> None:
        """Send open entities as in progress and let go of them. They may still be ended."""
        for entity in entities:
            state = self.open.pop(entity, 0)
            if state:
                with self._lock:
                    self._forgotten.add(entity)
                if state == OPEN:
                    self._show(entity)
                if isinstance(entity, Segment):
                    entity._parent = None

    def was_forgotten(self, entity: Entity) -> bool:
        """Whether an entity is one of those that forget() let go; true once. Called by it."""
        with self._lock:
            if entity in self._forgotten:
                self._forgotten.discard(entity)
                return True
            return False

    def too_late(self, entity: Entity, call: str) -> None:
        """Count a call on an entity that has ended. Called by the entity."""
        with self._lock:
            self._late += 1
        faults.log(
            "debug", f"{call} on {entity.name!r}, which has ended, changes nothing", f"late {call}"
        )

    def repaired(self, what: str, times: int = 1) -> None:
        """Count repairs. Called by entities."""
        with self._lock:
            self._repaired[what] = self._repaired.get(what, 0) + times

    # -- emitters -----------------------------------------------------------------------------

    @property
    def emitters(self) -> tuple[Emitter, ...]:
        """Where entities go."""
        return tuple(self._emitters if self._emitters is not None else self._make_emitters())

    def _make_emitters(self) -> list[Emitter]:
        delivery = dict(self._delivery)
        for name in _DELIVERY:
            setting = settings.SETTINGS[name]
            try:
                delivery[name] = setting.value(delivery[name])
            except ConfigurationError as error:
                faults.report("configuration", "Ignored", error)
                delivery[name] = setting.value(delivery[name], environment=False)
        with self._lock:
            if self._emitters is None:
                try:
                    self._emitters = _emitters(delivery)
                except Exception as error:  # the application serves already: not its fault to bear
                    faults.report("configuration", "Traces go to the local daemon", error)
                    self._emitters = _emitters({**delivery, "emitter": None})
            return self._emitters

    def _replace_emitters(self, emitters: list[Emitter]) -> None:
        with self._lock:
            before, self._emitters = self._emitters or [], emitters
            gone = [emitter for emitter in before if emitter not in emitters]
            self._former_emitters.extend(gone)
        self._each(gone, "finish", time.monotonic() + FLUSH_SECONDS)

    # -- life cycle ---------------------------------------------------------------------------

    def flush(self, timeout_seconds: float = FLUSH_SECONDS) -> None:
        """Send what can be sent now, and wait for it at most so long.

        Subsegments whose segment has ended and that are still open go out as in progress.
        """
        deadline = time.monotonic() + timeout_seconds
        self._send_open(segment_too=False)
        self._each(self._emitters or (), "flush", deadline)

    @staticmethod
    def _each(emitters: Sequence[Emitter], end: str, deadline: float) -> None:
        """Flush or finish emitters, all of them together until then."""
        for emitter in emitters:
            with faults.absorb("emitter"):
                emitter.wake()
        for emitter in emitters:
            with faults.absorb("emitter"):
                getattr(emitter, end)(max(0.0, deadline - time.monotonic()))

    def _send_open(self, segment_too: bool) -> None:
        self.show(
            [each for each in list(self.open) if segment_too or each.segment._stop is not None]
        )

    def show(self, entities: Iterable[Entity]) -> None:
        """Send entities that are still open as in progress, each once."""
        for entity in entities:
            if self.open.get(entity) == OPEN:
                self.open[entity] = SHOWN
                self._show(entity)

    def _show(self, entity: Entity) -> None:
        """Send an open entity as in progress, and what has ended under it."""
        self._send([entity])
        if isinstance(entity, Segment):
            self.stream_subsegments(entity)

    def begin_use(self) -> None:
        """Before the first segment is made: imports alone have no effect on a process.

        On Lambda no segment is ever made, and `in_use` stays false.
        """
        with self._lock:
            self.in_use = getattr(self._context, "makes_segments", True)
            if self._begun:
                return
            self._begun = True
        atexit.register(self._at_exit)
        if self._bad_environment is not None:
            faults.report("configuration", "Ignored", self._bad_environment)

    def _at_exit(self) -> None:
        deadline = time.monotonic() + EXIT_SECONDS
        with faults.absorb("exit"):
            self._send_open(segment_too=True)
            self._each(self._emitters or (), "finish", deadline)

    def after_fork(self) -> None:
        """Called in a forked child: what was open stays the parent's to send."""
        self._lock = RLock()
        for entity in list(self.open):
            entity._stop = INHERITED
            entity.segment._ended.clear()
        self.open.clear()
        self._forgotten = WeakSet()
        self._late = 0
        self._repaired = {}
        self._former_emitters = []
        renew_context = getattr(self._context, "after_fork", None)
        if renew_context is not None:
            renew_context()
        for emitter in self._emitters or ():
            emitter.after_fork()

    def stats(self) -> ledger.Stats:
        """What was recorded so far and what became of it: recorded = sent + pending + dropped."""
        emitters = [*self._former_emitters, *(self._emitters or ())]
        for emitter in emitters:
            with faults.absorb("emitter"):
                emitter.settle()
        return ledger.Stats(
            [ledger.EmitterStats(emitter.url, emitter.ledger) for emitter in emitters],
            open=len(self.open),
            late=self._late,
            repaired=self._repaired,
            sampling=str(self.sampler),
            faults=dict(faults.counts),
        )

    def __repr__(self) -> str:
        return f"<Recorder of {self.service or UNNAMED!r}>"


class Attached:
    """The context manager of Recorder.attach()."""

    __slots__ = ("_before", "_context", "_entity")

    def __init__(self, context: Any, entity: Entity | None) -> None:
        self._context = context
        self._entity = entity

    def __enter__(self) -> Entity | None:
        self._before = self._context.get()
        self._context.set(self._entity)
        return self._entity

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._context.set(self._before)


def _sampler(values: Mapping[str, Any], current: Any) -> Any:
    """The sampler that settings ask for, or None for no change. Raises InvalidSamplingRules."""
    if "sampler" not in values and "sampling_rules" not in values:
        return None
    asked = values.get("sampler")
    if asked is not None and not isinstance(asked, str):
        if values.get("sampling_rules") is not None:
            asked.load_local_rules(values["sampling_rules"])
        return asked
    # The two that have a name hand their rules on.
    local = current.local if _asks_daemon(current) else current
    if "sampling_rules" in values or not isinstance(local, LocalSampler):
        local = LocalSampler(values.get("sampling_rules"))
    if asked == "central" or ("sampler" not in values and _asks_daemon(current)):
        from .sampling.central import CentralSampler  # not before a program asks for it

        return CentralSampler(local)
    return local


def _asks_daemon(sampler: Any) -> bool:
    return getattr(sampler, "asks_daemon", None) is True


def _asked_endpoint(sampler: Any, delivery: Mapping[str, Any]) -> Endpoint | None:
    """Where a sampler finds the daemon; None for one that asks no daemon. Raises InvalidAddress."""
    if not _asks_daemon(sampler):
        return None
    address: DaemonAddress = settings.SETTINGS["daemon_address"].value(delivery["daemon_address"])
    return address.tcp


def _places(values: Mapping[str, Any]) -> Callable[..., None] | None:
    """What finds out where the process runs, as `plugins` asks for; None for no change."""
    if values.get("plugins") is None:
        return None
    from . import environment  # not before a program asks for it

    modules = environment.check(values["plugins"])
    return partial(environment.detect, modules)


def _emitters(delivery: Mapping[str, Any]) -> list[Emitter]:
    """The emitters that settings ask for. Raises ConfigurationError."""
    from .emitters import make  # not before a program records or is configured

    target = "udp:" if delivery["emitter"] is None else delivery["emitter"]
    # The environment has no lists: URLs with commas between them are several, too.
    targets = (
        target
        if isinstance(target, (list, tuple))
        else _between_urls(target)
        if isinstance(target, str)
        else [target]
    )
    return [
        make(_to_the_daemon(each, delivery["daemon_address"]), delivery["max_datagram_bytes"])
        for each in targets
    ]


def _to_the_daemon(target: object, given: object) -> object:
    """A URL without a host, "udp:" or "otlp+udp:", with the one where the daemon listens."""
    if not isinstance(target, str) or target.rstrip("/").lower() not in ("udp:", "otlp+udp:"):
        return target
    is_checked = isinstance(given, DaemonAddress)
    address: Any = given if is_checked else settings.SETTINGS["daemon_address"].value(given)
    return f"{target.rstrip('/').lower()}//{endpoint_text(address.udp)}"


_recorders: WeakSet[Recorder] = WeakSet()


def _after_fork_in_child() -> None:
    for recorder in list(_recorders):
        recorder.after_fork()


forks.in_child(_after_fork_in_child)
