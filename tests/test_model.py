"""What may be put into an entity, and what its attributes say."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref

import pytest

from xtrace.testing import fixed_clock


def test_annotations_and_metadata_are_plain_dicts_while_the_entity_is_open(recorder, sent):
    with recorder.in_segment("a") as segment:
        segment.put_annotation("k", 1)
        segment.annotations["direct"] = "yes"
        segment.put_metadata("m", 2, namespace="mine")
        segment.metadata["other"] = {"x": [1]}
        segment.http["request"] = {"method": "GET"}
        segment.aws["operation"] = "x"
    document = sent.documents[0]
    assert document["annotations"] == {"k": 1, "direct": "yes"}
    assert document["metadata"] == {"mine": {"m": 2}, "other": {"x": [1]}}
    assert document["http"] == {"request": {"method": "GET"}}
    assert document["aws"]["operation"] == "x"


def test_what_was_put_in_directly_is_checked_too(recorder, sent):
    with recorder.in_segment("a") as segment:
        segment.annotations["a b"] = None
        segment.metadata["AWS.mine"] = {"x": 1}
    document = sent.documents[0]
    assert document["annotations"] == {"a_b": "None"}
    assert document["metadata"] == {"_AWS.mine": {"x": 1}}


@pytest.mark.parametrize("key", [["a list"], {"a": "dict"}])
def test_a_key_that_is_no_key_becomes_text(recorder, sent, key):
    with recorder.in_segment("a") as segment:
        segment.put_annotation(key, 1)
        segment.put_metadata(key, 1)
        segment.put_metadata("k", 1, namespace=key)
    document = sent.documents[0]
    assert len(document["annotations"]) == 1
    assert document["metadata"]["default"] == {str(key): 1}


def test_the_51st_annotation_of_a_segment_goes_to_the_metadata(recorder, sent):
    with recorder.in_segment("a") as segment:
        for number in range(30):
            segment.put_annotation(f"s{number}", number)
        with recorder.in_subsegment("b") as part:
            for number in range(30):
                part.put_annotation(f"p{number}", number)
    document = sent.documents[0]
    part = document["subsegments"][0]
    assert len(document["annotations"]) + len(part["annotations"]) == 50
    assert part["metadata"]["annotations"] == {f"p{n}": n for n in range(20, 30)}
    assert recorder.stats().repaired == {"annotation moved to metadata": 1}


def test_the_limit_of_annotations_holds_over_what_was_streamed(recorder, sent):
    recorder.configure(streaming_threshold=0)
    with recorder.in_segment("a"):
        for number in range(60):
            with recorder.in_subsegment("b") as part:
                part.put_annotation("k", number)
    assert sum("annotations" in d for d in sent.documents) == 50
    assert sum("metadata" in d for d in sent.documents) == 10


@pytest.mark.parametrize(
    ("status", "flags"),
    [
        (200, set()),
        (302, set()),
        (400, {"error"}),
        ("404", {"error"}),
        (429, {"error", "throttle"}),
        (500, {"fault"}),
        (503, {"fault"}),
        (None, set()),
        ("teapot", set()),
        (float("inf"), set()),
    ],
)
def test_the_status_sets_the_flags(recorder, status, flags):
    with recorder.in_segment("a") as segment:
        segment.apply_status_code(status)
    assert {f for f in ("error", "throttle", "fault") if getattr(segment, f)} == flags


def test_http_fields_go_where_they_belong(recorder, sent, caplog):
    with recorder.in_segment("a") as segment:
        segment.put_http_meta("method", "GET")
        segment.put_http_meta("url", None)
        segment.put_http_meta("status", 404)
        segment.put_http_meta("content_length", 12)
        segment.put_http_meta("colour", "blue")
    assert sent.documents[0]["http"] == {
        "request": {"method": "GET"},
        "response": {"status": 404, "content_length": 12},
    }
    assert sent.documents[0]["error"] is True
    assert "no field 'colour'" in caplog.text


def test_user_links_precursors_and_service(recorder, sent):
    other = "1-5759e988-bd862e3fe1be46a994272793"
    with recorder.in_segment("a") as segment:
        segment.set_user("ana")
        segment.add_link(other, "53995c3f42cd8ad8", {"direction": "consumer"})
        segment.set_service({"version": "2"})
        with recorder.in_subsegment("first") as first:
            pass
        with recorder.in_subsegment("second") as second:
            second.add_precursor(first.id)
    document = sent.documents[0]
    assert document["user"] == segment.user == "ana"
    assert document["links"][0]["trace_id"] == other
    assert document["service"]["version"] == "2"
    assert document["subsegments"][1]["precursor_ids"] == [first.id]


def test_set_sql_and_set_aws_replace_the_block(recorder, sent):
    with recorder.in_segment("a"), recorder.in_subsegment("b", "remote") as part:
        part.set_sql({"url": "old"})
        part.set_sql({"database_type": "SQLite"})
        part.set_aws([("operation", "GetItem")])
    part = sent.subsegment("b")
    assert part["sql"] == {"database_type": "SQLite"}
    assert part["aws"] == {"operation": "GetItem"}


@pytest.mark.parametrize(
    ("namespace", "written"), [("remote", True), ("aws", True), ("local", False)]
)
def test_only_namespaces_that_the_service_knows_are_written(recorder, sent, namespace, written):
    with recorder.in_segment("a"), recorder.in_subsegment("b", namespace):
        pass
    assert ("namespace" in sent.subsegment("b")) is written


def test_metadata_is_read_when_the_entity_is_sent(recorder, sent):
    rows = [1]
    with recorder.in_segment("a") as segment:
        segment.put_metadata("rows", rows)
        rows.append(2)
    assert sent.documents[0]["metadata"]["default"]["rows"] == [1, 2]


def test_flags_may_be_set_and_cleared(recorder, sent):
    with recorder.in_segment("a") as segment:
        segment.add_fault_flag()
        segment.add_error_flag()
        segment.add_throttle_flag()
        segment.fault = False
    document = sent.documents[0]
    assert (document.get("fault"), document["error"], document["throttle"]) == (None, True, True)


# -- exceptions ----------------------------------------------------------------------------------


def test_an_exception_that_passes_several_entities_is_described_once(recorder, sent):
    with pytest.raises(ValueError, match="boom"), recorder.in_segment("a"):
        with recorder.in_subsegment("outer"), recorder.in_subsegment("inner"):
            raise ValueError("boom")
    segment = sent.documents[0]
    outer = segment["subsegments"][0]
    (exception,) = outer["subsegments"][0]["cause"]["exceptions"]
    assert segment["cause"] == outer["cause"] == exception["id"]
    assert (exception["type"], exception["message"]) == ("ValueError", "boom")
    assert exception["stack"][0]["label"] == (
        "test_an_exception_that_passes_several_entities_is_described_once"
    )
    assert segment["fault"] and outer["fault"]


def test_a_second_exception_joins_the_first(recorder, sent):
    with recorder.in_segment("a") as segment:
        segment.add_exception(ValueError("one"))
        segment.add_exception(KeyError("two"))
    exceptions = sent.documents[0]["cause"]["exceptions"]
    assert [e["type"] for e in exceptions] == ["ValueError", "KeyError"]


def test_an_exception_raised_again_later_in_another_trace_is_described_there(recorder, sent):
    error = ValueError("module level")
    for _ in range(2):
        with pytest.raises(ValueError, match="module"), recorder.in_segment("a"):
            raise error
    assert all("exceptions" in d["cause"] for d in sent.documents)


def test_an_exception_in_a_called_service_is_remote_and_may_leave_the_flags_alone(recorder, sent):
    with recorder.in_segment("a"), recorder.in_subsegment("b") as part:
        part.add_exception(ValueError("not found"), remote=True, fault=False)
    part = sent.subsegment("b")
    assert part["cause"]["exceptions"][0]["remote"] is True
    assert "fault" not in part


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_stops_the_work_from_outside_is_no_fault(recorder, sent, error):
    with pytest.raises(error), recorder.in_segment("a"), recorder.in_subsegment("b"):
        raise error
    for document in (sent.documents[0], sent.subsegment("b")):
        assert "fault" not in document
        assert "cause" not in document
        assert document["annotations"] == {"cancelled": error.__name__}


def test_no_exception_frame_or_local_outlives_the_segment(recorder):
    class Big:
        pass

    def work():
        big = Big()
        found.append(weakref.ref(big))
        raise ValueError("boom")

    found = []
    gc.disable()
    try:
        with pytest.raises(ValueError, match="boom") as caught, recorder.in_segment("a"):
            with recorder.in_subsegment("b"):
                work()
        del caught
        assert sys.exc_info() == (None, None, None)
        assert found[0]() is None
    finally:
        gc.enable()


def test_nothing_that_was_put_in_outlives_the_sending(recorder):
    class Value:
        pass

    value = Value()
    found = weakref.ref(value)
    gc.disable()
    try:
        with recorder.in_segment("a") as segment, recorder.in_subsegment("b") as part:
            part.put_metadata("value", value)
            with recorder.in_subsegment("c"):
                pass
        del value, segment, part
        assert found() is None
    finally:
        gc.enable()


def test_a_failing_message_is_left_out(recorder, sent):
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    with pytest.raises(Odd), recorder.in_segment("a"):
        raise Odd
    assert "message" not in sent.documents[0]["cause"]["exceptions"][0]


# -- threads -------------------------------------------------------------------------------------


def test_an_entity_ended_by_many_threads_at_once_is_sent_once(recorder, sent):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(200):
            segment = recorder.begin_segment("a")
            part = recorder.begin_subsegment("b")
            barrier = threading.Barrier(4)

            def end(entity, barrier=barrier):
                barrier.wait()
                entity.close()

            threads = [
                threading.Thread(target=end, args=(e,)) for e in (part, part, segment, segment)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            recorder.clear_trace_entities()
    finally:
        sys.setswitchinterval(interval)
    ids = [d["id"] for d in sent.documents] + [
        s["id"] for d in sent.documents for s in d.get("subsegments", ())
    ]
    assert len(ids) == len(set(ids)) == 400
    assert recorder.stats().recorded == 400


def test_children_ended_by_threads_while_the_segment_ends_arrive_once(recorder, sent):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    recorder.configure(streaming_threshold=2)
    try:
        for _ in range(100):
            segment = recorder.begin_segment("a")
            parts = [recorder.in_subsegment(f"p{n}") for n in range(8)]
            for part in parts:
                part.begin()
            barrier = threading.Barrier(len(parts) + 1)

            def end(entity, barrier=barrier):
                barrier.wait()
                entity.close()

            threads = [threading.Thread(target=end, args=(e,)) for e in (*parts, segment)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            recorder.clear_trace_entities()
    finally:
        sys.setswitchinterval(interval)
    ids = [s["id"] for s in sent.subsegments] + [s["id"] for s in sent.segments]
    assert len(ids) == len(set(ids)) == 900
    assert recorder.stats().open == 0


def test_times_of_a_trace_never_run_backwards(recorder, sent):
    with fixed_clock(), recorder.in_segment("a"), recorder.in_subsegment("b"):
        pass
    segment = sent.documents[0]
    part = segment["subsegments"][0]
    assert segment["start_time"] <= part["start_time"] <= part["end_time"] <= segment["end_time"]
