"""What suites and dumpers find in entities that were sent: kept, walked, copied, changed."""

import asyncio
import contextlib
import copy
import json
import sqlite3
import threading
import unittest
import weakref

import requests
from aws_xray_sdk.core import patch
from aws_xray_sdk.core.async_context import AsyncContext
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.core.models.entity import Entity
from aws_xray_sdk.core.models.subsegment import Subsegment


class _Stub(UDPEmitter):
    """As suites have them: keeps entities, not documents."""

    def __init__(self):
        super().__init__()
        self.entities = []

    def send_entity(self, entity):
        self.entities.append(entity)

    def pop(self):
        return self.entities.pop() if self.entities else None


def _tree(recorder):
    with recorder.in_segment("root"):
        for name in "ab":
            with recorder.in_subsegment(name):
                for below in "cd":
                    with recorder.in_subsegment(name + below):
                        recorder.put_annotation("k", 1)


def _sent(x):
    """A segment that was sent, with two subsegments and two under each."""
    x.recorder.configure(emitter=_Stub())
    _tree(x.recorder)
    return x.recorder.emitter.pop()


def _walk(entity, above=None, segment=None):
    found = [entity.name, entity.in_progress]
    if above is not None:
        found += [entity.parent_id == above.id, entity.parent_segment is segment]
        found += [entity.trace_id == segment.trace_id]
    return [*found, [_walk(each, entity, segment or entity) for each in entity.subsegments]]


def kept_by_the_emitter(x):
    segment = _sent(x)
    part = segment.subsegments[0].subsegments[-1]
    x.note(part.name, part.parent_segment is segment, part.trace_id == segment.trace_id)
    x.note(part.parent_id == segment.subsegments[0].id, sorted(part.to_dict()))
    x.note(json.loads(part.serialize())["trace_id"] == segment.trace_id)
    x.note(_walk(segment), segment.get_total_subsegments_size(), segment.ref_counter.get_current())


def lists_are_kept(x):
    class Lists(_Stub):
        def send_entity(self, entity):
            self.entities.append(entity.subsegments)

    x.recorder.configure(emitter=Lists())
    _tree(x.recorder)
    for part in x.recorder.emitter.pop():
        x.note(_walk(part, part.parent_segment, part.parent_segment))
    segment = x.recorder.begin_segment("a")
    parts = segment.subsegments
    x.recorder.begin_subsegment("b")
    x.recorder.end_subsegment()
    x.recorder.end_segment()
    x.note(parts[0].parent_segment is segment, segment.subsegments is parts)


def kept_weakly(x):
    references, values, keys = [], weakref.WeakValueDictionary(), weakref.WeakKeyDictionary()
    segment = x.recorder.begin_segment("root")
    for name in "ab":
        part = x.recorder.begin_subsegment(name)
        references.append(weakref.ref(part))
        values[name] = part
        keys[part] = name
        x.recorder.end_subsegment()
    del part
    x.recorder.end_segment()
    x.note([each().parent_segment is segment for each in references])
    x.note([values[name].trace_id == segment.trace_id for name in "ab"])
    x.note(sorted(part.parent_segment.name + name for part, name in keys.items()))


def copied(x):
    segment = _sent(x)
    x.attempt(lambda: copy.deepcopy(segment).name)
    x.attempt(lambda: copy.deepcopy(segment.subsegments[0]).name)
    again = copy.copy(segment)
    x.note(again.name, again.id == segment.id, again.subsegments[0].parent_segment is segment)
    x.note(copy.copy(segment.subsegments[0]).parent_segment is segment, _walk(segment))
    x.note(copy.deepcopy(segment.to_dict()) == segment.to_dict())


def a_thread_outlives_the_segment(x):
    x.recorder.configure(emitter=_Stub())
    has_ended = threading.Event()

    def work(entity):
        x.recorder.set_trace_entity(entity)
        has_ended.wait(30)
        part = x.recorder.current_subsegment()
        x.note(part.name, part.parent_segment is x.recorder.current_segment(), part.in_progress)
        x.note(part.to_dict()["name"], x.recorder.is_sampled())
        x.recorder.clear_trace_entities()

    with x.recorder.in_segment("root"), x.recorder.in_subsegment("part") as part:
        thread = threading.Thread(target=work, args=(part,))
        thread.start()
    del part
    has_ended.set()
    thread.join()
    x.note(len(x.recorder.emitter.entities))


def a_task_outlives_the_segment(x):
    async def main():
        x.recorder.configure(context=AsyncContext(), emitter=_Stub())
        has_ended = asyncio.Event()

        async def late():
            await has_ended.wait()
            part = x.recorder.get_trace_entity()
            x.note(part.name, part.in_progress, part.parent_segment is x.recorder.current_segment())

        async with x.recorder.in_segment_async("root"):
            async with x.recorder.in_subsegment_async("part"):
                task = asyncio.ensure_future(late())
                await asyncio.sleep(0)  # the task begins, and waits
        has_ended.set()
        await task

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(main())
    x.note([_walk(each) for each in x.recorder.emitter.entities])


def changed_afterwards(x):
    segment = _sent(x)
    part = segment.subsegments[0]
    for change, *args in (
        (part.put_annotation, "a", 1),
        (part.put_metadata, "a", 1),
        (part.close,),
        (part.add_subsegment, Subsegment("new", "local", segment)),
        (part.put_http_meta, "url", "u"),
        (part.set_aws, {}),
        (part.add_exception, ValueError(), []),
        (part.apply_status_code, 500),
        (part.add_fault_flag,),
        (part.set_sql, {"a": 1}),
    ):
        x.attempt(change, *args)
    segment.subsegments[1].remove_subsegment(segment.subsegments[1].subsegments[0])
    segment.remove_subsegment(part)
    x.note(_walk(segment), segment.get_total_subsegments_size(), part.parent_segment is segment)
    segment.subsegments.append(part)
    segment.subsegments.reverse()
    x.note(_walk(segment))
    segment.subsegments = []
    x.note(_walk(segment))


