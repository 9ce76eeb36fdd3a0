"""Recorder, entities, contexts, errors, streaming."""

import asyncio
import threading
from datetime import datetime
from decimal import Decimal

from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import AWSXRayRecorder
from aws_xray_sdk.core.async_context import AsyncContext
from aws_xray_sdk.core.context import Context
from aws_xray_sdk.core.models.dummy_entities import DummySegment, DummySubsegment
from aws_xray_sdk.core.models.entity import Entity
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment
from aws_xray_sdk.core.models.throwable import Throwable
from aws_xray_sdk.core.models.trace_header import TraceHeader
from aws_xray_sdk.core.utils import stacktrace


def a_segment_with_parts(x):
    with x.recorder.in_segment("a"):
        with x.recorder.in_subsegment("b"):
            with x.recorder.in_subsegment("c", namespace="remote"):
                pass
        with x.recorder.in_subsegment("d"):
            pass


def begin_and_end(x):
    segment = x.recorder.begin_segment()
    subsegment = x.recorder.begin_subsegment("b")
    x.note(x.recorder.current_segment() is segment)
    x.note(x.recorder.current_subsegment() is subsegment)
    x.note(x.recorder.get_trace_entity() is subsegment)
    x.note(segment.in_progress, subsegment.in_progress, hasattr(segment, "end_time"))
    x.recorder.end_subsegment()
    x.note(x.recorder.current_subsegment(), subsegment.in_progress, hasattr(segment, "fault"))
    x.recorder.end_segment()
    x.note(segment.in_progress, hasattr(segment, "end_time"), type(segment).__name__)


def annotations_and_metadata(x):
    with x.recorder.in_segment("a") as segment:
        segment.put_annotation("text", "t")
        segment.put_annotation("number", 5)
        segment.put_annotation("float", 1.5)
        segment.put_annotation("flag", True)
        segment.put_annotation("bad key", "v")
        segment.put_annotation("list", [1])
        segment.put_annotation(5, "v")
        segment.put_metadata("k", {"a": [1, None, "x"]})
        segment.put_metadata("k", "v", "other")
        segment.put_metadata("k", "v", "AWS.reserved")
        segment.put_metadata("k", "v", 5)
        x.recorder.put_annotation("by_recorder", 1)
        x.recorder.put_metadata("by_recorder", (1, 2), namespace="n")
        x.note(segment.annotations, segment.metadata)


class _Point:
    kind = "class attribute"

    def __init__(self, x):
        self.x = x
        self._hidden = 1
        self.when = datetime(2020, 1, 2)

    def method(self):
        pass


def metadata_of_objects(x):
    with x.recorder.in_segment("a") as segment:
        segment.put_metadata("object", _Point(_Point(3)))
        segment.put_metadata("class", _Point)
        segment.put_metadata("decimal", Decimal("1.5"))
        segment.put_metadata("date", datetime(2020, 1, 2))
        segment.put_metadata("tuple", (1, (2,)))
        segment.put_metadata("set", {1})
        segment.put_metadata("keys", {"a": 1}.keys())


def metadata_is_read_at_the_end(x):
    kept = {"a": 1}
    with x.recorder.in_segment("a") as segment:
        segment.put_metadata("k", kept)
        kept["a"] = 2


def http_meta_and_status(x):
    with x.recorder.in_segment("a") as segment:
        segment.put_http_meta("url", "http://a/b")
        segment.put_http_meta("method", "GET")
        segment.put_http_meta("user_agent", None)
        segment.put_http_meta("status", "429")
        segment.put_http_meta("content_length", 5)
        segment.put_http_meta("nonsense", 5)
        x.note(segment.http, segment.error, segment.throttle, hasattr(segment, "fault"))


def status_codes(x):
    for status in (0, None, 200, 302, 400, 404, 429, 500, 503):
        segment = Segment("a")
        segment.apply_status_code(status)
        x.note([getattr(segment, flag, None) for flag in ("fault", "error", "throttle")])


def flags_user_and_blocks(x):
    with x.recorder.in_segment("a") as segment:
        segment.set_user("u")
        segment.set_service({"version": "1"})
        segment.add_error_flag()
        segment.set_rule_name("rule")
        with x.recorder.in_subsegment("b", namespace="aws") as subsegment:
            subsegment.set_aws({"operation": "o"})
            subsegment.set_sql({"url": "u"})
            subsegment.add_throttle_flag()
            subsegment.add_fault_flag()


