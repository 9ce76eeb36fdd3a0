"""Parts that tests and programs swap while something is open: contexts, settings, methods, switches."""

import contextlib
import os
import threading
from types import SimpleNamespace
from unittest import mock

from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import AsyncAWSXRayRecorder, AWSXRayRecorder
from aws_xray_sdk.core.context import Context
from aws_xray_sdk.core.lambda_launcher import LambdaContext
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.streaming.default_streaming import DefaultStreaming
from aws_xray_sdk.sdk_config import SDKConfig


def stacks(x):
    context = x.recorder.context
    before = context._local
    with x.recorder.in_segment("a"):
        context._local = SimpleNamespace()
        x.note(x.recorder.get_trace_entity())
        with x.recorder.in_segment("b"), x.recorder.in_subsegment("c"):
            x.note(x.recorder.current_segment().name, len(context._local.entities))
        context._local = before
        x.note(x.recorder.get_trace_entity().name)
        with x.recorder.in_subsegment("d"):
            x.note([each.name for each in context._local.entities])
        with mock.patch.object(context, "_local", SimpleNamespace()):
            x.note(x.recorder.get_trace_entity())
        x.note(x.recorder.get_trace_entity().name)


def contexts(x):
    recorder, one, two = x.recorder, Context(), Context()
    recorder.configure(context=one)
    with recorder.in_segment("a"):
        recorder.configure(context=two)
        x.note(recorder.get_trace_entity())
        with recorder.in_segment("b"), recorder.in_subsegment("c"):
            recorder.put_annotation("k", 1)
        recorder.context = one
        x.note(recorder.get_trace_entity().name)
        with recorder.in_subsegment("d"):
            recorder.put_annotation("k", 2)
        recorder._context = two
        with recorder.in_segment("e"):
            pass
        recorder._context = one


class _Stack:
    """A context that is no Context."""

    context_missing = "LOG_ERROR"

    def __init__(self):
        self.entities = []

    def put_segment(self, segment):
        self.entities = [segment]

    def end_segment(self, end_time=None):
        self.entities[0].close(end_time)

    def put_subsegment(self, subsegment):
        self.entities[-1].add_subsegment(subsegment)
        self.entities.append(subsegment)

    def end_subsegment(self, end_time=None):
        if len(self.entities) > 1:
            self.entities.pop().close(end_time)
            return True
        return False

    def get_trace_entity(self):
        return self.entities[-1] if self.entities else None

    def set_trace_entity(self, entity):
        self.entities = [entity]

    def clear_trace_entities(self):
        self.entities = []

    def handle_context_missing(self):
        pass


def a_context_of_another_class(x):
    recorder, stack = x.recorder, _Stack()
    before = recorder.context
    with recorder.in_segment("a") as segment:
        recorder.begin_subsegment("b")
        recorder.context = stack
        stack.set_trace_entity(segment)
        with recorder.in_subsegment("c") as part:
            recorder.put_annotation("k", 1)
            x.note(part.parent_id == segment.id)
        x.note(recorder.current_segment() is segment, len(stack.entities))
        recorder.context = before
        x.note(recorder.current_subsegment().name)
        recorder.end_subsegment()
    recorder.configure(context=stack, streaming_threshold=0)
    stack.clear_trace_entities()
    with recorder.in_segment("d"):
        with recorder.in_subsegment("e"), recorder.in_subsegment("f"):
            pass
        recorder.begin_subsegment("g")
        recorder.end_subsegment()
    x.note(stack.entities)


def what_the_context_says(x):
    recorder, context = x.recorder, x.recorder.context
    with recorder.in_segment("a") as segment:
        with recorder.in_subsegment("b"):
            with mock.patch.object(context, "get_trace_entity", return_value=segment):
                recorder.put_annotation("k", 1)
                x.note(recorder.current_subsegment(), recorder.current_segment() is segment)
                with recorder.in_subsegment("c"):
                    pass
            x.note(recorder.current_subsegment().name)
        with mock.patch.object(context, "get_trace_entity", return_value=None):
            x.note(recorder.begin_subsegment("none"), recorder.current_segment())
        with mock.patch.object(recorder, "_is_subsegment", return_value=False):
            x.note(recorder.current_subsegment())
        context.get_trace_entity = lambda: segment
        with recorder.in_subsegment("d"):
            pass
        del context.get_trace_entity
        x.note(recorder.current_segment() is segment)
    x.note(segment.annotations)
    with mock.patch.object(context, "handle_context_missing") as missing:
        recorder.put_annotation("k", 1)
        x.note(missing.called)


