"""Whatever is begun, ended, forgotten or refused: memory comes back."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
import weakref
from typing import Any

import pytest

import xtrace
from xtrace.integrations._asgi import TracedApplication
from xtrace.integrations._wsgi import traced
from xtrace.recorder import Recorder


def usual(recorder):
    with recorder.in_segment("a") as segment:
        segment.put_annotation("k", "v")
        with recorder.in_subsegment("b") as part:
            part.put_metadata("m", {"x": [1, 2, 3]})


def never_ended(recorder):
    with recorder.in_segment("a"):
        recorder.begin_subsegment("forgotten")
    recorder.clear_trace_entities()


def segment_never_ended(recorder):
    recorder.begin_segment("a")
    recorder.begin_subsegment("b")


def unsampled(recorder):
    with recorder.in_segment("a", sampling=False):
        for _ in range(3):
            with recorder.in_subsegment("b") as part:
                part.put_metadata("m", "x" * 100)


def failing(recorder):
    with pytest.raises(ValueError, match="boom"), recorder.in_segment("a"):
        with recorder.in_subsegment("b"):
            raise ValueError("boom")


def many_names(recorder):
    many_names.count += 1
    with recorder.in_segment(f"n{many_names.count}") as segment:
        segment.put_annotation(f"k{many_names.count}", 1)
    recorder.sampler.should_trace({"path": f"/{many_names.count}"})


many_names.count = 0


@pytest.mark.parametrize(
    "work", [usual, never_ended, segment_never_ended, unsampled, failing, many_names]
)
def test_memory_does_not_grow_with_the_number_of_traces(work, monkeypatch, lenient_faults):
    monkeypatch.setattr("xtrace.model.MAX_OPEN", 200)
    recorder = Recorder(service="test", sampling=False, emitter="udp://127.0.0.1:9")
    for _ in range(12_000 if work is many_names else 2000):  # fills what is bounded
        work(recorder)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5000):
            work(recorder)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        recorder.clear_trace_entities()
    assert grown < 300_000, f"{grown} bytes for 5,000 traces"


def test_a_long_segment_holds_only_what_is_open(monkeypatch):
    recorder = Recorder(service="test", sampling=False, emitter="udp://127.0.0.1:9")
    with recorder.in_segment("worker") as segment:
        for _ in range(20_000):
            with recorder.in_subsegment("job") as part:
                part.put_metadata("m", "x" * 1000)
        assert len(segment._ended) <= recorder.streaming_threshold + 1


class Large:
    """What a view holds when it fails."""


def fail_in_asgi(kept: list[weakref.ref[Large]]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        large = Large()
        kept.append(weakref.ref(large))
        try:
            raise ValueError
        except ValueError:
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def nothing(*_: Any) -> Any:
        return None

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(TracedApplication(app, xtrace.recorder)(scope, nothing, nothing))


def fail_in_wsgi(kept: list[weakref.ref[Large]]) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        large = Large()
        kept.append(weakref.ref(large))
        try:
            raise ValueError
        except ValueError:
            start_response("500 Internal Server Error", [], sys.exc_info())
        return []

    traced(app, xtrace.recorder)({}, lambda *_: None)


@pytest.mark.parametrize("fail", [fail_in_asgi, fail_in_wsgi])
def test_what_a_failed_request_held_is_freed_when_it_is_answered(fail, traces):
    """Not with the next collection of garbage: that may be long after, and many requests' at once."""
    kept: list[weakref.ref[Large]] = []
    gc.collect()
    gc.disable()
    try:
        fail(kept)
        assert kept[0]() is None
    finally:
        gc.enable()
    assert traces.segments[0]["cause"]["exceptions"][0]["type"] == "ValueError"
