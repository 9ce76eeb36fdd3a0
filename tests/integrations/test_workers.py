"""Workers of asgiref, anyio, trio and s3transfer keep the current entity, and show no other's."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import trio
from asgiref.sync import async_to_sync, sync_to_async
from s3transfer.futures import BoundedExecutor

import xtrace
from tests.helpers import parents_in
from xtrace.integrations import patch, unpatch

BACKENDS = ["asyncio", "trio"]
current = xtrace.recorder.get_trace_entity


@pytest.fixture(params=["patched", "as they are"])
def _patched(request, traces):
    if request.param == "patched":
        patch(["threading", "futures", "multiprocessing"])
    yield
    unpatch()


pytestmark = pytest.mark.usefixtures("_patched")


def record(name, parts=()):
    with xtrace.in_subsegment(name):
        return [part() for part in parts]


async def record_async(name):
    async with xtrace.in_subsegment(name):
        await asyncio.sleep(0)
        return current()


def names(traces):
    """The name of each entity that was sent, and of its parent."""
    parents = parents_in(traces.documents)
    by_id = {d["id"]: d["name"] for d in traces.segments + traces.subsegments}
    return {by_id[id]: by_id.get(parent) for id, parent in parents.items()}


@pytest.mark.parametrize("sensitive", [True, False])
def test_sync_to_async(traces, sensitive):
    threads = []

    def view():
        threads.append(threading.current_thread())
        record("view")
        return current()

    async def main():
        call = sync_to_async(view, thread_sensitive=sensitive)
        with xtrace.in_segment("request"):
            with xtrace.in_subsegment("middleware") as middleware:
                assert await call() is middleware
                assert current() is middleware
        assert await call() is None

    with xtrace.recorder.attach(None):
        asyncio.run(main())
    assert threading.main_thread() not in threads
    assert names(traces) == {"request": None, "middleware": "request", "view": "middleware"}


def test_async_to_sync(traces):
    with xtrace.in_segment("request") as segment:
        with xtrace.in_subsegment("view"):
            assert async_to_sync(record_async)("query").segment is segment
        assert current() is segment
    assert async_to_sync(sync_to_async(current))() is None
    assert names(traces) == {"request": None, "view": "request", "query": "view"}


def test_there_and_back_again(traces):
    """As Django does it for synchronous middleware around asynchronous views, and the reverse."""

    def middleware():
        record("middleware", [lambda: async_to_sync(view)()])

    async def view():
        with xtrace.in_subsegment("view"):
            await sync_to_async(record)("query")

    async def main():
        with xtrace.in_segment("request"):
            await sync_to_async(middleware)()

    asyncio.run(main())
    assert names(traces) == {
        "request": None,
        "middleware": "request",
        "view": "middleware",
        "query": "view",
    }


def test_concurrent_requests_through_one_thread(traces):
    async def request(number):
        with xtrace.in_segment(f"request {number}") as segment:
            for _ in range(5):
                assert await sync_to_async(current)() is segment
                await sync_to_async(record)(f"query of {number}")

    async def main():
        await asyncio.gather(*(request(number) for number in range(20)))

    asyncio.run(main())
    for segment in traces.segments:
        number = segment["name"].removeprefix("request ")
        assert [d["name"] for d in segment["subsegments"]] == [f"query of {number}"] * 5


@pytest.mark.parametrize("backend", BACKENDS)
def test_anyio_s_workers(traces, backend):
    def endpoint():
        record("endpoint", [lambda: anyio.from_thread.run(fetch)])
        return current()

    async def fetch():
        with xtrace.in_subsegment("fetch"):
            await anyio.sleep(0)

    async def main():
        with xtrace.in_segment("request") as segment:
            assert await anyio.to_thread.run_sync(endpoint) is segment
        assert await anyio.to_thread.run_sync(current) is None

    anyio.run(main, backend=backend)
    assert names(traces) == {"request": None, "endpoint": "request", "fetch": "endpoint"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_idle_workers_keep_no_segment(traces, backend):
    async def request():
        with xtrace.in_segment("request") as segment:
            await anyio.to_thread.run_sync(record, "work")
        return weakref.ref(segment)

    async def main():
        kept = await request()
        await anyio.to_thread.run_sync(record_nothing)  # what the worker did last, it remembers
        gc.collect()
        assert kept() is None

    def record_nothing():
        """Another job."""

    anyio.run(main, backend=backend)


def test_trio_s_threads(traces):
    async def main():
        with xtrace.in_segment("request") as segment:
            assert await trio.to_thread.run_sync(current) is segment
        assert await trio.to_thread.run_sync(current) is None

    trio.run(main)


def test_s3transfer_s_executor(traces, request):
    class Task:
        transfer_id = 1

        def __call__(self, context):
            return current()

    executor = BoundedExecutor(10, 2)
    patched = "patched" in request.node.callspec.id
    with xtrace.in_segment("request") as segment:
        assert executor.submit(Task()).result() is (segment if patched else None)
    assert executor.submit(Task()).result() is None
    executor.shutdown()
