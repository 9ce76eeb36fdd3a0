"""What is taken for a document, and what becomes of each."""

from __future__ import annotations

import base64
import json
import random
from threading import Event

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.collector.strategies import TRACE_ID, json_values, minimal
from xtrace.collector import ingest as module
from xtrace.collector.ingest import Ingest, Problem, documents
from xtrace.collector.store import Document, Window, open_store

GOOD = minimal()


@pytest.fixture
def store():
    store = open_store(":memory:")
    yield store
    store.close()


@pytest.fixture
def ingest(store):
    ingest = Ingest(store)
    yield ingest
    ingest.stop()


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


def body(content):
    return json.dumps(content).encode()


MALFORMED = [
    (b"", "no JSON"),
    (b"nonsense", "no JSON"),
    (b'{"trace_id":"\xff"}', "no JSON"),
    (b"[" * 100_000, "no JSON"),
    (b"5", "no JSON object"),
    (b"null", "no JSON object"),
    (b"[]", "empty array"),
    (b'"text"', "no JSON object"),
    (b"T1Snot base64!", "base64"),
    *[(body(without(name)), f"{name} is missing") for name in ("trace_id", "id", "name")],
    *[(body({**GOOD, name: 5}), f"{name} is no text") for name in ("trace_id", "id", "name")],
    *[(body({**GOOD, name: None}), f"{name} is no text") for name in ("trace_id", "id")],
    (body({**GOOD, "trace_id": ""}), "trace_id is empty"),
    (body({**GOOD, "id": "x" * 1000}), "id has more than"),
    (body({**GOOD, "trace_id": "x" * 1000}), "trace_id has more than"),
    (body(without("start_time")), "start_time is missing"),
    *[
        (body({**GOOD, "start_time": value}), "start_time is no number")
        for value in (True, "soon", None, [1])
    ],
    *[
        (body({**GOOD, "start_time": value}), "start_time is no time")
        for value in (-1, 1e300, 253_402_300_800, 2**64)
    ],
]


@pytest.mark.parametrize(("data", "why"), MALFORMED)
def test_what_is_no_document_is_said_and_why(data, why):
    (problem,) = documents(data)
    assert isinstance(problem, Problem)
    assert why in problem.message
    assert data.startswith(problem.beginning)
    assert len(problem.beginning) <= 1024


def test_a_problem_has_xrays_code_and_the_id_where_there_is_one():
    (problem,) = documents(body({**GOOD, "trace_id": 5}))
    assert (problem.id, problem.code) == (GOOD["id"], "InvalidTraceId")
    (problem,) = documents(body({**GOOD, "id": 5}))
    assert problem.id is None


@pytest.mark.parametrize(
    "more",
    [
        {"start_time": 0},
        {"start_time": 253_402_300_799.5, "end_time": 1e300},  # the year 9999
        {"end_time": "later", "http": 5, "subsegments": {}, "annotations": [1]},
        {"metadata": {"default": {"x": "y" * 5_000_000}}},
        {"name": ""},
        {"trace_id": "t"},
    ],
)
def test_what_can_be_stored_is_even_if_xray_would_reject_it(more):
    data = body({**GOOD, **more})
    (document,) = documents(data)
    assert isinstance(document, Document)
    assert document.data is data


def nested(levels):
    return b'{"x":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize("levels", [200, 1000])
def test_documents_may_nest_deep(ingest, store, levels):
    data = body(GOOD)[:-1] + b', "metadata": {"default":' + nested(levels) + b"}}"
    assert ingest.take_each([data, b"[" + data + b"]"]) == [None, None]
    assert store.flush(30)
    assert store.counts().failed == 0
    assert len(store.traces([TRACE_ID])) == 1


def test_each_document_of_an_array_is_one():
    data = body([GOOD, 5, {**GOOD, "id": "2" * 16}])
    first, bad, second = documents(data)
    assert json.loads(first.data) == GOOD
    assert isinstance(bad, Problem)
    assert second.content["id"] == "2" * 16


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_nothing_is_taken_amiss(data):
    for each in documents(data):
        assert isinstance(each, (Document, Problem))


@given(st.dictionaries(st.sampled_from(list(GOOD)), json_values))
@settings(max_examples=200)
def test_a_document_of_any_members_is_taken_or_its_problem_said(members):
    (each,) = documents(body({**GOOD, **members}))
    if isinstance(each, Document):
        assert isinstance(each.trace_id, str)
        assert each.content == orjson.loads(each.data)


