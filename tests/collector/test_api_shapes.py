"""What requests may hold: types, lengths, ranges, times, and what an error says."""

from __future__ import annotations

import math
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtrace.collector.api.errors import ApiError
from xtrace.collector.api.operations import OPERATIONS
from xtrace.collector.api.shapes import (
    MAX_TIME,
    Boolean,
    Integer,
    Many,
    Members,
    Number,
    Pairs,
    Text,
    Time,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def refused(shape, value, name="Member"):
    """What is said of a value that a shape refuses."""
    with pytest.raises(ApiError) as caught:
        shape.read(value, name)
    assert (caught.value.type, caught.value.status) == ("InvalidRequestException", 400)
    return caught.value.message


def test_lengths_of_text():
    shape = Text(2, 3)
    assert [shape.read(text, "x") for text in ("ab", "äöü")] == ["ab", "äöü"]
    assert refused(shape, "a") == "Member has 1 characters; it must have at least 2."
    assert refused(shape, "abcd") == "Member has 4 characters; it may have at most 3."
    assert refused(shape, 12) == "Member is 12; it must be text."


def test_choices_and_patterns_of_text():
    assert Text(choices=("A", "B")).read("B", "x") == "B"
    assert refused(Text(choices=("A", "B")), "b") == "Member is 'b'; it must be A or B."
    assert Text(pattern="[a-f]+").read("cafe", "x") == "cafe"
    assert "must be like [a-f]+" in refused(Text(pattern="[a-f]+"), "cafe\n")


def test_ranges_of_numbers():
    assert Integer(1, 9).read(9, "x") == 9
    assert type(Integer().read(4.0, "x")) is int
    assert Number(0, 1).read(1, "x") == 1.0
    assert refused(Integer(1, 9), 10) == "Member is 10; it may be at most 9."
    assert refused(Integer(1, 9), 0) == "Member is 0; it must be at least 1."
    assert "whole number" in refused(Integer(), 1.5)
    assert "at most 2147483647" in refused(Integer(), 10**400)
    assert "at least -2147483648" in refused(Integer(), -(2**31) - 1)
    assert "number" in refused(Number(), "1")
    for value in (math.nan, math.inf, 10**400):
        assert "finite" in refused(Number(), value)
        refused(Integer(), value)


@pytest.mark.parametrize("shape", [Integer(), Number(), Time(), Text()])
def test_truth_values_are_no_numbers(shape):
    refused(shape, True)


def test_truth_values():
    assert Boolean().read(False, "x") is False
    assert refused(Boolean(), 0) == "Member is 0; it must be true or false."


def test_items_are_named_by_place():
    assert refused(Many(Text(1)), ["a", ""]).startswith("Member[1] has 0 characters")
    assert refused(Many(Text(), 1, 2), []) == "Member has 0 items; it must have at least 1."
    assert refused(Many(Text(), 1, 2), ["a"] * 3) == "Member has 3 items; it may have at most 2."
    assert "must be a list" in refused(Many(Text()), {"a": 1})


def test_keys_and_values_of_pairs():
    shape = Pairs(Text(1, 3), Text(1, 3), most=1)
    assert shape.read({"a": "b"}, "x") == {"a": "b"}
    assert refused(shape, {"abcd": "b"}).startswith("a key of Member has 4 characters")
    assert refused(shape, {"a": ""}).startswith("Member.'a' has 0 characters")
    assert "2 keys" in refused(shape, {"a": "b", "c": "d"})


def test_members():
    shape = Members({"A": Text(), "B": Members({"C": Integer()}, frozenset({"C"}))}, frozenset("A"))
    assert shape.read({"A": "a", "B": {"C": 1, "D": 2}, "E": 3}) == {"A": "a", "B": {"C": 1}}
    assert shape.read({"A": "a", "B": None}) == {"A": "a"}
    assert refused(shape, {}, "") == "A is missing."
    assert refused(shape, {"A": None}, "") == "A is missing."
    assert refused(shape, {"A": "", "B": {}}, "") == "B.C is missing."
    assert refused(shape, [], "").startswith("The request is a list")


def test_another_name_of_a_member():
    shape = OPERATIONS["GetSamplingTargets"].input.members["SamplingStatisticsDocuments"].item
    document = {"RuleName": "r", "ClientID": "0" * 24, "Timestamp": 1, "RequestCount": 3}
    assert shape.read({**document, "SampleCount": 2}, "x")["SampledCount"] == 2
    assert shape.read({**document, "SampleCount": 2, "SampledCount": 1}, "x")["SampledCount"] == 1
    assert refused(shape, document) == "Member.SampledCount is missing."


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.000000000Z",
        "2026-01-02T04:04:05+01:00",
        "2026-01-02 03:04:05",
        "1767323045",
        "1767323045.0",
    ],
)
def test_times_as_text(text):
    assert Time().read(text, "x") == 1767323045.0


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(timezone.utc)))
def test_every_time_reads_the_same_as_number_and_text(time):
    seconds = time.timestamp()
    assert Time().read(seconds, "x") == pytest.approx(seconds, abs=1e-6)
    assert Time().read(time.isoformat(), "x") == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "value",
    [-1, MAX_TIME + 1, 1767323045000, "soon", "", "nan", math.inf, [], "9999-99-99", 10**400],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_time(value):
    assert refused(Time(), value).startswith("Member is ")


def test_long_values_are_shortened_in_errors():
    assert len(refused(Integer(), "x" * 100_000)) < 150


@given(st.sampled_from(sorted(OPERATIONS)), JSON, st.data())
def test_whatever_a_request_holds_is_read_or_refused(name, value, data):
    shape = OPERATIONS[name].input
    members = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(shape.members, JSON)))
    for content in (value, members):
        found, error = outcome(shape, content)
        if error is None:
            assert shape.required <= found.keys() <= shape.members.keys()
        else:
            assert (error.type, error.status) == ("InvalidRequestException", 400)
            assert 0 < len(error.message) < 400


def outcome(shape, content):
    try:
        return shape.read(content), None
    except ApiError as error:
        return None, error
