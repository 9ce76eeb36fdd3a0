"""Compiling: versions, places, inferred parts, callers, links; and documents made to break it."""

from __future__ import annotations

import json
import time
from itertools import pairwise, permutations

import pytest

from tests.collector.strategies import NOON, OTHER_TRACE_ID, TRACE_ID, early_version, minimal
from xtrace.collector import graph
from xtrace.collector.documents import encode, entities_of
from xtrace.collector.summaries import summary
from xtrace.collector.trace import NodeKey, compile_trace


def ident(number):
    return f"{number:016x}"


def sub(number, start=0.0, end=1.0, **members):
    """A subsegment; start and end in seconds after noon."""
    return {
        "id": ident(number),
        "name": f"sub {number}",
        "start_time": NOON + start,
        "end_time": NOON + end,
        **members,
    }


def alone(number, parent, **members):
    return sub(number, trace_id=TRACE_ID, type="subsegment", parent_id=ident(parent), **members)


def compiled(*documents, **more):
    return compile_trace(TRACE_ID, documents, **more)


def nodes(trace):
    return [part.node for part in trace.parts]


# -- versions


@pytest.mark.parametrize("turn", [1, -1])
def test_complete_replaces_in_progress_whichever_came_first(turn):
    whole = minimal(subsegments=[sub(2)], user="ann")
    early = early_version(whole)
    trace = compiled(*[early, whole][::turn])
    (part,) = trace.parts
    assert part.document is whole
    assert (part.in_progress, trace.partial, trace.revision) == (False, False, 2)


def test_a_segment_in_progress_is_shown_and_makes_the_trace_partial():
    trace = compiled(early_version(minimal()))
    (part,) = trace.parts
    assert (part.in_progress, part.end, part.response_time, part.duration) == (True,) + (None,) * 3
    assert trace.partial and trace.root is part
    assert (trace.duration, trace.response_time) == (0.0, None)


def test_of_two_complete_versions_the_one_that_ends_last_counts():
    short, long = minimal(), minimal(end_time=NOON + 2)
    for documents in permutations([short, long, dict(short)]):
        trace = compiled(*documents)
        assert trace.duration == 2.0
        assert trace.revision == 2


def test_arrays_of_documents():
    trace = compiled([minimal(), alone(2, 1)], [alone(3, 2), 7, {"id": 3}, {"id": "x"}])
    assert [e["id"] for e in entities_of(trace.parts[0].document)] == [ident(n) for n in (1, 2, 3)]


def test_no_documents():
    trace = compiled()
    assert (trace.root, trace.parts, trace.duration) == (None, [], 0.0)
    assert summary(trace)["EntryPoint"] == {}
    assert graph.services(graph.rollups_of([trace])) == []


# -- places


def test_independent_subsegments_go_under_their_parents_wherever_those_are():
    segment = minimal(subsegments=[sub(2, 0.5, subsegments=[sub(3)])])
    pieces = [
        segment,
        alone(4, 3),  # under a subsegment inside a segment
        alone(5, 1, subsegments=[sub(6)]),
        alone(7, 6),  # under one inside another independent one
        alone(8, 7),
    ]
    for documents in permutations(pieces):
        (part,) = compiled(*documents).parts
        assert outline(part.document) == [1, [5, [6, [7, [8]]]], [2, [3, [4]]]]
    for entity in entities_of(part.document)[1:]:
        assert not {"type", "trace_id", "parent_id"} & entity.keys()
    assert outline(segment) == [1, [2, [3]]]  # what was given is as it was


def outline(document):
    return [int(document["id"], 16), *map(outline, document.get("subsegments", []))]


def test_an_orphan_is_shown_and_makes_the_trace_partial():
    trace = compiled(minimal(), alone(2, 99, annotations={"a": 1}))
    first, orphan = trace.parts
    assert (first.orphan, orphan.orphan) == (False, True)
    assert trace.root is first
    assert trace.partial
    assert trace.annotations["a"][0][0] == 1
    assert [s["Name"] for s in summary(trace)["ServiceIds"]] == ["front"]
    assert {o.subject for o in graph.observations(trace)} == {
        NodeKey("front", None, None),
        graph.Edge(NodeKey("front", "client", None), NodeKey("front", None, None), False),
    }


