"""A trace as text: every document is drawn, whatever it holds, and none does anything to a terminal."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtrace.waterfall import BAR_CHARS, MAX_DETAIL_CHARS, MAX_LABEL_CHARS, draw, rows

TRACE = "1-5759e988-bd862e3fe1be46a994272793"


def doc(name, id, start=0.0, end=1.0, **fields):
    times = {"start_time": start} if end is None else {"start_time": start, "end_time": end}
    return {"name": name, "id": id, "trace_id": TRACE, **times, **fields}


def part(name, id, start=0.0, end=1.0, **fields):
    made = doc(name, id, start, end, **fields)
    return {key: value for key, value in made.items() if key != "trace_id"}


def outline(documents):
    """The names as they are indented."""
    return ["  " * row.level + row.label for row in rows(documents)]


# -- what is drawn -----------------------------------------------------------------------------


def test_a_call_of_aws_says_what_was_done_to_what():
    aws = {"operation": "GetItem", "region": "us-east-1", "table_name": "prices"}
    call = doc("dynamodb", "a", namespace="aws", aws=aws, http={"response": {"status": 200}})
    assert draw([call]).endswith("  GetItem prices 200")


def test_a_trace_as_a_person_sees_it():
    documents = [
        doc(
            "shop",
            "a",
            0,
            2,
            http={"request": {"method": "GET", "url": "/pay"}, "response": {"status": 500}},
            fault=True,
            subsegments=[
                part(
                    "db",
                    "b",
                    0.5,
                    1,
                    namespace="remote",
                    sql={"sanitized_query": "select\n  1"},
                )
            ],
        ),
        doc("stock", "c", 1, None, parent_id="b", type="subsegment"),
    ]
    assert draw(documents).splitlines() == [
        f"{TRACE}  2.00 s  1 segment",
        f"  shop       {'█' * 30}    2.00 s  fault  GET /pay 500",
        f"    → db     {' ' * 7}{'█' * 8}{' ' * 15}  500.0 ms  select 1",
        f"      stock  {' ' * 15}{'▒' * 15}      open",
    ]


def test_documents_may_come_in_any_order():
    documents = [
        doc("a", "a", 0, 9, subsegments=[part("b", "b", 1), part("c", "c", 2)]),
        doc("d", "d", 3, 4, parent_id="c"),
        doc("e", "e", 0.5, 4, parent_id="a", type="subsegment"),
        doc("f", "f", 5, 6, parent_id="d"),
    ]
    expected = ["a", "  e", "  b", "  c", "    d", "      f"]
    assert outline(documents) == outline(documents[::-1]) == expected


def test_what_has_no_parent_among_them_stands_at_the_left():
    documents = [doc("a", "a", 0, parent_id="gone"), doc("b", "b", 1, parent_id="gone too")]
    assert outline(documents) == ["a", "b"]


@pytest.mark.parametrize("order", [1, -1])
def test_the_whole_document_replaces_the_one_in_progress(order):
    documents = [doc("a", "a", 0, None), doc("a", "a", 0, 1)]
    (row,) = rows(documents[::order])
    assert (row.in_progress, row.end) == (False, 1)


@pytest.mark.parametrize(
    ("flags", "state", "colour"),
    [
        ({}, "", "32"),
        ({"error": True}, "error", "33"),
        ({"error": True, "throttle": True}, "throttle", "35"),
        ({"error": True, "throttle": True, "fault": True}, "fault", "31"),
        ({"fault": False}, "", "32"),
    ],
)
def test_the_worst_flag_names_the_state_and_the_colour(flags, state, colour):
    text = draw([doc("a", "a", **flags)], colour=True)
    assert rows([doc("a", "a", **flags)])[0].state == state
    assert re.findall(r"\x1b\[(\d+)m", text) == [colour, "0"]


def test_an_exception_is_shown():
    cause = {"exceptions": [{"type": "ValueError", "message": "no\nstock"}, {"type": "KeyError"}]}
    assert rows([doc("a", "a", cause=cause)])[0].detail == "ValueError: no stock"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 µs"), (0.00025, "250 µs"), (0.0125, "12.5 ms"), (1, "1.00 s"), (100, "100.00 s")],
)
def test_durations_have_a_unit_that_fits(seconds, text):
    assert draw([doc("a", "a", 0, seconds)]).splitlines()[1].endswith(f"  {text}")


@pytest.mark.parametrize("start", [0, 0.5, 0.999, 1])
def test_every_bar_has_at_least_one_block_and_its_place(start):
    _, _, line = draw([doc("a", "a", 0, 1), doc("b", "b", start, start)]).splitlines()
    before, _ = re.fullmatch(r"  b  ( *)█( *)  +0 µs", line).groups()
    assert len(before) == min(BAR_CHARS - 1, int(start * BAR_CHARS))
    assert line.endswith(" " * 3 + "0 µs")


def test_no_documents_are_an_empty_trace():
    assert draw([]) == "(an empty trace)"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_lines_end_at_the_edge_of_the_terminal(columns):
    asked = {"request": {"method": "GET", "url": f"http://127.0.0.1:8080/{'x' * 200}"}}
    drawn = draw([doc("shop", "a", http=asked, fault=True)], columns=columns)
    _, line = drawn.split("\n")
    assert len(line) == columns
    assert line.endswith("…")
    assert draw([doc("shop", "a", http=asked)], columns=20).splitlines()[1].endswith("1.00 s")


def test_long_names_and_statements_are_cut():
    long = doc("n" * 500, "a", sql={"sanitized_query": "q" * 500})
    (row,) = rows([long])
    assert row.detail == "q" * MAX_DETAIL_CHARS
    assert ("n" * (MAX_LABEL_CHARS - 1) + "…") in draw([long])
    assert "n" * MAX_LABEL_CHARS not in draw([long])


# -- many --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["star", "chain", "embedded chain", "documents"])
def test_a_thousand_rows(shape):
    if shape == "star":
        documents = [doc("a", "0", subsegments=[part("b", f"{n}") for n in range(1, 1000)])]
    elif shape == "embedded chain":
        inner = part("b", "1")
        for number in range(2, 1000):
            inner = part("b", f"{number}", subsegments=[inner])
        documents = [doc("a", "0", subsegments=[inner])]
    else:
        under = (lambda n: f"{n - 1}") if shape == "chain" else (lambda n: "0")
        documents = [doc("a", f"{n}", parent_id=under(n)) for n in range(1000)]
    lines = draw(documents).splitlines()
    assert len(lines) == 1001
    assert max(map(len, lines)) < MAX_LABEL_CHARS + BAR_CHARS + 30


# -- hostile -----------------------------------------------------------------------------------


def test_a_loop_of_parents_is_drawn_once():
    documents = [doc("a", "a", parent_id="b"), doc("b", "b", parent_id="c")]
    documents.append(doc("c", "c", parent_id="a"))
    assert sorted(name.strip() for name in outline(documents)) == ["a", "b", "c"]


def test_a_document_that_is_its_own_parent_is_drawn_once():
    assert outline([doc("a", "a", parent_id="a")]) == ["a"]


def test_a_subsegment_with_the_id_of_its_segment_hides_neither():
    assert outline([doc("a", "a", subsegments=[part("b", "a")])]) == ["a", "  b"]


def test_documents_that_hold_each_other_are_drawn():
    documents = [
        doc("a", "a", subsegments=[part("b inside", "b")]),
        doc("b", "b", subsegments=[part("a inside", "a")]),
    ]
    assert outline(documents) == ["a", "  b inside"]


def test_a_subsegment_that_is_also_a_document_is_drawn_once():
    documents = [doc("a", "a", subsegments=[part("b", "b")]), doc("b", "b", parent_id="a")]
    assert outline(documents) == ["a", "  b"]


CONTROL = "\x1b[2J\x1b]0;title\x07\r\b\n\x9b1m\u202e\u2028\x00"


def test_nothing_reaches_a_terminal_that_does_something_there():
    hostile = doc(
        CONTROL + "name",
        "a",
        trace_id=CONTROL + TRACE,
        namespace="remote",
        http={"request": {"method": CONTROL, "url": CONTROL}, "response": {"status": CONTROL}},
        sql={"sanitized_query": CONTROL},
        cause={"exceptions": [{"type": CONTROL, "message": CONTROL}]},
        subsegments=[part(CONTROL, CONTROL)],
    )
    lines = draw([hostile]).split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


class NoText:
    def __str__(self):
        raise ValueError

    __repr__ = __str__


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


WRONG = [
    *(None, True, -1, 1.5, float("nan"), float("inf"), -1e300, 10**5000, "", "text", b"bytes"),
    *([], {}, [1], {"a": 1}, [{}], [None], {"exceptions": [7]}, {"exceptions": 7}, NoText()),
    {"exceptions": [{"type": NoText(), "message": NoText()}]},
    *({"request": 7, "response": [1]}, {"sanitized_query": {"a": 1}}, [["name"]], nested(5000)),
]
FIELDS = [
    *("name", "id", "trace_id", "parent_id", "start_time", "end_time", "http", "sql", "cause"),
    *("subsegments", "namespace", "type", "fault", "in_progress", "annotations", "metadata"),
]


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_of_a_wrong_type_raises_or_hides_the_document(field):
    for wrong in WRONG:
        other = doc("other", "other", parent_id="a")
        documents = [{**doc("a", "a"), field: wrong}, other]
        assert len(draw(documents).splitlines()) >= 3
        assert "other" in draw(documents, colour=True)
        inside = doc("top", "top", subsegments=[{**part("a", "a"), field: wrong}, wrong])
        assert len(draw([inside]).splitlines()) >= 3


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: type(wrong).__name__)
def test_what_is_no_document_is_left_out(wrong):
    if not isinstance(wrong, dict):
        assert outline([wrong, doc("a", "a"), wrong]) == ["a"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=12,
)
ids = st.sampled_from(["a", "b", "c", "d"])
parts = st.deferred(
    lambda: st.fixed_dictionaries(
        {"id": ids | json_values},
        optional={
            "name": json_values,
            "parent_id": ids | json_values,
            "start_time": st.floats() | json_values,
            "end_time": st.floats() | json_values,
            "subsegments": st.lists(parts, max_size=2) | json_values,
            "http": json_values,
            "cause": json_values,
            "trace_id": json_values,
        },
    )
)


@given(st.lists(parts | json_values, max_size=6), st.booleans())
def test_any_documents_can_be_drawn(documents, colour):
    text = draw(documents, colour)
    assert re.sub(r"\x1b\[\d+m", "", text).replace("\n", "").isprintable()
    known = {d["id"] for d in documents if isinstance(d, dict) and isinstance(d.get("id"), str)}
    assert len(text.splitlines()) > len(known)
    json.dumps(text).encode()
