"""aws_xray_sdk.core.recorder: the official SDK's recorder, on top of one of xtrace's own.

The settings that both have stand in xtrace's recorder, and its emitters send. What is current is in
the context; where that is one of ours, unchanged, the most frequent calls go past its methods.
"""

from __future__ import annotations

import copy
import logging
import os
import time
from functools import cached_property
from weakref import WeakSet

from xtrace import faults, ids, model
from xtrace.compat.aws_xray_sdk import on_uninstall
from xtrace.default import recorder as default_recorder
from xtrace.model import GOOD_CHARS, GOOD_KEYS, MAX_OPEN, OPEN
from xtrace.recorder import Recorder
from xtrace.values import LARGEST_INTEGER, SMALLEST_INTEGER

from ..sdk_config import SDKConfig, global_sdk_config
from ..version import VERSION
from .context import Context, Foreign, adapted
from .daemon_config import DaemonConfig
from .exceptions.exceptions import SegmentNameMissingException
from .lambda_launcher import check_in_lambda
from .models.default_dynamic_naming import DefaultDynamicNaming
from .models.dummy_entities import DummySegment, DummySubsegment, dummy_under
from .models.entity import Entity, clean_name, innermost_frames, known_names
from .models.segment import Segment, SegmentContextManager, record_stop
from .models.subsegment import Subsegment, SubsegmentContextManager
from .sampling.sampler import DefaultSampler
from .sending import Owner
from .streaming.default_streaming import DefaultStreaming

TYPE_CHECKING = False
if TYPE_CHECKING:
    import traceback
    from collections.abc import Callable
    from typing import Any

log = logging.getLogger(__name__)

TRACING_NAME_KEY = "AWS_XRAY_TRACING_NAME"
DAEMON_ADDR_KEY = "AWS_XRAY_DAEMON_ADDRESS"
CONTEXT_MISSING_KEY = "AWS_XRAY_CONTEXT_MISSING"

XRAY_META = {"xray": {"sdk": "X-Ray for Python", "sdk_version": VERSION}}

_LOOKS = frozenset(
    (
        "get_trace_entity",
        "current_segment",
        "clear_trace_entities",
        "_is_subsegment",
        "_send_segment",
        "_begin_subsegment_helper",
    )
)
_RECORDING = frozenset(("record_subsegment", "record_subsegment_async"))
_HOOKS = _LOOKS | _RECORDING | {"begin_subsegment", "end_subsegment"}
"""Methods that others of the recorder call: those of a subclass, or that a test has put there, too."""


def _kept(name: str) -> Any:
    """A setting that stands in xtrace's recorder."""

    def get(self: AWSXRayRecorder) -> Any:
        return getattr(self._native, name)

    def put(self: AWSXRayRecorder, value: Any) -> None:
        setattr(self._native, name, value)

    def delete(self: AWSXRayRecorder) -> None:
        delattr(self._native, name)  # as mock.patch() does before it puts back what there was

    return property(get, put, delete)


