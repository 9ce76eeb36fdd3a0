"""Whatever a program does with tasks, threads and generators: parents are exact, each ended entity
is sent exactly once, and the ledger balances.

A random program is a tree of steps. Running it, each step is told which entity it should find
itself under, from the program's own structure; what was sent is compared with that.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xtrace.recorder import Recorder
from xtrace.testing import Traces

WAYS = [
    "with",
    "async with",
    "begin and end",
    "capture",
    "generator",
    "gather",
    "create_task",
    "create_task in a context",
    "wait_for",
    "shield",
    "to_thread",
    "thread",
    "cancelled",
    "outlives",
    "forgotten",
]
if sys.version_info >= (3, 11):
    WAYS.append("TaskGroup")

steps = st.recursive(
    st.tuples(st.sampled_from(WAYS), st.just([])),
    lambda children: st.tuples(st.sampled_from(WAYS), st.lists(children, max_size=4)),
    max_leaves=12,
)


class Program:
    """Runs steps, and writes down under which entity each subsegment belongs."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.parents: dict[str, str] = {}
        self.forgotten: set[str] = set()
        self.cancelled: set[str] = set()
        self.detached: list[asyncio.Task[None]] = []
        self.count = 0

    def named(self, parent: str) -> str:
        self.count += 1
        name = f"s{self.count}"
        self.parents[name] = parent
        return name

    async def children(self, steps: Any, parent: str) -> None:
        for step in steps:
            await self.step(step, parent)

    async def step(self, step: Any, parent: str) -> None:
        way, children = step
        recorder = self.recorder
        name = self.named(parent)
        if way == "with":
            with recorder.in_subsegment(name):
                await self.children(children, name)
        elif way == "async with":
            async with recorder.in_subsegment(name) as part:
                part.put_annotation("n", self.count)
                await asyncio.sleep(0)
                await self.children(children, name)
        elif way == "begin and end":
            recorder.begin_subsegment(name)
            await self.children(children, name)
            recorder.end_subsegment()
        elif way == "capture":
            await recorder.capture(name)(self.children)(children, name)
        elif way == "generator":
            async for child in recorder.capture(name)(self.generate)(children, name):
                await self.step(child, parent)  # the consumer's code is not under the generator
        elif way in ("to_thread", "thread"):
            await self.in_a_thread(way, name)
            await self.children(children, parent)
        elif way == "forgotten":
            self.forgotten.add(name)
            recorder.in_subsegment(name).begin()
            await self.children(children, parent)
        else:
            with recorder.in_subsegment(name):
                await self.with_tasks(way, children, name)

    async def generate(self, children: Any, name: str) -> Any:
        for child in children:
            with self.recorder.in_subsegment(self.named(name)):
                await asyncio.sleep(0)
            yield child

    async def in_a_thread(self, way: str, name: str) -> None:
        entity = self.recorder.get_trace_entity()

        def work() -> None:
            with self.recorder.in_subsegment(name):
                pass

        if way == "to_thread":
            await asyncio.to_thread(work)
            return

        def handed_over() -> None:
            assert self.recorder.get_trace_entity() is None
            with self.recorder.attach(entity):
                work()

        thread = threading.Thread(target=handed_over)
        thread.start()
        await asyncio.to_thread(thread.join)

    async def with_tasks(self, way: str, children: Any, name: str) -> None:
        work = [self.step(child, name) for child in children]
        if way == "gather":
            await asyncio.gather(*work)
        elif way == "TaskGroup":
            async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined]
                for each in work:
                    group.create_task(each)
        elif way == "create_task":
            for task in [asyncio.create_task(each) for each in work]:
                await task
        elif way == "create_task in a context":
            for each in work:
                if sys.version_info >= (3, 11):
                    task = asyncio.create_task(each, context=contextvars.copy_context())
                else:
                    task = contextvars.copy_context().run(asyncio.create_task, each)
                await task
        elif way == "wait_for":
            for each in work:
                await asyncio.wait_for(each, timeout=60)
        elif way == "shield":
            for each in work:
                await asyncio.shield(each)
        elif way == "cancelled":
            for each in work:
                await each
            await self.cancel_one(name)
        elif way == "outlives":
            self.detached += [asyncio.create_task(self.later(each)) for each in work]

    async def cancel_one(self, parent: str) -> None:
        name = self.named(parent)
        self.cancelled.add(name)

        async def forever() -> None:
            with self.recorder.in_subsegment(name):
                await asyncio.Event().wait()

        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def later(self, work: Any) -> None:
        await self.ended.wait()
        await work

    async def run(self, steps: Any) -> None:
        self.ended = asyncio.Event()
        with self.recorder.in_segment("root") as segment:
            await self.children(steps, "root")
            assert self.recorder.get_trace_entity() is segment
        self.ended.set()
        while self.detached:
            await self.detached.pop()
        assert self.recorder.get_trace_entity() is None