def settings(x):
    recorder = x.recorder
    for name in (
        *("service", "sampling", "max_trace_back", "stream_sql", "_origin", "_aws_metadata"),
        *("_service", "_sampling", "_sampler", "_max_trace_back", "_stream_sql", "_streaming"),
    ):
        before = getattr(recorder, name)
        try:
            with mock.patch.object(recorder, name) as put:
                x.note(getattr(recorder, name) is put)
        except AttributeError:  # a property
            x.note(name)
        x.note(getattr(recorder, name) is before)
    recorder.configure(sampling=True)
    for decision in (False, "rule", True):
        with mock.patch.object(recorder.sampler, "should_trace", return_value=decision):
            with recorder.in_segment("a") as segment:
                x.note(
                    type(segment).__name__, segment.aws.get("xray", {}).get("sampling_rule_name")
                )


def streamings(x):
    recorder = x.recorder
    part = recorder.in_subsegment("part")
    with recorder.in_segment("a"):
        with mock.patch.object(recorder, "stream_subsegments") as stream, part:
            pass
        x.note(stream.call_count)
        with mock.patch.object(recorder.streaming, "is_eligible", return_value=True) as ask, part:
            pass
        x.note(ask.call_count)
        with mock.patch.object(recorder, "_streaming") as streaming, part:
            pass
        x.note(streaming.is_eligible.call_count, streaming.stream.call_count)
        with part:
            pass
    recorder.streaming._threshold = 0
    with recorder.in_segment("b"), part:
        pass


def a_streaming_for_two_recorders(x):
    streaming = DefaultStreaming(streaming_threshold=1)
    recorders = []
    for name in "ab":
        recorder = AWSXRayRecorder()
        recorder.configure(
            service=name, sampling=False, emitter=x.emitter, streaming=streaming, context=Context()
        )
        recorders.append(recorder)
    for threshold in (0, 1):
        streaming.streaming_threshold = threshold
        for recorder in recorders:
            with recorder.in_segment(recorder.service):
                with recorder.in_subsegment("part"):
                    pass
                x.note(len(x.emitter.sent), recorder.streaming_threshold)


def switched_off_and_on(x):
    recorder = x.recorder
    with recorder.in_segment("a"):
        with recorder.in_subsegment("b"):
            global_sdk_config.set_sdk_enabled(False)
            with recorder.in_subsegment("c") as part:
                x.note(type(part).__name__, recorder.is_sampled())
            x.note(type(recorder.current_segment()).__name__)
            x.note(type(recorder.current_subsegment()).__name__)
            global_sdk_config.set_sdk_enabled(True)
            x.note(recorder.get_trace_entity().name)
        global_sdk_config.set_sdk_enabled(False)
    global_sdk_config.set_sdk_enabled(True)
    x.note(len(x.emitter.sent), recorder.get_trace_entity().name)
    recorder.end_segment()


def the_switch_is_mocked(x):
    recorder = x.recorder

    def begin():
        x.note(type(recorder.begin_subsegment("part")).__name__, recorder.is_sampled())
        recorder.put_annotation("k", 1)
        recorder.end_subsegment()

    with recorder.in_segment("a"):
        with mock.patch.object(global_sdk_config, "sdk_enabled", return_value=False):
            begin()
        begin()
        with mock.patch.object(SDKConfig, "sdk_enabled", return_value=False):
            begin()


def entities_methods(x):
    recorder = x.recorder
    with recorder.in_segment("a") as segment:
        recorder.put_annotation("seen_before", 1)
        with (
            mock.patch.object(segment, "put_annotation") as annotation,
            mock.patch.object(segment, "put_metadata") as metadata,
        ):
            recorder.put_annotation("seen_before", 2)
            recorder.put_metadata("k", 1)
        x.note(annotation.call_count, metadata.call_count)
        with contextlib.suppress(ValueError), recorder.in_subsegment("b") as part:
            with mock.patch.object(part, "add_exception") as add_exception:
                with recorder.in_subsegment("c"):
                    pass
            x.note(add_exception.call_count)
        part = recorder.begin_subsegment("d")
        with mock.patch.object(part, "close", side_effect=part.close) as close:
            recorder.end_subsegment()
        x.note(close.call_count)
    with recorder.in_segment("e") as segment:
        for kind, name in ((Segment, "set_user"), (Segment, "set_service")):
            with mock.patch.object(kind, name) as method:
                getattr(segment, name)("value")
            x.note(method.call_count)


def managers_again(x):
    recorder = x.recorder
    outer, part = recorder.in_segment("a"), recorder.in_subsegment("b")
    for _ in range(2):
        with outer as segment:
            with part as one:
                with part as two:
                    x.note(part.subsegment is two, two.parent_id == one.id)
            x.note(one.in_progress, part.subsegment is two)
        x.note(outer.segment is segment, segment.in_progress)
    with part as nothing:
        x.note(nothing)
    for never_entered in (recorder.in_segment("c"), recorder.in_subsegment("c")):
        x.attempt(never_entered.__exit__, None, None, None)