def test_a_trace_of_orphans_alone_has_an_entry_point():
    trace = compiled(alone(2, 99), alone(3, 2))
    assert trace.root is trace.parts[0]
    assert outline(trace.root.document) == [2, [3]]
    assert summary(trace)["EntryPoint"]["Name"] == "sub 2"


def test_an_independent_version_of_an_embedded_subsegment_replaces_it():
    open = {"id": ident(2), "name": "sub 2", "start_time": NOON, "in_progress": True}
    segment = minimal(subsegments=[{**open, "subsegments": [sub(3)]}])
    done = alone(2, 1, subsegments=[sub(4)])
    for documents in permutations([segment, done, alone(5, 2)]):
        trace = compiled(*documents)
        (part,) = trace.parts
        assert outline(part.document) == [1, [2, [3], [4], [5]]]
        assert not trace.partial
    # The other way round: what is complete stays.
    (part,) = compiled(minimal(subsegments=[sub(2)]), early_version(alone(2, 1))).parts
    assert part.document["subsegments"][0]["end_time"] == NOON + 1


def test_circles_of_parents_are_broken_up():
    for documents in permutations([alone(2, 3), alone(3, 4), alone(4, 2), alone(5, 4)]):
        trace = compiled(*documents)
        (part,) = trace.parts
        assert outline(part.document) == [2, [4, [3], [5]]] or outline(part.document) == [
            2,
            [4, [5], [3]],
        ]
        assert part.orphan and trace.partial
    (part,) = compiled(alone(2, 2)).parts
    assert outline(part.document) == [2]
    (part,) = compiled(alone(2, 3, subsegments=[sub(3)])).parts
    assert outline(part.document) == [2, [3]]


def test_two_that_contain_each_other_are_not_lost():
    trace = compiled(alone(2, 9, subsegments=[sub(3)]), alone(3, 9, subsegments=[sub(2)]))
    shown = [entity["id"] for part in trace.parts for entity in entities_of(part.document)]
    assert {ident(2), ident(3)} <= set(shown)


def test_segments_that_call_each_other_in_a_circle_have_an_entry_point():
    a = minimal(id=ident(1), parent_id=ident(12), subsegments=[sub(11)])
    b = minimal(id=ident(2), parent_id=ident(11), subsegments=[sub(12)], name="back")
    for documents in [(a, b), (b, a)]:
        trace = compiled(*documents)
        assert trace.root.id == ident(1)
        assert trace.partial
        assert [call.source.type for call in trace.calls] == ["client", None]
        summary(trace)
    trace = compiled(minimal(parent_id=ident(2), subsegments=[sub(2)]))
    assert trace.root is not None and trace.partial


def test_depth_is_no_problem():
    document = inner = minimal()
    for number in range(2, 5000):
        inner["subsegments"] = [
            sub(number, fault=True, namespace="remote", annotations={"n": number % 3})
        ]
        inner = inner["subsegments"][0]
    chain = [minimal(), *(alone(n, n - 1) for n in range(2, 3000))]
    for documents in ([document, early_version(document), json_copy(document)], chain[::-1]):
        trace = compiled(*documents)
        assert not trace.partial
        summary(trace)
        graph.observations(trace)
        depth = encode(trace.parts[0].document).count(b'"subsegments"')
        assert depth in (4998, 2998)


def json_copy(document):
    """A copy with other objects and one thing changed, made without recursion."""
    copies = []
    for entity in entities_of(document):
        copies.append({name: value for name, value in entity.items() if name != "subsegments"})
    for outer, inner in pairwise(copies):
        outer["subsegments"] = [inner]
    copies[-1]["metadata"] = {"default": {}}
    return copies[0]


@pytest.mark.parametrize("levels", [10, 200, 2000])
def test_any_value_can_be_written(levels):
    value = [10**30, float("nan"), "\ud800", True, None, {"ü": []}, {}]
    for _ in range(levels):
        value = {"a": [value]}
    written = encode(value)
    if levels < 300:
        read = json.loads(written)
        for _ in range(levels):
            read = read["a"][0]
        assert read == [10**30, None, "\ud800", True, None, {"ü": []}, {}]
    assert written.count(b"{") == levels + 2


