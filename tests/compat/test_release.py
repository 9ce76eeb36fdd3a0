"""What is sent is freed at once, and who has kept a part of it finds all of it."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TREES = st.recursive(st.just(()), lambda trees: st.lists(trees, max_size=4), max_leaves=20)
"""What is under an entity, as a list of the same."""


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="this Python counts no references")
def test_what_nobody_has_kept_is_freed_without_the_collector(xray_recorder, kept):
    class Mark:
        """Is freed with what it is put on: a reference to that itself would keep it tied."""

    marks = []

    def mark(entity):
        entity.mark = Mark()
        marks.append(weakref.ref(entity.mark))

    gc.collect()
    gc.disable()
    try:
        with xray_recorder.in_segment("all"):
            mark(xray_recorder.current_segment())
            for name in ("one", "two"):
                with xray_recorder.in_subsegment(name), xray_recorder.in_subsegment("within"):
                    mark(xray_recorder.current_subsegment())
        assert None not in [each() for each in marks]
        kept.entities.clear()
        assert [each() for each in marks] == [None, None, None]
    finally:
        gc.enable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES, data=st.data())
def test_whoever_has_kept_a_part_finds_all_of_it(xray_recorder, kept, tree, data):
    held, looked_up = [], []

    def record(trees, place):
        for number, below in enumerate(trees):
            with xray_recorder.in_subsegment(f"{place}.{number}"):
                if data.draw(st.sampled_from((False, False, True))):
                    held.append(xray_recorder.current_subsegment())
                if data.draw(st.sampled_from((False, False, True))):
                    looked_up.append(weakref.ref(xray_recorder.current_subsegment()))
                record(below, f"{place}.{number}")

    def look_at(entity, trees, place):
        assert entity.name == place
        assert [each.parent_id for each in entity.subsegments] == [entity.id] * len(trees)
        for number, below in enumerate(trees):
            part = entity.subsegments[number]
            assert part.parent_segment is segment
            assert part.trace_id == segment.trace_id
            look_at(part, below, f"{place}.{number}")

    kept.entities.clear()
    with xray_recorder.in_segment("0") as segment:
        record(tree, "0")
    for part in [*held, *(each() for each in looked_up)]:
        assert part.parent_segment is segment
        assert part.parent_id
        part.to_dict()
    look_at(segment, tree, "0")
    assert kept.entities == [segment]


def test_a_call_of_xtrace_itself_does_not_stand_for_one_that_is_kept(xray_recorder, kept):
    import xtrace
    from xtrace.model import Subsegment

    class Call(Subsegment):
        """As integrations make them: no list has it."""

    with xtrace.in_segment("all") as segment:
        with xray_recorder.in_subsegment("kept") as part:
            with Call("call", part, segment):
                pass
        with xray_recorder.in_subsegment("not kept"):
            pass
    assert part.parent_segment is segment
    assert part.parent_id == segment.id


@pytest.mark.parametrize("when", ["before", "in the emitter"])
def test_who_has_a_list_of_subsegments_has_whole_ones(xray_recorder, kept, when):
    class Lists:
        lists = []

        def send_entity(self, entity):
            if when != "before":
                self.lists.append(entity.subsegments)

    xray_recorder.configure(emitter=Lists())
    with xray_recorder.in_segment("all") as segment:
        if when == "before":
            Lists.lists.append(segment.subsegments)
        with xray_recorder.in_subsegment("one"), xray_recorder.in_subsegment("within"):
            pass
    (part,) = Lists.lists[0]
    assert part.parent_segment is part.subsegments[0].parent_segment is segment
    assert part.subsegments[0].parent_id == part.id


def test_a_late_subsegment_does_not_untie_what_was_released(xray_recorder):
    with xray_recorder.in_segment("all") as segment:
        with xray_recorder.in_subsegment("one"):
            pass
    xray_recorder.set_trace_entity(segment)
    from aws_xray_sdk.core.models.subsegment import Subsegment

    xray_recorder._owner.attach(late := Subsegment("late", "local", segment, segment))
    assert segment.subsegments[0].parent_segment is late.parent_segment is segment
