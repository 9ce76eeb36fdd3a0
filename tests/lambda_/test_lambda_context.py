"""Whose the work of an invocation is, and what is sent of it."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from tests.helpers import parents_in
from tests.lambda_.conftest import PARENT, ROOT, SAMPLED
from xtrace.environment import lambda_
from xtrace.recorder import Recorder

OTHER_ROOT = "1-5759e988-000000000000000000000001"
OTHER_PARENT = "0000000000000001"


def header_of(recorder):
    headers = {}
    recorder.inject(headers)
    return headers.get("X-Amzn-Trace-Id")


def record(recorder, name="work"):
    with recorder.in_subsegment(name) as subsegment:
        pass
    return subsegment


def test_a_tree_is_sent_whole_when_it_is_closed(recorder, sent):
    with recorder.in_subsegment("outer") as outer:
        record(recorder, "first")
        with recorder.in_subsegment("second"):
            record(recorder, "inner")
        assert sent.documents == []
    assert len(sent.documents) == 1
    document = sent.documents[0]
    assert (document["type"], document["trace_id"]) == ("subsegment", ROOT)
    assert (document["id"], document["parent_id"]) == (outer.id, PARENT)
    assert [each["name"] for each in document["subsegments"]] == ["first", "second"]
    assert document["subsegments"][1]["subsegments"][0]["name"] == "inner"
    assert not {"service", "origin"} & set(document)


def test_trees_side_by_side_are_sent_each_by_itself(recorder, sent):
    async def task(name, begun, go_on):
        with recorder.in_subsegment(name):
            record(recorder, f"{name} part")
            begun.set()
            await go_on.wait()

    async def main():
        begun = [asyncio.Event() for _ in range(2)]
        go_on = [asyncio.Event() for _ in range(2)]
        tasks = [asyncio.create_task(task(name, begun[n], go_on[n])) for n, name in enumerate("ab")]
        for event in begun:
            await event.wait()
        go_on[1].set()
        await tasks[1]
        seen = [document["name"] for document in sent.documents]
        go_on[0].set()
        await tasks[0]
        return seen

    assert asyncio.run(main()) == ["b"]
    assert [document["name"] for document in sent.documents] == ["b", "a"]
    assert [d["subsegments"][0]["name"] for d in sent.documents] == ["b part", "a part"]


def test_a_child_that_ends_after_its_tree_is_sent_at_once(recorder, sent):
    outer = recorder.in_subsegment("outer")
    with outer:
        late = recorder.in_subsegment("late")
        late.begin()
    late.close()
    assert [document["name"] for document in sent.documents] == ["outer", "late"]
    assert sent.documents[1]["parent_id"] == outer.id


def test_an_open_tree_gives_up_what_is_too_much_to_hold(recorder, sent):
    recorder.configure(streaming_threshold=10)
    with recorder.in_subsegment("outer"):
        for _ in range(11):
            record(recorder)
        assert len(sent.documents) == 11
    assert set(parents_in(sent.documents).values()) == {PARENT, sent.subsegment("outer")["id"]}


def test_an_open_tree_gives_up_many_bytes(recorder, sent):
    with recorder.in_subsegment("outer"):
        for _ in range(8):
            with recorder.in_subsegment("work") as subsegment:
                subsegment.put_metadata("blob", "x" * 10_000)
        assert len(sent.documents) == 8


@pytest.mark.parametrize("threads", [2, 6])
def test_threads_lose_nothing_and_send_nothing_twice(recorder, sent, threads):
    def run():
        for _ in range(50):
            with recorder.in_subsegment("outer"), recorder.in_subsegment("inner"):
                pass

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(parents_in(sent.documents)) == threads * 100
    assert recorder.stats().open == 0
    assert recorder.context.function()._ended == []


@pytest.mark.parametrize(
    "value",
    [
        f"Root={OTHER_ROOT};Parent={PARENT};Sampled=1",
        f"Root={ROOT};Parent={OTHER_PARENT};Sampled=1",
        f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage=1:fe460cdd:0",
    ],
)
def test_each_invocation_is_a_new_one_whatever_of_the_header_has_changed(
    recorder, sent, invoke, value
):
    record(recorder, "before")
    invoke(value)
    record(recorder, "after")
    root, parent = value.split(";")[:2]
    after = sent.subsegment("after")
    assert f"Root={after['trace_id']}" == root
    assert f"Parent={after['parent_id']}" == parent


def test_a_change_of_the_decision_alone_counts(recorder, sent, invoke):
    record(recorder)
    invoke(SAMPLED.replace("Sampled=1", "Sampled=0"))
    assert not record(recorder)
    invoke(SAMPLED)
    record(recorder)
    assert len(sent.documents) == 2


def test_what_an_invocation_left_open_is_sent_and_is_current_no_more(recorder, sent, invoke):
    leaked = recorder.begin_subsegment("leaked")
    record(recorder, "inside")
    invoke(f"Root={OTHER_ROOT};Parent={OTHER_PARENT};Sampled=1")
    record(recorder, "next")
    assert sent.subsegment("next")["parent_id"] == OTHER_PARENT
    assert sent.subsegment("leaked")["in_progress"] is True
    assert sent.subsegment("inside")["parent_id"] == leaked.id
    assert recorder.stats().open == 0
    leaked.close()  # a thread that goes on after the freeze ends it
    last = sent.documents[-1]
    assert (last["id"], last["trace_id"], "end_time" in last) == (leaked.id, ROOT, True)


def test_threads_from_before_belong_to_the_invocation_of_now(recorder, sent, invoke):
    go_on, done = threading.Event(), threading.Event()

    def run():
        record(recorder, "in a thread")
        done.set()
        go_on.wait()
        record(recorder, "in a thread later")

    thread = threading.Thread(target=run)
    thread.start()
    done.wait()
    invoke(f"Root={OTHER_ROOT};Parent={OTHER_PARENT};Sampled=1")
    go_on.set()
    thread.join()
    assert sent.subsegment("in a thread")["parent_id"] == PARENT
    assert sent.subsegment("in a thread later")["parent_id"] == OTHER_PARENT


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        f"Root={ROOT}",
        f"Root={ROOT};Lineage=a87bd80c:1|68fd508a:5",
        f"Root={ROOT};Parent={PARENT}",
        f"Root={ROOT};Parent={PARENT};Sampled=?",
        f"Root={ROOT};Sampled=1",
        f"Parent={PARENT};Sampled=1;Odd=a=b",
    ],
)
def test_an_incomplete_header_is_handed_on_as_it_came(recorder, sent, invoke, caplog, value):
    invoke(value)
    with caplog.at_level(logging.DEBUG, "xtrace"):
        with recorder.in_subsegment("work") as subsegment:
            assert not subsegment
            subsegment.put_annotation("a", 1)
            assert header_of(recorder) == (value or None)
        recorder.put_annotation("a", 1)
        with recorder.in_segment("other"):
            pass
        recorder.current_subsegment()
    assert not recorder.is_sampled()
    assert sent.documents == []
    assert caplog.records == []


def test_unsampled_work_carries_the_decision_on(recorder, sent, invoke):
    value = f"Root={ROOT};Parent={PARENT};Sampled=0;Lineage=1:fe460cdd:0"
    invoke(value)
    with recorder.in_subsegment("work"):
        assert header_of(recorder) == value
    assert sent.documents == []
    recorder.configure(traceparent=True)
    headers = {}
    recorder.inject(headers)
    assert headers["traceparent"].endswith(f"-{PARENT}-00")


def test_sampled_work_carries_unknown_fields_on(recorder, invoke):
    invoke(SAMPLED + ";Lineage=1:fe460cdd:0;Other=x")
    with recorder.in_subsegment("work") as subsegment:
        assert header_of(recorder) == (
            f"Root={ROOT};Parent={subsegment.id};Sampled=1;Lineage=1:fe460cdd:0;Other=x"
        )
    assert (
        header_of(recorder) == f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage=1:fe460cdd:0;Other=x"
    )


def test_the_functions_segment_takes_nothing_and_says_so_once(recorder, sent, caplog):
    for _ in range(3):
        recorder.put_annotation("a", 1)
    segment = recorder.current_segment()
    segment.put_metadata("a", 1)
    segment.annotations["a"] = segment.metadata["b"] = {}
    segment.http["request"] = {}
    segment.fault = True
    segment.add_exception(ValueError())
    segment.set_user("x")
    segment.close()
    assert (segment.name, segment.id, segment.trace_id) == ("resize", PARENT, ROOT)
    assert not segment.fault and segment.in_progress
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 4
    assert "put_annotation" in lines[0] and "in_subsegment" in lines[0]
    assert sent.documents == []


@pytest.mark.parametrize("how", ["with", "begin"])
def test_segments_of_the_programs_own_are_not_sent(recorder, sent, caplog, how):
    for _ in range(3):
        if how == "with":
            with recorder.in_segment("mine") as segment:
                record(recorder)
        else:
            segment = recorder.begin_segment("mine", sampling=True)
            record(recorder)
            recorder.end_segment()
        assert segment.trace_id == ROOT
    assert [document["name"] for document in sent.documents] == ["work"] * 3
    assert {document["parent_id"] for document in sent.documents} == {PARENT}
    assert len(caplog.records) == 1
    assert "in_segment at" in caplog.text


def test_nothing_is_recorded_with_tracing_off(recorder, sent):
    recorder.configure(enabled=False)
    record(recorder)
    with recorder.in_segment("mine"):
        pass
    assert header_of(recorder) is None
    assert sent.documents == []


def test_the_ready_file_is_written_at_the_first_invocation(recorder, invoke, tmp_path):
    ready = tmp_path / "aws-xray" / "initialized"
    invoke(None)
    record(recorder)
    assert not ready.exists()
    invoke(SAMPLED)
    record(recorder)
    assert ready.read_text() == ""


def test_a_ready_file_that_cannot_be_written_stops_nobody(recorder, sent, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(lambda_, "READY_FOLDER", str(tmp_path / "file" / "below"))
    record(recorder)
    assert len(sent.documents) == 1


def test_sandboxes_of_one_snapshot_make_different_ids(recorder, monkeypatch):
    seeded = []
    monkeypatch.setattr(lambda_.ids, "reseed", lambda: seeded.append(1))
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
    record(recorder)
    record(recorder)
    assert seeded == [1]


def test_elsewhere_nothing_is_different(monkeypatch, invoke):
    invoke(SAMPLED)
    monkeypatch.delenv(lambda_.TASK_ROOT, raising=False)
    recorder = Recorder(service="test", sampling=False, emitter="memory:")
    with recorder.in_segment() as segment:
        assert segment.trace_id != ROOT


def test_a_context_of_the_programs_own_makes_segments_again(recorder, sent):
    record(recorder)
    from xtrace.context import Context

    recorder.configure(context=Context())
    with recorder.in_segment("mine"):
        pass
    assert sent.segments[0]["name"] == "mine"


def test_asynchronous_code_under_a_plain_handler(recorder, sent):
    @recorder.capture
    async def part(number):
        await asyncio.sleep(0)
        record(recorder, f"inside {number}")

    async def main():
        await asyncio.gather(*(part(number) for number in range(5)))

    with recorder.in_subsegment("handler"):
        asyncio.run(main())
    assert len(sent.documents) == 1
    parts = sent.documents[0]["subsegments"]
    assert [each["name"] for each in parts] == ["part"] * 5
    assert sorted(each["subsegments"][0]["name"] for each in parts) == [
        f"inside {number}" for number in range(5)
    ]
