"""Where "now" is, and that another context may stand in its place."""

from __future__ import annotations

import asyncio
import contextvars

from xtrace.context import Context
from xtrace.recorder import Recorder


def test_tasks_inherit_and_do_not_disturb_each_other():
    context = Context()

    async def child(value):
        assert context.get() == "parent"
        context.set(value)
        await asyncio.sleep(0)
        assert context.get() == value

    async def main():
        context.set("parent")
        await asyncio.gather(child("a"), child("b"))
        assert context.get() == "parent"

    asyncio.run(main())


def test_each_context_has_an_entity_of_its_own():
    one, two = Context(), Context()
    one.set("x")
    assert two.get() is None


def test_callbacks_run_where_they_were_scheduled(recorder, sent):
    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def callback():
            with recorder.in_subsegment("callback"):
                done.set_result(None)

        with recorder.in_segment("a"), recorder.in_subsegment("scheduler"):
            loop.call_soon(callback)
            loop.call_later(0.0, lambda: None)
            await done

    asyncio.run(main())
    assert sent.subsegment("scheduler")["subsegments"][0]["name"] == "callback"


def test_an_own_context_object_may_keep_the_current_entity():
    class Mine:
        context_missing = "IGNORE_ERROR"

        def __init__(self):
            self.entity = None
            self.missed = []

        def get(self):
            return self.entity

        def set(self, entity):
            self.entity = entity

        def missing(self, call):
            self.missed.append(call)

    mine = Mine()
    recorder = Recorder(service="test", sampling=False, emitter="memory:", context=mine)
    recorder.put_annotation("k", 1)
    with recorder.in_segment("a") as segment:
        assert mine.entity is segment
        with recorder.in_subsegment("b") as part:
            assert mine.entity is part
        assert mine.entity is segment
    assert mine.entity is None
    assert mine.missed == ["put_annotation"]
    assert len(recorder.emitters[0].documents) == 1


def test_a_copied_context_keeps_the_entity(recorder):
    with recorder.in_segment("a") as segment:
        copied = contextvars.copy_context()
    assert copied.run(recorder.get_trace_entity) is segment
    assert recorder.get_trace_entity() is None
