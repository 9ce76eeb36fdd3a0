"""As test suites use the SDK: mocks, subclasses, what they look at afterwards."""

import asyncio
import contextvars
import json
import threading
from types import SimpleNamespace
from unittest import mock

import aws_xray_sdk.core
from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import AsyncAWSXRayRecorder, AWSXRayRecorder
from aws_xray_sdk.core.async_context import AsyncContext
from aws_xray_sdk.core.context import MISSING_SEGMENT_MSG, Context
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment
from aws_xray_sdk.core.sampling.local.sampler import LocalSampler
from aws_xray_sdk.core.streaming.default_streaming import DefaultStreaming


def _captured(x):
    """Calls a function, a generator and coroutines that are decorated; notes what they give."""

    @x.recorder.capture("function")
    def function():
        return 1

    @x.recorder.capture("generator")
    def generator():
        yield 2
        yield 3

    @x.recorder.capture_async("coroutine")
    async def coroutine():
        return 4

    def call():
        x.attempt(function)
        x.attempt(lambda: list(generator()))
        x.attempt(lambda: asyncio.run(coroutine()))

    return call


def captured_without_a_segment(x):
    call = _captured(x)
    call()
    x.recorder.configure(context_missing="RUNTIME_ERROR")
    call()


def captured_unsampled(x):
    call = _captured(x)
    x.recorder.begin_segment("a", sampling=0)
    call()
    x.note(type(x.recorder.get_trace_entity()).__name__)
    x.recorder.end_segment()


def captured_while_disabled(x):
    call = _captured(x)
    global_sdk_config.set_sdk_enabled(False)
    call()