class AWSXRayRecorder:
    """Begins and ends segments and subsegments, and sends them.

    Any number may stand beside each other, each with settings and a context of its own. The
    attributes with an underscore are the settings themselves; programs use them, too.
    """

    # What every call reads: quicker than in the dict, which tests change.
    __slots__ = ("__dict__", "__weakref__", "_get_plain", "_is_direct", "_is_plain", "_native")

    _native: Recorder
    _is_plain: bool
    """Whether decorators may go past the methods that others call: all of them are these."""
    _is_direct: bool
    """Whether all may ask the context past get_trace_entity() and current_segment()."""
    _get_plain: Callable[[], Any]
    """Gives the current entity, where the context may be asked, and its methods are ours; else None."""
    _service = _kept("service")
    _sampling = _kept("sampling")
    _sampler = _kept("sampler")
    _max_trace_back = _kept("max_trace_back")
    _stream_sql = _kept("stream_sql")
    _dynamic_naming = _kept("naming")
    _overridden: frozenset[str] = frozenset()
    """Those of _HOOKS that a subclass has of its own."""
    _streams_itself = False
    """Whether a subclass has its own stream_subsegments()."""
    _records_itself = False
    """Whether a subclass has its own record_subsegment(), or the one for coroutines."""

    _populates_itself = False
    """Whether a subclass has its own _populate_runtime_context()."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._overridden |= _HOOKS.intersection(vars(cls))
        cls._streams_itself |= "stream_subsegments" in vars(cls)
        cls._populates_itself |= "_populate_runtime_context" in vars(cls)
        cls._records_itself |= not _RECORDING.isdisjoint(vars(cls))

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in _HOOKS:  # a test puts something in the method's place
            self._look_for_hooks()
        elif name == "stream_subsegments":
            self._settle_threshold()

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if name in _HOOKS:
            self._look_for_hooks()
        elif name == "stream_subsegments":
            self._settle_threshold()

    def _look_for_hooks(self, context: Any = None) -> None:
        """Find out what programs have put in the place of methods. context: the one from now on."""
        hooks = self._overridden | _HOOKS.intersection(vars(self))
        self._is_direct = _LOOKS.isdisjoint(hooks)
        if context is None:
            context = self._native._context
        self._is_plain = not hooks and context._is_plain
        self._get_plain = context.get if self._is_direct and context._is_plain else _nothing

    def __init__(self) -> None:
        self._set_up(Recorder())

    def _set_up(self, native: Recorder) -> None:
        """Begin with the settings of a new recorder, on top of one of xtrace's."""
        self._native = native
        native.adapt_context = self._adapt
        self._owner = Owner(self)
        self._captures = _Captures(self)
        self._streaming = DefaultStreaming()
        self._plugins: Any = None
        self._aws_metadata: dict[str, Any] = copy.deepcopy(XRAY_META)
        self._origin: str | None = None
        lambda_context = check_in_lambda()
        if lambda_context:
            self._context = lambda_context
            self._streaming.streaming_threshold = 0
            self._sampler = self._local_sampler()
        else:
            self._context = Context()
            self._sampler = DefaultSampler()
        self._service = os.getenv(TRACING_NAME_KEY)
        self._native.sampling = True
        _recorders.add(self)

    def _adapt(self, context: Any) -> Any:
        """Of a context that is given to xtrace's recorder, the one that is used."""
        context = adapted(context)
        context._tell(self)
        self._look_for_hooks(context)
        return context

    def configure(
        self,
        sampling: bool | None = None,
        plugins: Any = None,
        context_missing: str | None = None,
        sampling_rules: Any = None,
        daemon_address: str | None = None,
        service: str | None = None,
        context: Any = None,
        emitter: Any = None,
        streaming: Any = None,
        dynamic_naming: Any = None,
        streaming_threshold: int | None = None,
        max_trace_back: int | None = None,
        sampler: Any = None,
        stream_sql: bool | None = None,
    ) -> None:
        """Change settings; None leaves one as it is.

        Environment variables win over service, daemon_address and context_missing.
        """
        if sampling is not None:
            self.sampling = sampling
        if sampler:
            self.sampler = sampler
        if service:
            self.service = os.getenv(TRACING_NAME_KEY, service)
        if sampling_rules:
            self._load_sampling_rules(sampling_rules)
        if emitter:
            self.emitter = emitter
        if daemon_address:
            self._direct(os.getenv(DAEMON_ADDR_KEY, daemon_address))
        if context:
            self.context = context
        if context_missing:
            self.context.context_missing = os.getenv(CONTEXT_MISSING_KEY, context_missing)
        if dynamic_naming:
            self.dynamic_naming = dynamic_naming
        if streaming:
            self.streaming = streaming
        if streaming_threshold is not None:
            self.streaming_threshold = streaming_threshold
        if type(max_trace_back) is int and max_trace_back >= 0:
            self.max_trace_back = max_trace_back
        if stream_sql is not None:
            self.stream_sql = stream_sql
        if plugins:
            self._use_plugins(plugins)
        elif plugins is not None:
            self._aws_metadata = copy.deepcopy(XRAY_META)
            self._origin = None
        if daemon_address or sampler or plugins is not None or context:
            self._settle_sampler(daemon_address)

    def _direct(self, address: str) -> None:
        emitter = self.emitter
        if hasattr(emitter, "set_daemon_address"):
            emitter.set_daemon_address(address)

    def _use_plugins(self, plugins: Any) -> None:
        from .plugins.utils import get_plugin_modules

        # A test's, if it has put one into this module.
        find = globals().get("get_plugin_modules", get_plugin_modules)
        for module in find(plugins):
            module.initialize()
            if module.runtime_context:
                self._aws_metadata[module.SERVICE_NAME] = module.runtime_context
                self._origin = module.ORIGIN

    def _settle_sampler(self, daemon_address: str | None) -> None:
        """Tell the sampler where the daemon is, which keeps what it isn't told."""
        load_settings = getattr(self.sampler, "load_settings", None)
        if load_settings is not None:
            if daemon_address:
                self.__daemon = DaemonConfig(daemon_address)
            load_settings(self.__daemon or DaemonConfig(), self.context, self._origin)

    __daemon: DaemonConfig | None = None

    def _load_sampling_rules(self, sampling_rules: Any) -> None:
        if not isinstance(sampling_rules, dict):
            import json

            with open(sampling_rules, encoding="utf-8") as file:
                sampling_rules = json.load(file)
        self.sampler.load_local_rules(sampling_rules)

    # -- segments -----------------------------------------------------------------------------

    def in_segment(self, name: str | None = None, **segment_kwargs: Any) -> SegmentContextManager:
        """A segment, for `with`. segment_kwargs: of begin_segment()."""
        manager = _new(_SegmentContextManager)  # without the call of its __init__()
        manager.recorder = self
        manager.name = name
        manager.segment_kwargs = segment_kwargs
        manager.segment = None
        return manager

    def begin_segment(
        self,
        name: str | None = None,
        traceid: str | None = None,
        parent_id: str | None = None,
        sampling: bool | int | str | None = None,
    ) -> Any:
        """Begin a segment and make it current.

        sampling: a decision that was made already; None asks the sampler.
        Raises SegmentNameMissingException if neither this nor the recorder has a name.
        """
        if not (default_recorder.enabled or global_sdk_config.sdk_enabled()):
            return DummySegment(SDKConfig.DISABLED_ENTITY_NAME)
        native = self._native
        segment_name = name or self.service
        if not segment_name:
            raise SegmentNameMissingException("Segment name is required.")
        decision: Any = True
        if sampling == 0:
            decision = False
        elif sampling:
            decision = sampling
        elif native.sampling:
            decision = self._decide(segment_name)
        owner = self._owner
        segment: Segment
        if decision:
            segment = Segment(segment_name, None, traceid, parent_id)
        else:
            # The caller's trace goes on through it, unrecorded.
            segment = DummySegment(segment_name, traceid, parent_id)
        context = native._context
        segment._owner = owner
        segment._current = context
        if decision:
            if decision is not True or self._populates_itself:
                self._populate_runtime_context(segment, decision)
            if native.in_use:  # the steps of owner.add(), without the call
                opened = owner.open
                opened[segment] = OPEN
                if len(opened) > MAX_OPEN:
                    owner.too_many_open()
            else:
                owner.add(segment)
        if context._is_plain and context.get() is None:
            context.set(segment)
        else:
            context.put_segment(segment)
        return segment

    def _decide(self, name: str) -> Any:
        try:
            return self._sampler.should_trace({"service": name})
        except Exception as error:
            faults.report("sampler", "The sampler failed; the built-in rules decide", error)
            return self._local_sampler().should_trace()

    def _local_sampler(self) -> Any:
        from .sampling.local.sampler import LocalSampler  # where there is a daemon, late or never

        return LocalSampler()

    def _populate_runtime_context(self, segment: Segment, sampling_decision: Any) -> None:
        """Record by which rule a segment is recorded. The rest is added when it is looked at."""
        if isinstance(sampling_decision, str):
            segment._fields["aws"] = {"xray": {"sampling_rule_name": sampling_decision}}

    def end_segment(self, end_time: float | None = None) -> None:
        """End the current segment, and send it if nothing under it is open."""
        if not (default_recorder.enabled or global_sdk_config.sdk_enabled()):
            return
        context = self._native._context
        if context._is_plain and self._is_direct:
            entity = context.get()
            if entity is None:
                context.end_segment(end_time)
                return
            segment = entity if type(entity) is Segment else entity.segment
            if isinstance(segment, Segment):
                self._owner.end_segment(segment, end_time)
            else:
                segment.close(end_time)
            return
        context.end_segment(end_time)
        current: Any = self.current_segment()
        if current and current.ready_to_send():
            self._send_segment()

    def current_segment(self) -> Any:
        """The current segment."""
        entity = self._get_plain()
        if type(entity) is Segment:
            return entity
        if type(entity) is Subsegment:
            return entity.segment
        entity = self.get_trace_entity()
        if self._is_subsegment(entity):
            return entity.parent_segment
        return entity

    # -- subsegments --------------------------------------------------------------------------

    def in_subsegment(
        self, name: str | None = None, **subsegment_kwargs: Any
    ) -> SubsegmentContextManager:
        """A subsegment, for `with`, and a decorator. subsegment_kwargs: of begin_subsegment()."""
        manager = _new(_SubsegmentContextManager)  # without the call of its __init__()
        manager.recorder = self
        manager.name = name
        manager.subsegment_kwargs = subsegment_kwargs
        manager.subsegment = None
        return manager

    def begin_subsegment(self, name: str, namespace: str = "local") -> Any:
        """Begin a subsegment and make it current; None where no segment is open."""
        if default_recorder.enabled:
            # What is current is open, and neither it nor the context is of a program's own kind:
            # so it nearly always is. The steps of Subsegment() and its __enter__(), without these
            # calls.
            parent = self._get_plain()
            kind = type(parent)
            if kind is Subsegment or kind is Segment:
                if parent._stop is None and parent.sampled:
                    segment = parent if kind is Segment else parent.segment
                    made = _new(_Subsegment)
                    try:
                        made.name = known_names[name]
                    except (KeyError, TypeError):
                        made.name = clean_name(name)
                    made.id = ids.random_bits(64).to_bytes(8, "big").hex()
                    made.start_time = segment._base + ids.monotonic_clock()
                    made._stop = None
                    made.sampled = True
                    made.namespace = namespace
                    made.segment = segment
                    made._parent = parent
                    made._children = None
                    made._annotations = {}
                    made._checked = True
                    made._metadata = {}
                    made._more = None
                    siblings = parent._children
                    if siblings is None:
                        parent._children = [made]
                    else:
                        siblings.append(made)
                    segment._begun += 1
                    owner = segment._owner
                    opened = owner.open
                    opened[made] = OPEN
                    if len(opened) > MAX_OPEN:
                        owner.too_many_open()
                    segment._current.set(made)
                    return made
            elif (kind is DummySubsegment or kind is DummySegment) and parent._stop is None:
                return dummy_under(parent, name)
        return self._begin_subsegment_helper(name, namespace)

    def begin_subsegment_without_sampling(self, name: str) -> Any:
        """Begin a subsegment that isn't recorded, as all under it."""
        return self._begin_subsegment_helper(name, beginWithoutSampling=True)

    def _begin_subsegment_helper(
        self, name: str, namespace: str = "local", beginWithoutSampling: bool = False
    ) -> Any:
        if not global_sdk_config.sdk_enabled():
            return DummySubsegment(DummySegment(SDKConfig.DISABLED_ENTITY_NAME))
        context = self._native._context
        if not self._is_direct:
            return self._begin_by_hooks(name, namespace, beginWithoutSampling)
        parent = context.get() if context._is_plain else None
        if parent is None:
            parent = context.get_trace_entity()
            if parent is None:
                log.warning("No segment is open: the subsegment %s isn't recorded", name)
                return None
        if not isinstance(parent, Entity):
            return self._under_native(parent, name, namespace)
        segment: Any = parent.segment
        subsegment: Subsegment
        if beginWithoutSampling or not parent.sampled:
            subsegment = DummySubsegment(segment, name)
        else:
            subsegment = Subsegment(name, namespace, segment)
        if parent._stop is not None and context._is_plain:
            if self._native._is_over(parent):
                context.handle_context_missing()
                return None
            self._owner.attach_late(subsegment, parent)
            context.set(subsegment)
        else:
            context.put_subsegment(subsegment)
            if subsegment.sampled:
                self._owner.add(subsegment)
        return subsegment

    def _begin_by_hooks(self, name: str, namespace: str, without_sampling: bool) -> Any:
        """Begin a subsegment where methods are overridden that say what is current."""
        segment = self.current_segment()
        if not segment:
            log.warning("No segment is open: the subsegment %s isn't recorded", name)
            return None
        parent = self.get_trace_entity()
        subsegment: Subsegment
        if without_sampling or not parent.sampled:
            subsegment = DummySubsegment(segment, name)
        else:
            subsegment = Subsegment(name, namespace, segment)
        self._native._context.put_subsegment(subsegment)
        if subsegment.sampled:
            self._owner.add(subsegment)
        return subsegment

    def _under_native(self, parent: Any, name: str, namespace: str) -> Any:
        """A subsegment of something that another recorder has begun."""
        owner = getattr(parent.segment, "_owner", None)
        if not parent.sampled:
            return DummySubsegment(DummySegment(parent.segment.name), name)
        if isinstance(owner, Owner):  # a call of one of xtrace's own integrations, in our segment
            subsegment = Subsegment(name, namespace, parent.segment, parent)
            subsegment.segment.increment()
            subsegment.segment._tie()
            owner.add(subsegment)
            parent.segment._current.set(subsegment)
            return subsegment
        return self._native.begin_subsegment(name, namespace)

    def current_subsegment(self) -> Any:
        """The current subsegment, or None."""
        if not global_sdk_config.sdk_enabled():
            return DummySubsegment(DummySegment(SDKConfig.DISABLED_ENTITY_NAME))
        entity = self.get_trace_entity()
        return entity if self._is_subsegment(entity) else None

    def end_subsegment(self, end_time: float | None = None) -> None:
        """End the current subsegment. What is complete then is sent."""
        context = self._native._context
        is_ours = context._is_plain and self._is_direct
        if is_ours and (default_recorder.enabled or global_sdk_config.sdk_enabled()):
            entity = context.get()
            if isinstance(entity, Subsegment):
                if entity.segment._current is context:  # else a program has made it by itself
                    entity.__exit__(None, None, None, end_time)
                    return
            elif isinstance(entity, model.Subsegment):
                entity.close(end_time)
                return
        if not global_sdk_config.sdk_enabled():
            return
        if not context.end_subsegment(end_time):
            return
        segment = self.current_segment()
        if segment is None:
            return
        if segment.ready_to_send():
            self._send_segment()
        else:
            self.stream_subsegments()

    # -- the current entity -------------------------------------------------------------------

    def put_annotation(self, key: str, value: Any) -> None:
        """Add an indexed value to the current entity."""
        if default_recorder.enabled:
            entity = self._get_plain()
            kind = type(entity)
            if (kind is Subsegment or kind is Segment) and entity._stop is None and entity.sampled:
                kind = type(value)
                try:
                    # What the entity's does with nearly all, without its call.
                    if key in GOOD_KEYS and (
                        (kind is int and SMALLEST_INTEGER <= value <= LARGEST_INTEGER)
                        or kind is bool
                        or (kind is str and len(value) <= GOOD_CHARS)
                        or (kind is float and value - value == 0)
                    ):
                        entity._annotations[key] = value
                        return
                except TypeError:  # an unhashable key
                    pass
                entity.put_annotation(key, value)
                return
        if not global_sdk_config.sdk_enabled():
            return
        entity = self.get_trace_entity()
        if entity and entity.sampled and self._takes(entity, "put_annotation"):
            entity.put_annotation(key, value)

    def put_metadata(self, key: str, value: Any, namespace: str = "default") -> None:
        """Add any value to the current entity."""
        if default_recorder.enabled:
            entity = self._get_plain()
            kind = type(entity)
            if (kind is Subsegment or kind is Segment) and entity._stop is None and entity.sampled:
                entity.put_metadata(key, value, namespace)
                return
        if not global_sdk_config.sdk_enabled():
            return
        entity = self.get_trace_entity()
        if entity and entity.sampled and self._takes(entity, "put_metadata"):
            entity.put_metadata(key, value, namespace)

    def _takes(self, entity: Any, call: str) -> bool:
        """Whether something can be put on an entity: not on one that has ended, or is Lambda's."""
        if not isinstance(entity, model.Entity):  # a mock, which takes everything
            return True
        if not entity.in_progress:
            self._native.too_late(entity, call)
            return False
        if hasattr(entity, "initializing"):
            site = faults.call_site()
            log.warning(
                "%s at %s is ignored: a function's segment is Lambda's own. Open a subsegment",
                call,
                site,
            )
            return False
        return True

    def is_sampled(self) -> Any:
        """Whether what is recorded here is kept."""
        if not global_sdk_config.sdk_enabled():
            return False
        entity = self.get_trace_entity()
        return entity.sampled if entity else False

    def get_trace_entity(self) -> Any:
        """The current entity."""
        return self.context.get_trace_entity()

    def set_trace_entity(self, trace_entity: Any) -> None:
        """Make an entity current: in another thread, to go on there."""
        self.context.set_trace_entity(trace_entity)

    def clear_trace_entities(self) -> None:
        """Make nothing current."""
        self.context.clear_trace_entities()

    def _is_subsegment(self, entity: Any) -> bool:
        return getattr(entity, "type", None) == "subsegment"

    # -- functions ----------------------------------------------------------------------------

    def capture(self, name: str | None = None) -> SubsegmentContextManager:
        """Decorator that records each call of a function; for `with`, too."""
        return self.in_subsegment(name=name)

    def record_subsegment(
        self,
        wrapped: Any,
        instance: Any,
        args: Any,
        kwargs: Any,
        name: str,
        namespace: str,
        meta_processor: Any,
    ) -> Any:
        """Call a function in a subsegment.

        meta_processor: is called at the end, to describe the call, with wrapped, instance, args,
        kwargs, return_value, exception, subsegment and stack as keywords. Without one, an
        exception is recorded here.
        """
        with recorded(
            self, wrapped, instance, args, kwargs, name, namespace, meta_processor
        ) as call:
            call.return_value = wrapped(*args, **kwargs)
        return call.return_value

    # -- sending ------------------------------------------------------------------------------

    def stream_subsegments(self) -> None:
        """Send what has ended of the current segment, if it holds too much."""
        segment = self.current_segment()
        if self.streaming.is_eligible(segment):
            self.streaming.stream(segment, self._stream_subsegment_out)

    def _stream_subsegment_out(self, subsegment: Any) -> None:
        self._owner.send_tree(subsegment)

    def _send_segment(self) -> None:
        """Send the current segment, for contexts that are a program's own."""
        segment = self.current_segment()
        if isinstance(segment, Segment):
            self._owner.send_whole(segment)
        elif segment is not None and segment.sampled:  # a mock
            self.emitter.send_entity(segment)
        self.clear_trace_entities()

    # -- settings -----------------------------------------------------------------------------

    @cached_property
    def _service_info(self) -> dict[str, str]:
        from .service_info import SERVICE_INFO  # platform takes long to import

        return SERVICE_INFO

    @property
    def enabled(self) -> Any:
        """Whatever was written here; nothing else uses it."""
        return self._enabled

    @enabled.setter
    def enabled(self, value: Any) -> None:
        self._enabled = value

    @property
    def sampling(self) -> Any:
        """False: everything is recorded whose caller hasn't decided otherwise."""
        return self._sampling

    @sampling.setter
    def sampling(self, value: Any) -> None:
        self._sampling = value

    @property
    def sampler(self) -> Any:
        """What decides which requests are recorded."""
        return self._sampler

    @sampler.setter
    def sampler(self, value: Any) -> None:
        self._sampler = value

    @property
    def service(self) -> Any:
        """The name of segments that aren't given one."""
        return self._service

    @service.setter
    def service(self, value: Any) -> None:
        self._service = value

    @property
    def dynamic_naming(self) -> Any:
        """Segment names by host: an object with get_name(host); a pattern makes one."""
        return self._dynamic_naming

    @dynamic_naming.setter
    def dynamic_naming(self, value: Any) -> None:
        if isinstance(value, str):
            value = DefaultDynamicNaming(value, self.service)
        self._dynamic_naming = value

    @property
    def _context(self) -> Any:
        return self._native._context

    @_context.setter
    def _context(self, value: Any) -> None:
        self.__dict__["_context"] = value
        self._native.context = value
        if isinstance(value, Context):
            value._belong_to(self)

    @property
    def context(self) -> Any:
        """What keeps the current entity."""
        return getattr(self._native._context, "given", self._native._context)

    @context.setter
    def context(self, cxt: Any) -> None:
        self._context = cxt

    # What a program gives stands in the object's dict, from where mock.patch() puts it back.

    @property
    def _emitter(self) -> Any:
        emitter = self.__dict__.get("_emitter")
        if emitter is None:
            emitter = self.__dict__["_emitter"] = self._owner.default_emitter()
        return emitter

    @_emitter.setter
    def _emitter(self, value: Any) -> None:
        self.__dict__["_emitter"] = value
        self._owner.send_by(value)

    @_emitter.deleter
    def _emitter(self) -> None:
        self._native._emitters = None
        self._emitter = self._owner.default_emitter()

    @property
    def emitter(self) -> Any:
        """What sends: any object with send_entity(entity)."""
        return self._emitter

    @emitter.setter
    def emitter(self, value: Any) -> None:
        self._emitter = value

    @property
    def _streaming(self) -> Any:
        return self.__streaming

    @_streaming.setter
    def _streaming(self, value: Any) -> None:
        self.__streaming = value
        if isinstance(value, DefaultStreaming):
            value._recorders.add(self)
        self._settle_threshold()

    @_streaming.deleter
    def _streaming(self) -> None:
        del self.__streaming

    def _settle_threshold(self) -> None:
        """Have the owner ask the streaming only where it says yes, if that is known beforehand."""
        streaming = self.__streaming
        is_known = (
            type(streaming) is DefaultStreaming
            and "is_eligible" not in vars(streaming)
            and not self._has_own_streaming()
        )
        self._owner.threshold = streaming._threshold if is_known else -1

    def _has_own_streaming(self) -> bool:
        """Whether a subclass, or a test, has its own stream_subsegments()."""
        return self._streams_itself or "stream_subsegments" in vars(self)

    @property
    def streaming(self) -> Any:
        """What decides when an open segment sends what has ended."""
        return self._streaming

    @streaming.setter
    def streaming(self, value: Any) -> None:
        self._streaming = value

    @property
    def streaming_threshold(self) -> Any:
        """How many subsegments a segment may hold."""
        return self._streaming.streaming_threshold

    @streaming_threshold.setter
    def streaming_threshold(self, value: Any) -> None:
        self._streaming.streaming_threshold = value

    @property
    def max_trace_back(self) -> Any:
        """Stack frames that are recorded of an exception."""
        return self._max_trace_back

    @max_trace_back.setter
    def max_trace_back(self, value: Any) -> None:
        self._max_trace_back = value

    @property
    def stream_sql(self) -> Any:
        """Whether the text of SQL statements is recorded."""
        return self._stream_sql

    @stream_sql.setter
    def stream_sql(self, value: Any) -> None:
        self._stream_sql = value


