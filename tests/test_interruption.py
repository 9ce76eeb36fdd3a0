"""What comes in between, on the very thread that records: a finalizer, a signal's handler."""

from __future__ import annotations

import linecache
import os
import signal
import sqlite3
import sys
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import xtrace
from tests.helpers import eventually
from xtrace import cause, document
from xtrace.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = os.path.dirname(xtrace.__file__) + os.sep

DEADLINE_SECONDS = 60.0


def record(recorder: Recorder) -> None:
    """A bit of everything: flags and exceptions, metadata, streaming, repairs, late calls, counts."""
    with recorder.in_segment("work") as segment:
        for _ in range(3):
            try:
                with recorder.in_subsegment("part") as part:
                    part.put_metadata("any", object())
                    part.put_http_meta("status", 500)
                    raise ValueError("it failed")
            except ValueError:
                pass
        recorder.put_annotation("odd key", None)
    segment.put_annotation("late", 1)
    recorder.repaired("for a test")
    recorder.stats()


def stack_of(thread: threading.Thread) -> str:
    """Where a thread is."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "".join(traceback.format_stack(frame)[-12:])


def at_each_line(action: Callable[[], None]) -> tuple[Any, set[object]]:
    """A trace function that acts once at each line of xtrace's that is run, and the places so far."""
    seen: set[object] = set()

    def trace(frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        place = (frame.f_code, frame.f_lineno, event)
        if place not in seen:
            seen.add(place)
            action()
        return trace

    return trace, seen


@pytest.mark.parametrize("kind", ["memory", "udp", "file", "otlp+http"])
def test_whoever_comes_in_between_waits_for_no_lock_and_is_recorded(kind, tmp_path, lenient_faults):
    """As a finalizer that closes a connection does, or a signal's handler that logs."""
    urls = {"memory": "memory:", "file": f"file:{tmp_path}/traces", "udp": "udp://127.0.0.1:1"}
    url = urls.get(kind, "otlp+http://127.0.0.1:1")
    recorder = Recorder(service="test", sampling=False, emitter=url, streaming_threshold=1)
    times = 0

    def come_in_between() -> None:
        nonlocal times
        times += 1
        current = recorder.get_trace_entity()
        record(recorder)
        assert recorder.get_trace_entity() is current

    trace, places = at_each_line(come_in_between)

    def run() -> None:
        sys.settrace(trace)
        try:
            record(recorder)
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive(), stack_of(thread)
    for emitter in recorder.emitters:
        emitter.close()
    eventually(lambda: recorder.stats().pending == 0, DEADLINE_SECONDS)
    stats = recorder.stats()
    assert len(places) > 300
    assert stats.recorded == 4 * (times + 1)
    assert stats.open == 0


class TimeIsUp(Exception):
    """As RQ's and Celery's jobs get it."""


@pytest.fixture
def alarm():
    """The handler of a signal, which raises: alarm[-1] is the last that it has raised."""
    raised: list[TimeIsUp] = []

    def handler(number: int, frame: Any) -> None:
        raised.append(TimeIsUp())
        raise raised[-1]

    before = signal.signal(signal.SIGALRM, handler)
    yield raised
    signal.signal(signal.SIGALRM, before)


def every_kind_of_work() -> None:
    connection = sqlite3.connect(":memory:")
    with xtrace.in_segment("work") as segment:
        segment.put_metadata("any", object())
        connection.execute("select 1")
        with suppress(sqlite3.Error), xtrace.in_subsegment("part") as part:
            part.put_annotation("odd key", object())
            connection.execute("select nothing")
    connection.close()


def interrupted_after(lines: int, alarm: list[TimeIsUp]) -> str | None:
    """Do the work, with the signal after so many lines of xtrace's; where, if it took that many."""
    left = lines
    place = None

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal left, place
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE):
            return None
        if linecache.getline(code.co_filename, frame.f_lineno).lstrip().startswith("with "):
            return (
                trace  # perhaps between a block's end and the lock's release: no signal comes there
            )
        if code.co_name == "ask" and frame.f_lineno == code.co_firstlineno + 1:
            return trace  # in front of its `try`: orjson loses that, and nobody can catch it
        left -= event == "line"
        if left < 0:
            sys.settrace(None)
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            signal.raise_signal(signal.SIGALRM)
        return trace

    raised = None
    sys.settrace(trace)
    try:
        every_kind_of_work()
    except TimeIsUp as error:
        raised = error
    finally:
        sys.settrace(None)
    assert raised is (alarm[-1] if place else None), f"kept at {place}"
    return place


@pytest.mark.parametrize("encoder", ["json", "orjson"])
def test_what_a_signal_s_handler_raises_reaches_the_program(
    encoder, alarm, traces, monkeypatch, lenient_faults
):
    """It may come anywhere in our code, and is never kept as a fault of ours: a job would go on."""
    monkeypatch.setattr(document, "is_orjson", encoder == "orjson")
    if encoder == "json":
        monkeypatch.setattr(document, "dumps", document._standard_dumps())
    xtrace.patch("sqlite3")
    every_kind_of_work()
    places = []
    while not places or places[-1] is not None:
        places.append(interrupted_after(len(places), alarm))
        xtrace.recorder.clear_trace_entities()
    xtrace.unpatch("sqlite3")
    xtrace.flush()
    stats = xtrace.stats()
    assert len(places) > 300
    assert stats.pending == 0


def test_a_segment_ends_even_if_its_exception_is_not_described_in_time(
    recorder, alarm, monkeypatch
):
    monkeypatch.setattr(cause, "describe", lambda *_: signal.raise_signal(signal.SIGALRM))
    with pytest.raises(TimeIsUp), recorder.in_segment("work"), recorder.in_subsegment("part"):
        raise ValueError
    assert recorder.get_trace_entity() is None
    assert recorder.stats().open == 0
    assert recorder.stats().sent == 2
