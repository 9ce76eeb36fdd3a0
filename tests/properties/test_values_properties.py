"""Whatever an application puts in, strict JSON comes out, and the same from both encoders."""

from __future__ import annotations

import datetime
import enum
import json

import orjson
from hypothesis import given
from hypothesis import strategies as st

from xtrace.values import cut, plain, to_json, weight


class Colour(enum.Enum):
    RED = 1


class Name(str):
    pass


class Unreadable:
    def __str__(self):
        raise RuntimeError


odd = st.one_of(
    st.sampled_from([Colour.RED, Colour, object(), len, ValueError("x"), range(3)]),
    st.sampled_from([float("nan"), float("inf"), 2**63, 2**64, -(2**63) - 1, 2**70]),
    st.builds(pow, st.just(10), st.just(5000)),
    st.text(st.characters(), max_size=5),  # with lone surrogates
    st.builds(Name, st.text(max_size=3)),
    st.builds(Unreadable),
    st.binary(max_size=5),
    st.datetimes(),
    st.builds(datetime.timedelta, st.integers(0, 9)),
    st.decimals(allow_nan=False),
    st.complex_numbers(),
    st.frozensets(st.integers(), max_size=3),
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | odd
keys = st.text(st.characters(), max_size=3) | st.integers() | st.none() | st.booleans() | odd
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_any_value_becomes_strict_json(value):
    made = plain(value)
    written = json.dumps(made, allow_nan=False, ensure_ascii=False).encode()
    assert json.loads(written) == made
    assert orjson.loads(orjson.dumps(made)) == made
    assert plain(made) == made


@given(st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner)))
def test_a_value_that_refers_to_itself_becomes_strict_json(value):
    if isinstance(value, list):
        value.extend([value, {"a": value}])
    elif isinstance(value, dict):
        value.update(a=value, b=[value])
    json.dumps(plain(value), allow_nan=False).encode()


@given(st.lists(values) | st.dictionaries(keys, values))
def test_any_container_has_a_weight(value):
    assert weight(value) >= 16 * len(value)


@given(values)
def test_no_value_raises(value):
    to_json(value)


@given(values, st.integers(1, 100), st.booleans())
def test_what_is_cut_is_strict_json_with_short_texts(value, most, marks):
    short = cut(plain(value), most, marks)
    json.dumps(short, allow_nan=False)
    waiting = [short]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            assert len(each) <= most // 8 + 2
            waiting.extend([*each, *each.values()])
        elif isinstance(each, list):
            assert len(each) <= most // 8 + 2
            waiting.extend(each)
        elif isinstance(each, str):
            assert len(each) <= most or "shortened]" in each