# -- inferred parts and callers


def test_calls_of_untraced_services_are_inferred():
    trace = compiled(
        minimal(
            subsegments=[
                sub(
                    2,
                    namespace="remote",
                    name="api.example.com",
                    http={"response": {"status": 500}},
                    fault=True,
                ),
                sub(
                    3,
                    namespace="aws",
                    name="dynamodb",
                    aws={"table_name": "carts", "account_id": "12"},
                ),
                sub(4, namespace="aws", name="SNS", aws={"topic_arn": "arn:aws:sns:x:1:t"}),
                sub(5, namespace="aws", name="sqs", aws={"queue_url": "https://sqs.x/1/jobs"}),
                sub(6, namespace="aws", name="DynamoDB", aws={"resource_names": ["users"]}),
                sub(7, namespace="aws", name="DynamoDB", aws={"table_names": ["a", "b"]}),
                sub(8, name="local work"),
            ]
        )
    )
    assert set(nodes(trace)) == {
        NodeKey("front", None, None),
        NodeKey("api.example.com", "remote", None),
        NodeKey("carts", "AWS::DynamoDB::Table", "12"),
        NodeKey("SNS", "AWS::SNS", None),
        NodeKey("jobs", "AWS::SQS::Queue", None),
        NodeKey("users", "AWS::DynamoDB::Table", None),
        NodeKey("DynamoDB", "AWS::DynamoDB", None),
    }
    (api,) = [part for part in trace.parts if part.name == "api.example.com"]
    assert (api.inferred, api.root, api.fault, api.http_status) == (True, False, True, 500)
    document = api.document
    assert (document["parent_id"], document["trace_id"]) == (ident(2), TRACE_ID)
    assert len(document["id"]) == 16 and document["inferred"] is True
    assert document["http"] == {"response": {"status": 500}}
    (table,) = [part for part in trace.parts if part.node.name == "carts"]
    assert table.document["origin"] == "AWS::DynamoDB::Table"
    again = compiled(trace.parts[0].document)
    assert [part.id for part in again.parts] == [part.id for part in trace.parts]


@pytest.mark.parametrize(
    ("sql", "type"),
    [
        ({"database_type": "PostgreSQL"}, "Database::SQL"),
        ({"database_type": "whatever has SQL"}, "Database::SQL"),
        ({}, "Database::SQL"),
        ({"database_type": 7}, "Database::SQL"),
        ({"database_type": "Redis"}, "Database::Redis"),
        ({"database_type": "mongodb"}, "Database::MongoDB"),
        ("select 1", "remote"),
    ],
)
def test_a_database_is_known_by_what_it_was_asked(sql, type):
    trace = compiled(minimal(subsegments=[sub(2, namespace="remote", name="store", sql=sql)]))
    (part,) = (part for part in trace.parts if part.inferred)
    assert part.node == NodeKey("store", type, None)
    assert part.document.get("origin") == (None if type == "remote" else type)


def test_parts_stand_by_their_start_inferred_ones_too():
    trace = compiled(
        minimal(id=ident(3), name="late", start_time=NOON + 0.75),
        minimal(subsegments=[sub(2, 0.5, namespace="remote", name="between")]),
    )
    assert [part.name for part in trace.parts] == ["front", "between", "late"]


def test_the_callees_own_segment_replaces_what_was_inferred():
    caller = minimal(subsegments=[sub(2, 0.1, 0.9, namespace="remote", error=True)])
    callee = minimal(
        id=ident(3), name="back", parent_id=ident(2), start_time=NOON + 0.3, end_time=NOON + 0.5
    )
    trace = compiled(callee, caller)
    assert [part.name for part in trace.parts] == ["front", "back"]
    client, call = trace.calls
    assert (client.source.type, client.target.name, client.response_time) == (
        "client",
        "front",
        1.0,
    )
    # The edge has the caller's view, the node the callee's.
    assert (call.source.name, call.target.name) == ("front", "back")
    assert (call.response_time, call.error, call.ok) == (0.8, True, False)
    assert (trace.parts[1].response_time, trace.parts[1].ok) == (0.2, True)
    assert not trace.parts[1].root and not trace.partial


