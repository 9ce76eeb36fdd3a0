"""What is written for the values of an application, and how much of it."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import pathlib
import sys
import threading
import time
import uuid

import pytest

from xtrace.values import (
    LARGEST_INTEGER,
    MAX_DEPTH,
    MAX_ITEMS,
    SMALLEST_INTEGER,
    cut,
    plain,
    text,
    to_json,
    weight,
)

HERE = __name__


class Colour(enum.Enum):
    RED = "red"
    RGB = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Word(str, enum.Enum):
    YES = "yes"


class Name(str):
    def __str__(self):
        return "another text"


class Count(int):
    def __repr__(self):
        return "another number"

    __str__ = __repr__


class Share(float):
    def __repr__(self):
        return "another number"

    __str__ = __repr__


class Table(dict):
    pass


class Row(list):
    pass


Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Order:
    id: int
    tags: tuple = ("a",)


class Scalar:
    """As a number of NumPy."""

    dtype = "float64"
    ndim = 0

    def item(self):
        return 1.5


class Query:
    """As a query set of Django: iterating it would ask the database."""

    def __iter__(self):
        raise AssertionError("it was iterated")


class Unreadable:
    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


class Odd:
    """Whatever is asked of it fails."""

    def __getattr__(self, name):
        raise RuntimeError(name)

    def __str__(self):
        return "odd"


class Text:
    def __str__(self):
        return Name("a name")


class Proxy:
    @property
    def __class__(self):
        return str

    def __str__(self):
        return "as a proxy of a text"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Colour.RED, "red"),
        (Colour.RGB, [1, 2]),
        (Level.LOW, 1),
        (Word.YES, "yes"),
        (Name("a name"), "a name"),
        (Count(7), 7),
        (Share(1.5), 1.5),
        (Table(a=1), {"a": 1}),
        (collections.defaultdict(list, a=1), {"a": 1}),
        (Row([1, 2]), [1, 2]),
        (Point(1, 2), [1, 2]),
        ((1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset("ab"), ["a", "b"]),
        (b"bytes \xff", "bytes \\xff"),
        (bytearray(b"a"), "a"),
        (memoryview(b"a"), "a"),
        (Order(1), {"id": 1, "tags": ["a"]}),
        (datetime.datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.time(3, 4), "03:04:00"),
        (datetime.timedelta(hours=1), "1:00:00"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.50"), "1.50"),
        (fractions.Fraction(1, 2), "1/2"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (1j, "1j"),
        (Scalar(), 1.5),
        (Order, f"{HERE}.Order"),
        (len, "builtins.len"),
        (lambda: None, f"{HERE}.<lambda>"),
        (ValueError("reason"), "reason"),
        (Text(), "a name"),
        (Query(), f"<{HERE}.Query>"),
        (iter([1]), "<builtins.list_iterator>"),
        (range(3), "<builtins.range>"),
        (Unreadable(), f"<{HERE}.Unreadable>"),
        ({Unreadable()}, "<builtins.set>"),
        (10**5000, "<builtins.int>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_written_as(value, written):
    assert plain(value) == written
    assert type(plain(value)) is type(written)
    assert plain({"k": [value]}) == {"k": [written]}


def test_a_value_that_answers_no_question_is_its_types_name():
    assert plain([Odd()]) == [f"<{HERE}.Odd>"]


def test_a_value_that_claims_to_be_a_text_is_not_trusted():
    assert plain([Proxy()]) == [f"<{HERE}.Proxy>"]
    assert plain({Proxy(): 1}) == {"as a proxy of a text": 1}


def test_a_generator_is_not_consumed():
    generator = (each for each in (1, 2))
    assert to_json(generator) == "<builtins.generator>"
    assert list(generator) == [1, 2]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (False, False),
        (0, 0),
        ("größe", "größe"),
        (float("nan"), None),
        (float("inf"), None),
        (-float("inf"), None),
        (1e300, 1e300),
        (LARGEST_INTEGER, LARGEST_INTEGER),
        (LARGEST_INTEGER + 1, str(LARGEST_INTEGER + 1)),
        (SMALLEST_INTEGER, SMALLEST_INTEGER),
        (SMALLEST_INTEGER - 1, str(SMALLEST_INTEGER - 1)),
        (2**70, str(2**70)),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),
        ({"a\ud800": "\udfff"}, {"a\ufffd": "\ufffd"}),
        ({1: "a", None: "b", 2.5: "c"}, {"1": "a", "null": "b", "2.5": "c"}),
        ({True: "a", False: "b"}, {"true": "a", "false": "b"}),
        ({(1, 2): "a"}, {"(1, 2)": "a"}),
        ({Word.YES: 1, Level.LOW: 2, Name("n"): 3}, {"yes": 1, "1": 2, "n": 3}),
        ({Count(7): 1, Share(1.5): 2}, {"7": 1, "1.5": 2}),
        ({Colour.RED: 1, b"b": 2}, {"Colour.RED": 1, "b'b'": 2}),
        ({10**5000: 1}, {"<builtins.int>": 1}),
        ({Unreadable(): 1}, {f"<{HERE}.Unreadable>": 1}),
        ([], []),
        ({}, {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_or_its_readers_refuse_is_replaced(value, written):
    assert plain(value) == written
    json.dumps(plain(value), allow_nan=False).encode()


def test_the_keys_are_those_of_json_dumps():
    for key in (1, 1.5, 1e300, True, None, Level.LOW, Count(7), Share(0.1), Word.YES, "k"):
        assert list(plain({key: 0})) == list(json.loads(json.dumps({key: 0})))


def test_what_contains_itself_ends_in_a_mark():
    value = {"a": [1]}
    value["a"].append(value)
    assert plain(value) == {"a": [1, "[contains itself]"]}
    order = Order(1)
    order.tags = (order,)
    assert plain(order) == {"id": 1, "tags": ["[contains itself]"]}


def test_what_occurs_twice_does_not_contain_itself():
    shared = [1]
    assert plain([shared, {"again": shared}]) == [[1], {"again": [1]}]


def nested(depth, value="leaf"):
    for _ in range(depth):
        value = [value]
    return value


def test_what_nests_too_deep_ends_in_a_mark():
    assert plain(nested(MAX_DEPTH - 1)) == nested(MAX_DEPTH - 1)
    assert plain(nested(MAX_DEPTH, [])) == nested(MAX_DEPTH, "[nested too deep]")
    assert plain({"a": {"b": {}}}, levels=2) == {"a": {"b": "[nested too deep]"}}
    assert "nested too deep" in json.dumps(plain(nested(sys.getrecursionlimit() * 2)))


def all_in_all(count):
    """Lists that each contain all."""
    lists = [[] for _ in range(count)]
    for each in lists:
        each.extend(lists)
    return lists


def twice_in_each(depth):
    """A dict that occurs twice in each of its levels: two to the power of `depth` places."""
    value = {"leaf": 1}
    for _ in range(depth):
        value = {"a": value, "b": value}
    return value


@pytest.mark.parametrize("value", [all_in_all(2), all_in_all(30), twice_in_each(60)])
def test_what_refers_to_itself_in_many_ways_does_not_take_forever(value):
    before = time.process_time()
    plain(value)
    weight(value)
    assert time.process_time() - before < 5


def test_more_items_than_any_datagram_holds_end_in_a_mark():
    values = plain(list(range(MAX_ITEMS + 5)))
    assert len(values) == MAX_ITEMS + 1
    assert values[-1] == "[too many values]"
    assert plain(dict.fromkeys(range(MAX_ITEMS + 5)))["…"] == "[too many values]"
    assert plain([[1] * MAX_ITEMS, {"a": 1}])[1] == {"…": "[too many values]"}


def test_a_dict_may_change_while_it_is_read():
    value, stop = {}, threading.Event()

    def change():
        number = 0
        while not stop.is_set():
            number += 1
            value[number % 1000] = [number]
            value.pop((number + 500) % 1000, None)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            assert isinstance(plain(value), dict)
            assert weight(value) >= 0
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("value", "bytes"),
    [
        ({}, 0),
        ({"a": 1}, 16),
        ({"a": "x" * 100, "b": b"y" * 50}, 182),
        ({"a": {"b": "x" * 100}}, 132),
        ({"a": [1, 2], "b": (3,)}, 80),
        ([None] * 10, 160),
        ({"a": object()}, 16),
    ],
)
def test_the_weight_is_about_the_size_in_bytes(value, bytes):
    assert weight(value) == bytes


def test_text_is_read_also_where_that_fails():
    assert text(1) == "1"
    assert text(Unreadable()) == f"<{HERE}.Unreadable>"
    assert text(10**5000) == "<builtins.int>"


def test_long_values_are_cut_with_a_mark():
    value = {
        "text": "x" * 100,
        "list": list(range(10)),
        "dict": dict.fromkeys("abcdefghij"),
        "n": 1,
    }
    assert cut(value, 64) == {
        "text": "x" * 64 + "… [100 characters, shortened]",
        "list": [*range(8), "… [2 more items, shortened]"],
        "dict": {**dict.fromkeys("abcdefgh"), "…": "[2 more keys, shortened]"},
        "n": 1,
    }


def test_without_marks_lists_and_dicts_are_cut_all_the_same():
    value = {"k" * 20: ["x" * 20] * 5, "a": 1, "b": 2}
    assert cut(value, 16, marks=False) == {
        "k" * 16: ["x" * 16 + "… [20 characters, shortened]"] * 2,
        "a": 1,
    }


def test_what_is_short_is_not_cut():
    value = {"text": "x" * 64, "list": [1] * 8, "none": None, "number": 1.5}
    assert cut(value, 64) == value
