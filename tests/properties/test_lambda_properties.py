"""Whatever is begun and ended under whatever headers: each entity is sent where it belongs, once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import entities_in
from xtrace.environment import lambda_
from xtrace.recorder import Recorder

ROOTS = [f"1-5759e988-{number:024x}" for number in range(1, 3)]
PARENTS = [f"{number:016x}" for number in range(1, 3)]

headers = st.one_of(
    st.none(),
    st.builds(
        "Root={};Parent={};Sampled={}".format,
        st.sampled_from(ROOTS),
        st.sampled_from(PARENTS),
        st.sampled_from(["1", "1", "0"]),
    ),
    st.sampled_from([f"Root={ROOTS[0]}", f"Parent={PARENTS[0]};Sampled=1", "x"]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("invoke"), headers),
        st.tuples(st.just("begin"), st.none()),
        st.tuples(st.just("end"), st.integers(0, 9)),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def on_lambda(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(lambda_.TASK_ROOT, "/var/task")
        patch.setattr(lambda_, "READY_FOLDER", str(tmp_path_factory.mktemp("ready")))
        yield patch


@settings(deadline=None)
@given(steps=steps, threshold=st.sampled_from([0, 2, 30]))
def test_every_entity_is_sent_where_it_belongs(on_lambda, steps, threshold):
    on_lambda.delenv(lambda_.TRACE_HEADER, raising=False)
    recorder = Recorder(emitter="memory:", streaming_threshold=threshold)
    header = seen = None
    opened: list = []  # entities
    expected = {}
    current: list = []
    for step, argument in steps:
        if step == "invoke":
            header = argument
            if header is None:
                on_lambda.delenv(lambda_.TRACE_HEADER, raising=False)
            else:
                on_lambda.setenv(lambda_.TRACE_HEADER, header)
        elif step == "begin":
            if header != seen:  # between two looks there may have been others: nobody can tell
                current, seen = [], header
            entity = recorder.begin_subsegment("work")
            if header is None or not header.startswith("Root=") or "Sampled=1" not in header:
                assert not entity
                continue
            root, parent, _ = (field.split("=")[1] for field in header.split(";"))
            above = current[-1].id if current else parent
            expected[entity.id] = (root, above)
            opened.append(entity)
            current.append(entity)
        elif opened:
            entity = opened.pop(argument % len(opened))
            entity.close()
            if entity in current:
                # What is begun under it and still open is current no more either.
                del current[current.index(entity) :]
    for entity in opened:
        entity.close()
    on_lambda.setenv(lambda_.TRACE_HEADER, "the end")
    recorder.current_segment()

    documents = recorder.emitters[0].documents
    complete = {}
    for document in documents:
        waiting = [(document, document["parent_id"])]
        for each, parent in waiting:
            found = (document["trace_id"], parent)
            assert expected[each["id"]] == found
            if not each.get("in_progress"):
                assert each["id"] not in complete, "sent twice"
                complete[each["id"]] = found
            waiting.extend((child, each["id"]) for child in each.get("subsegments", ()))
    assert complete == expected
    assert len(entities_in(documents)) >= len(expected)
    assert recorder.stats().open == 0
    recorder.clear_trace_entities()
