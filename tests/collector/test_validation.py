"""Each limit of X-Ray has a verdict, and what keeps them all has none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collector.strategies import NOON, TRACE_ID, json_values, minimal, odd_documents
from xtrace.collector.validation import CHANGES, MAX_VERDICTS, REJECTS, verdicts

SUBSEGMENT = {"id": "2" * 16, "name": "call?", "start_time": NOON, "end_time": NOON + 1}

GOOD = [
    minimal(),
    minimal(
        name="Ünïcode svc_1.:/%&#=+-@",
        origin="AWS::EC2::Instance",
        parent_id="a" * 16,
        user="ann",
        service={"version": "1", "runtime": "CPython"},
        aws={"anything": {"goes": 1}},
        http={
            "request": {"method": "GET", "url": "http://x/", "x_forwarded_for": True},
            "response": {"status": 200, "content_length": -1},
        },
        error=True,
        in_progress=False,
        annotations={"a_1": "x", "aws.local": 1, "flag": True},
        metadata={"default": {"a": [None, {"b": 1}]}},
        links=[{"trace_id": TRACE_ID, "id": "b" * 16, "attributes": {"x": 1}}],
        subsegments=[
            {
                **SUBSEGMENT,
                "trace_id": TRACE_ID,
                "type": "subsegment",
                "parent_id": "1" * 16,
                "namespace": "remote",
                "sql": {"url": "postgresql://h/db", "preparation": "call"},
                "traced": True,
                "precursor_ids": ["3" * 16],
                "cause": "e" * 16,
            }
        ],
        cause={"exceptions": [{"id": "e" * 16, "stack": [{"path": "a", "line": 1, "label": "f"}]}]},
    ),
    {**SUBSEGMENT, "type": "subsegment", "trace_id": TRACE_ID, "parent_id": "1" * 16},
]


@pytest.mark.parametrize("document", GOOD)
def test_nothing_is_said_of_what_keeps_the_limits(document):
    assert verdicts(document) == []
    assert verdicts(json.dumps(document).encode()) == []
    assert verdicts(json.dumps([document, document])) == []


def without(name):
    document = minimal()
    del document[name]
    return document


def nested(levels):
    document = inner = minimal()
    for _ in range(levels):
        inner["subsegments"] = [dict(SUBSEGMENT)]
        inner = inner["subsegments"][0]
    return document


def with_subsegment(**members):
    return minimal(subsegments=[{**SUBSEGMENT, **members}])


CASES = [
    (without("name"), "missing", "name", REJECTS),
    (without("id"), "missing", "id", REJECTS),
    (without("trace_id"), "missing", "trace_id", REJECTS),
    (without("start_time"), "missing", "start_time", REJECTS),
    (without("end_time"), "missing", "end_time", REJECTS),
    (minimal(in_progress=True), "ambiguous", "end_time", REJECTS),
    (minimal(end_time=NOON - 1), "out of order", "end_time", REJECTS),
    (minimal(id="xyz"), "malformed", "id", REJECTS),
    (minimal(id=7), "wrong type", "id", REJECTS),
    (minimal(parent_id="1" * 17), "malformed", "parent_id", REJECTS),
    (minimal(trace_id="2-1-1"), "malformed", "trace_id", REJECTS),
    (minimal(name=""), "malformed", "name", REJECTS),
    (minimal(name="a\\b"), "malformed", "name", REJECTS),
    (minimal(name="a\nb"), "malformed", "name", REJECTS),
    (minimal(name="a" * 201), "too long", "name", REJECTS),
    (minimal(name=None), "wrong type", "name", REJECTS),
    (minimal(start_time="now"), "wrong type", "start_time", REJECTS),
    (minimal(start_time=-1.0), "out of range", "start_time", REJECTS),
    (minimal(end_time=253402300799), "out of range", "end_time", REJECTS),
    (minimal(end_time=10**400), "out of range", "end_time", REJECTS),
    (minimal(end_time=NOON * 1000), "out of range", "end_time", REJECTS),
    (minimal(type="segment"), "unknown", "type", CHANGES),
    (minimal(colour="red"), "unknown", "colour", CHANGES),
    (minimal(namespace="remote"), "unknown", "namespace", CHANGES),
    (minimal(inferred=True), "reserved", "inferred", CHANGES),
    (minimal(user="u" * 251), "too long", "user", REJECTS),
    (minimal(fault=1), "wrong type", "fault", REJECTS),
    (minimal(subsegments={}), "wrong type", "subsegments", REJECTS),
    (minimal(subsegments=[1]), "wrong type", "subsegments[0]", REJECTS),
    (minimal(http={"request": {"url": "u" * 251}}), "too long", "http.request.url", REJECTS),
    (minimal(http={"request": {"body": ""}}), "unknown", "http.request.body", CHANGES),
    (minimal(http={"response": {"status": "200"}}), "wrong type", "http.response.status", REJECTS),
    (
        minimal(http={"response": {"content_length": "1"}}),
        "wrong type",
        "http.response.content_length",
        CHANGES,
    ),
    (minimal(aws=[]), "wrong type", "aws", REJECTS),
    (minimal(annotations={"a-b": 1}), "malformed", "annotations.a-b", CHANGES),
    (minimal(annotations={"k" * 501: 1}), "too long", f"annotations.{'k' * 501}", CHANGES),
    (minimal(annotations={"k": "x" * 1001}), "too long", "annotations.k", CHANGES),
    (minimal(annotations={"k": None}), "wrong type", "annotations.k", CHANGES),
    (minimal(annotations={"k": []}), "wrong type", "annotations.k", CHANGES),
    (minimal(annotations={f"k{n}": n for n in range(51)}), "too many", "annotations", CHANGES),
    (minimal(metadata={"AWS.x": {}}), "reserved", "metadata.AWS.x", CHANGES),
    (minimal(metadata={"default": 1}), "wrong type", "metadata.default", REJECTS),
    (minimal(metadata={"default": {"big": "x" * 65_536}}), "too large", "", REJECTS),
    (minimal(cause="short"), "malformed", "cause", REJECTS),
    (minimal(cause={"exceptions": [{}]}), "missing", "cause.exceptions[0].id", REJECTS),
    (minimal(links=[{"trace_id": TRACE_ID}] * 21), "too many", "links", REJECTS),
    (minimal(links=[{"id": "1" * 16}]), "missing", "links[0].trace_id", REJECTS),
    (with_subsegment(namespace="local"), "malformed", "subsegments[0].namespace", CHANGES),
    (with_subsegment(namespace="mine"), "malformed", "subsegments[0].namespace", REJECTS),
    (with_subsegment(user="ann"), "unknown", "subsegments[0].user", CHANGES),
    (with_subsegment(id="1"), "malformed", "subsegments[0].id", REJECTS),
    (with_subsegment(precursor_ids=["1"]), "malformed", "subsegments[0].precursor_ids[0]", REJECTS),
    (
        {**SUBSEGMENT, "type": "subsegment", "trace_id": TRACE_ID},
        "missing",
        "parent_id",
        REJECTS,
    ),
    (nested(51), "too deep", ".".join(["subsegments[0]"] * 50) + ".subsegments", REJECTS),
    (b"{", "not JSON", "", REJECTS),
    (b'{"a":"\xff"}', "not JSON", "", REJECTS),
    (b"[" * 100_000, "not JSON", "", REJECTS),
    (b"7", "wrong type", "", REJECTS),
    ([minimal(), minimal(id="")], "malformed", "[1].id", REJECTS),
]


@pytest.mark.parametrize(("document", "code", "path", "effect"), CASES)
def test_each_breach_has_a_verdict_that_says_where(document, code, path, effect):
    (verdict,) = verdicts(document)
    assert verdict[:3] == (code, path, effect)
    assert verdict.why


def test_50_levels_and_50_annotations_are_no_breach():
    assert verdicts(nested(50)) == []
    assert verdicts(minimal(annotations={f"k{n}": n for n in range(50)})) == []


def test_annotations_are_counted_over_all_subsegments():
    many = {f"k{n}": n for n in range(30)}
    document = minimal(annotations=many, subsegments=[{**SUBSEGMENT, "annotations": many}] * 2)
    assert [v.path for v in verdicts(document)] == ["subsegments[0].annotations"]


def test_there_is_an_end_to_verdicts():
    assert len(verdicts(minimal(subsegments=[{}] * 10_000))) == MAX_VERDICTS


@given(odd_documents() | json_values)
def test_any_document_gets_its_verdicts(document):
    for verdict in verdicts(document if isinstance(document, (dict, list)) else [document]):
        assert verdict.effect in (REJECTS, CHANGES)


@given(st.binary() | st.text(st.characters()))
def test_any_bytes_get_their_verdicts(data):
    assert isinstance(verdicts(data), list)