def attributes_of_ones_own(x):
    with x.recorder.in_segment("a") as segment:
        segment.custom = "value"
        segment.empty = ""
        segment.origin = "Here"
        with x.recorder.in_subsegment("b") as subsegment:
            subsegment.extra = {"a": 1}
            subsegment.name = "renamed"
            subsegment.namespace = "remote"


def exception_in_with(x):
    try:
        with x.recorder.in_segment("a"):
            with x.recorder.in_subsegment("b"):
                with x.recorder.in_subsegment("c"):
                    raise ValueError("no")
    except ValueError as error:
        x.note(str(error))


def exception_in_capture(x):
    @x.recorder.capture("outer")
    def outer():
        inner()

    @x.recorder.capture()
    def inner():
        raise KeyError("k")

    with x.recorder.in_segment("a"):
        x.attempt(outer)


def exception_by_hand(x):
    segment = x.recorder.begin_segment("a")
    try:
        raise RuntimeError("r")
    except RuntimeError as error:
        segment.add_exception(error, stacktrace.get_stacktrace(limit=1), remote=True)
    x.note([each.message for each in segment.cause["exceptions"]], sorted(segment.cause))
    x.recorder.end_segment()


def two_exceptions(x):
    segment = x.recorder.begin_segment("a")
    for kind in (ValueError, TypeError):
        segment.add_exception(kind("x"), [])
    x.recorder.end_segment()
    x.note([each.type for each in segment.cause["exceptions"]])


def an_exception_recorded_before(x):
    error = ValueError("once")
    segment = x.recorder.begin_segment("a")
    subsegment = x.recorder.begin_subsegment("b")
    subsegment.add_exception(error, [])
    x.recorder.end_subsegment()
    segment.add_exception(error, [])
    x.note(segment.cause == subsegment.cause["exceptions"][0].id)
    x.recorder.end_segment()


def throwables(x):
    stack = [("/a/b/c.py", 5, ' "f" '), ('/x "y".py', 6, "g"), ("/z/aws_xray_sdk/core.py", 1, "h")]
    throwable = Throwable(ValueError("v"), stack, True)
    x.note({k: v for k, v in throwable.to_dict().items() if k != "id"})
    x.note({k: v for k, v in Throwable(ValueError(), None).to_dict().items() if k != "id"})
    x.note(Throwable(ValueError("v"), 5).stack)


def an_exception_with_a_cause(x):
    try:
        with x.recorder.in_segment("a"):
            try:
                raise ValueError("first")
            except ValueError as error:
                raise TypeError("second") from error
    except TypeError:
        pass


def a_base_exception_in_with(x):
    try:
        with x.recorder.in_segment("a"):
            with x.recorder.in_subsegment("b"):
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass


def captured_functions(x):
    @x.recorder.capture("named")
    def function(a, b=2):
        "doc"
        return a + b

    class Thing:
        @x.recorder.capture("method")
        def method(self):
            return "m"

        @classmethod
        @x.recorder.capture("classmethod")
        def for_class(cls):
            return cls.__name__

        @staticmethod
        @x.recorder.capture()
        def static():
            return "s"

    x.note(function.__name__, function.__doc__)
    with x.recorder.in_segment("a"):
        x.note(function(1), function(1, b=5), Thing().method(), Thing.for_class(), Thing.static())


def captured_outside_of_a_segment(x):
    @x.recorder.capture("f")
    def function():
        return "value"

    x.note(function())


def a_closed_entity(x):
    segment = Segment("a")
    segment.close()
    for call in (
        segment.close,
        lambda: segment.put_annotation("k", 1),
        lambda: segment.put_metadata("k", 1),
        lambda: segment.put_http_meta("status", 200),
        lambda: segment.set_aws({}),
        lambda: segment.set_user("u"),
        lambda: segment.apply_status_code(500),
        lambda: segment.add_exception(ValueError(), []),
        lambda: segment.add_subsegment(Subsegment("b", "local", segment)),
        segment.add_fault_flag,
    ):
        x.attempt(call)


