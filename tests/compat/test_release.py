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
    gc.collect()
    gc.disable()
    try:
        with xray_recorder.in_segment("all"):
            freed = [weakref.ref(xray_recorder.current_segment())]
            for name in ("one", "two"):
                with xray_recorder.in_subsegment(name), xray_recorder.in_subsegment("within"):
                    freed.append(weakref.ref(xray_recorder.current_subsegment()))
        assert [each().name for each in freed] == ["all", "within", "within"]
        kept.entities.clear()
        assert [each() for each in freed] == [None, None, None]
    finally:
        gc.enable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES, data=st.data())
def test_whoever_has_kept_a_part_finds_all_of_it(xray_recorder, kept, tree, data):
    held = []

    def record(trees, place):
        for number, below in enumerate(trees):
            with xray_recorder.in_subsegment(f"{place}.{number}"):
                if data.draw(st.sampled_from((False, False, True))):
                    held.append(xray_recorder.current_subsegment())
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
    for part in held:
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