def managers_left_by_hand(x):
    recorder = x.recorder
    with recorder.in_segment("root"):
        manager = recorder.in_subsegment("a")
        part = manager.__enter__()
        try:
            raise KeyError("k")
        except KeyError as error:
            manager.__exit__(type(error), error, error.__traceback__)
        x.note(part.in_progress, part.fault, len(part.cause["exceptions"]))
        manager = recorder.in_subsegment("b")
        part, inner = manager.__enter__(), recorder.begin_subsegment("inner")
        manager.__exit__(None, None, None)
        x.note(part.in_progress, inner.in_progress, recorder.get_trace_entity().name)
        recorder.end_subsegment()
        manager = recorder.in_subsegment("c")
        manager.__enter__()
        recorder.end_subsegment()
        x.attempt(manager.__exit__, None, None, None)


def ended_out_of_order(x):
    recorder = x.recorder
    x.attempt(recorder.end_subsegment)
    x.attempt(recorder.end_segment)
    recorder.begin_segment("a")
    recorder.begin_subsegment("b")
    recorder.begin_subsegment("c")
    recorder.end_segment()
    x.note(recorder.get_trace_entity().name, len(x.emitter.sent))
    for _ in range(3):
        recorder.end_subsegment()
        x.note(len(x.emitter.sent), getattr(recorder.get_trace_entity(), "name", None))
    recorder.begin_segment("d")
    recorder.end_subsegment()
    recorder.end_segment()
    x.attempt(recorder.end_segment)
    x.note(recorder.current_subsegment(), recorder.current_segment())


def a_segment_closed_by_hand(x):
    segment = x.recorder.begin_segment("a")
    segment.close(5.0)
    x.attempt(segment.close)
    x.attempt(segment.put_annotation, "k", 1)
    x.attempt(x.recorder.put_annotation, "k", 1)
    x.attempt(x.recorder.end_segment)
    x.note(len(x.emitter.sent), segment.end_time)


def recorders_beside_each_other(x):
    one, two = AWSXRayRecorder(), AsyncAWSXRayRecorder()
    for name, recorder in (("a", one), ("b", two)):
        recorder.configure(service=name, sampling=False, emitter=x.emitter, context=Context())
    with x.recorder.in_segment("g"), one.in_segment("a"), two.in_segment("b"):
        with one.in_subsegment("a1"), two.in_subsegment("b1"), x.recorder.in_subsegment("g1"):
            x.note([each.current_subsegment().name for each in (one, two, x.recorder)])
    one.context = two.context = Context()
    with one.in_segment("shared"), two.in_subsegment("part"):
        one.put_annotation("k", 1)


def a_recorder_with_its_own_settings(x):
    class Recorder(AWSXRayRecorder):
        @property
        def service(self):
            return "its own"

        @service.setter
        def service(self, value):
            pass

        def put_annotation(self, key, value):
            super().put_annotation(key, str(value))

        def _send_segment(self):
            x.note("sent")
            super()._send_segment()

    recorder = Recorder()
    recorder.configure(sampling=False, emitter=x.emitter, context=Context())
    with recorder.in_segment() as segment:
        recorder.put_annotation("k", 5)
        x.note(segment.name, segment.annotations)


def a_mock_for_a_context(x):
    recorder, segment = x.recorder, Segment("by hand")
    for context in (mock.MagicMock(spec=Context), mock.create_autospec(Context, instance=True)):
        context.get_trace_entity.return_value = segment
        recorder.configure(context=context)
        x.note(recorder.context is context, recorder.current_segment() is segment)
        recorder.put_annotation("k", 1)
        x.note(type(recorder.begin_subsegment("b")).__name__, context.put_subsegment.call_count)
        recorder.end_subsegment()
        x.note(str(context.end_subsegment.call_args), segment.annotations)
        recorder.begin_segment("c")
        recorder.end_segment(5)
        x.note(context.put_segment.call_count, str(context.end_segment.call_args))
        recorder.clear_trace_entities()
        recorder.set_trace_entity(segment)
        x.note(context.clear_trace_entities.called, context.set_trace_entity.called)


