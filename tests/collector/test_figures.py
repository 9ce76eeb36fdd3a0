"""Histograms, series and percentiles of counts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xtrace.collector.figures import (
    BOUNDS,
    MOST_PERIODS,
    STEPS,
    Range,
    figures,
    percentiles,
    range_of,
    step_for,
)
from xtrace.collector.store import Cell, Window

WINDOW = Window(1000.0, 1600.0)

cells = st.lists(
    st.builds(
        lambda period, status, microseconds, traces: Cell(
            period * 60.0,
            4 if microseconds is None else status,
            microseconds,
            traces,
            (microseconds or 0) / 1e6 * traces,
        ),
        st.integers(0, 40),
        st.integers(0, 3),
        st.none() | st.integers(0, 10**11),
        st.integers(1, 50),
    ),
    max_size=30,
)


@example([Cell(0.0, 0, 80_000_000_000, 1, 80_000.0)])  # longer than the last bound
@given(cells)
def test_every_trace_is_counted_where_it_belongs(given_cells):
    told = figures(given_cells, WINDOW, 60.0)
    timed = [cell for cell in given_cells if cell.microseconds is not None]
    assert told["count"] == sum(cell.traces for cell in given_cells)
    assert told["open"] == told["count"] - sum(cell.traces for cell in timed)
    assert sum(map(sum, told["histogram"])) == sum(cell.traces for cell in timed)
    if timed:
        assert len(told["bounds"]) == len(told["histogram"]) + 1
        assert all(low < high for low, high in pairwise(told["bounds"]))
        fastest = min(cell.microseconds for cell in timed) / 1e6
        slowest = max(cell.microseconds for cell in timed) / 1e6
        assert told["bounds"][0] <= fastest
        assert slowest < told["bounds"][-1] or told["bounds"][-1] == BOUNDS[-1] / 1e6
        assert sum(told["histogram"][0]) > 0 < sum(told["histogram"][-1])
    else:
        assert told["bounds"] == told["histogram"] == []
    inside = [cell for cell in timed if cell.start < 1620.0]
    assert sum(map(sum, told["series"])) == sum(cell.traces for cell in inside)
    assert sum(sum(cell[2:]) for cell in told["heatmap"]) == sum(cell.traces for cell in inside)
    assert all(start % 60 == 0 for start in told["starts"])


def test_the_bounds_of_two_sets_are_the_same_when_they_are_asked_to_be():
    fast, slow = [Cell(1000.0, 0, 1000, 1, 0.001)], [Cell(1000.0, 0, 50_000, 1, 0.05)]
    buckets = range_of(fast, slow)
    one, other = (figures(each, WINDOW, 60.0, buckets) for each in (fast, slow))
    assert one["bounds"] == other["bounds"]
    assert (one["histogram"][0], other["histogram"][-1]) == ([1, 0, 0, 0], [1, 0, 0, 0])


def test_a_window_of_ages_doesnt_make_a_list_of_ages():
    told = figures([], Window(0.0, 1e11), 1.0)
    assert len(told["series"]) == len(told["starts"]) == MOST_PERIODS
    assert range_of([]) == Range(0, -1)


@given(st.floats(1.0, 1e10), st.integers(1, 500))
def test_a_step_cuts_a_window_into_no_more_than_was_asked_for(length, steps):
    step = step_for(Window(0.0, length), steps)
    assert length / step <= steps * 1.000001
    assert step in STEPS or step % STEPS[-1] == 0


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([], (None,) * 6),
        ([(0.5, 1)], (0.5,) * 6),
        ([(n / 100, 1) for n in range(1, 101)], (0.505, 0.5, 0.9, 0.95, 0.99, 1.0)),
        ([(1.0, 99), (10.0, 1)], (1.09, 1.0, 1.0, 1.0, 1.0, 10.0)),
    ],
)
def test_percentiles_are_values_that_occur(times, expected):
    assert tuple(percentiles(times).values()) == pytest.approx(expected)