def names(x):
    for name in ("a?b;c*(d)!$~^<e>", "Ünï & @/#", "a b"):
        x.note(Segment(name).name, Subsegment(name, "local", Segment("x")).name)
    for name in ("", None, 5):
        x.attempt(Segment, name)
    x.attempt(Subsegment, "a", "local", None)


def a_tree_by_hand(x):
    segment = Segment("a")
    one, two = Subsegment("one", "local", segment), Subsegment("two", "remote", segment)
    x.note(one.parent_id, one.trace_id == segment.trace_id, one.type, one.namespace)
    segment.add_subsegment(one)
    one.add_subsegment(two)
    x.note(one.parent_id == segment.id, two.parent_id == one.id, one.subsegments == [two])
    x.note(segment.ref_counter.get_current(), segment.get_total_subsegments_size())
    two.close()
    x.note(segment.ref_counter.get_current(), segment.get_total_subsegments_size())
    one.remove_subsegment(two)
    x.note(segment.get_total_subsegments_size(), one.subsegments, segment.ready_to_send())
    one.close()
    segment.close()
    x.note(segment.ready_to_send(), segment.decrement_subsegments_size())
    x.emitter.send_entity(segment)


def documents_of_entities(x):
    x.note(sorted(Entity("a").to_dict()), sorted(Segment("a").to_dict()))
    segment = Segment("a", entityid="1" * 16, traceid="t", parent_id="2" * 16)
    subsegment = Subsegment("b", "local", segment)
    x.note(sorted(subsegment.to_dict()))
    segment.close()
    x.emitter.send_entity(segment)
    x.note(sorted(vars(TraceHeader())))


def no_segment(x):
    recorder = AWSXRayRecorder()
    for call in (
        recorder.current_segment,
        recorder.current_subsegment,
        recorder.get_trace_entity,
        recorder.end_segment,
        recorder.end_subsegment,
        recorder.is_sampled,
        recorder.stream_subsegments,
        recorder.begin_segment,
        lambda: recorder.begin_subsegment("a"),
        lambda: recorder.put_annotation("a", 1),
        lambda: recorder.put_metadata("a", 1),
    ):
        x.attempt(call)
    with recorder.in_subsegment("a") as subsegment:
        x.note(subsegment)


def context_missing_strategies(x):
    for strategy in ("RUNTIME_ERROR", "LOG_ERROR", "IGNORE_ERROR", "NONSENSE"):
        x.recorder.configure(context_missing=strategy)
        x.note(x.recorder.context.context_missing)
        x.attempt(x.recorder.begin_subsegment, "a")
        x.attempt(x.recorder.put_annotation, "a", 1)
    x.note(Context("RUNTIME_ERROR").context_missing)


def contexts_by_hand(x):
    context = Context()
    segment = Segment("a")
    one, two = Subsegment("one", "local", segment), Subsegment("two", "local", segment)
    context.put_segment(segment)
    context.put_subsegment(one)
    context.put_subsegment(two)
    x.note([each.name for each in context._local.entities])
    x.note(two.parent_id == one.id, context.get_trace_entity() is two)
    x.note(context.end_subsegment(), context.get_trace_entity() is one, two.in_progress)
    x.note(context.end_subsegment(), context.end_subsegment())
    context.end_segment()
    x.note(segment.in_progress)
    context.set_trace_entity(one)
    x.note(context.get_trace_entity() is one)
    context.clear_trace_entities()
    x.note(context.get_trace_entity())


class _Own(Context):
    class _Bag:
        pass

    def __init__(self):
        super().__init__()
        self._local = self._Bag()

    def end_subsegment(self, end_time=None):
        entity = self.get_trace_entity()
        if self._is_subsegment(entity):
            entity.close(end_time)
            self._local.entities.pop()
            return True
        return False


def a_context_of_ones_own(x):
    x.recorder.configure(context=_Own())
    with x.recorder.in_segment("a"):
        with x.recorder.in_subsegment("b"):
            x.note([each.name for each in x.recorder.context._local.entities])
        x.note(len(x.recorder.context._local.entities))


def threads_share_nothing(x):
    seen = []
    with x.recorder.in_segment("a"):
        thread = threading.Thread(target=lambda: seen.append(x.recorder.get_trace_entity()))
        thread.start()
        thread.join()
    x.note(seen)