class recorded:
    """`with recorded(...) as call:` around a call that is a subsegment; the block sets call.return_value."""

    def __init__(
        self,
        recorder: AWSXRayRecorder,
        wrapped: Any,
        instance: Any,
        args: Any,
        kwargs: Any,
        name: str,
        namespace: str,
        meta_processor: Any,
    ) -> None:
        self.return_value: Any = None
        self._recorder = recorder
        self._wrapped = wrapped
        self._instance = instance
        self._args = args
        self._kwargs = kwargs
        self._name = name
        self._namespace = namespace
        self._meta_processor = meta_processor

    def __enter__(self) -> recorded:
        self._subsegment = self._recorder.begin_subsegment(self._name, self._namespace)
        return self

    def __exit__(self, kind: Any, error: Any, tb: Any) -> None:
        subsegment = self._subsegment
        if subsegment is None:
            return
        recorder = self._recorder
        end_time = time.time()
        try:
            if callable(self._meta_processor) and (error is None or isinstance(error, Exception)):
                stack = None if error is None else self._stack(tb)
                self._meta_processor(
                    wrapped=self._wrapped,
                    instance=self._instance,
                    args=self._args,
                    kwargs=self._kwargs,
                    return_value=self.return_value,
                    exception=error,
                    subsegment=subsegment,
                    stack=stack,
                )
            elif isinstance(error, Exception):
                if subsegment.in_progress:
                    subsegment.add_exception(error, self._stack(tb))
            elif error is not None:
                record_stop(recorder, subsegment, error, tb)
        except Exception as fault:
            faults.report("meta_processor", f"{self._name!r} isn't described", fault)
        recorder.end_subsegment(end_time)

    def _stack(self, tb: Any) -> list[traceback.FrameSummary]:
        """The frames nearest to where it was raised; those that made the call are among them."""
        return innermost_frames(tb, self._recorder.max_trace_back, with_callers=True)


