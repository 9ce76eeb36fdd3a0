"""The service graph: statistics, histograms, clients, links, series, and taking things back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collector.strategies import (
    NOON,
    OTHER_TRACE_ID,
    TRACE_ID,
    early_version,
    minimal,
    traces,
)
from xtrace.collector import graph
from xtrace.collector.trace import NodeKey, compile_trace

FRONT = NodeKey("front", None, None)
CLIENT = NodeKey("front", "client", None)
BACK = NodeKey("back", None, None)


def sub(number, start, end, **members):
    return {
        "id": f"{number:016x}",
        "name": f"sub {number}",
        "start_time": NOON + start,
        "end_time": NOON + end,
        **members,
    }


def two_services(**back):
    """front calls back within 0.5 s; back takes 0.25 s of it."""
    return [
        minimal(subsegments=[sub(2, 0.25, 0.75, namespace="remote", **back.pop("call", {}))]),
        minimal(
            id="b" * 16,
            name="back",
            parent_id=f"{2:016x}",
            start_time=NOON + 0.375,
            end_time=NOON + 0.625,
            **back,
        ),
    ]


def services_of(*documents, linked=None):
    trace = compile_trace(documents[0]["trace_id"], documents, linked)
    return graph.services(graph.rollups_of([trace]))


def named(services, name, type=None):
    (found,) = [s for s in services if (s["Name"], s["Type"]) == (name, type)]
    return found


def counts(ok=0, error=0, throttle=0, fault=0, seconds=0.0):
    return {
        "OkCount": ok,
        "ErrorStatistics": {
            "ThrottleCount": throttle,
            "OtherCount": error,
            "TotalCount": error + throttle,
        },
        "FaultStatistics": {"OtherCount": fault, "TotalCount": fault},
        "TotalCount": ok + error + throttle + fault,
        "TotalResponseTime": seconds,
    }


def test_two_services_and_a_client():
    services = services_of(*two_services(fault=True, call={"error": True}))
    back, front, client = services
    assert [service["ReferenceId"] for service in services] == [0, 1, 2]
    assert client == {
        "ReferenceId": 2,
        "Name": "front",
        "Names": ["front"],
        "AccountId": None,
        "Type": "client",
        "State": "unknown",
        "Root": False,
        "StartTime": NOON,
        "EndTime": NOON + 1,
        "Edges": [
            {
                "ReferenceId": 1,
                "StartTime": NOON,
                "EndTime": NOON + 1,
                "SummaryStatistics": counts(ok=1, seconds=1.0),
                "ResponseTimeHistogram": [{"Value": 1.0, "Count": 1}],
                "Aliases": [],
                "ReceivedEventAgeHistogram": [],
            }
        ],
    }
    assert (front["Root"], front["State"], back["Root"], back["State"]) == (
        True,
        "active",
        False,
        "active",
    )
    # The edge's numbers are the caller's, the node's are the callee's.
    (edge,) = front["Edges"]
    assert edge["ReferenceId"] == 0
    assert edge["SummaryStatistics"] == counts(error=1, seconds=0.5)
    assert back["SummaryStatistics"] == counts(fault=1, seconds=0.25)
    assert back["ResponseTimeHistogram"] == [{"Value": 0.25, "Count": 1}]
    assert back["Edges"] == []


@pytest.mark.parametrize(
    ("flags", "counted"),
    [
        ({}, "ok"),
        ({"error": True}, "error"),
        ({"error": True, "throttle": True}, "throttle"),
        ({"error": True, "throttle": True, "fault": True}, "fault"),
    ],
)
def test_each_segment_counts_once_as_the_gravest(flags, counted):
    (front, _) = services_of(minimal(**flags))
    assert front["SummaryStatistics"] == counts(**{counted: 1}, seconds=1.0)


def test_what_was_inferred_is_unknown():
    services = services_of(minimal(subsegments=[sub(2, 0, 0.5, namespace="remote", fault=True)]))
    inferred = named(services, "sub 2", "remote")
    assert (inferred["State"], inferred["Root"]) == ("unknown", False)
    assert inferred["SummaryStatistics"] == counts(fault=1, seconds=0.5)


def test_what_is_in_progress_is_seen_and_not_counted():
    front, client = services_of(early_version(minimal()))
    assert front["SummaryStatistics"] == counts()
    assert (front["StartTime"], front["EndTime"]) == (NOON, NOON)
    assert client["Edges"][0]["SummaryStatistics"] == counts()


def test_work_after_the_response_shows_in_durations():
    front, _ = services_of(minimal(subsegments=[sub(2, 0.5, 4.0)]))
    assert front["ResponseTimeHistogram"] == [{"Value": 1.0, "Count": 1}]
    assert front["DurationHistogram"] == [{"Value": 4.0, "Count": 1}]
    assert front["SummaryStatistics"]["TotalResponseTime"] == 1.0


def test_a_link_shows_the_age_of_what_was_received():
    queue = NodeKey("jobs", "AWS::SQS::Queue", None)
    worker = minimal(name="worker", links=[{"trace_id": OTHER_TRACE_ID, "id": "2" * 16}])
    jobs, received = services_of(worker, linked=lambda *link: (queue, NOON - 2.5))
    (edge,) = jobs["Edges"]
    assert edge["EdgeType"] == "link"
    assert edge["ReferenceId"] == received["ReferenceId"]
    assert edge["ReceivedEventAgeHistogram"] == [{"Value": 2.5, "Count": 1}]
    assert edge["ResponseTimeHistogram"] == []
    assert edge["SummaryStatistics"] == counts(ok=1)
    # A window may hold the edge alone; what it joins is there all the same.
    assert (jobs["State"], jobs["SummaryStatistics"]) == ("unknown", counts())
    # Of a producer that hasn't ended, the age isn't known.
    jobs, _ = services_of(worker, linked=lambda *link: (queue, None))
    assert jobs["Edges"][0]["ReceivedEventAgeHistogram"] == []


def test_equal_names_of_other_types_are_other_nodes():
    services = services_of(
        minimal(
            subsegments=[
                sub(2, 0, 0.5, namespace="remote", name="front"),
                sub(3, 0, 0.5, namespace="aws", name="dynamodb", aws={"table_name": "front"}),
            ]
        )
    )
    assert [service["Type"] for service in services] == [
        None,
        "AWS::DynamoDB::Table",
        "remote",
        "client",
    ]


@pytest.mark.parametrize(
    ("seconds", "value"),
    [
        (0.0, 0),
        (0.0004, 0),
        (0.0005, 1),
        (0.0994, 99),
        (0.1, 100),
        (0.1049, 100),
        (0.106, 110),
        (0.9949, 990),
        (0.996, 1000),
        (12.3456, 12000),
        (86_400, 86_000_000),
    ],
)
def test_buckets_are_exact_to_the_ms_and_then_to_two_digits(seconds, value):
    assert graph.bucket(round(seconds * 1e6)) == value


@given(st.integers(0, 10**18))
def test_a_bucket_is_near_what_it_holds(microseconds):
    value = graph.bucket(microseconds)
    assert graph.bucket(value * 1000) == value
    assert abs(value * 1000 - microseconds) <= max(500, microseconds * 0.05)


@given(traces())
def test_observations_and_rollups_survive_packing(documents):
    seen = graph.observations(compile_trace(TRACE_ID, documents))
    assert graph.unpack(graph.pack(seen)) == seen
    for rollup in graph.change((), seen).values():
        assert graph.Rollup.unpack(rollup.subject, rollup.pack()) == rollup
        assert graph.subject_from_text(graph.subject_text(rollup.subject)) == rollup.subject
    assert graph.change(seen, seen) == {}


def test_centuries_add_up():
    seen = graph.Observation(FRONT, graph.OK, 0, 1, 3 * 10**17, 3 * 10**17, True, True)
    rollup = graph.Rollup(FRONT)
    rollup.add(seen, 1000)
    assert graph.Rollup.unpack(FRONT, rollup.pack()) == rollup


def test_what_is_taken_back_leaves_the_exact_rest():
    early = compile_trace(TRACE_ID, [minimal(start_time=NOON - 3)])
    other = compile_trace(OTHER_TRACE_ID, [minimal(end_time=NOON + 0.3)])
    key = (NOON // 60 * 60, FRONT)
    both = graph.change((), [*graph.observations(early), *graph.observations(other)])[key]
    assert (min(both.starts), both.microseconds) == (NOON - 3, 4_300_000)
    both.add_all(graph.change(graph.observations(early), ())[key])
    assert both == graph.change((), graph.observations(other))[key]
    assert (min(both.starts), both.microseconds) == (NOON, 300_000)


def periods():
    for number, documents in enumerate([two_services(), two_services(fault=True)]):
        yield NOON + 60 * number, graph.rollups_of([compile_trace(TRACE_ID, documents)])
    yield NOON + 120, []


def test_series_of_nodes():
    series = graph.node_series(periods(), lambda node: node == BACK)
    assert series == [
        {
            "Timestamp": NOON,
            "ServiceSummaryStatistics": counts(ok=1, seconds=0.25),
            "ResponseTimeHistogram": [{"Value": 0.25, "Count": 1}],
        },
        {
            "Timestamp": NOON + 60,
            "ServiceSummaryStatistics": counts(fault=1, seconds=0.25),
            "ResponseTimeHistogram": [{"Value": 0.25, "Count": 1}],
        },
    ]
    whole = graph.node_series(periods())
    assert [each["ServiceSummaryStatistics"]["TotalCount"] for each in whole] == [2, 2]
    assert graph.node_series(periods(), lambda node: node.type == "client") == []


def test_series_of_edges():
    series = graph.edge_series(periods(), lambda edge: edge.target == BACK)
    assert [each["EdgeSummaryStatistics"] for each in series] == [counts(ok=1, seconds=0.5)] * 2
    whole = graph.edge_series(periods())
    assert [each["EdgeSummaryStatistics"]["TotalCount"] for each in whole] == [2, 2]
    assert whole[0]["ResponseTimeHistogram"] == [
        {"Value": 0.5, "Count": 1},
        {"Value": 1.0, "Count": 1},
    ]


def test_ages_of_links_are_no_response_times_of_a_series():
    queue = NodeKey("jobs", "AWS::SQS::Queue", None)
    worker = minimal(links=[{"trace_id": OTHER_TRACE_ID, "id": "2" * 16}])
    trace = compile_trace(TRACE_ID, [worker], lambda *link: (queue, NOON - 9))
    (point,) = graph.edge_series([(NOON, graph.rollups_of([trace]))])
    assert point["EdgeSummaryStatistics"] == counts(ok=1)
    assert point["ResponseTimeHistogram"] == []
