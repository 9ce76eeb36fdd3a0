"""Corners that suites and subclasses reach into: hooks of the recorder, counters, attributes that go."""

import asyncio
import contextlib
import functools
import json
import time
from datetime import datetime, timezone
from unittest import mock

from aws_xray_sdk.core import AsyncAWSXRayRecorder, AWSXRayRecorder, patcher
from aws_xray_sdk.core.async_context import TaskLocalStorage, task_factory
from aws_xray_sdk.core.context import Context
from aws_xray_sdk.core.models.dummy_entities import DummySegment
from aws_xray_sdk.core.models.segment import Segment, SegmentContextManager
from aws_xray_sdk.core.models.subsegment import (
    Subsegment,
    SubsegmentContextManager,
    is_already_recording,
    set_as_recording,
)
from aws_xray_sdk.core.models.throwable import Throwable
from aws_xray_sdk.core.plugins import ec2_plugin
from aws_xray_sdk.core.sampling.connector import ServiceConnector
from aws_xray_sdk.core.sampling.rule_cache import RuleCache
from aws_xray_sdk.core.sampling.sampling_rule import SamplingRule
from aws_xray_sdk.core.utils.atomic_counter import AtomicCounter


def _told(x):
    """A subclass of the recorder each of whose methods notes that it was called, and by what."""

    def telling(name):
        method = getattr(AsyncAWSXRayRecorder, name)

        def call(self, *args, **kwargs):
            given = () if name.startswith("record") else args
            x.note([name, [each for each in given if isinstance(each, str)], sorted(kwargs)])
            return method(self, *args, **kwargs)

        return call

    names = [
        name
        for name, member in vars(AWSXRayRecorder).items()
        if not name.startswith("_") and callable(member)
    ]
    names += ["capture_async", "in_subsegment_async", "record_subsegment_async"]
    return type("Told", (AsyncAWSXRayRecorder,), {name: telling(name) for name in names})


def what_calls_what(x):
    recorder = _told(x)()
    recorder.configure(service="s", sampling=False, context=Context(), emitter=x.emitter)

    @recorder.capture_async("coroutine")
    async def coroutine():
        pass

    with recorder.in_segment("a"):
        with recorder.in_subsegment("b", namespace="remote"):
            recorder.put_annotation("k", 1)
            recorder.put_metadata("k", 1)
            recorder.is_sampled()
            recorder.current_subsegment()
        recorder.begin_subsegment_without_sampling("c")
        recorder.end_subsegment()
        recorder.capture("function")(len)("")
        asyncio.run(coroutine())
    recorder.begin_subsegment("outside")
    recorder.end_subsegment()
    recorder.end_segment()


def what_is_current_is_mocked(x):
    segment = Segment("by hand")
    recorder = x.recorder
    with mock.patch.object(recorder, "get_trace_entity", return_value=segment):
        recorder.put_annotation("k", 1)
        recorder.put_metadata("k", 1)
        x.note(recorder.current_segment() is segment, recorder.is_sampled())
    x.note(segment.annotations, segment.metadata)
    with recorder.in_segment("real") as real:
        with mock.patch.object(recorder, "current_segment") as current:
            x.note(recorder.current_segment() is current.return_value)
            current.return_value = real
            with recorder.in_subsegment("part"):
                recorder.capture("function")(len)("")
        with recorder.in_subsegment("another"):
            pass
    with mock.patch("aws_xray_sdk.core.xray_recorder.begin_segment") as begin:
        with contextlib.suppress(Exception), recorder.in_segment("never"):
            pass
        x.note(str(begin.call_args))
    with mock.patch("aws_xray_sdk.core.xray_recorder.begin_subsegment") as begin:
        with recorder.in_subsegment("never"):
            pass
        x.note(str(begin.call_args))


def recording_is_mocked(x):
    decorated = x.recorder.capture("function")(lambda: 1)
    with mock.patch.object(x.recorder, "record_subsegment", return_value=9) as record:
        x.note(decorated(), record.call_count)
    with x.recorder.in_segment("a"):
        x.note(decorated())


def a_recorder_that_always_has_a_segment(x):
    class Recorder(AWSXRayRecorder):
        def current_segment(self):
            return super().current_segment() or DummySegment("fallback")

        def get_trace_entity(self):
            return super().get_trace_entity() or DummySegment("fallback")

    recorder = Recorder()
    recorder.configure(
        service="s",
        sampling=False,
        emitter=x.emitter,
        context=Context(context_missing="IGNORE_ERROR"),
    )
    x.note(recorder.current_segment().name, recorder.get_trace_entity().name)
    with recorder.in_subsegment("part") as part:
        x.note(type(part).__name__)
    with recorder.in_segment("a"), recorder.in_subsegment("b"):
        recorder.put_annotation("k", 1)