def ids_are_changed(x):
    segment, other = _sent(x), _sent(x)
    x.attempt(segment.add_subsegment, other.subsegments[0])
    part = other.subsegments[0]
    part.parent_segment = segment
    x.note(part.parent_segment is segment, other.subsegments[0].parent_segment is segment)
    x.note(part.trace_id == other.trace_id)
    other.trace_id, other.id = "t", "i"
    x.note(other.subsegments[1].trace_id == "t", other.subsegments[1].parent_id == "i")


def compared(x):
    segment = _sent(x)
    part = segment.subsegments[1]
    x.note(part in segment.subsegments, segment.subsegments.index(part), part == segment)
    x.note(len({segment, part, *segment.subsegments}), bool(segment), isinstance(part, Entity))
    x.note([hasattr(each, "type") for each in (segment, part)], "end_time" in dir(part))


def what_the_emitter_finds(x):
    def path(entity):
        waiting = [(entity.parent_segment, "")]
        for above, names in waiting:
            if above is entity:
                return names
            waiting += [(each, f"{names}/{each.name}") for each in above.subsegments]
        return None

    class Paths(_Stub):
        def send_entity(self, entity):
            x.note([path(each) for each in entity.subsegments])
            self.last = entity.subsegments[-1].subsegments[-1]

    x.recorder.configure(emitter=Paths())
    _tree(x.recorder)
    x.note(path(x.recorder.emitter.last))


def a_suite_with_fixtures(x):
    class Suite(unittest.TestCase):
        def setUp(self):
            x.recorder.configure(emitter=_Stub(), sampling=False, service="suite")
            x.recorder.clear_trace_entities()
            x.recorder.begin_segment("name")
            self.addCleanup(x.recorder.clear_trace_entities)

        def test_while_it_is_open(self):
            x.recorder.capture("f")(lambda: x.recorder.put_annotation("a", 1))()
            part = x.recorder.current_segment().subsegments[0]
            assert (part.name, part.annotations) == ("f", {"a": 1})
            assert part.parent_segment is x.recorder.current_segment()

        def test_when_it_was_sent(self):
            with contextlib.suppress(ValueError), x.recorder.in_subsegment("g"):
                raise ValueError
            segment = x.recorder.current_segment()
            x.recorder.end_segment()
            assert x.recorder.emitter.pop() is segment
            part = segment.subsegments[0]
            assert part.fault
            assert part.cause["exceptions"][0].type == "ValueError"
            assert part.parent_segment is segment

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Suite).run(result)
    x.note(result.testsRun, [each[1] for each in result.errors + result.failures])


def changed_while_open(x):
    with x.recorder.in_segment("a") as segment:
        segment.name, segment.start_time, segment.user = "renamed", 1.5, "u"
        for name in "bc":
            with x.recorder.in_subsegment(name) as part:
                part.in_progress = True
                part.http = {"request": {"url": "u"}}
                part.annotations, part.metadata = {"k": 1}, {"d": {"k": 2}}
                part.http["response"] = {"status": 3}
        segment.subsegments.sort(key=lambda each: each.name, reverse=True)
        segment.subsegments.pop()
        with x.recorder.in_subsegment("d"):
            pass
    x.note(_walk(segment))


def failed(x):
    try:
        with x.recorder.in_segment("a") as segment:
            with x.recorder.in_subsegment("b"), x.recorder.in_subsegment("c"):
                raise KeyError("k")
    except KeyError:
        pass
    part = segment.subsegments[0].subsegments[0]
    x.note(part.cause["exceptions"][0].message, part.fault, segment.fault)
    x.note(segment.cause == segment.subsegments[0].cause == part.cause["exceptions"][0].id)


def attributes_that_there_are(x):
    segment = _sent(x)
    for entity in (segment, segment.subsegments[0]):
        for name in ("user", "type", "fault", "error", "throttle", "end_time", "namespace", "sql"):
            x.note([name, hasattr(entity, name)])
        entity.mine = 5
        x.note("mine" in entity.to_dict())
        del entity.mine
        x.attempt(lambda entity=entity: entity.mine)
        x.note(json.loads(json.dumps(entity, default=lambda each: each.name)))


def sent_by_hand(x):
    recorder = x.recorder
    segment = recorder.begin_segment("a")
    recorder.begin_subsegment("b").close()
    segment.close()
    recorder.emitter.send_entity(segment)
    recorder.clear_trace_entities()
    segment = recorder.begin_segment("c")
    recorder.begin_subsegment("d")
    recorder.end_subsegment()
    recorder._stream_subsegment_out(segment.subsegments[0])
    x.note(len(recorder.emitter.sent))
    recorder._send_segment()
    x.note(len(recorder.emitter.sent), recorder.get_trace_entity())


def calls_of_libraries(x):
    patch(("requests", "sqlite3"))
    x.recorder.configure(emitter=_Stub())
    with x.recorder.in_segment("a"), x.recorder.in_subsegment("b"):
        requests.get(f"{x.url}/status/500", timeout=30)
        sqlite3.connect(":memory:").execute("SELECT 1")
    segment = x.recorder.emitter.pop()
    for part in segment.subsegments[0].subsegments:
        x.note(part.parent_segment is segment, part.parent_id == segment.subsegments[0].id)
        x.note(part.namespace, part.sql.get("database_type"), part.http.get("response"))