def test_a_parent_that_is_a_segment_counts_as_the_caller():
    trace = compiled(minimal(), minimal(id=ident(2), name="back", parent_id=ident(1)))
    assert [(c.source.name, c.target.name) for c in trace.calls if c.source.type is None] == [
        ("front", "back")
    ]


def test_an_unknown_caller_makes_a_root_and_a_partial_trace():
    trace = compiled(
        minimal(parent_id="f" * 16), minimal(id=ident(2), name="late", start_time=NOON + 5)
    )
    assert [part.root for part in trace.parts] == [True, True]
    assert trace.partial
    assert trace.root.name == "late"  # that it was the first is certain
    assert [call.source for call in trace.calls] == [
        NodeKey("front", "client", None),
        NodeKey("late", "client", None),
    ]


def test_times_of_the_whole():
    trace = compiled(
        minimal(subsegments=[sub(2, 0.5, 3.0)]),
        minimal(id=ident(3), parent_id=ident(2), start_time=NOON + 1, end_time=NOON + 2),
    )
    assert (trace.start, trace.end, trace.duration) == (NOON, NOON + 3, 3.0)
    assert trace.response_time == 1.0
    assert trace.root.duration == 3.0  # it went on working after its response
    assert trace.parts[1].duration == 1.0


@pytest.mark.parametrize(
    "strange", [None, "1", True, -1e300, 1e300, 10**400, float("nan"), float("inf"), {}, []]
)
def test_strange_times_count_as_none(strange):
    trace = compiled(minimal(end_time=strange, subsegments=[sub(2, start_time=strange)]))
    assert trace.root.in_progress and trace.partial
    assert 0 <= trace.duration <= 1.0


def test_an_end_before_the_start_takes_no_time():
    assert compiled(minimal(end_time=NOON - 5)).duration == 0.0


def test_year_9999():
    trace = compiled(minimal(end_time=253402300799))
    (client, front) = graph.services(graph.rollups_of([trace]))[::-1]
    assert front["EndTime"] == client["EndTime"] == 253402300799.0


# -- what the documents say


def test_what_a_part_says():
    trace = compiled(
        minimal(
            origin="AWS::ECS::Container",
            user="ann",
            resource_arn="arn:x",
            throttle=True,
            http={
                "request": {
                    "url": "http://x/",
                    "method": "PUT",
                    "user_agent": "curl",
                    "client_ip": "::1",
                },
                "response": {"status": 429},
            },
            aws={
                "account_id": "12",
                "ec2": {"instance_id": "i-1"},
                "ecs": {"availability_zone": "eu-west-1b"},
            },
        )
    )
    part = trace.root
    assert part.node == NodeKey("front", "AWS::ECS::Container", "12")
    assert part.names == ["front"]
    assert (part.ok, part.error, part.fault, part.throttle) == (False, False, False, True)
    assert (part.http_url, part.http_method, part.http_status) == ("http://x/", "PUT", 429)
    assert (part.http_user_agent, part.http_client_ip) == ("curl", "::1")
    assert (part.user, part.resource_arn) == ("ann", "arn:x")
    assert (part.instance_id, part.availability_zone) == ("i-1", "eu-west-1b")


def test_annotations_and_users_of_all_parts():
    back = NodeKey("back", None, None)
    front = NodeKey("front", None, None)
    trace = compiled(
        minimal(
            user="ann",
            annotations={"a": 1, "b": True, "c": None, "d": [], "e": float("nan"), "g": "\ud800"},
            subsegments=[sub(2, annotations={"a": 1, "b": 1, "f": 2**70})],
        ),
        minimal(id=ident(3), name="back", user="ann", parent_id=ident(2), annotations={"a": 1.0}),
    )
    assert trace.annotations == {
        "a": [(1, [front, back])],
        "b": [(True, [front]), (1, [front])],
        "f": [(float(2**70), [front])],
        "g": [("\ufffd", [front])],
    }
    assert [type(value) for value, _ in trace.annotations["b"]] == [bool, int]
    assert trace.users == [("ann", [front, back])]


# -- links


