"""What comes in between, on the very thread that records: a finalizer, a signal's handler."""

from __future__ import annotations

import gc
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

import xtrace
from tests.helpers import eventually
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
    frame = sys._current_frames().get(thread.ident or 0)
    assert not thread.is_alive(), "".join(traceback.format_stack(frame)[-12:])
    for emitter in recorder.emitters:
        emitter.close()
    eventually(lambda: recorder.stats().pending == 0, DEADLINE_SECONDS)
    stats = recorder.stats()
    assert len(places) > 300
    assert stats.recorded == 4 * (times + 1)
    assert stats.open == 0


def test_a_finalizer_that_records_a_failure_may_run_anywhere(recorder):
    """Making a container may collect garbage, in the middle of what we lock."""

    class Connection:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            with recorder.in_subsegment("close") as call:
                call.put_http_meta("status", 500)

    def run() -> None:
        before = gc.get_threshold()
        gc.set_threshold(1)
        try:
            with recorder.in_segment("work"):
                for _ in range(200):
                    Connection()
                    with recorder.in_subsegment("part") as part:
                        part.add_fault_flag()
        finally:
            gc.set_threshold(*before)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive()
    gc.collect()
    assert recorder.stats().sent > 300
