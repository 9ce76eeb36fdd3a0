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


def made_marks():
    """Marks, and what puts one on an entity: it is freed with that. A reference to the entity itself
    would keep it tied.
    """

    class Mark:
        pass

    def mark(entity):
        entity.mark = Mark()
        marks.append(weakref.ref(entity.mark))

    marks = []
    return marks, mark


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="this Python counts no references")
def test_what_nobody_has_kept_is_freed_without_the_collector(xray_recorder, kept):
    marks, mark = made_marks()
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
    xray_recorder.streaming_threshold = 1000  # else a large tree doesn't stay together
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


def test_what_is_not_recorded_does_not_stand_for_one_that_is_kept(xray_recorder, kept):
    from xtrace.model import Subsegment

    with xray_recorder.in_segment("all") as segment:
        xray_recorder.begin_subsegment_without_sampling("not recorded")
        xray_recorder.end_subsegment()
        with Subsegment("call", segment, segment):
            pass
        with xray_recorder.in_subsegment("kept") as part:
            pass
    assert part.parent_segment is segment


@pytest.mark.parametrize("number", range(1, 9))  # whoever ends the last one has it, too
def test_what_begins_late_does_not_stand_for_one_that_is_kept(xray_recorder, kept, number):
    """Under a segment that a program has closed, before it is ended."""
    segment = xray_recorder.begin_segment("all")
    with xray_recorder.in_subsegment("above"):
        above = xray_recorder.current_subsegment()
    segment.close()
    late = []
    for _ in range(number):
        xray_recorder.set_trace_entity(above)
        late.append(xray_recorder.begin_subsegment("late"))
    del above
    first = late[0]
    xray_recorder.set_trace_entity(segment)
    xray_recorder.end_segment()
    while late:
        xray_recorder.set_trace_entity(late.pop())
        xray_recorder.end_subsegment()
    assert kept.entities == [segment]
    assert first.parent_segment is segment


def test_what_a_program_ends_by_itself_does_not_stand_for_one_that_is_kept(xray_recorder, kept):
    from aws_xray_sdk.core.models.subsegment import Subsegment

    with xray_recorder.in_segment("all") as segment:
        xray_recorder.begin_subsegment_without_sampling("not recorded")
        xray_recorder.end_subsegment()
        with xray_recorder.in_subsegment("b"):
            pass
        made = Subsegment("made", "local", segment)
        made.close()
    assert made.parent_segment is segment


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="this Python counts no references")
def test_segments_that_were_sent_in_part_are_freed_without_the_collector_too(xray_recorder, kept):
    marks, mark = made_marks()
    xray_recorder.configure(streaming_threshold=3)
    gc.collect()
    gc.disable()
    try:
        with xray_recorder.in_segment("all"):
            mark(xray_recorder.current_segment())
            for number in range(9):
                with xray_recorder.in_subsegment(f"{number}"):
                    mark(xray_recorder.current_subsegment())
        assert len(kept.entities) > 1
        kept.entities.clear()
        assert [each() for each in marks] == [None] * 10
    finally:
        gc.enable()