def test_a_link_leads_from_the_queue_that_the_producer_called():
    queue = NodeKey("jobs", "AWS::SQS::Queue", None)
    producer = compiled(
        minimal(
            subsegments=[sub(2, 0, 0.5, namespace="aws", name="SQS", aws={"queue_url": "/jobs"})]
        )
    )
    assert producer.producer(ident(2)) == (queue, NOON + 0.5)
    assert producer.producer(ident(1)) == (NodeKey("front", None, None), NOON + 1)
    assert producer.producer("none") is None
    consumer = minimal(
        trace_id=OTHER_TRACE_ID,
        name="worker",
        start_time=NOON + 3,
        end_time=NOON + 4,
        links=[{"trace_id": TRACE_ID, "id": ident(2)}],
    )
    asked = []

    def linked(trace_id, id):
        asked.append(trace_id)
        return producer.producer(id)

    trace = compile_trace(OTHER_TRACE_ID, [consumer], linked)
    (call,) = trace.calls  # no client called it
    assert (call.source, call.target.name, call.link) == (queue, "worker", True)
    assert (call.age, call.response_time) == (2.5, 1.0)
    assert asked == [TRACE_ID]
    assert trace.links[0][:2] == (TRACE_ID, ident(2))
    # Where the other trace isn't known, the link makes no call.
    (call,) = compile_trace(OTHER_TRACE_ID, [consumer]).calls
    assert call.source.type == "client"


def test_a_link_inside_the_trace():
    trace = compiled(
        minimal(
            subsegments=[sub(2, 0, 0.5, namespace="aws", name="SQS", aws={"queue_url": "/jobs"})]
        ),
        minimal(
            id=ident(3),
            name="worker",
            start_time=NOON + 2,
            end_time=NOON + 3,
            links=[{"trace_id": TRACE_ID, "id": ident(2)}, {"trace_id": TRACE_ID, "id": ident(3)}],
        ),
    )
    links = [(call.source.name, call.target.name, call.age) for call in trace.calls if call.link]
    assert links == [("jobs", "worker", 1.5)]  # and none to itself


def test_a_queue_stands_between_its_producer_and_a_consumer_that_joined_the_trace():
    queue = NodeKey("jobs", "AWS::SQS::Queue", None)
    trace = compiled(
        minimal(
            subsegments=[sub(2, 0, 0.5, namespace="aws", name="SQS", aws={"queue_url": "/jobs"})]
        ),
        minimal(
            id=ident(3), name="worker", parent_id=ident(2), start_time=NOON + 3, end_time=NOON + 4
        ),
    )
    calls = [(call.source, call.target, call.link, call.age) for call in trace.calls]
    front, worker = NodeKey("front", None, None), NodeKey("worker", None, None)
    assert calls[1:] == [(front, queue, False, None), (queue, worker, True, 2.5)]
    assert calls[0][0].type == "client"  # and called nobody else
    assert [part.name for part in trace.parts if part.inferred] == ["SQS"]
    assert not trace.partial


def test_what_a_queue_hands_to_several_has_one_queue():
    trace = compiled(
        minimal(
            subsegments=[sub(2, 0, 0.5, namespace="aws", name="SQS", aws={"queue_url": "/jobs"})]
        ),
        *(
            minimal(id=ident(number), name=f"worker {number}", parent_id=ident(2))
            for number in (3, 4)
        ),
    )
    assert len([part for part in trace.parts if part.inferred]) == 1
    assert [call.target.name for call in trace.calls if call.link] == ["worker 3", "worker 4"]


# -- cost


def test_the_cost_grows_no_faster_than_the_trace():
    """Documents that would take minutes if anything were looked up by going through a list."""
    begun = time.monotonic()
    many = 10_000
    wide = minimal(
        subsegments=[
            sub(n, namespace="remote", fault=True, cause="e" * 16, annotations={"k": n})
            for n in range(2, many)
        ],
        links=[{"trace_id": TRACE_ID, "id": ident(n)} for n in range(2, many)],
    )
    trace = compiled(wide)
    assert len(trace.parts) == many - 1
    assert summary(trace)["Annotations"]["k"]
    services = graph.services(graph.rollups_of([trace]))
    assert len(services) == many  # with the client
    circle = [alone(n, n % many + 1) for n in range(1, many + 1)]
    assert len(compiled(*circle).parts) == 1
    assert time.monotonic() - begun < 20  # a tenth of that, as a rule