def a_thread_goes_on(x):
    segment = x.recorder.begin_segment("a")

    def work():
        x.recorder.set_trace_entity(segment)
        with x.recorder.in_subsegment("in thread"):
            pass
        x.recorder.clear_trace_entities()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    x.recorder.end_segment()


def a_segment_waits_for_its_parts(x):
    segment = x.recorder.begin_segment("a")
    x.recorder.begin_subsegment("b")
    x.recorder.end_segment()
    x.note(len(x.emitter.sent), segment.in_progress)
    x.recorder.begin_subsegment("c")
    x.recorder.end_subsegment()
    x.recorder.end_subsegment()
    x.note(len(x.emitter.sent))


def late_subsegment(x):
    segment = x.recorder.begin_segment("a")
    x.recorder.end_segment()
    x.recorder.set_trace_entity(segment)
    x.attempt(lambda: type(x.recorder.begin_subsegment("late")).__name__)


def end_twice(x):
    x.recorder.begin_segment("a")
    x.recorder.end_segment()
    x.attempt(x.recorder.end_segment)


def end_times(x):
    segment = x.recorder.begin_segment("a")
    segment.start_time = 10.0
    subsegment = x.recorder.begin_subsegment("b")
    x.recorder.end_subsegment(20.5)
    x.recorder.end_segment(30.5)
    x.note(subsegment.end_time, segment.end_time, segment.start_time)


def streaming_by_count(x):
    x.recorder.configure(streaming_threshold=10)
    segment = x.recorder.begin_segment("a")
    for number in range(50):
        x.recorder.begin_subsegment(str(number))
    x.recorder.end_subsegment()
    x.note(segment.get_total_subsegments_size(), x.recorder.current_subsegment().name)
    x.note([each["name"] for each in x.emitter.sent])
    while x.recorder.current_subsegment():
        x.recorder.end_subsegment()
    x.recorder.end_segment()
    x.note(len(x.emitter.sent))


def streaming_of_siblings(x):
    x.recorder.configure(streaming_threshold=3)
    with x.recorder.in_segment("a") as segment:
        for number in range(6):
            with x.recorder.in_subsegment(str(number)):
                with x.recorder.in_subsegment("inner"):
                    pass
        x.note(segment.get_total_subsegments_size())


def streaming_everything(x):
    x.recorder.configure(streaming_threshold=0)
    with x.recorder.in_segment("a"):
        with x.recorder.in_subsegment("b"):
            with x.recorder.in_subsegment("c"):
                pass


def unsampled(x):
    with x.recorder.in_segment("a", sampling=False) as segment:
        with x.recorder.in_subsegment("b") as subsegment:
            x.note(type(segment).__name__, type(subsegment).__name__, subsegment.namespace)
            x.note(segment.trace_id, segment.id, subsegment.id, x.recorder.is_sampled())
            subsegment.put_annotation("a", 1)
            x.note(subsegment.annotations, segment.sampled, segment.serialize())
    x.note(len(x.emitter.sent))


def a_part_without_sampling(x):
    with x.recorder.in_segment("a"):
        x.recorder.begin_subsegment_without_sampling("b")
        subsegment = x.recorder.begin_subsegment("under it")
        x.note(type(subsegment).__name__, x.recorder.is_sampled())
        x.recorder.end_subsegment()
        x.recorder.end_subsegment()
        with x.recorder.in_subsegment("c"):
            pass


def dummies(x):
    segment = DummySegment()
    one, two = DummySubsegment(segment), DummySubsegment(segment, "named")
    segment.add_subsegment(one)
    one.add_subsegment(two)
    segment.put_metadata("a", 1)
    segment.set_user("u")
    x.note(segment.name, two.name, segment.user, segment.metadata, one.subsegments == [two])
    two.close()
    one.close()
    segment.close()
    x.note(segment.ready_to_send(), one.trace_id == segment.trace_id)


def disabled(x):
    global_sdk_config.set_sdk_enabled(False)
    with x.recorder.in_segment("a") as segment:
        with x.recorder.in_subsegment("b") as subsegment:
            x.note(type(segment).__name__, type(subsegment).__name__, segment.name)
            x.note(x.recorder.is_sampled(), type(x.recorder.current_subsegment()).__name__)
    x.note(type(x.recorder.get_trace_entity()).__name__, global_sdk_config.sdk_enabled())
    global_sdk_config.set_sdk_enabled("nonsense")
    x.note(global_sdk_config.sdk_enabled())


