"""The entities that record nothing have every method of those that do."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from xtrace.model import Entity, Segment, Subsegment
from xtrace.noop import NO_SEGMENT, NO_SUBSEGMENT, NoSubsegment, UnsampledSegment


def arguments(method):
    """Something for each argument that a method requires."""
    parameters = list(inspect.signature(method).parameters.values())[1:]
    required = [p for p in parameters if p.default is p.empty and p.kind != p.VAR_KEYWORD]
    return [
        {} if p.name in ("aws", "sql", "service") else "x"
        for p in required
        if p.kind != p.VAR_POSITIONAL
    ]


def public(kind):
    return [name for name in dir(kind) if not name.startswith("_")]


def unsampled(recorder):
    return recorder.in_segment("a", sampling=False)


@pytest.mark.parametrize("name", public(Segment))
def test_an_unsampled_segment_takes_every_call_of_a_segment(recorder, name):
    with unsampled(recorder) as segment:
        value = getattr(segment, name)
        if callable(value):
            assert value(*arguments(getattr(Segment, name))) is None


@pytest.mark.parametrize("name", public(Subsegment))
def test_the_subsegment_that_records_nothing_takes_every_call_of_one(name):
    value = getattr(NO_SUBSEGMENT, name)
    if callable(value):
        assert value(*arguments(getattr(Subsegment, name))) is None


@pytest.mark.parametrize("entity", [NO_SEGMENT, NO_SUBSEGMENT])
def test_they_are_false_unsampled_and_carry_no_id_that_is_ever_sent(entity):
    assert not entity
    assert entity.sampled is False
    assert entity.id == "0" * 16
    assert entity.trace_id == "1-00000000-000000000000000000000000"


def test_they_are_of_the_types_that_callers_expect():
    assert isinstance(NO_SUBSEGMENT, Subsegment)
    assert isinstance(NO_SEGMENT, Segment)
    assert issubclass(NoSubsegment, Entity)


def test_attributes_read_like_those_of_an_empty_entity(recorder):
    with unsampled(recorder) as segment:
        segment.annotations["k"] = 1
        assert segment.annotations == segment.metadata == segment.http == segment.aws == {}
        assert (segment.fault, segment.error, segment.throttle, segment.cause) == (
            False,
            False,
            False,
            None,
        )
        assert segment.subsegments == []
        assert segment.user is None


def test_nothing_of_an_unsampled_trace_is_sent(recorder, sent):
    with unsampled(recorder), recorder.in_subsegment("b") as part:
        assert part is NO_SUBSEGMENT
        with recorder.in_subsegment("c"):
            pass
        part = recorder.begin_subsegment("d")
        recorder.end_subsegment()
    recorder.flush()
    assert sent.documents == []
    assert recorder.stats().recorded == 0


def test_an_unsampled_segment_makes_way_for_what_was_current_before(recorder):
    with recorder.in_segment("outer") as outer:
        with unsampled(recorder) as inner:
            assert recorder.get_trace_entity() is inner
        assert recorder.get_trace_entity() is outer


def test_an_exception_passes_through_and_is_not_kept(recorder):
    with pytest.raises(ValueError, match="boom"):
        with unsampled(recorder) as segment, recorder.in_subsegment("b"):
            raise ValueError("boom")
    assert segment.cause is None
    assert recorder.get_trace_entity() is None


def test_async_with_works_on_both(recorder):
    async def main():
        async with unsampled(recorder) as segment, recorder.in_subsegment("b") as part:
            assert part is NO_SUBSEGMENT
            assert recorder.get_trace_entity() is segment

    asyncio.run(main())
    assert recorder.get_trace_entity() is None


def test_an_unsampled_segment_that_is_never_ended_holds_no_chain(recorder):
    for _ in range(3000):
        recorder.begin_segment("a", sampling=False)
    entity, depth = recorder.get_trace_entity(), 0
    while entity is not None:
        entity, depth = entity._parent, depth + 1
    assert depth < 1100


def test_its_name_is_kept_and_its_repr_is_short(recorder):
    assert isinstance(unsampled(recorder), UnsampledSegment)
    assert unsampled(recorder).name == "a"
    assert repr(NO_SUBSEGMENT) == "<NoSubsegment>"