class _Hooked(Context):
    """A context whose methods are overridden, and call those that they override."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def put_segment(self, segment):
        self.calls.append("put_segment")
        super().put_segment(segment)

    def end_segment(self, end_time=None):
        self.calls.append("end_segment")
        super().end_segment(end_time)

    def put_subsegment(self, subsegment):
        self.calls.append("put_subsegment")
        super().put_subsegment(subsegment)

    def end_subsegment(self, end_time=None):
        self.calls.append("end_subsegment")
        return super().end_subsegment(end_time)

    def clear_trace_entities(self):
        self.calls.append("clear_trace_entities")
        super().clear_trace_entities()

    def handle_context_missing(self):
        return super().handle_context_missing()


def a_subclass_of_the_context(x):
    context = _Hooked()
    x.recorder.configure(context=context)
    call = _captured(x)
    for name in ("a", "b"):
        with x.recorder.in_segment(name), x.recorder.in_subsegment("part"):
            call()
            x.recorder.put_annotation("k", 1)
        x.note(x.recorder.get_trace_entity(), context.calls)


def a_subclass_keeps_what_is_its_own(x):
    class Context_(Context):
        def put_segment(self, segment):
            self._local.mine = segment.name
            super().put_segment(segment)

    context = Context_()
    x.recorder.configure(context=context)
    seen = []

    def work():
        seen.append(hasattr(context._local, "mine"))

    with x.recorder.in_segment("a"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        x.note(context._local.mine, seen)
    x.note(hasattr(context._local, "mine"))


def one_stack_for_all_threads(x):
    context = Context()
    context._local = SimpleNamespace()
    x.recorder.configure(context=context)
    call = _captured(x)

    def work():
        with x.recorder.in_subsegment("in a thread"):
            call()

    with x.recorder.in_segment("a"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        x.recorder.begin_subsegment("dropped")
        context._local.entities.pop()
        x.note(x.recorder.get_trace_entity().name)


def stacks_in_a_contextvar(x):
    variable = contextvars.ContextVar("entities")

    class Stacks:
        @property
        def entities(self):
            return variable.get(None)

        @entities.setter
        def entities(self, value):
            variable.set(value)

    class Ours(Context):
        def __init__(self):
            super().__init__()
            self._local = Stacks()

        def clear_trace_entities(self):
            variable.set(None)

    x.recorder.configure(context=Ours())

    async def one(name):
        with x.recorder.in_segment(name):
            with x.recorder.in_subsegment(f"{name}'s"):
                await asyncio.sleep(0)

    async def both():
        await asyncio.gather(one("a"), one("b"))

    asyncio.run(both())


def a_subclass_of_the_async_context(x):
    async def main():
        class Ours(AsyncContext):
            def __init__(self):
                super().__init__(use_task_factory=False)
                self._loop.set_task_factory(self.make)

            def make(self, loop, coroutine, **kwargs):
                return asyncio.Task(coroutine, loop=loop, **kwargs)

        context = Ours()
        x.recorder.configure(context=context)
        x.note(context._loop is asyncio.get_running_loop())
        async with x.recorder.in_segment_async("a"):
            x.note(x.recorder.current_segment().name)

    asyncio.new_event_loop().run_until_complete(main())


def a_context_of_another_class(x):
    class Stack:
        context_missing = "LOG_ERROR"
        entities = []

        def put_segment(self, segment):
            self.entities = [segment]

        def end_segment(self, end_time=None):
            self.entities[0].close(end_time)

        def put_subsegment(self, subsegment):
            self.entities[-1].add_subsegment(subsegment)
            self.entities.append(subsegment)

        def end_subsegment(self, end_time=None):
            self.entities.pop().close(end_time)
            return True

        def get_trace_entity(self):
            return self.entities[-1] if self.entities else None

        def set_trace_entity(self, entity):
            self.entities = [entity]

        def clear_trace_entities(self):
            self.entities = []

        def handle_context_missing(self):
            pass

    context = Stack()
    x.recorder.configure(context=context)
    with x.recorder.in_segment("a"), x.recorder.in_subsegment("b"):
        _captured(x)()
        x.note([each.name for each in context.entities][:2])


def a_recorder_with_its_own_recording(x):
    class Recorder(AsyncAWSXRayRecorder):
        def record_subsegment(self, wrapped, *args, **kwargs):
            x.note(wrapped.__name__, sorted(kwargs), kwargs["name"], kwargs["namespace"])
            return super().record_subsegment(wrapped, *args, **kwargs)

        async def record_subsegment_async(self, wrapped, *args, **kwargs):
            x.note(wrapped.__name__, sorted(kwargs), kwargs["name"], kwargs["namespace"])
            return await super().record_subsegment_async(wrapped, *args, **kwargs)

        def stream_subsegments(self):
            x.note("stream_subsegments")
            super().stream_subsegments()

        def begin_subsegment(self, name, namespace="local"):
            subsegment = super().begin_subsegment(name, namespace)
            subsegment.put_annotation("begun_by", "ours")
            return subsegment

        def end_segment(self, end_time=None):
            self.put_annotation("ended_by", "ours")
            super().end_segment(end_time)

    recorder = Recorder()
    recorder.configure(service="ours", sampling=False, emitter=x.emitter)

    class Class:
        @recorder.capture("method")
        def method(self, value):
            return value

        @classmethod
        @recorder.capture()
        def of_class(cls):
            return cls.__name__

    @recorder.capture_async("coroutine")
    async def coroutine(value):
        return value

    with recorder.in_segment("a"):
        x.note(Class().method(5), Class.of_class())
        x.note(asyncio.run(coroutine(6)))


def methods_of_the_recorder_are_mocked(x):
    call = _captured(x)
    with x.recorder.in_segment("a"):
        with (
            mock.patch.object(x.recorder, "begin_subsegment") as begin,
            mock.patch.object(x.recorder, "end_subsegment") as end,
        ):
            with x.recorder.in_subsegment("b"):
                x.recorder.capture("c")(len)("")
            x.note(begin.call_count, end.call_count)
        call()
    with mock.patch("aws_xray_sdk.core.xray_recorder.put_annotation") as put_annotation:
        x.recorder.put_annotation("k", 1)
        x.note(str(put_annotation.call_args))
    with mock.patch("aws_xray_sdk.core.recorder.AWSXRayRecorder.current_segment") as current:
        x.note(x.recorder.current_segment() is current.return_value)


def methods_of_the_context_are_mocked(x):
    context = x.recorder.context
    with x.recorder.in_segment("a"):
        with (
            mock.patch.object(context, "put_subsegment") as put,
            mock.patch.object(context, "end_subsegment") as end,
        ):
            with x.recorder.in_subsegment("b"):
                pass
            x.note(put.call_count, end.call_count)
        with x.recorder.in_subsegment("c"):
            pass
    with mock.patch("aws_xray_sdk.core.context.log") as log:
        x.recorder.current_segment()
        x.note(log.error.call_args == mock.call(MISSING_SEGMENT_MSG))


def entities_are_mocked(x):
    for entity in (
        mock.MagicMock(),
        mock.MagicMock(spec=Subsegment),
        mock.create_autospec(Segment),
    ):
        entity.sampled = True
        x.recorder.set_trace_entity(entity)
        x.recorder.put_annotation("a", 1)
        x.recorder.put_metadata("k", 2, "n")
        x.note(str(entity.put_annotation.call_args), str(entity.put_metadata.call_args))
        x.note(x.recorder.is_sampled(), x.recorder.get_trace_entity() is entity)
    x.recorder.clear_trace_entities()


def emitters_are_mocked(x):
    emitter = mock.MagicMock()
    x.recorder.configure(emitter=emitter)
    with x.recorder.in_segment("a") as segment:
        pass
    x.note([each[0] for each in emitter.method_calls])
    x.note(emitter.send_entity.call_args[0][0] is segment)
    with mock.patch("aws_xray_sdk.core.xray_recorder._emitter") as other:
        with x.recorder.in_segment("b"):
            pass
        x.note(other.send_entity.call_count, emitter.send_entity.call_count)
    with mock.patch.object(x.recorder, "_context") as context:
        x.recorder.begin_segment("c")
        x.note([each[0] for each in context.method_calls])
    with x.recorder.in_segment("d"):
        pass
    x.note(x.recorder.emitter is emitter, emitter.send_entity.call_count)


def datagrams_are_mocked(x):
    name = "aws_xray_sdk.core.emitters.udp_emitter.UDPEmitter._send_data"
    with mock.patch(name) as send_data:
        recorder = AWSXRayRecorder()
        recorder.configure(service="s", sampling=False, context=Context())
        with recorder.in_segment("a"), recorder.in_subsegment("b"):
            pass
        x.note(send_data.call_count)
        head, document = send_data.call_args[0][-1].split("\n")
        x.note(head, json.loads(document)["subsegments"][0]["name"])
    emitter = UDPEmitter()
    emitter._socket = mock.Mock()
    segment = Segment("by itself")
    segment.close()
    emitter.send_entity(segment)
    emitter._send_data("text")
    x.note([str(each) for each in emitter._socket.sendto.call_args_list[1:]])
    x.note(emitter._socket.sendto.call_args_list[0][0][1])
    emitter.set_daemon_address("10.0.0.1:99")
    x.note(emitter.ip, emitter.port)


def a_recorder_with_a_stub_of_an_emitter(x):
    class Stub(UDPEmitter):
        def __init__(self):
            super().__init__()
            self.buffer = []

        def send_entity(self, entity):
            self.buffer.append(entity)

    class Recorder(AWSXRayRecorder):
        def __init__(self):
            super().__init__()
            self._emitter = Stub()

    recorder = Recorder()
    recorder.configure(service="s", sampling=False, context=Context())
    segment = recorder.begin_segment("a")
    recorder.begin_subsegment("b")
    recorder.end_subsegment()
    recorder.end_segment()
    x.note([each is segment for each in recorder.emitter.buffer], segment.subsegments[0].name)
    segment = recorder.begin_segment("a")
    recorder.clear_trace_entities()
    recorder.put_annotation("a", "b")
    recorder.end_segment()
    x.note(segment.annotations, segment.in_progress, len(recorder.emitter.buffer))


def streamings_of_ones_own(x):
    class Always(DefaultStreaming):
        def is_eligible(self, segment):
            x.note(segment.name)
            return True

    x.recorder.configure(streaming=Always())
    with x.recorder.in_segment("a"):
        for name in "bc":
            with x.recorder.in_subsegment(name), x.recorder.in_subsegment("part"):
                pass


def samplers_of_ones_own(x):
    class Named(LocalSampler):
        def should_trace(self, sampling_req=None):
            x.note(sampling_req)
            return "a rule"

    x.recorder.configure(sampling=True, sampler=Named())
    with x.recorder.in_segment("a") as segment:
        x.note(segment.aws["xray"]["sampling_rule_name"])


def modules_are_attributes_of_packages(x):
    core = aws_xray_sdk.core
    x.attempt(lambda: core.emitters.udp_emitter.UDPEmitter is UDPEmitter)
    x.attempt(lambda: core.sampling.local.sampler.LocalSampler is LocalSampler)
    x.attempt(lambda: core.models.segment.TraceId.__name__)
    x.attempt(lambda: core.plugins.utils.module_prefix)
    x.attempt(lambda: core.nonsense)
    for name in ("flask", "bottle"):
        with mock.patch(f"aws_xray_sdk.ext.{name}.middleware.check_in_lambda") as check_in_lambda:
            x.note(check_in_lambda.called)


def exceptions_that_are_none(x):
    with x.recorder.in_segment("a") as segment:
        segment.add_exception(None, [])
        segment.add_exception(None, None)
        x.note([each.type for each in segment.cause["exceptions"]], segment.fault)


def manifests_that_are_wrong(x):
    default = {"fixed_target": 1, "rate": 0.5}
    rule = {"host": "*", "http_method": "*", "url_path": "*", "fixed_target": 0, "rate": 0.1}
    by_service = {**rule, "service_name": "*"}
    by_service.pop("host")
    for version in (1, 2, 3, "2", 2.0, None):
        for rules in ([], [rule], [by_service], [{**rule, "rate": -1}], [{}]):
            manifest = {"version": version, "default": default, "rules": rules}
            x.attempt(lambda manifest: type(LocalSampler(manifest)).__name__, manifest)
            x.attempt(x.recorder.configure, sampling_rules=manifest)
    for changed in ({}, {"rate": 1}, {**default, "host": "h"}, {**default, "fixed_target": -1}):
        x.attempt(x.recorder.configure, sampling_rules={"version": 2, "default": changed})


def segments_made_by_hand(x):
    segment = Segment("by hand", traceid="1-5759e988-bd862e3fe1be46a994272793")
    x.recorder.set_trace_entity(segment)
    call = _captured(x)
    with x.recorder.in_subsegment("part") as part:
        x.recorder.put_metadata("k", "v")
        x.note(part.parent_id == segment.id, x.recorder.current_segment() is segment)
        x.recorder.capture("function")(call)()
    x.note(sorted(segment.to_dict()), hasattr(segment, "service"))
    x.recorder.end_segment()
    x.note(segment.in_progress, x.recorder.get_trace_entity())
    context = x.recorder.context
    for put in (context.put_segment, lambda made: setattr(context._local, "entities", [made])):
        put(Segment("another"))
        with x.recorder.in_subsegment("part"):
            pass
        x.recorder.end_segment()
        x.note(x.recorder.get_trace_entity())


def classes_are_captured(x):
    class Point:
        def __init__(self, x):
            self.x = x

    captured = x.recorder.capture("made")(Point)
    with x.recorder.in_segment("a"):
        x.note(captured(5).x, x.recorder.capture("built in")(dict)(a=1))


def blocks_of_unsampled_segments(x):
    with x.recorder.in_segment("a", sampling=0) as segment:
        segment.set_aws({"a": 1})
        segment.set_user("u")
        x.note(segment.aws, segment.user, segment.http, hasattr(segment, "service"))


def emitters_without_their_init(x):
    class Names(UDPEmitter):
        def __init__(self, names):
            self.names = names

        def send_entity(self, entity):
            self.names.append(entity.name)

    names = []
    x.recorder.configure(emitter=Names(names), daemon_address="127.0.0.1:3000")
    with x.recorder.in_segment("a"), x.recorder.in_subsegment("b"):
        pass
    x.note(names, x.recorder.emitter.ip, x.recorder.emitter.port)
