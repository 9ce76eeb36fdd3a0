"""Contexts, and when things are sent: where the official SDK loses, repeats or breaks something."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.helpers import eventually
from tests.sampling.daemon import answering, rule


@pytest.mark.usefixtures("lenient_faults")
def test_the_last_two_of_a_segment_in_two_threads_send_it_once(xray_recorder, kept):
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(200):
            kept.entities.clear()
            segment = xray_recorder.begin_segment("a")
            barrier = threading.Barrier(2)

            def work(segment=segment, barrier=barrier):
                xray_recorder.set_trace_entity(segment)
                xray_recorder.begin_subsegment("b")
                barrier.wait()
                xray_recorder.end_subsegment()

            threads = [threading.Thread(target=work) for _ in range(2)]
            for thread in threads:
                thread.start()
            while segment.ref_counter.get_current() == 0 and any(t.is_alive() for t in threads):
                pass
            xray_recorder.end_segment()
            for thread in threads:
                thread.join()
            xray_recorder.clear_trace_entities()
            whole = [each for each in kept.entities if each is segment]
            assert len(whole) == 1
            parts = sum(len(each._with_all_under()) for each in kept.entities)
            assert parts == 3
    finally:
        sys.setswitchinterval(before)


def test_tasks_have_what_is_theirs(xray_recorder, kept):
    from aws_xray_sdk.core.async_context import AsyncContext

    xray_recorder.configure(context=AsyncContext())

    async def request(number):
        async with xray_recorder.in_segment_async(f"request {number}") as segment:
            await asyncio.sleep(0)
            async with xray_recorder.in_subsegment_async(f"part {number}") as part:
                await asyncio.sleep(0)
                assert part.parent_id == segment.id
                assert xray_recorder.current_subsegment() is part

    async def main():
        with xray_recorder.in_segment("before"):
            pass
        await asyncio.gather(*map(request, range(20)))

    asyncio.run(main())
    found = {
        each["name"]: [part["name"] for part in each.get("subsegments", ())]
        for each in kept.documents
    }
    assert found == {"before": [], **{f"request {n}": [f"part {n}"] for n in range(20)}}


def test_a_worker_thread_sees_nothing_of_a_task(xray_recorder):
    async def main():
        with xray_recorder.in_segment("a"):
            with ThreadPoolExecutor(1) as pool:
                loop = asyncio.get_running_loop()
                xray_recorder.configure(context_missing="IGNORE_ERROR")
                return await loop.run_in_executor(pool, xray_recorder.get_trace_entity)

    assert asyncio.run(main()) is None


def test_a_subsegment_may_be_ended_in_a_thread_that_was_handed_it(xray_recorder, kept):
    segment = xray_recorder.begin_segment("a")
    subsegment = xray_recorder.begin_subsegment("b")
    xray_recorder.end_segment()

    def work():
        xray_recorder.set_trace_entity(subsegment)
        xray_recorder.end_subsegment()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert kept.entities == [segment]
    xray_recorder.clear_trace_entities()


@pytest.mark.parametrize("recorded", [True, False])
def test_the_recorder_ends_what_a_program_has_made_by_itself(xray_recorder, recorded):
    from aws_xray_sdk.core.models.dummy_entities import DummySegment, DummySubsegment
    from aws_xray_sdk.core.models.segment import Segment
    from aws_xray_sdk.core.models.subsegment import Subsegment

    segment = Segment("a") if recorded else DummySegment("a")
    subsegment = Subsegment("b", "local", segment) if recorded else DummySubsegment(segment)
    segment.add_subsegment(subsegment)
    xray_recorder.set_trace_entity(subsegment)
    xray_recorder.end_subsegment()
    assert not subsegment.in_progress
    assert xray_recorder.get_trace_entity() is segment


def test_late_work_is_sent_by_itself(xray_recorder, kept):
    with xray_recorder.in_segment("a") as segment:
        pass
    xray_recorder.set_trace_entity(segment)
    with xray_recorder.in_subsegment("late"), xray_recorder.in_subsegment("under it"):
        pass
    xray_recorder.clear_trace_entities()
    assert [each["name"] for each in kept.documents] == ["a", "late"]
    late = kept.documents[1]
    assert late["parent_id"] == segment.id
    assert [each["name"] for each in late["subsegments"]] == ["under it"]


def test_a_nested_segment_comes_back_to_the_outer_one(xray_recorder, kept):
    with xray_recorder.in_segment("outer") as outer:
        with xray_recorder.in_segment("inner"):
            pass
        assert xray_recorder.current_segment() is outer
    assert [each["name"] for each in kept.documents] == ["inner", "outer"]


def test_unsampled_work_is_never_sent_and_never_kept(xray_recorder, kept):
    for _ in range(3):
        with xray_recorder.in_segment("a", sampling=0), xray_recorder.in_subsegment("b"):
            pass
    xray_recorder.begin_segment("a", sampling=0)
    xray_recorder.begin_subsegment("never ended")
    xray_recorder.end_segment()
    xray_recorder.clear_trace_entities()
    assert not kept.entities
    assert not xray_recorder._owner.waiting
    assert not xray_recorder._native.open


def test_segments_that_wait_for_ever_are_sent_when_there_are_too_many(
    xray_recorder, kept, monkeypatch
):
    from xtrace import model

    monkeypatch.setattr(model, "MAX_OPEN", 10)
    monkeypatch.setattr("aws_xray_sdk.core.models.subsegment.MAX_OPEN", 10)
    monkeypatch.setattr("aws_xray_sdk.core.recorder.MAX_OPEN", 10)
    for number in range(40):
        xray_recorder.clear_trace_entities()
        xray_recorder.begin_segment(f"s{number}")
        xray_recorder.begin_subsegment("leaked")
        xray_recorder.end_segment()
    xray_recorder.clear_trace_entities()
    assert len(xray_recorder._owner.waiting) <= 12
    assert {"s0", "s1"} <= {each["name"] for each in kept.documents}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_sends_nothing_of_its_parents(xray_recorder, kept):
    xray_recorder.begin_segment("a")
    xray_recorder.begin_subsegment("b")
    xray_recorder.end_segment()
    child = os.fork()
    if child == 0:
        xray_recorder._owner.flush()
        os._exit(len(kept.entities))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    xray_recorder.end_subsegment()
    assert len(kept.entities) == 1


def test_the_sampler_asks_again_after_a_fork(xray_recorder):
    from aws_xray_sdk.core.sampling.sampler import DefaultSampler

    sampler = DefaultSampler()
    sampler._started = True
    child = os.fork()
    if child == 0:
        os._exit(sampler._started)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_missing_segment_is_logged_a_few_times_only(xray_recorder, caplog):
    from aws_xray_sdk.core.context import MISSING_SEGMENT_MSG, MOST_LINES

    for _ in range(3 * MOST_LINES):
        xray_recorder.get_trace_entity()
    said = [each for each in caplog.records if each.message == MISSING_SEGMENT_MSG]
    assert len(said) == MOST_LINES
    assert said[0].name == "aws_xray_sdk.core.context"


def test_switching_tracing_off_reaches_decorated_functions(xray_recorder, kept):
    from aws_xray_sdk import global_sdk_config

    @xray_recorder.capture("f")
    def function():
        return xray_recorder.current_subsegment()

    global_sdk_config.set_sdk_enabled(False)
    try:
        with xray_recorder.in_segment("a"):
            assert type(function()).__name__ == "DummySubsegment"
    finally:
        global_sdk_config.set_sdk_enabled(True)
    assert not kept.entities


def test_central_rules_come_from_the_daemon(xray_recorder):
    from aws_xray_sdk.core.sampling.sampler import DefaultSampler

    with answering() as daemon:
        daemon.rules = [rule("all of it", FixedRate=1), rule()]
        xray_recorder.configure(
            sampling=True, sampler=DefaultSampler(), daemon_address=daemon.address
        )
        sampler = xray_recorder.sampler
        sampler.should_trace()
        eventually(lambda: sampler._cache.last_updated)
        with xray_recorder.in_segment("a") as segment:
            assert segment.aws["xray"]["sampling_rule_name"] == "all of it"
        # What isn't given to configure() stays.
        xray_recorder.configure(service="other")
        port = sampler._connector._xray_client._endpoint[1]
        assert daemon.address.endswith(f":{port}")
