"""Reservoirs: exactly so many in each second."""

from __future__ import annotations

import json
import os
import sys
import threading

import pytest

from xtrace import ids
from xtrace.sampling import reservoir as module
from xtrace.sampling.reservoir import BORROWED, TAKEN, Reservoir, SharedReservoir


@pytest.fixture
def clock(monkeypatch):
    """The wall clock, which stands still: a list with one time in it."""
    now = [1000.25]
    monkeypatch.setattr(ids, "wall_clock", lambda: now[0])
    return now


def taken(reservoir, asked=20):
    return sum(reservoir.take() for _ in range(asked))


@pytest.mark.parametrize(
    ("per_second", "fit"), [(0, 0), (1, 1), (3, 3), (0.5, 1), (2.5, 3), (float("inf"), 20)]
)
def test_so_many_fit_into_each_second(clock, per_second, fit):
    reservoir = Reservoir(per_second)
    for second in range(3):
        clock[0] = 1000 + second
        assert taken(reservoir, 15) + taken(reservoir, 5) == fit
        clock[0] += 0.999
        assert taken(reservoir) == (fit if per_second == float("inf") else 0)


def test_a_spent_second_is_marked_and_only_that(clock):
    reservoir = Reservoir(2)
    assert reservoir.spent_in == module.NEVER
    reservoir.take()
    assert reservoir.spent_in == module.NEVER
    reservoir.take()
    assert reservoir.spent_in == 1000.0
    clock[0] = 1001.0
    reservoir.take()
    assert reservoir.spent_in == module.NEVER


@pytest.mark.parametrize("step", [-1, -3600, 3600])
def test_a_clock_that_steps_starts_a_second(clock, step):
    reservoir = Reservoir(3)
    assert taken(reservoir) == 3
    clock[0] += step
    assert taken(reservoir, 2) == 2
    clock[0] -= step
    assert taken(reservoir, 2) == 2, "a second that was left half full isn't marked as spent"


def test_threads_get_exactly_so_many(clock):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        reservoir = Reservoir(50)
        for _ in range(20):
            clock[0] += 1
            found = []
            together = threading.Barrier(8)

            def work(found=found, together=together):
                together.wait()
                found.append(taken(reservoir, 20))

            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sum(found) == 50
    finally:
        sys.setswitchinterval(interval)


def test_a_thread_that_waited_brings_no_old_second_back(clock):
    """The clock is read with the lock held, so what waited for it has the time of its turn."""
    reservoir = Reservoir(1)
    assert reservoir.take()
    reservoir._lock.acquire()
    found = []
    thread = threading.Thread(target=lambda: found.append(reservoir.take()))
    thread.start()
    clock[0] += 1  # while it waits
    reservoir._lock.release()
    thread.join()
    assert found == [True]
    assert not reservoir.take()


def in_child(work):
    """What a function gives in a forked child; it must be JSON."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, json.dumps(work()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        result = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0
    return json.loads(result)


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@forks
def test_a_forked_child_does_not_wait_for_a_thread_that_is_gone(clock):
    reservoir = Reservoir(1)
    with reservoir._lock:
        assert in_child(reservoir.take) is True


# -- shared ones -----------------------------------------------------------------------------------


def test_one_a_second_is_borrowed_where_there_is_a_reservoir(clock):
    reservoir = SharedReservoir(borrows=True)
    assert [reservoir.draw() for _ in range(3)] == [BORROWED, None, None]
    assert SharedReservoir(borrows=False).draw() is None


def test_what_was_borrowed_counts_when_a_share_comes_in_the_same_second(clock):
    reservoir = SharedReservoir(borrows=True)
    assert [reservoir.draw() for _ in range(2)] == [BORROWED, None]
    reservoir.grant(3, 1000.25)
    assert reservoir.spent_in == module.NEVER
    assert [reservoir.draw() for _ in range(4)] == [TAKEN, TAKEN, None, None]
    clock[0] = 1000.26  # past its end
    assert reservoir.draw() is None
    clock[0] = 1001.0
    assert [reservoir.draw() for _ in range(2)] == [BORROWED, None]
    reservoir.grant(None, 2000.0)
    assert [reservoir.draw() for _ in range(3)] == [TAKEN, TAKEN, None]


@forks
def test_a_share_is_not_inherited(clock):
    reservoir = SharedReservoir(borrows=True)
    reservoir.grant(3, 2000.0)
    assert [reservoir.draw() for _ in range(4)] == [TAKEN] * 3 + [None]
    clock[0] += 1
    assert in_child(lambda: [reservoir.draw() for _ in range(2)]) == [BORROWED, None]
    assert [reservoir.draw() for _ in range(4)] == [TAKEN] * 3 + [None]