class _Still:
    """Stands for a context that isn't ours: nobody else knows how it keeps what is current."""

    @staticmethod
    def get() -> None:
        """Nothing is put back."""

    @staticmethod
    def set(entity: Any) -> None:
        """Nothing changes."""


class _Captures:
    """What xtrace's capture decorator asks of a recorder, told by one of ours."""

    __slots__ = ("recorder",)

    def __init__(self, recorder: AWSXRayRecorder) -> None:
        self.recorder = recorder

    @property
    def context(self) -> Any:
        """Where a generator changes what is current between its steps."""
        context = self.recorder._context
        return _Still if isinstance(context, Foreign) else context

    def in_subsegment(self, name: str, namespace: str = "local") -> Any:
        recorder = self.recorder
        if namespace == "local":
            return SubsegmentContextManager(recorder, name)
        return SubsegmentContextManager(recorder, name, namespace=namespace)


def of_this_process(kind: type[AWSXRayRecorder]) -> Any:
    """A recorder that shares with xtrace.recorder what is current, the settings and the emitters.

    So a program may use both side by side, and xtrace's own integrations with either.
    """
    names = (
        *("_context", "_emitters", "in_use", "naming", "sampler", "sampling", "service"),
        *("max_trace_back", "stream_sql", "segment_class", "subsegment_class"),
    )
    before = {name: getattr(default_recorder, name) for name in names}

    def undo() -> None:
        made._owner.flush()  # what waits is sent by the emitters that it waits for
        default_recorder.adapt_context = None
        default_recorder.context = before.pop("_context")
        for name, value in before.items():
            setattr(default_recorder, name, value)

    made: Any = kind.__new__(kind)
    on_uninstall(undo)
    made._set_up(default_recorder)
    default_recorder.segment_class = made._owner.native_segment
    default_recorder.subsegment_class = native_subsegment  # type: ignore[assignment]
    return made


def native_subsegment(name: str, parent: Any, segment: Any, namespace: str | None = None) -> Any:
    """A subsegment that xtrace's own recorder makes, in the order of its arguments."""
    if isinstance(segment, Segment):
        return Subsegment(name, namespace or "local", segment, parent)
    return model.Subsegment(name, parent, segment, namespace)


def _nothing() -> None:
    """Nothing is current."""


_new = object.__new__
# What the steps above make, whatever a test has put in these classes' place.
_Subsegment = Subsegment
_SegmentContextManager = SegmentContextManager
_SubsegmentContextManager = SubsegmentContextManager
_recorders: WeakSet[AWSXRayRecorder] = WeakSet()
