"""What fails inside xtrace: counted, logged once a minute, and kept from the application."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from contextlib import contextmanager
from threading import Lock

import pytest

import xtrace
from xtrace import faults
from xtrace.faults import absorb, call_site, due, log, report


@pytest.fixture
def clock(monkeypatch, lenient_faults):
    """A monotonic clock that a test moves: clock[0] is now."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_fault_is_counted_and_logged(clock, caplog):
    report("emitter", "It failed", ValueError("reason"))
    assert caplog.messages == ["It failed: ValueError: reason"]
    assert caplog.records[0].name == "xtrace"
    assert caplog.records[0].levelname == "WARNING"
    assert faults.counts == {"emitter": 1}


def test_the_same_cause_is_logged_once_a_minute_and_then_says_how_many_more(clock, caplog):
    for _ in range(5):
        report("emitter", "It failed")
        clock[0] += 14.9
    assert caplog.messages == ["It failed"]
    clock[0] = 1060.0
    report("emitter", "It failed")
    assert caplog.messages[1:] == ["It failed (and 4 more like it in the last minute)"]
    clock[0] += 60
    report("emitter", "It failed")
    assert caplog.messages[2:] == ["It failed"]
    assert faults.counts == {"emitter": 7}


def test_each_cause_has_a_line_of_its_own(clock, caplog):
    report("emitter", "one")
    report("emitter", "another", site="there")
    report("sampler", "a third")
    assert caplog.messages == ["one", "another", "a third"]
    assert faults.counts == {"emitter": 2, "sampler": 1}


def test_ever_new_causes_do_not_fill_the_memory(clock):
    for number in range(3000):
        due(f"cause {number}")
    assert len(faults._quiet_until) <= 1024


def test_a_line_that_is_no_fault_is_not_counted(clock, caplog):
    for _ in range(3):
        log("error", "Look here: 100 %s", "key")
    assert caplog.messages == ["Look here: 100 %s"]
    assert caplog.records[0].levelname == "ERROR"
    assert faults.counts == {}


def test_a_message_that_cannot_be_read_is_no_second_failure(clock, caplog):
    class Unreadable(Exception):
        def __str__(self):
            raise RuntimeError

    report("emitter", "It failed", Unreadable())
    assert caplog.messages == ["It failed: Unreadable: (its message can't be read)"]


@contextmanager
def handled_by(handler):
    """With a logging handler of the application's."""
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def test_a_handler_of_the_application_s_that_fails_is_none_either(clock):
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("the disk is full")

    handler = Broken()
    with handled_by(handler):
        report("emitter", "It failed")
    assert faults.counts == {"emitter": 1, "logging": 1}


def test_a_handler_whose_own_calls_fail_inside_xtrace_is_not_called_for_ever(clock):
    class Calling(logging.Handler):
        lines = 0

        def emit(self, record: logging.LogRecord) -> None:
            self.lines += 1
            report("emitter", "It failed")

    handler = Calling()
    with handled_by(handler):
        report("emitter", "It failed")
    assert handler.lines == 1
    assert faults.counts == {"emitter": 2}


def test_strict_raises_what_is_reported_but_not_what_the_system_says():
    with pytest.raises(ValueError, match="reason"):
        report("emitter", "It failed", ValueError("reason"))
    assert faults.counts == {}
    report("emitter", "It failed", ConnectionRefusedError())
    report("emitter", "It failed")
    assert faults.counts == {"emitter": 2}


def test_absorb_keeps_an_exception_from_the_application(clock, caplog):
    with absorb("flask"):
        raise ValueError("reason")
    assert caplog.messages == [
        "xtrace failed inside itself (flask) and went on: ValueError: reason"
    ]
    assert faults.counts == {"flask": 1}


def test_absorb_leaves_alone_what_is_fine(clock, caplog):
    with absorb("flask"):
        pass
    assert caplog.messages == []
    assert faults.counts == {}


@pytest.mark.parametrize(
    "kind", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError]
)
def test_absorb_never_keeps_what_stops_a_program(clock, kind):
    with pytest.raises(kind), absorb("flask"):
        raise kind
    assert faults.counts == {}


def test_absorb_raises_when_strict():
    with pytest.raises(ValueError, match="reason"), absorb("flask"):
        raise ValueError("reason")


def test_the_call_site_is_this_file():
    line = sys._getframe().f_lineno + 1
    assert call_site() == f"{__file__}:{line} in test_the_call_site_is_this_file"


def test_the_call_site_is_outside_xtrace():
    inside = compile("def call(f):\n    return f()\n", f"{xtrace.__path__[0]}/made_up.py", "exec")
    names = {}
    exec(inside, names)
    assert call_site_through(names["call"]).endswith("in call_site_through")


def call_site_through(call):
    return call(call_site)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_a_thread_that_is_gone(monkeypatch):
    monkeypatch.setattr(faults, "_lock", Lock())
    with faults._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if faults._lock.acquire(timeout=5) else 1)
    assert os.waitpid(child, 0)[1] == 0