# -- what becomes of them


def test_every_document_is_counted_once(ingest, store):
    ingest.take([body(GOOD), b"nonsense", body([GOOD, {}])])
    ingest.refuse(b"no header")
    assert ingest.take_each([body(GOOD), b"{}"])[0] is None
    assert ingest.flush(10)
    assert store.flush(10)
    assert ingest.counts() == (7, 3, 4, 0, 0)
    assert {problem.beginning for problem in ingest.malformed()} == {
        b"nonsense",
        b"{}",
        b"no header",
    }


def test_the_last_malformed_documents_are_kept_in_part(ingest):
    ingest.take([b"%d" % number + b"x" * 2000 for number in range(50)])
    assert ingest.flush(10)
    kept = ingest.malformed()
    assert [problem.beginning[:2] for problem in kept] == [b"%d" % n for n in range(30, 50)]
    assert {len(problem.beginning) for problem in kept} == {1024}


class Slow:
    """A store that takes its time."""

    def __init__(self, store):
        self.store = store
        self.go_on = Event()

    def write(self, documents, timeout=0.0):
        self.go_on.wait(10)
        return self.store.write(documents, timeout)

    def counts(self):
        return self.store.counts()


def test_what_waits_is_bounded_by_bytes_and_the_rest_is_dropped(store):
    slow = Slow(store)
    data = body(GOOD)
    ingest = Ingest(slow, max_waiting_bytes=len(data) * 10)
    for _ in range(25):
        ingest.take([data])
    counts = ingest.counts()
    assert (counts.received, counts.dropped, counts.waiting) == (25, 15, 10)
    slow.go_on.set()
    ingest.stop()
    store.flush(10)
    assert ingest.counts() == (25, 10, 0, 15, 0)


def test_when_the_store_has_no_room_the_sender_is_told(monkeypatch):
    monkeypatch.setattr(module, "SECONDS_FOR_ROOM", 0.01)
    store = open_store(":memory:", max_waiting_bytes=1)
    ingest = Ingest(store)
    with store._writer._changed:
        store._writer._waiting_bytes += 100  # as if much waited
    told = ingest.take_each([body(GOOD), b"x"])
    assert [problem.code for problem in told] == ["ThrottledException", "MalformedDocument"]
    assert ingest.counts() == (2, 0, 1, 1, 0)
    with store._writer._changed:
        store._writer._waiting_bytes -= 100
    assert ingest.take_each([body(GOOD)]) == [None]  # however large, one is taken
    ingest.stop()
    store.close()


def test_a_closed_store_loses_nothing_in_silence():
    store = open_store(":memory:")
    ingest = Ingest(store)
    store.close()
    ingest.take([body(GOOD)] * 3)
    assert ingest.flush(10)
    assert ingest.counts() == (3, 0, 0, 3, 0)
    ingest.stop()
    ingest.take([body(GOOD)])
    assert ingest.counts() == (4, 0, 0, 4, 0)


def test_counts_add_up_at_any_moment(ingest, store):
    chance = random.Random(3)
    for _ in range(200):
        bodies = [chance.choice((body(GOOD), b"bad", body([GOOD, GOOD]))) for _ in range(20)]
        ingest.take(bodies)
        counts = ingest.counts()
        assert min(counts) >= 0
        assert counts.received == sum(counts[1:])
    assert ingest.flush(10)
    assert store.flush(10)
    assert ingest.counts().waiting == 0


@pytest.mark.parametrize("kind", [b"T1S", b"T1U"])
def test_opentelemetry_over_udp_is_taken_too(ingest, store, kind):
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = bytes(range(16)), b"12345678", "work"
    span.kind = span.SPAN_KIND_SERVER
    span.start_time_unix_nano, span.end_time_unix_nano = 10**18, 10**18 + 10**9
    ingest.take([kind + base64.b64encode(request.SerializeToString())])
    assert ingest.flush(10)
    assert store.flush(10)
    assert ingest.counts()[:3] == (1, 1, 0)
    (found,) = store.find(Window(0, 1e12)).summaries
    assert found["Id"] == "1-00010203-0405060708090a0b0c0d0e0f"
