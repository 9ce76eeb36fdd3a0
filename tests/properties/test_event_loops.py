"""The same tree on every event loop: nothing but context variables is involved."""

from __future__ import annotations

import anyio
import pytest

BACKENDS = [
    pytest.param("asyncio", {}, id="asyncio"),
    pytest.param("asyncio", {"use_uvloop": True}, id="uvloop"),
    pytest.param("trio", {}, id="trio"),
]


@pytest.mark.parametrize(("backend", "options"), BACKENDS)
def test_tasks_threads_and_cancellation_keep_their_parents(recorder, sent, backend, options):
    async def child(name):
        with recorder.in_subsegment(name):
            await anyio.sleep(0)
            await anyio.to_thread.run_sync(work, f"{name} in a thread")

    def work(name):
        with recorder.in_subsegment(name):
            pass

    async def forever():
        with recorder.in_subsegment("cancelled"):
            await anyio.sleep_forever()

    async def main():
        with recorder.in_segment("root"), recorder.in_subsegment("parent"):
            async with anyio.create_task_group() as group:
                for number in range(20):
                    group.start_soon(child, f"child {number}")
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(forever)
                    await anyio.sleep(0)
                    scope.cancel()
        assert recorder.get_trace_entity() is None

    recorder.configure(streaming_threshold=1000)
    anyio.run(main, backend=backend, backend_options=options)
    (segment,) = sent.documents
    (parent,) = segment["subsegments"]
    children = {s["name"]: s for s in parent["subsegments"]}
    assert len(children) == 21
    for number in range(20):
        (threaded,) = children[f"child {number}"]["subsegments"]
        assert threaded["name"] == f"child {number} in a thread"
    cancelled = children["cancelled"]
    assert "fault" not in cancelled
    assert cancelled["annotations"]["cancelled"] in ("CancelledError", "Cancelled")
