"""The recorder's verbs: begin and end, what is current, what is sent, and when."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from xtrace.errors import ConfigurationError, SegmentMissing, UnknownSetting
from xtrace.header import TraceHeader, parse
from xtrace.noop import NO_SEGMENT, NO_SUBSEGMENT
from xtrace.recorder import Recorder
from xtrace.testing import counted_ids, fixed_clock

TRACE = "1-5759e988-bd862e3fe1be46a994272793"
CALLER = "53995c3f42cd8ad8"


def test_a_segment_with_a_subsegment_is_one_document(recorder, sent):
    with fixed_clock(step=1.0), counted_ids(), recorder.in_segment("shop") as segment:
        segment.put_annotation("items", 3)
        with recorder.in_subsegment("load cart") as part:
            part.put_metadata("rows", [1, 2])
    (document,) = sent.documents
    del document["service"], document["aws"]
    assert document == {
        "name": "shop",
        "id": "0000000000000001",
        "trace_id": "1-3b9aca00-000000000000000000000002",
        "start_time": 1000000000.0,
        "end_time": 1000000003.0,
        "annotations": {"items": 3},
        "subsegments": [
            {
                "name": "load cart",
                "id": "0000000000000003",
                "start_time": 1000000001.0,
                "end_time": 1000000002.0,
                "metadata": {"default": {"rows": [1, 2]}},
            }
        ],
    }


def test_the_service_name_names_a_segment_without_a_name(recorder, sent):
    with recorder.in_segment():
        pass
    assert sent.documents[0]["name"] == "test"


def test_a_segment_without_any_name_is_recorded_all_the_same_and_the_log_says_what_to_do(caplog):
    recorder = Recorder(sampling=False, emitter="memory:")
    with recorder.in_segment() as segment:
        pass
    assert segment.name == "unnamed"
    assert "xtrace.configure(service=" in caplog.text


def test_begin_and_end_do_what_with_does(recorder, sent):
    segment = recorder.begin_segment("a")
    part = recorder.begin_subsegment("b")
    assert recorder.current_segment() is segment
    assert recorder.current_subsegment() is part
    recorder.end_subsegment()
    recorder.end_segment()
    assert sent.documents[0]["subsegments"][0]["name"] == "b"
    assert recorder.get_trace_entity() is None


def test_with_on_an_entity_that_begin_gave_ends_it_once(recorder, sent):
    with recorder.begin_segment("a"), recorder.begin_subsegment("b"):
        pass
    assert len(sent.documents) == 1
    assert recorder.stats().late == 0


def test_an_end_time_may_be_given(recorder, sent):
    with fixed_clock():
        segment = recorder.begin_segment("a")
        recorder.begin_subsegment("b")
        recorder.end_subsegment(end_time=1000000007.5)
        recorder.end_segment(1000000009.0)
    assert segment.end_time == 1000000009.0
    assert sent.subsegment("b")["end_time"] == 1000000007.5


@pytest.mark.parametrize(
    "end_time",
    [5.0, "yesterday", float("nan"), float("inf"), 10**400, 10**5000, 1000000009000.0],
    ids=lambda end_time: str(end_time)[:12] if end_time != 10**5000 else "huge",
)
def test_an_end_time_that_cannot_be_is_replaced_by_now(recorder, sent, end_time, lenient_faults):
    with fixed_clock():
        recorder.begin_segment("a").close(end_time)
    assert sent.documents[0]["end_time"] == 1000000000.0


def test_a_clock_that_steps_back_makes_no_negative_duration(recorder, sent, monkeypatch):
    walls = iter([2_000_000_000.0, 1_000_000_000.0, 1_000_000_000.0])
    monkeypatch.setattr("xtrace.ids.wall_clock", lambda: next(walls))
    with recorder.in_segment("a"), recorder.in_subsegment("b"):
        pass
    segment = sent.documents[0]
    part = segment["subsegments"][0]
    assert 2e9 <= segment["start_time"] <= part["start_time"] <= part["end_time"]
    assert part["end_time"] <= segment["end_time"] < 2e9 + 5


# -- what ends when ------------------------------------------------------------------------------


def test_a_segment_does_not_wait_for_a_child_that_never_ends(recorder, sent):
    recorder.begin_segment("a")
    forgotten = recorder.begin_subsegment("forgotten")
    recorder.begin_subsegment("done").close()
    recorder.end_segment()
    assert {d["name"] for d in sent.documents} == {"a", "done"}
    assert sent.subsegment("done")["parent_id"] == forgotten.id


def test_a_child_that_ends_after_its_segment_goes_out_by_itself(recorder, sent):
    segment = recorder.begin_segment("a")
    late = recorder.begin_subsegment("late")
    recorder.end_segment()
    late.put_annotation("still", "open")
    late.close()
    document = sent.documents[1]
    assert document["type"] == "subsegment"
    assert document["trace_id"] == segment.trace_id
    assert document["parent_id"] == segment.id
    assert document["annotations"] == {"still": "open"}


def test_a_child_that_never_ends_is_sent_in_progress_once_at_flush(recorder, sent):
    recorder.begin_segment("a")
    recorder.begin_subsegment("forgotten")
    recorder.end_segment()
    recorder.flush()
    recorder.flush()
    assert [d["name"] for d in sent.documents] == ["a", "forgotten"]
    assert sent.documents[1]["in_progress"] is True


def test_what_was_sent_in_progress_is_sent_whole_when_it_ends(recorder, sent):
    recorder.begin_segment("a")
    slow = recorder.begin_subsegment("slow")
    recorder.end_segment()
    recorder.flush()
    slow.close()
    first, second = sent.documents[1:]
    assert first["id"] == second["id"]
    assert "end_time" in second


def test_flush_leaves_open_segments_alone(recorder, sent):
    recorder.begin_segment("a")
    recorder.begin_subsegment("b")
    recorder.flush()
    assert sent.documents == []


def test_work_in_a_segment_that_has_ended_is_recorded_under_what_it_was_begun_under(recorder, sent):
    async def request():
        with recorder.in_segment("a"), recorder.in_subsegment("handler") as handler:
            task = asyncio.create_task(background())
        return task, handler.id

    async def background():
        await asyncio.sleep(0)
        for name in ("first", "second"):
            with recorder.in_subsegment(name):
                await asyncio.sleep(0)

    async def main():
        task, handler = await request()
        await task
        return handler

    handler = asyncio.run(main())
    for name in ("first", "second"):
        assert sent.subsegment(name)["parent_id"] == handler


def test_ending_a_parent_before_its_child_loses_neither(recorder, sent):
    recorder.begin_segment("a")
    parent = recorder.begin_subsegment("parent")
    child = recorder.begin_subsegment("child")
    parent.close()
    assert recorder.get_trace_entity().name == "a"
    child.close()
    recorder.end_segment()
    (segment,) = sent.documents
    assert segment["subsegments"][0]["subsegments"][0]["name"] == "child"


def test_ending_in_another_thread_works_and_leaves_the_current_entity_here_alone(recorder, sent):
    recorder.begin_segment("a")
    part = recorder.begin_subsegment("part")
    thread = threading.Thread(target=part.close)
    thread.start()
    thread.join()
    assert recorder.get_trace_entity() is part
    recorder.end_segment()
    assert sent.subsegment("part")["end_time"] >= part.start_time
    assert recorder.get_trace_entity() is None


def test_ending_twice_changes_nothing_and_is_counted(recorder, sent):
    with recorder.in_segment("a") as segment:
        part = recorder.begin_subsegment("b")
        part.close()
        end = part.end_time
        part.close()
    segment.close()
    assert part.end_time == end
    assert len(sent.documents) == 1
    assert recorder.stats().late == 2


def test_putting_into_an_ended_entity_changes_nothing_and_is_counted(recorder, sent):
    with recorder.in_segment("a") as segment:
        pass
    segment.put_annotation("k", 1)
    segment.put_metadata("k", 1)
    segment.put_http_meta("status", 500)
    segment.set_user("u")
    segment.add_exception(ValueError())
    segment.add_link(TRACE, CALLER)
    segment.set_aws({"operation": "x"})
    assert recorder.stats().late == 7
    assert not segment.fault


def test_segments_nest_and_the_outer_one_is_current_again(recorder, sent):
    with recorder.in_segment("outer") as outer:
        with recorder.in_segment("inner") as inner:
            assert recorder.current_segment() is inner
        assert recorder.current_segment() is outer
    assert [d["name"] for d in sent.documents] == ["inner", "outer"]
    assert outer.trace_id != inner.trace_id


def test_a_segment_begun_inside_one_that_was_forgotten_is_said_in_the_log(recorder, caplog):
    recorder.begin_segment("forgotten")
    recorder.begin_segment("next").close()
    assert "is an end_segment() missing?" in caplog.text


# -- many ----------------------------------------------------------------------------------------


def test_a_long_segment_sends_what_has_ended_early(recorder, sent):
    recorder.configure(streaming_threshold=3)
    with recorder.in_segment("a") as segment:
        for number in range(4):
            with recorder.in_subsegment(f"part {number}"):
                pass
        assert [d["name"] for d in sent.documents] == [f"part {n}" for n in range(4)]
    assert {d["parent_id"] for d in sent.documents[:4]} == {segment.id}


def test_large_subsegments_are_sent_early_by_their_bytes(recorder, sent):
    with recorder.in_segment("a"):
        for number in range(8):
            with recorder.in_subsegment(f"part {number}") as part:
                part.put_metadata("blob", "x" * 10_000)
        assert len(sent.documents) == 8


def test_streaming_may_be_decided_by_an_object(recorder, sent):
    class Never:
        def is_eligible(self, segment):
            return False

    recorder.configure(streaming=Never(), streaming_threshold=0)
    with recorder.in_segment("a"), recorder.in_subsegment("b"):
        pass
    assert len(sent.documents) == 1


def test_entities_that_nobody_ends_are_forgotten_in_the_end_and_sent(recorder, sent, monkeypatch):
    monkeypatch.setattr("xtrace.model.MAX_OPEN", 100)
    for number in range(1000):
        recorder.begin_segment(f"s{number}")
    assert len(recorder.open) <= 100
    assert len(sent.documents) >= 900
    assert all(d["in_progress"] for d in sent.documents)


def test_what_has_ended_under_a_forgotten_segment_is_sent_too(recorder, sent, monkeypatch):
    monkeypatch.setattr("xtrace.model.MAX_OPEN", 10)
    for _ in range(100):
        recorder.begin_segment("forgotten")
        with recorder.in_subsegment("done"):
            pass
    assert len([d for d in sent.documents if d["name"] == "done"]) >= 90


def test_a_forgotten_entity_may_still_end(recorder, sent, monkeypatch):
    monkeypatch.setattr("xtrace.model.MAX_OPEN", 10)
    first = recorder.in_segment("first").__enter__()
    for _ in range(20):
        recorder.begin_segment("other")
    first.close()
    assert [d.get("in_progress") for d in sent.documents if d["name"] == "first"] == [True, None]


def test_a_chain_of_rescheduled_work_keeps_no_chain_of_entities(recorder):
    def depth(entity):
        found = 0
        while entity is not None:
            entity, found = entity._parent, found + 1
        return found

    with recorder.in_segment("a"):
        part = recorder.begin_subsegment("first")
    part.close()
    for number in range(100):
        with recorder.attach(part), recorder.in_subsegment(f"again {number}") as part:
            pass
    assert depth(part) <= 3


# -- no segment ----------------------------------------------------------------------------------


def test_without_a_segment_every_call_gives_an_entity_and_logs_once(recorder, caplog):
    for _ in range(3):
        with recorder.in_subsegment("x") as part:
            part.put_annotation("k", 1)
    assert part is NO_SUBSEGMENT
    assert not part
    lines = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(lines) == 1
    assert "test_recorder.py" in lines[0].message


def test_each_place_that_misses_a_segment_is_logged(recorder, caplog):
    recorder.put_annotation("k", 1)
    recorder.put_metadata("k", 1)
    recorder.current_segment()
    recorder.current_subsegment()
    recorder.end_segment()
    recorder.end_subsegment()
    assert len(caplog.records) == 6


def test_runtime_error_raises_with_what_to_do(recorder):
    recorder.configure(context_missing="RUNTIME_ERROR")
    with pytest.raises(SegmentMissing, match=r"in_segment\('name'\)"):
        recorder.in_subsegment("x")


def test_ignore_error_says_nothing(recorder, caplog):
    recorder.configure(context_missing="IGNORE_ERROR")
    recorder.put_annotation("k", 1)
    assert caplog.records == []


def test_a_library_s_call_without_a_segment_says_nothing(recorder, caplog):
    recorder.configure(context_missing="RUNTIME_ERROR")
    with recorder.in_call("host", "remote") as call:
        pass
    assert call is NO_SUBSEGMENT
    assert caplog.records == []


# -- sampling and headers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sampling", "header", "kept"),
    [
        (None, None, True),
        (False, None, False),
        (0, None, False),
        (True, TraceHeader(TRACE, CALLER, False), True),
        (None, TraceHeader(TRACE, CALLER, False), False),
        (None, TraceHeader(TRACE, CALLER, True), True),
        (None, TraceHeader(TRACE, CALLER, None), True),
    ],
)
def test_who_decides_about_sampling(recorder, sent, sampling, header, kept):
    with recorder.in_segment("a", sampling=sampling, header=header) as segment:
        assert segment.sampled is kept
    assert bool(sent.documents) is kept


def test_the_sampler_is_asked_what_the_request_is(recorder):
    asked = []

    class Sampler:
        def should_trace(self, request=None):
            asked.append(request)
            return "my rule"

    recorder.configure(sampler=Sampler(), sampling=True)
    with recorder.in_segment("a", request={"path": "/x"}) as segment:
        pass
    with recorder.in_segment("b"):
        pass
    assert asked == [{"path": "/x"}, {"service": "b"}]
    assert segment.aws["xray"]["sampling_rule_name"] == "my rule"


def test_a_sampler_that_raises_is_replaced_by_the_built_in_rules(recorder, lenient_faults, caplog):
    class Sampler:
        def should_trace(self, request=None):
            raise RuntimeError("no")

    recorder.configure(sampler=Sampler(), sampling=True)
    with recorder.in_segment("a") as segment:
        assert segment.sampled  # the first of this second
    assert recorder.stats().faults == {"sampler": 1}


def test_a_segment_continues_the_caller_s_trace(recorder, sent):
    with recorder.in_segment("a", header=parse(f"Root={TRACE};Parent={CALLER};Sampled=1")):
        pass
    document = sent.documents[0]
    assert (document["trace_id"], document["parent_id"]) == (TRACE, CALLER)


@pytest.mark.parametrize(("trace_id", "parent_id"), [("foo", CALLER), (7, None), (TRACE, "zz")])
def test_ids_that_are_none_are_replaced_and_counted(recorder, sent, trace_id, parent_id):
    with recorder.in_segment("a", trace_id=trace_id, parent_id=parent_id):
        pass
    assert "parent_id" not in sent.documents[0]
    assert sum(recorder.stats().repaired.values()) == 1


def test_inject_names_the_subsegment_of_the_call(recorder):
    headers = {}
    with recorder.in_segment("a") as segment, recorder.in_subsegment("call") as call:
        recorder.inject(headers)
    assert headers == {"X-Amzn-Trace-Id": f"Root={segment.trace_id};Parent={call.id};Sampled=1"}


def test_an_unsampled_trace_keeps_its_id_downstream(recorder):
    headers = {}
    with recorder.in_segment("a", header=TraceHeader(TRACE, CALLER, False)):
        with recorder.in_subsegment("call") as call:
            recorder.inject(headers, call)
    assert headers == {"X-Amzn-Trace-Id": f"Root={TRACE};Parent={CALLER};Sampled=0"}


def test_an_unsampled_trace_that_begins_here_has_one_id_too(recorder):
    first, second = {}, {}
    with recorder.in_segment("a", sampling=False) as segment:
        recorder.inject(first)
        recorder.inject(second)
    assert first == second == {"X-Amzn-Trace-Id": f"Root={segment.trace_id};Sampled=0"}


def test_fields_of_a_header_that_are_unknown_are_carried_on(recorder):
    headers = {}
    came_in = parse(f"Root={TRACE};Self=1-2-3;Parent={CALLER};Sampled=1;Lineage=1:ab:0;X=y")
    with recorder.in_segment("a", header=came_in) as segment:
        recorder.inject(headers)
    value = f"Root={TRACE};Parent={segment.id};Sampled=1;Lineage=1:ab:0;X=y"
    assert headers["X-Amzn-Trace-Id"] == value


def test_traceparent_is_written_if_asked_for(recorder):
    recorder.configure(traceparent=True)
    headers = {}
    with recorder.in_segment("a", trace_id=TRACE) as segment:
        recorder.inject(headers)
    assert headers["traceparent"] == f"00-5759e988bd862e3fe1be46a994272793-{segment.id}-01"


def test_without_a_segment_no_header_is_written(recorder):
    headers = {}
    recorder.inject(headers)
    assert headers == {}


# -- threads -------------------------------------------------------------------------------------


def test_a_thread_sees_no_segment_unless_it_is_handed_one(recorder, sent):
    seen = []

    def work(entity):
        seen.append(recorder.get_trace_entity())
        with recorder.attach(entity), recorder.in_subsegment("in a thread"):
            pass
        seen.append(recorder.get_trace_entity())

    with recorder.in_segment("a") as segment:
        thread = threading.Thread(target=work, args=(segment,))
        thread.start()
        thread.join()
    assert seen == [None, None]
    assert sent.documents[0]["subsegments"][0]["name"] == "in a thread"


def test_two_recorders_do_not_see_each_other(recorder, sent):
    other = Recorder(service="other", sampling=False, emitter="memory:")
    with recorder.in_segment("mine") as mine, other.in_segment("theirs") as theirs:
        assert recorder.current_segment() is mine
        assert other.current_segment() is theirs
    assert [d["name"] for d in sent.documents] == ["mine"]


# -- configuration -------------------------------------------------------------------------------


def test_configure_changes_only_what_it_is_given(recorder):
    recorder.configure(max_trace_back=3, stream_sql=False, redact=False)
    recorder.configure(service="renamed")
    assert (recorder.max_trace_back, recorder.stream_sql, recorder.redact) == (3, False, False)
    assert recorder.service == "renamed"


def test_an_unknown_argument_is_an_error_that_says_what_to_type(recorder):
    with pytest.raises(UnknownSetting, match="Did you mean 'service'"):
        recorder.configure(servce="x")


def test_nothing_has_changed_after_an_error(recorder):
    before = recorder.emitters
    with pytest.raises(ConfigurationError):
        recorder.configure(service="new", sampling_rules={"version": 3})
    with pytest.raises(ConfigurationError):
        recorder.configure(service="new", emitter="nowhere:")
    assert recorder.service == "test"
    assert recorder.emitters == before


def test_a_bad_environment_fails_no_import_but_configure(monkeypatch, caplog, lenient_faults):
    monkeypatch.setenv("AWS_XRAY_CONTEXT_MISSING", "PANIC")
    recorder = Recorder()
    recorder.begin_segment("a", sampling=False).close()
    assert "context_missing is 'PANIC' (from AWS_XRAY_CONTEXT_MISSING)" in caplog.text
    with pytest.raises(ConfigurationError, match="LOG_ERROR"):
        recorder.configure(service="x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"AWS_XRAY_DAEMON_ADDRESS": "localhost"},
        {"AWS_XRAY_DAEMON_ADDRESS": "localhost", "XTRACE_EMITTER": "nowhere:"},
        {"AWS_XRAY_DAEMON_ADDRESS": "localhost", "XTRACE_SAMPLER": "central"},
        {"XTRACE_EMITTER": "nowhere:"},
        {"XTRACE_EMITTER": "udp:,,"},
        {"XTRACE_MAX_DATAGRAM_BYTES": "much"},
    ],
    ids=lambda wrong: " ".join(map("=".join, wrong.items())),
)
def test_a_wrong_environment_never_reaches_a_program_that_configures_nothing(
    wrong, monkeypatch, caplog, lenient_faults
):
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    recorder = Recorder()
    with recorder.in_segment("a", sampling=True):
        pass
    assert recorder.stats().recorded == 1
    assert [emitter.url for emitter in recorder.emitters] == ["udp://127.0.0.1:2000"]
    assert next(iter(wrong.values())) in caplog.text


def test_the_environment_wins(monkeypatch):
    monkeypatch.setenv("AWS_XRAY_TRACING_NAME", "from outside")
    assert Recorder(service="from inside").service == "from outside"


def test_the_daemon_address_of_the_environment_wins(monkeypatch):
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "tcp:127.0.0.1:1 udp:127.0.0.1:2")
    recorder = Recorder(daemon_address="10.0.0.1:2000")
    assert [emitter.url for emitter in recorder.emitters] == ["udp://127.0.0.1:2"]


def test_several_emitters_get_everything(recorder, tmp_path):
    recorder.configure(emitter=["memory:", f"file:{tmp_path}/traces.jsonl"])
    with recorder.in_segment("a"), recorder.in_subsegment("b"):
        pass
    stats = recorder.stats()
    assert [emitter.sent for emitter in stats.emitters[-2:]] == [2, 2]
    assert (tmp_path / "traces.jsonl").read_bytes().count(b"\n") == 1


def test_an_emitter_may_be_any_object_with_send_entity(recorder):
    class Mine:
        def __init__(self):
            self.names = []

        def send_entity(self, entity):
            self.names.append((entity.name, [s.name for s in entity.subsegments]))

    mine = Mine()
    recorder.configure(emitter=mine)
    with recorder.in_segment("a"), recorder.in_subsegment("b"), recorder.in_subsegment("c"):
        pass
    assert mine.names == [("a", ["b"])]
    assert recorder.stats().sent == 3


def test_an_emitter_that_raises_is_a_counted_drop(recorder, lenient_faults):
    class Broken:
        def send_entity(self, entity):
            raise RuntimeError("no")

    recorder.configure(emitter=Broken())
    with recorder.in_segment("a"), recorder.in_subsegment("b"):
        pass
    stats = recorder.stats()
    assert stats.dropped == {"emitter failed": 2}
    assert stats.recorded == 2


def test_log_groups_are_recorded_by_name_and_arn(recorder, sent, monkeypatch):
    arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/shop"
    recorder.configure(log_groups=["shop", f"{arn}:*"])
    with recorder.in_segment("a"), recorder.in_subsegment("part"):
        pass
    groups = [{"log_group": "shop"}, {"log_group": "/ecs/shop", "arn": f"{arn}:*"}]
    assert sent.segment("a")["aws"]["cloudwatch_logs"] == groups
    monkeypatch.setenv("XTRACE_LOG_GROUPS", "shop, /ecs/cart")
    recorder.configure(log_groups=["other"])
    assert recorder.log_groups == ("shop", "/ecs/cart")


def test_the_service_version_is_recorded(recorder, sent):
    recorder.configure(service_version="1.4.2")
    with recorder.in_segment():
        pass
    assert sent.documents[0]["service"]["version"] == "1.4.2"


def test_switched_off_every_call_works_and_nothing_is_recorded(recorder, sent, monkeypatch):
    monkeypatch.setenv("AWS_XRAY_SDK_ENABLED", "false")
    off = Recorder(service="off", emitter="memory:", context_missing="RUNTIME_ERROR")
    with off.in_segment("a") as segment, off.in_subsegment("b") as part:
        segment.put_annotation("k", 1)
        part.put_metadata("k", 1)
        off.put_annotation("k", 1)
        off.put_metadata("k", 1)
    assert segment is NO_SEGMENT
    assert part is NO_SUBSEGMENT
    assert off.begin_segment("a") is NO_SEGMENT
    assert off.begin_subsegment("b") is NO_SUBSEGMENT
    off.end_subsegment()
    off.end_segment()
    assert off.current_segment() is NO_SEGMENT
    assert off.current_subsegment() is NO_SUBSEGMENT
    headers = {}
    off.inject(headers)
    assert headers == {}
    assert off.capture(lambda: 7)() == 7
    assert off.stats().recorded == 0


def test_settings_may_be_changed_for_a_while(recorder):
    change_back = recorder.override(service="for a test", max_trace_back=1)
    assert (recorder.service, recorder.max_trace_back) == ("for a test", 1)
    change_back()
    assert (recorder.service, recorder.max_trace_back) == ("test", 10)
