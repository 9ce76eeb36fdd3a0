"""Ids have X-Ray's form, never repeat, and come from sources that a test can replace."""

from __future__ import annotations

import os
import random
import re

import pytest

from xtrace import ids
from xtrace.testing import counted_ids, fixed_clock


def test_a_trace_id_is_the_second_and_96_random_bits():
    with fixed_clock(0x5759E988), counted_ids():
        assert ids.trace_id() == "1-5759e988-000000000000000000000001"


@pytest.mark.parametrize(
    ("now", "time_part"),
    [(0.0, "00000000"), (15.9, "0000000f"), (2**32 - 1, "ffffffff"), (2**32 + 1, "00000001")],
)
def test_the_time_part_has_eight_digits_at_any_time(now, time_part):
    assert re.fullmatch(rf"1-{time_part}-[0-9a-f]{{24}}", ids.trace_id(now))


def test_the_time_part_follows_the_clock():
    with fixed_clock(16.0) as clock:
        first = ids.trace_id()
        clock.advance(0.5)
        same_second = ids.trace_id()
        clock.advance(0.5)
        next_second = ids.trace_id()
    assert [each[2:10] for each in (first, same_second, next_second)] == [
        "00000010",
        "00000010",
        "00000011",
    ]


def test_a_segment_id_is_sixteen_hex_digits():
    assert re.fullmatch("[0-9a-f]{16}", ids.segment_id())
    with counted_ids():
        assert ids.segment_id() == "0000000000000001"


def test_ids_do_not_repeat():
    assert len({ids.segment_id() for _ in range(10_000)}) == 10_000
    assert len({ids.trace_id() for _ in range(10_000)}) == 10_000


def test_an_application_that_seeds_random_gets_no_repeated_ids():
    random.seed(1)
    first = ids.segment_id()
    expected = random.random()
    random.seed(1)
    assert ids.segment_id() != first
    assert random.random() == expected


def test_a_random_fraction_is_at_least_zero_and_below_one():
    assert all(0 <= ids.random_fraction() < 1 for _ in range(1000))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_makes_other_ids_than_its_parent():
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, ids.segment_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with open(reader) as answer:
        assert answer.read() != ids.segment_id()