def given_ids(x):
    with x.recorder.in_segment(
        "a", traceid="1-5759e988-bd862e3fe1be46a994272793", parent_id="53995c3f42cd8ad8"
    ) as segment:
        x.note(segment.trace_id, segment.parent_id)


def record_subsegment(x):
    def processor(wrapped, instance, args, kwargs, return_value, exception, subsegment, stack):
        x.note(args, kwargs, return_value, type(exception).__name__, subsegment.name)
        subsegment.put_annotation("seen", True)

    def work(a, b):
        return a / b

    with x.recorder.in_segment("a"):
        for b in (2, 0):
            x.attempt(
                x.recorder.record_subsegment,
                work,
                None,
                (4,),
                {"b": b},
                name="w",
                namespace="remote",
                meta_processor=processor,
            )
        x.attempt(
            x.recorder.record_subsegment,
            work,
            None,
            (4, 0),
            {},
            name="w",
            namespace="aws",
            meta_processor=None,
        )


def coroutines(x):
    x.recorder.configure(context=AsyncContext(loop=asyncio.new_event_loop()))

    async def main():
        x.recorder.configure(context=AsyncContext(loop=asyncio.get_running_loop()))

        @x.recorder.capture_async("outer")
        async def outer():
            await inner()

        @x.recorder.capture_async()
        async def inner():
            await asyncio.sleep(0)

        async with x.recorder.in_segment_async("a") as segment:
            await outer()
            async with x.recorder.in_subsegment_async("b") as subsegment:
                x.note(subsegment.parent_id == segment.id, subsegment.in_progress)
            x.note([each.name for each in segment.subsegments])

    asyncio.run(main())


def concurrent_tasks(x):
    async def main():
        x.recorder.configure(context=AsyncContext(loop=asyncio.get_running_loop()))

        async def work(number):
            async with x.recorder.in_subsegment_async(f"task {number}") as subsegment:
                await asyncio.sleep(0)
                return subsegment.parent_id

        async with x.recorder.in_segment_async("a") as segment:
            parents = await asyncio.gather(*[work(number) for number in range(5)])
            x.note(all(parent == segment.id for parent in parents))

    asyncio.run(main())


def recorder_attributes(x):
    recorder = AWSXRayRecorder()
    x.note(recorder.service, recorder.sampling, recorder.max_trace_back, recorder.stream_sql)
    x.note(recorder.streaming_threshold, recorder.dynamic_naming, recorder._aws_metadata)
    x.note(recorder._origin, type(recorder.context).__name__, type(recorder.emitter).__name__)
    x.note(type(recorder.sampler).__name__, type(recorder.streaming).__name__)
    x.attempt(lambda: recorder.enabled)
    recorder.configure(max_trace_back=True)
    x.note(recorder.max_trace_back)
    recorder.configure(max_trace_back=0, dynamic_naming="*.example.com", service="s", plugins=())
    x.note(recorder.max_trace_back, recorder.dynamic_naming.get_name("a.example.com"))
    x.note(type(recorder.in_segment("a")).__name__, type(recorder.in_subsegment("a")).__name__)
    x.note(type(recorder.capture("a")).__name__, sorted(vars(recorder.in_segment("a", sampling=1))))


def stream_sql_of_configure(x):
    x.recorder.configure(stream_sql=False)
    x.recorder.configure(service="s")
    x.note(x.recorder.stream_sql)


def a_second_segment(x):
    x.recorder.begin_segment("a")
    x.recorder.begin_segment("b")
    x.recorder.end_segment()
    x.recorder.clear_trace_entities()


def a_meta_processor_that_fails(x):
    def processor(**kwargs):
        raise LookupError

    with x.recorder.in_segment("a"):
        x.attempt(
            x.recorder.record_subsegment,
            lambda: 5,
            None,
            (),
            {},
            name="w",
            namespace="remote",
            meta_processor=processor,
        )


def stacktraces(x):
    def inner(limit):
        return [entry[2] for entry in stacktrace.get_stacktrace(limit)]

    def outer(limit):
        return inner(limit)

    x.note(outer(1), outer(2), outer(0), len(outer(None)) > 2)
    try:
        raise ValueError
    except ValueError:
        x.note(outer(1))
