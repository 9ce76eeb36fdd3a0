"""The rows of a trace: their places, labels, flags, gaps, self times, the critical path; two traces paired."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collector.strategies import NOON, TRACE_ID, arrivals, odd_documents, traces
from xtrace.collector import timeline
from xtrace.collector.details import MAX_TOLD, MAX_TOLD_CHARS, told_exceptions
from xtrace.collector.documents import entities_of
from xtrace.collector.ingest import Document, documents
from xtrace.collector.timeline import (
    AWS,
    ERROR,
    EXCEPTIONS,
    FAULT,
    IN_PROGRESS,
    INFERRED,
    IS_INFERRED,
    LOGS,
    ORPHAN,
    REMOTE,
    SEGMENT,
    SKEWED,
    SQL,
    SUBSEGMENT,
    THROTTLE,
    Timeline,
    label,
    pairs,
)
from xtrace.collector.trace import compile_trace

some = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rows_of(*sent):
    return Timeline(compile_trace(TRACE_ID, sent))


def entity(id, start, end, name=None, **members):
    return {
        "id": id * 16,
        "name": name or id,
        "start_time": NOON + start,
        "end_time": None if end is None else NOON + end,
        **members,
    }


def segment(id, start, end, name=None, **members):
    return {"trace_id": TRACE_ID, **entity(id, start, end, name, **members)}


def workshop():
    """The cart page of the workshop: a call of 89 ms, of which the callee takes 0.6."""
    return (
        segment(
            "a",
            0,
            0.103,
            "Frontend",
            http={"request": {"method": "GET", "url": "http://shop/cart?x=1"}},
            subsegments=[
                entity("b", 0.001, 0.090, "cartservice", namespace="remote"),
                entity("c", 0.090, 0.102, "catalogservice", namespace="remote"),
            ],
        ),
        segment("d", 0.045, 0.0456, "cartservice", parent_id="b" * 16),
        segment(
            "e",
            0.092,
            0.100,
            "catalogservice",
            parent_id="c" * 16,
            subsegments=[
                entity(
                    "f",
                    0.092,
                    0.0994,
                    "DynamoDB",
                    namespace="aws",
                    aws={"operation": "GetItem", "table_name": "ProductCatalog"},
                )
            ],
        ),
    )


def test_the_callees_segment_is_inside_the_callers_row():
    told = rows_of(*workshop())
    shape = [(row.name, row.parent, row.depth, row.kind) for row in told.rows]
    assert shape == [
        ("Frontend", -1, 0, SEGMENT),
        ("cartservice", 0, 1, SUBSEGMENT),
        ("cartservice", 1, 2, SEGMENT),
        ("catalogservice", 0, 1, SUBSEGMENT),
        ("catalogservice", 3, 2, SEGMENT),
        ("DynamoDB", 4, 3, SUBSEGMENT),
        ("DynamoDB", 5, 4, INFERRED),
    ]
    assert [told.services[row.service].name for row in told.rows] == [
        *("Frontend", "Frontend", "cartservice", "Frontend", "catalogservice"),
        *("catalogservice", "ProductCatalog"),
    ]
    assert [row.label for row in told.rows[::5]] == ["GET /cart", "GetItem: ProductCatalog"]
    assert told.rows[6].label == "GetItem: ProductCatalog"
    assert [gap[:3] for gap in told.gaps()] == [(1, 2, 0.044), (3, 4, 0.002)]
    assert [gap.after for gap in told.gaps()] == pytest.approx([0.0444, 0.002])
    assert [row.self_seconds for row in told.rows] == pytest.approx(
        [0.002, 0.0884, 0.0006, 0.004, 0.0006, 0.0, 0.0074]
    )
    assert told.root == 0
    assert told.warnings() == []


def test_the_critical_path_is_what_the_response_waited_for():
    told = rows_of(
        segment(
            "a",
            0,
            10,
            subsegments=[
                entity("b", 1, 5),
                entity("c", 1, 4),  # beside b, and done earlier
                entity("d", 6, 9),
                entity("e", 8, 12),  # nobody waited for it
                entity("f", 9.5, None),
            ],
        )
    )
    names = [told.rows[each.row].name for each in told.critical_path()]
    assert names == ["a", "b", "a", "d", "a"]
    assert [(s.start, s.duration) for s in told.critical_path()] == [
        (0.0, 1.0),
        (1.0, 4.0),
        (5.0, 1.0),
        (6.0, 3.0),
        (9.0, 1.0),
    ]


def test_a_callee_that_ends_after_its_caller_counts_up_to_the_callers_end():
    told = rows_of(
        segment("a", 0, 10, subsegments=[entity("b", 1, 5, namespace="remote")]),
        segment("c", 2, 5.5, parent_id="b" * 16),
    )
    path = [(told.rows[s.row].name, s.start, s.duration) for s in told.critical_path()]
    assert path == [("a", 0.0, 1.0), ("b", 1.0, 1.0), ("c", 2.0, 3.0), ("a", 5.0, 5.0)]


def test_what_follows_after_a_queue_isnt_waited_for():
    told = rows_of(
        segment("a", 0, 1, subsegments=[entity("b", 0.2, 0.4, "SQS", namespace="aws")]),
        segment("c", 3, 5, "worker", parent_id="b" * 16),
    )
    assert [told.rows[s.row].name for s in told.critical_path()] == ["a", "SQS", "a"]
    (gap,) = told.gaps()
    assert (gap.before, gap.after) == (2.8, None)
    # The time is the queue's, which stands between the two and sends nothing itself.
    times = [row.self_seconds for row in told.rows if row.name == "SQS"]
    assert sorted(times) == [0.0, 0.2]
    assert told.rows[0].self_seconds == 0.8


def test_flags_and_marks():
    told = rows_of(
        segment("a", 0, None, in_progress=True, fault=True, cause={"exceptions": [{"id": "1"}]}),
        segment("b", 1, 2, parent_id="f" * 16, error=True, throttle=True),
        {**segment("c", 3, 4), "type": "subsegment", "parent_id": "e" * 16},
        segment(
            "d",
            5,
            6,
            metadata={"xtrace": {"logs": [{"message": "hello"}]}},
            subsegments=[
                entity("1", 5, 6, namespace="aws", sql={"sanitized_query": "SELECT ?"}),
                entity("2", 5, 6, namespace="remote", cause="1" * 16),
            ],
        ),
    )
    flags = {row.name: row.flags for row in told.rows if row.kind != INFERRED}
    assert flags == {
        "a": FAULT | IN_PROGRESS | EXCEPTIONS,
        "b": ERROR | THROTTLE | ORPHAN,
        "c": ORPHAN,
        "d": LOGS,
        "1": AWS | SQL,
        "2": REMOTE | EXCEPTIONS,
    }
    assert all(row.flags & IS_INFERRED for row in told.rows if row.kind == INFERRED)
    assert [(each.code, told.rows[each.row].name) for each in told.warnings()] == [
        ("parent_missing", "b"),
        ("parent_missing", "c"),
        ("in_progress", "a"),
    ]


def test_clocks_that_differ_are_said_and_not_corrected():
    told = rows_of(
        segment("a", 0, 10, subsegments=[entity("b", 5, 8, namespace="remote")]),
        segment("c", 4.5, 6, "stock", parent_id="b" * 16),
    )
    row = told.rows[2]
    assert row.flags & SKEWED
    assert row.start == 4.5
    (warning,) = told.warnings()
    assert (warning.code, warning.row, warning.seconds) == ("clock_skew", 2, -0.5)
    assert "500 ms before its caller" in warning.text


def test_many_warnings_of_a_kind_are_counted():
    orphans = [segment(f"{n:x}", n, n + 1, parent_id="f" * 16) for n in range(15)]
    orphans += [{**each, "id": each["id"][1:]} for each in orphans]
    told = rows_of(*orphans).warnings()
    assert len([each for each in told if each.code == "parent_missing"]) == 21
    assert "10 more rows" in [each for each in told if each.code == "parent_missing"][-1].text
    assert [each.code for each in told if each.row is None] == ["parent_missing", "root_missing"]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, None),
        ({"http": {"request": {"method": "GET", "url": "http://x/a/b?c=d"}}}, "GET /a/b"),
        ({"http": {"request": {"url": "http://x"}}}, "/"),
        ({"http": {"request": {"method": "GET"}}}, "GET"),
        ({"http": {"request": {"url": "http://[::1"}}}, "http://[::1"),
        ({"http": {"response": {"status": 200}}}, None),
        ({"sql": {"sanitized_query": "SELECT  *\n FROM t"}}, "SELECT * FROM t"),
        ({"sql": {"url": "x"}}, None),
        ({"aws": {"operation": "PutObject", "bucket_name": "images"}}, "PutObject: images"),
        (
            {"aws": {"operation": "SendMessage", "queue_url": "https://q/1/jobs"}},
            "SendMessage: jobs",
        ),
        ({"aws": {"operation": "Publish", "topic_arn": "arn:aws:sns:x:1:news"}}, "Publish: news"),
        ({"aws": {"operation": "BatchGetItem", "table_names": ["a", "b"]}}, "BatchGetItem: a, b"),
        ({"aws": {"operation": "ListTables"}}, "ListTables"),
        ({"aws": {"region": "x"}}, None),
        ({"sql": 1, "http": [], "aws": "x"}, None),
    ],
)
def test_labels_say_what_was_done(members, expected):
    assert label(members) == expected


def test_labels_are_short():
    assert len(label({"sql": {"sanitized_query": "SELECT " + "x, " * 5000}})) == 120


def test_statistics_add_up_by_service_and_name():
    told = rows_of(*workshop())
    table = {(told.services[row[0]].name, row[1]): row[2:] for row in told.statistics()}
    assert table["Frontend", "cartservice"] == (1, 0.089, 0.0884, 0.089, 0.089, 0, 0)
    assert ("ProductCatalog", "DynamoDB") not in table
    assert [row[4] for row in told.statistics()] == sorted(
        (row[4] for row in told.statistics()), reverse=True
    )


# -- what is always so ---------------------------------------------------------------------------


@some
@given(traces(TRACE_ID).flatmap(lambda sent: arrivals(sent).map(lambda order: (sent, order))))
def test_every_entity_is_a_row_below_its_parent(sent_and_order):
    sent, order = sent_and_order
    compiled = compile_trace(TRACE_ID, sent)
    told = Timeline(compiled)
    assert told.rows == rows_of(*order).rows
    assert len(told.rows) == sum(len(entities_of(part.document)) for part in compiled.parts)
    assert sum(row.kind == INFERRED for row in told.rows) == sum(p.inferred for p in compiled.parts)
    for place, row in enumerate(told.rows):
        assert row.parent < place
        assert row.depth == (told.rows[row.parent].depth + 1 if row.parent >= 0 else 0)
        if place and row.depth > 0:
            assert row.depth <= told.rows[place - 1].depth + 1
        if row.duration is None:
            assert row.self_seconds is None
        else:
            assert 0 <= row.self_seconds <= row.duration
    siblings = {}
    for row in told.rows:
        siblings.setdefault(row.parent, []).append(row.start)
    assert all(starts == sorted(starts) for parent, starts in siblings.items() if parent >= 0)


@some
@given(traces(TRACE_ID))
def test_the_critical_path_is_as_long_as_the_response_took(sent):
    told = rows_of(*sent)
    path = told.critical_path()
    root = told.rows[told.root]
    whole = root.duration
    if whole is not None:
        assert sum(each.duration for each in path) == pytest.approx(whole, abs=1e-4)
    for one, other in pairwise(path):
        assert one.start + one.duration == pytest.approx(other.start, abs=1e-4)


@some
@given(st.lists(odd_documents(), max_size=8))
def test_nothing_in_a_document_breaks_the_rows(contents):
    found = [each.content for data in contents for each in documents_in(data)]
    told = rows_of(*found)
    told.gaps(), told.critical_path(), told.warnings(), told.statistics()
    told_exceptions(told, len(told.rows))
    pairs(told, told)


def documents_in(content):
    return [each for each in documents(json.dumps(content).encode()) if isinstance(each, Document)]


# -- two traces ----------------------------------------------------------------------------------


def named(told, pair):
    return tuple(
        None if place is None else of.rows[place].name
        for of, place in zip(told, (pair.a, pair.b), strict=True)
    )


def test_rows_of_two_traces_are_paired_by_service_name_and_order():
    one = rows_of(
        segment(
            "a",
            0,
            9,
            "shop",
            subsegments=[
                entity("1", 1, 2, "get"),
                entity("2", 2, 3, "get"),
                entity("3", 3, 4, "put", subsegments=[entity("4", 3, 4, "inner")]),
            ],
        )
    )
    other = rows_of(
        segment(
            "b",
            0,
            9,
            "shop",
            subsegments=[
                entity("5", 1, 2, "auth"),
                entity("6", 2, 3, "get"),
                entity("7", 3, 4, "put", subsegments=[entity("8", 3, 4, "other")]),
                entity("9", 5, 6, "log"),
            ],
        )
    )
    found = pairs(one, other)
    assert [(pair.depth, *named((one, other), pair)) for pair in found] == [
        (0, "shop", "shop"),
        (1, None, "auth"),
        (1, "get", "get"),
        (1, "get", None),
        (1, "put", "put"),
        (2, "inner", None),
        (2, None, "other"),
        (1, None, "log"),
    ]


@some
@given(traces(TRACE_ID), traces(TRACE_ID))
def test_every_row_of_two_traces_is_in_one_pair(sent, other_sent):
    a, b = rows_of(*sent), rows_of(*other_sent)
    found = pairs(a, b)
    assert sorted(p.a for p in found if p.a is not None) == list(range(len(a.rows)))
    assert sorted(p.b for p in found if p.b is not None) == list(range(len(b.rows)))
    assert all(p.a == p.b for p in pairs(a, a))
    for pair in found:
        if pair.a is not None and pair.b is not None:
            assert a.rows[pair.a].name == b.rows[pair.b].name


def test_a_trace_of_ten_thousand_rows_and_one_of_a_thousand_levels():
    wide = segment("a", 0, 10, subsegments=[entity("b", 1, 2, f"n{n}") for n in range(10_000)])
    assert len(rows_of(wide).rows) == 10_001
    deep = segment("a", 0, 10)
    at = deep
    for _ in range(1000):
        at["subsegments"] = [entity("c", 1, 2)]
        at = at["subsegments"][0]
    told = rows_of(deep)
    assert told.rows[-1].depth == 1000
    assert len(told.critical_path()) == 3
    assert timeline.by_id(told.rows) == {"a" * 16: 0, "c" * 16: 1}


# -- exceptions ------------------------------------------------------------------------------------


def raised(id, type="Broken", **members):
    return {"id": id, "type": type, "message": "it is", **members}


def test_an_exception_is_told_once_and_where_it_was_raised():
    told = rows_of(
        segment(
            "a", 0, 4, cause={"exceptions": [raised("x", cause="y"), raised("z")]},
            subsegments=[
                entity("b", 1, 2, cause={"exceptions": [raised("x", cause="y"), raised("y")]}),
                entity("c", 2, 3, cause="x"),
            ],
        )
    )  # fmt: skip
    found, more = told_exceptions(told, 3)
    assert ([each[:4] for each in found], more) == (
        [
            [0, "Broken", "it is", False],
            [1, "Broken", "it is", False],
            [1, "Broken", "it is", True],
        ],
        0,
    )
    assert len(told_exceptions(told, 1)[0]) == 2  # the others are cut


def test_what_is_told_of_exceptions_has_an_end_and_a_frame_of_the_application():
    stack = [{"path": f"/v/site-packages/{n}.py", "line": n, "label": "f"} for n in range(9)]
    stack.append({"path": "/srv/shop/app.py", "line": 10, "label": "buy"})
    exceptions = [raised(str(n), stack=stack) for n in range(MAX_TOLD + 7)]
    exceptions[0]["message"] = "long" * 1000
    found, more = told_exceptions(rows_of(segment("a", 0, 4, cause={"exceptions": exceptions})), 9)
    assert (len(found), more) == (MAX_TOLD, 7)
    assert [frame["line"] for frame in found[0][4]] == [0, 1, 10]
    assert len(found[0][2]) == MAX_TOLD_CHARS