def managers_of_ones_own(x):
    class Annotating(SubsegmentContextManager):
        def __enter__(self):
            subsegment = super().__enter__()
            subsegment.put_annotation("entered", True)
            return subsegment

        def __exit__(self, *error):
            self.subsegment.put_annotation("left", True)
            return super().__exit__(*error)

    class Recorder(AWSXRayRecorder):
        def in_subsegment(self, name=None, **subsegment_kwargs):
            return Annotating(self, name, **subsegment_kwargs)

    recorder = Recorder()
    recorder.configure(service="s", sampling=False, emitter=x.emitter, context=Context())
    with recorder.in_segment("a"):
        with recorder.in_subsegment("b"):
            pass
    manager = SegmentContextManager(x.recorder, "c", sampling=1)
    x.note(manager.segment, manager.segment_kwargs)
    with manager as segment:
        x.note(manager.segment is segment)
        part = x.recorder.in_subsegment("part")
        for _ in range(2):
            with part as subsegment:
                x.note(part.subsegment is subsegment)


def calls_in_calls(x):
    @x.recorder.capture()
    def factorial(number):
        return 1 if number <= 1 else number * factorial(number - 1)

    @x.recorder.capture("partial")
    def add(one, other=2, *more, **named):
        return one, other, more, named

    with x.recorder.in_segment("a"):
        x.note(factorial(4), functools.partial(add, 1, named=3)())
        with contextlib.ExitStack() as stack:
            for number in range(3):
                stack.enter_context(x.recorder.in_subsegment(f"s{number}"))


def closed_by_hand(x):
    x.recorder.begin_segment("a")
    x.recorder.begin_subsegment("b").close()
    x.attempt(x.recorder.end_subsegment)
    x.note(x.recorder.get_trace_entity().name)


def left_open_by_a_function(x):
    @x.recorder.capture("function")
    def function():
        x.recorder.begin_subsegment("left open")

    with x.recorder.in_segment("a"):
        function()
        x.note(x.recorder.current_subsegment().name)
        x.note([each.name for each in x.recorder.context._local.entities])
        x.recorder.end_subsegment()


def marks_of_recording(x):
    marked, plain = x.recorder.capture("marked")(lambda: 1), lambda: 2
    x.note(is_already_recording(marked))
    for decorated, wrapped in ((plain, len), (marked, plain)):
        set_as_recording(decorated, wrapped)
        x.note(is_already_recording(decorated))


def patched_by_a_text(x):
    x.attempt(patcher.patch, "sqlite3")
    x.note(sorted(patcher._PATCHED_MODULES))


def what_a_context_has_beside(x):
    context = x.recorder.context
    x.note(hasattr(context._local, "entities"))
    context._local.mine = 1
    segment = x.recorder.begin_segment("a")
    parts = [x.recorder.begin_subsegment(name) for name in "bc"]
    context._local.entities.pop()
    x.note(x.recorder.get_trace_entity().name, context._local.mine)
    context._local.entities = [segment, *parts]
    x.note([each.name for each in context._local.entities])
    x.recorder.clear_trace_entities()
    x.note(hasattr(context._local, "mine"), hasattr(context._local, "entities"))


def attributes_that_go(x):
    segment = Segment("a")
    for name in ("fault", "error", "throttle", "origin"):
        x.attempt(lambda name=name: delattr(segment, name))
        setattr(segment, name, True)
        x.note(hasattr(segment, name))
        delattr(segment, name)
        x.note(hasattr(segment, name), name in segment.to_dict())


def counters(x):
    segment = Segment("a")
    for name in ("b", "c"):
        segment.add_subsegment(Subsegment(name, "local", segment))
    for counter in (segment.ref_counter, segment._subsegments_counter):
        x.note(counter.get_current(), counter.value, isinstance(counter, AtomicCounter))
    segment.subsegments[0].close()
    segment.remove_subsegment(segment.subsegments[0])
    x.note(segment.ref_counter.get_current(), segment._subsegments_counter.get_current())
    x.note(segment.ref_counter.increment(), segment.ref_counter.decrement(2))
    x.note(segment.get_total_subsegments_size(), segment.ready_to_send())


