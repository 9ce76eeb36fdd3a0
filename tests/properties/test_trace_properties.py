"""Whatever the order and the pieces in which documents arrive, the trace is the same."""

from __future__ import annotations

import copy
import json

from hypothesis import given
from hypothesis import strategies as st

from tests.collector.strategies import (
    OTHER_TRACE_ID,
    TRACE_ID,
    arrivals,
    early_version,
    odd_documents,
    pieces,
    segments,
    traces,
)
from xtrace.collector import graph
from xtrace.collector.documents import encode, entities_of
from xtrace.collector.summaries import summary
from xtrace.collector.trace import NodeKey, compile_trace


def told(trace, *, revision=True):
    """Everything that a trace says."""
    parts = [
        {name: getattr(part, name) for name in part.__slots__ if name != "document"}
        for part in trace.parts
    ]
    calls = [{name: getattr(call, name) for name in call.__slots__} for call in trace.calls]
    about = summary(trace)
    if not revision:
        del about["Revision"]
    documents = [encode(part.document) for part in trace.parts]
    return parts, calls, about, documents, graph.observations(trace), trace.end


def linked(trace_id, id):
    return NodeKey("jobs", "AWS::SQS::Queue", None), 1_700_000_000.0


@given(st.data(), traces())
def test_order_and_repetition_of_documents_do_not_matter(data, documents):
    first = compile_trace(TRACE_ID, documents, linked)
    again = compile_trace(TRACE_ID, data.draw(arrivals(documents)), linked)
    assert told(again) == told(first)


@given(st.data(), segments())
def test_independent_subsegments_end_up_in_their_place(data, whole):
    apart = [piece for segment in whole for piece in data.draw(pieces(segment))]
    trace = compile_trace(TRACE_ID, data.draw(st.permutations(apart)))
    assert not any(part.orphan for part in trace.parts)
    compiled = {p.document["id"]: p.document for p in trace.parts if not p.inferred}
    assert {id: in_order(each) for id, each in compiled.items()} == {
        segment["id"]: in_order(segment) for segment in whole
    }
    # What is compiled is what is compiled of the whole, but for the order of siblings.
    usual = compile_trace(TRACE_ID, whole)
    assert sorted(graph.observations(trace), key=repr) == sorted(
        graph.observations(usual), key=repr
    )
    assert (trace.duration, trace.partial) == (usual.duration, usual.partial)


def in_order(document):
    document = copy.deepcopy(document)
    for entity in entities_of(document):
        entity.get("subsegments", []).sort(key=lambda each: each["id"])
    return document


@given(st.data(), traces(lossy=False))
def test_what_was_in_progress_is_forgotten_once_it_is_complete(data, documents):
    early = [early_version(each) for each in documents if data.draw(st.booleans())]
    usual = told(compile_trace(TRACE_ID, documents), revision=False)
    everything = data.draw(st.permutations(documents + early))
    assert told(compile_trace(TRACE_ID, everything), revision=False) == usual


@given(st.data(), st.lists(odd_documents(), min_size=1, max_size=4))
def test_wrong_types_survive(data, documents):
    before = encode(documents)
    trace = compile_trace(TRACE_ID, documents, linked)
    assert encode(documents) == before
    about = summary(trace)
    assert json.loads(json.dumps(about, allow_nan=False).encode()) == about
    text = json.dumps([about, sorted(trace.annotations)], ensure_ascii=False)
    text.encode()  # there are no lone surrogates left in it
    for part in trace.parts:
        json.loads(encode(part.document))
    seen = graph.observations(trace)
    assert graph.unpack(graph.pack(seen)) == seen
    graph.services(graph.rollups_of([trace]))
    again = compile_trace(TRACE_ID, data.draw(arrivals(documents)), linked)
    assert repr(told(again)) == repr(told(trace))


@given(st.data(), st.lists(st.sampled_from([TRACE_ID, OTHER_TRACE_ID]), min_size=1, max_size=2))
def test_the_graph_kept_up_to_date_is_the_graph_made_from_scratch(data, trace_ids):
    """Documents of several traces arrive one by one; each arrival compiles its trace anew."""
    arriving = data.draw(
        st.permutations(
            [(n, each) for n, id in enumerate(trace_ids) for each in data.draw(traces(id))]
        )
    )
    stored: dict[tuple[int, str], bytes] = {}
    known: dict[int, list] = {}
    packed: dict[int, bytes] = {}
    for number, document in arriving:
        known.setdefault(number, []).append(document)
        seen = graph.observations(compile_trace(trace_ids[number], known[number]))
        old = graph.unpack(packed[number]) if number in packed else []
        packed[number] = graph.pack(seen)
        for (period, subject), difference in graph.change(old, seen).items():
            key = (period, graph.subject_text(subject))
            total = graph.Rollup.unpack(subject, stored[key]) if key in stored else None
            if total is None:
                total = difference
            else:
                total.add_all(difference)
            if total:
                stored[key] = total.pack()
            else:
                del stored[key]
    kept = {
        (period, subject): graph.Rollup.unpack(graph.subject_from_text(subject), data)
        for (period, subject), data in stored.items()
    }
    compiled = [compile_trace(trace_ids[number], known[number]) for number in known]
    scratch = graph.change((), [seen for trace in compiled for seen in graph.observations(trace)])
    assert kept == {
        (period, graph.subject_text(subject)): rollup
        for (period, subject), rollup in scratch.items()
    }
    assert graph.services(kept.values()) == graph.services(graph.rollups_of(compiled))


@given(traces())
def test_the_graph_is_complete_in_itself(documents):
    trace = compile_trace(TRACE_ID, documents, linked)
    services = graph.services(graph.rollups_of([trace]))
    numbers = [service["ReferenceId"] for service in services]
    assert numbers == list(range(len(services)))
    for service in services:
        assert service["StartTime"] <= service["EndTime"]
        assert {edge["ReferenceId"] for edge in service["Edges"]} <= set(numbers)
        if service["Type"] == "client":
            assert "SummaryStatistics" not in service
            assert [services[e["ReferenceId"]]["Name"] for e in service["Edges"]] == [
                service["Name"]
            ] * len(service["Edges"])
        else:
            total = service["SummaryStatistics"]["TotalCount"]
            for histogram in ("ResponseTimeHistogram", "DurationHistogram"):
                assert sum(entry["Count"] for entry in service[histogram]) == total
                assert all(entry["Count"] > 0 for entry in service[histogram])