def a_recorder_with_its_own_parts(x):
    class Recorder(AWSXRayRecorder):
        def __init__(self):
            super().__init__()
            self._context, self._emitter = Context("RUNTIME_ERROR"), x.emitter
            self._streaming = DefaultStreaming(2)
            self._service, self._sampling = "its own", False

        def _populate_runtime_context(self, segment, sampling_decision):
            x.note(sampling_decision)
            super()._populate_runtime_context(segment, sampling_decision)
            segment.put_annotation("populated", True)

        def _begin_subsegment_helper(self, name, *args, **kwargs):
            return super()._begin_subsegment_helper(f"{name}!", *args, **kwargs)

        @property
        def sampler(self):
            return mock.Mock(should_trace=mock.Mock(return_value=0))

    recorder = Recorder()
    with recorder.in_segment("a"):
        for name in "bcde":
            with recorder.in_subsegment(name):
                pass
    x.attempt(recorder.current_segment)
    recorder._sampling, recorder._sampler = True, mock.Mock()
    recorder._sampler.should_trace.return_value = "rule"
    with recorder.in_segment("f") as segment:
        x.note(type(segment).__name__)


def every_method_is_wrapped(x):
    recorder, context = x.recorder, x.recorder.context
    captured = recorder.capture("function")(lambda: recorder.put_annotation("k", 1))
    wrapped = {}
    with contextlib.ExitStack() as stack:
        for where, names in (
            (recorder, "begin_segment end_segment begin_subsegment end_subsegment put_annotation"),
            (recorder, "put_metadata current_segment current_subsegment get_trace_entity capture"),
            (recorder, "is_sampled in_segment in_subsegment record_subsegment stream_subsegments"),
            (recorder, "_send_segment clear_trace_entities"),
            (context, "put_segment end_segment put_subsegment end_subsegment get_trace_entity"),
            (context, "set_trace_entity handle_context_missing"),
        ):
            for name in names.split():
                method = mock.patch.object(where, name, wraps=getattr(where, name))
                wrapped[where is context, name] = stack.enter_context(method)
        with recorder.in_segment("a"):
            with recorder.in_subsegment("b"):
                recorder.put_metadata("k", 1)
                captured()
            recorder.begin_subsegment("c")
            recorder.current_subsegment()
            recorder.end_subsegment()
        x.note([[name, each.called] for (_, name), each in wrapped.items()])
        x.note(wrapped[False, "begin_subsegment"].call_count)
    with recorder.in_segment("d"), recorder.in_subsegment("e"):
        captured()
    x.note(recorder.get_trace_entity())


def a_context_behind_a_proxy(x):
    class Proxy:
        def __init__(self, context):
            self._behind = context

        def __getattr__(self, name):
            return getattr(self._behind, name)

    proxy = Proxy(Context())
    x.recorder.configure(context=proxy)
    with x.recorder.in_segment("a"), x.recorder.in_subsegment("b"):
        x.recorder.put_annotation("k", 1)
    x.note(x.recorder.get_trace_entity(), x.recorder.context is proxy)


def a_context_by_thread(x):
    class ByThread(Context):
        def __init__(self):
            super().__init__()
            self.stacks = {}

        @property
        def stack(self):
            return self.stacks.setdefault(threading.get_ident(), [])

        def put_segment(self, segment):
            self.stack[:] = [segment]

        def put_subsegment(self, subsegment):
            self.stack[-1].add_subsegment(subsegment)
            self.stack.append(subsegment)

        def end_subsegment(self, end_time=None):
            if self.stack and self._is_subsegment(self.stack[-1]):
                self.stack.pop().close(end_time)
                return True
            return False

        def get_trace_entity(self):
            return self.stack[-1] if self.stack else self.handle_context_missing()

        def set_trace_entity(self, entity):
            self.stack[:] = [entity]

        def clear_trace_entities(self):
            self.stack.clear()

    recorder, context = x.recorder, ByThread()
    recorder.configure(context=context)

    def work(entity):
        recorder.set_trace_entity(entity)
        with recorder.in_subsegment("in a thread"):
            recorder.put_annotation("k", 2)
        recorder.clear_trace_entities()

    for threshold in (30, 0):
        recorder.streaming_threshold = threshold
        with recorder.in_segment("a"), recorder.in_subsegment("b") as part:
            thread = threading.Thread(target=work, args=(part,))
            thread.start()
            thread.join()
            recorder.capture("c")(len)("")
        x.note(context.stack)
    for call in (recorder.end_segment, recorder.end_subsegment):
        x.attempt(call)


def lambda_for_a_while(x):
    recorder, before = x.recorder, x.recorder.context
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    with mock.patch.dict(os.environ, LAMBDA_TASK_ROOT="/var/task", _X_AMZN_TRACE_ID=header):
        context = LambdaContext()
        recorder.configure(context=context, streaming_threshold=0)
        with recorder.in_subsegment("a") as part, recorder.in_subsegment("b"):
            recorder.put_annotation("k", 1)
        facade = part.parent_segment
        x.note(type(facade).__name__, part.parent_id, facade.ready_to_send(), facade.subsegments)
        recorder.context = before
        with recorder.in_segment("c"):
            pass
        recorder.context = context
        with recorder.in_subsegment("d"):
            pass