def parents_in(documents: list[dict[str, Any]]) -> dict[str, str]:
    """name -> name of its parent, from documents however they were split."""
    names: dict[str, str] = {}
    found: dict[str, str] = {}

    def visit(document: dict[str, Any], parent: str | None) -> None:
        names[document["id"]] = document["name"]
        parent_id = parent or document.get("parent_id")
        if parent_id is not None:
            found[document["id"]] = parent_id
        for child in document.get("subsegments", ()):
            visit(child, document["id"])

    for document in documents:
        visit(document, None)
    return {names[id]: names[parent] for id, parent in found.items()}


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps, max_size=5), st.sampled_from([0, 1, 3, 30]))
def test_any_program_s_tree_arrives_as_it_was(program_steps, threshold):
    recorder = Recorder(
        service="test", sampling=False, emitter="memory:", streaming_threshold=threshold
    )
    program = Program(recorder)
    asyncio.run(program.run(program_steps))
    recorder.flush()
    sent = Traces(recorder.emitters[0])
    assert parents_in(sent.documents) == program.parents
    everything = sent.segments + sent.subsegments
    assert max(Counter(d["id"] for d in everything).values()) == 1
    assert {d["name"] for d in everything if d.get("in_progress")} == program.forgotten
    cancelled = {d["name"] for d in everything if "cancelled" in d.get("annotations", ())}
    assert cancelled == program.cancelled
    assert not any(d.get("fault") for d in everything)
    assert {d["trace_id"] for d in sent.documents} == {sent.segment("root")["trace_id"]}
    stats = recorder.stats()
    assert stats.recorded == stats.sent == len(everything) == len(program.parents) + 1
    assert stats.open == len(program.forgotten)


def test_two_requests_in_ten_thousand_mixed_jobs_never_see_each_other():
    recorder = Recorder(service="test", sampling=False, emitter="memory:", streaming_threshold=50)
    jobs = 2500  # four pieces of work each

    def in_thread(who):
        with recorder.in_subsegment("thread") as part:
            part.put_annotation("who", who)

    async def job(who):
        with recorder.in_subsegment("task"):
            await asyncio.sleep(0)
            recorder.put_annotation("who", who)
        await asyncio.to_thread(in_thread, who)
        await asyncio.get_running_loop().run_in_executor(
            None, contextvars.copy_context().run, in_thread, who
        )
        task = asyncio.create_task(nested(who))
        await task

    async def nested(who):
        with recorder.in_subsegment("nested") as part:
            await asyncio.sleep(0)
            part.put_annotation("who", who)

    async def request(who):
        with recorder.in_segment(who):
            for _ in range(jobs // 50):
                await asyncio.gather(*(job(who) for _ in range(25)))

    async def main():
        await asyncio.gather(request("alice"), request("bob"))

    asyncio.run(main())
    sent = Traces(recorder.emitters[0])
    owner = {sent.segment(who)["trace_id"]: who for who in ("alice", "bob")}
    seen = Counter()
    for document in sent.documents:
        waiting = [document]
        while waiting:
            each = waiting.pop()
            if "who" in each.get("annotations", {}) or each.get("metadata"):
                who = each.get("annotations", {}).get("who")
                who = who or each["metadata"]["annotations"]["who"]
                assert who == owner[document["trace_id"]]
                seen[who] += 1
            waiting.extend(each.get("subsegments", ()))
    assert seen == {"alice": 5000, "bob": 5000}