def storage_of_tasks(x):
    async def main():
        storage = TaskLocalStorage(loop=asyncio.get_running_loop())
        x.note(getattr(storage, "absent", "default"))
        storage.value = 3
        x.note(storage.value, getattr(storage, "absent", "default"))

        async def below():
            return getattr(storage, "value", None)

        asyncio.get_running_loop().set_task_factory(task_factory)
        x.note(await asyncio.get_running_loop().create_task(below()))
        storage.clear()
        x.note(getattr(storage, "value", None))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()


def throwables_without_a_stack(x):
    class Silent(Exception):
        def __str__(self):
            raise ValueError

    for exception, stack in (
        (ValueError("v"), None),
        (ValueError("v"), []),
        (ValueError("v"), [1, 2]),
        (ValueError("v"), [("/a/b.py", 3, " f "), ('"c".py', 4, "g", "more")]),
        (Silent(), None),
        (KeyError("a", "b"), None),
    ):
        found = Throwable(exception, stack)
        x.note(hasattr(found, "stack"), getattr(found, "message", None))
        x.note({key: value for key, value in found.to_dict().items() if key != "id"})


def plugins_are_mocked(x):
    module = mock.Mock(SERVICE_NAME="fake", ORIGIN="AWS::Fake", runtime_context={"a": 1})
    name = "aws_xray_sdk.core.recorder.get_plugin_modules"
    with mock.patch(name, return_value=(module,)) as find:
        x.recorder.configure(plugins=("fake",))
        x.note(str(find.call_args), module.initialize.call_count)
    with x.recorder.in_segment("a") as segment:
        x.note(segment.aws["fake"], segment.origin)
    told = {"availabilityZone": "z", "imageId": "a", "instanceId": "i", "instanceType": "t"}
    with mock.patch("aws_xray_sdk.core.plugins.ec2_plugin.do_request") as request:
        for answers in (["token", json.dumps(told)], [OSError, json.dumps(told)], [OSError] * 2):
            request.side_effect = answers
            ec2_plugin.initialize()
            x.note(ec2_plugin.runtime_context)


def _rule(name, priority=1, **more):
    fields = dict.fromkeys(("host", "method", "path", "service", "service_type"), "*")
    return SamplingRule(
        name=name, priority=priority, rate=0.5, reservoir_size=1, **{**fields, **more}
    )


def rules_are_renewed(x):
    cache = RuleCache()
    now = int(time.time())
    first, default = _rule("first", host="*.com"), _rule("Default", 1000)
    cache.load_rules([default, first])
    x.note([each.name for each in cache.rules])
    cache.last_updated = now
    x.note(cache.get_matched_rule({"host": "a.com"}, now).name)
    x.note(cache.get_matched_rule({"host": "a.org"}, now).name)
    x.note(cache.get_matched_rule({}, now + 3601))
    first.increment_request_count()
    first.reservoir.load_quota(5, now + 100, 10)
    again = _rule("first")
    cache.load_rules([again, default])
    x.note(again.request_count, again.reservoir.quota)
    cache.load_targets({"first": {"quota": 3, "TTL": now + 5, "interval": 20, "rate": 0.9}})
    x.note(again.reservoir.quota, again.rate, again.time_to_report())
    x.note(again.snapshot_statistics(), again.ever_matched())


def clients_of_the_service_are_mocked(x):
    connector = ServiceConnector()
    connector.context = Context()
    rule = dict.fromkeys(("Host", "HTTPMethod", "URLPath", "ServiceName", "ServiceType"), "*")
    rule.update(RuleName="Default", Priority=1000, FixedRate=0.05, ReservoirSize=1)
    rule.update(Version=1, ResourceARN="*", Attributes={})
    client = connector._xray_client = mock.Mock()
    client.get_sampling_rules.return_value = {
        "SamplingRuleRecords": [
            {"SamplingRule": rule},
            {"SamplingRule": {**rule, "RuleName": "v2", "Version": 2}},
            {"SamplingRule": {**rule, "RuleName": "arn", "ResourceARN": "arn:aws:x"}},
        ]
    }
    rules = connector.fetch_sampling_rules()
    x.note([[each.name, each.priority, each.rate, each.can_borrow] for each in rules])
    client.get_sampling_targets.return_value = {
        "LastRuleModification": datetime(2020, 1, 1, tzinfo=timezone.utc),
        "SamplingTargetDocuments": [{"RuleName": "Default", "FixedRate": 0.1, "Interval": 10}],
    }
    rules[0].increment_request_count()
    x.note(connector.fetch_sampling_target(rules))
    for document in client.get_sampling_targets.call_args[1]["SamplingStatisticsDocuments"]:
        x.note(sorted(document), document["RequestCount"], len(document["ClientID"]))
