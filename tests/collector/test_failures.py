"""Failures: what of a trace counts as one, and which are the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.collector.strategies import NOON, TRACE_ID, arrivals, minimal, traces
from xtrace.collector.failures import MAX_FAILURES, failures, is_own, normalised
from xtrace.collector.trace import compile_trace


def seen(*documents):
    return failures(compile_trace(TRACE_ID, documents))


def exception(id, **members):
    return {"id": id, "type": "ValueError", "message": "no", **members}


def failing(*exceptions, **members):
    return minimal(fault=True, cause={"exceptions": list(exceptions)}, **members)


def test_an_exception_counts_once_however_often_it_is_told():
    own = exception("a" * 16)
    inner = {
        "id": "2" * 16,
        "name": "inner",
        "start_time": NOON,
        "end_time": NOON + 1,
        "fault": True,
        "cause": {"exceptions": [own]},
    }
    assert len(seen(failing(own, subsegments=[inner]))) == 1
    (only,) = seen(minimal(fault=True, cause="a" * 16, subsegments=[inner]))
    assert (only.type, only.message, only.entity) == ("ValueError", "no", "2" * 16)


def test_of_a_chain_the_outermost_exception_counts():
    chain = [exception("a", type="Outer", cause="b"), exception("b", type="Inner")]
    assert [each.type for each in seen(failing(*chain))] == ["Outer"]
    circle = [exception("a", cause="b"), exception("b", cause="a")]
    assert len(seen(failing(*circle))) == 1


def test_what_fails_without_an_exception_counts_where_it_began():
    call = {
        "id": "2" * 16,
        "name": "prices",
        "namespace": "remote",
        "start_time": NOON,
        "end_time": NOON + 1,
        "error": True,
        "http": {
            "request": {"method": "GET", "url": "http://prices/items/17?x=1"},
            "response": {"status": 404},
        },
    }
    (only,) = seen(minimal(error=True, subsegments=[call]))
    assert (only.type, only.message) == ("HTTP 404", "GET /items/<n>")
    assert only.node.name == minimal()["name"]
    callee = minimal(id="3" * 16, name="prices", parent_id="2" * 16, error=True)
    (only,) = seen(minimal(error=True, subsegments=[call]), callee)
    assert (only.node.name, only.type, only.message) == ("prices", "error", "prices")


def test_a_frame_of_the_application_is_preferred():
    stack = [
        {"path": "/usr/lib/python3.11/json/decoder.py", "line": 1, "label": "decode"},
        {"path": "shop/cart.py", "line": 12, "label": "find"},
        {"path": "shop/app.py", "line": 1, "label": "main"},
    ]
    (only,) = seen(failing(exception("a", stack=stack)))
    assert only.frame == ("shop/cart.py", 12, "find")
    (only,) = seen(failing(exception("a", stack=stack[:1])))
    assert only.frame.label == "decode"


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("shop/cart.py", True),
        ("/srv/lib/app.py", True),
        ("/home/u/python3/app.py", True),
        ("C:\\code\\shop\\cart.py", True),
        ("", True),
        ("/usr/lib/python3.11/json/decoder.py", False),
        ("C:\\Python311\\Lib\\json\\decoder.py", False),
        ("/x/.venv/lib/python3.12/site-packages/flask/app.py", False),
        ("C:\\x\\site-packages\\flask\\app.py", False),
        ("<frozen importlib._bootstrap>", False),
        ("/app/node_modules/express/index.js", False),
        ("node:internal/timers", False),
    ],
)
def test_code_of_libraries_is_told_from_the_applications(path, own):
    assert is_own(path) is own


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("no cart 17", "no cart <n>"),
        ("'tea' isn't in \"shop\"", "<text> isn't in <text>"),
        ("at 0x7f1d2a34dfd0", "at <id>"),
        ("trace 1-5759e988-bd862e3fe1be46a994272793", "trace <n>-<id>-<id>"),
        ("f47ac10b-58cc-4372-a567-0e02b2c3d479 is gone", "<id> is gone"),
        ("took 1.5 s\n  of 2,000", "took <n> s of <n>"),
        ("utf8 codec", "utf8 codec"),
        ("decade facade", "decade facade"),
        ("", ""),
    ],
)
def test_what_differs_each_time_is_left_out_of_messages(message, expected):
    assert normalised(message) == expected


def test_thousands_of_failures_say_no_more_than_the_first():
    calls = [
        {"id": f"{n:016x}", "name": "x", "start_time": NOON, "end_time": NOON, "fault": True}
        for n in range(1000)
    ]
    assert len(seen(minimal(fault=True, subsegments=calls))) == MAX_FAILURES


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(traces(TRACE_ID).flatmap(lambda sent: arrivals(sent).map(lambda order: (sent, order))))
def test_the_order_of_arrival_doesnt_matter(sent_and_order):
    sent, order = sent_and_order
    found = seen(*sent)
    assert sorted(seen(*order), key=repr) == sorted(found, key=repr)
    flagged = any(each.get("fault") for each in sent)
    assert not flagged or compile_trace(TRACE_ID, sent).failing
