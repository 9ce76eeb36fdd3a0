"""Any tree with anything in it, under any limit and with either encoder: each entity exactly once,
or counted as dropped; each document within the limit, valid, and with its parents as they were.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.documents import assert_same, validator
from tests.helpers import entities_in, parents_in, tree
from xtrace import document
from xtrace.emitters.memory import MemoryEmitter
from xtrace.ledger import EmitterStats, Ledger
from xtrace.packing import TOO_LARGE, pack
from xtrace.writing import write

LIMITS = [64_000, 8192, 1472, 1024]
ENCODERS = {"standard": document._standard_dumps}
if document.is_orjson:  # it is there
    ENCODERS["orjson"] = document._orjson_dumps


class Hostile:
    def __str__(self):
        raise ValueError("no text")


texts = st.text(max_size=30) | st.sampled_from(
    ["", "\ud800", "a?b", "AWS.x", '"\\\n\x00\u2028', "😀"]
)
# "é" takes two bytes, "\n" a backslash too: characters aren't bytes.
long_texts = st.tuples(
    st.sampled_from(["x", "é", "\n", "😀", '"', "\ud800"]), st.integers(1, 90_000)
).map(lambda p: p[0] * p[1])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, 2**64, -(2**63) - 1]),
    st.builds(lambda: 10**5000),  # more digits than Python writes
    st.floats(),
    texts,
    long_texts,
    st.binary(max_size=10),
    st.builds(Hostile),
    st.dates(),
    st.decimals(),
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts | st.integers(), inner, max_size=4)
    ),
    max_leaves=8,
)
many = st.integers(1, 3000).map(lambda n: list(range(n)))
ids = st.integers(0, 2**64 - 1).map(lambda n: f"{n:016x}")

# What is put into an entity: the name of a function below and its arguments.
contents = st.one_of(
    st.tuples(st.just("name"), texts | long_texts | scalars),
    st.tuples(st.just("annotate"), texts | scalars, anything | many),
    st.tuples(st.just("add"), texts | scalars, anything | many, texts | scalars),
    st.tuples(st.just("request"), texts | long_texts, st.integers(100, 599)),
    st.tuples(st.just("statement"), texts | long_texts),
    st.tuples(st.just("aws"), texts, anything),
    st.tuples(st.just("fail"), texts | long_texts),
    st.tuples(st.just("follow"), ids),
    st.tuples(st.just("fill"), st.integers(1, 60)),
)


def name(entity, value):
    entity.name = value


def annotate(entity, key, value):
    entity.put_annotation(key, value)


def add(entity, key, value, namespace):
    entity.put_metadata(key, value, namespace)


def request(entity, url, status):
    entity.put_http_meta("url", url)
    entity.put_http_meta("status", status)


def statement(entity, text):
    entity.set_sql({"sanitized_query": text, "database_type": text, "user": text})


def aws(entity, key, value):
    entity.aws[key] = value


def fail(entity, message):
    error = ValueError(message)
    error.__cause__ = KeyError(message)
    entity.add_exception(error)


def follow(entity, id):
    if entity is entity.segment:
        entity.add_link("1-5759e988-bd862e3fe1be46a994272793", id, {"k": id})
        entity.set_user(id * 20)
    else:
        entity.add_precursor(id)


def fill(entity, count):
    for number in range(count):
        entity.put_annotation(f"key{number}", "v" * 900)


FILL = {f.__name__: f for f in (name, annotate, add, request, statement, aws, fail, follow, fill)}


@st.composite
def trees(draw):
    """The parents of a tree's subsegments, what is put in where, and which of them are sent first."""
    shape = draw(st.sampled_from(["any", "chain", "star"]))
    size = draw(st.integers(0, 12) | st.integers(45, 120))
    pick = {"any": None, "chain": lambda n: n, "star": lambda n: 0}[shape]
    if pick is None:
        seeds = draw(st.lists(st.integers(0, 10_000), min_size=size, max_size=size))
        parents = [seed % (number + 1) for number, seed in enumerate(seeds)]
    else:
        parents = [pick(number) for number in range(size)]
    inside = draw(st.dictionaries(st.integers(0, size), st.lists(contents, max_size=4), max_size=8))
    first = draw(st.sets(st.integers(1, size), max_size=size)) if size else set()
    return parents, inside, first


def made(parents, inside):
    def put(entity, number):
        for what, *arguments in inside.get(number, ()):
            FILL[what](entity, *arguments)

    return tree(parents, put, streaming_threshold=10**6)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("limit", [*LIMITS, 300])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(drawn=trees())
def test_every_entity_arrives_once_as_it_was_or_is_counted(encoder, limit, drawn):
    parents, inside, first = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "dumps", ENCODERS[encoder]())
        patch.setattr(document, "is_orjson", encoder == "orjson")
        batch = made(parents, inside)
        ledger = Ledger()
        # As when some ended early: what is sent in two batches is one trace all the same.
        batches = [
            [entity for n, entity in enumerate(batch) if n in first],
            [entity for n, entity in enumerate(batch) if n not in first],
        ]
        packed = [each for part in batches if part for each in pack(part, limit, ledger)]
    documents = []
    for data, entities in packed:
        assert len(data) <= limit
        documents.append(json.loads(data.decode(), parse_constant=pytest.fail))
        validator.validate(documents[-1])
        assert entities == len(parents_in(documents[-1:]))
    arrived = parents_in(documents)
    assert arrived.items() <= {entity.id: entity.parent_id for entity in batch}.items()
    assert {each["trace_id"] for each in documents} <= {batch[0].trace_id}
    lost = len(batch) - len(arrived)
    assert ledger.dropped == ({TOO_LARGE: lost} if lost else {})
    assert ledger.recorded == lost
    if limit in LIMITS:
        assert lost == 0


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
@given(drawn=trees())
def test_what_is_written_as_text_is_what_the_encoder_writes(drawn):
    parents, inside, _ = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "dumps", ENCODERS["standard"]())
        patch.setattr(document, "is_orjson", False)
        batch = made(parents, inside)
        ledgers = Ledger(), Ledger()
        packed = write(batch, ledgers[0])
        if packed is None:
            return
        ((data, entities),) = packed
        (whole,) = document.documents(batch, ledgers[1])
        expected = json.loads(document.encode(*whole))
    assert entities == len(batch)
    assert_same(json.loads(data), expected)
    assert ledgers[0].repaired == ledgers[1].repaired


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=trees(), limit=st.sampled_from([*LIMITS, 300]))
def test_the_ledger_of_an_emitter_balances(drawn, limit):
    parents, inside, _ = drawn
    batch = made(parents, inside)
    emitter = MemoryEmitter("memory:", limit)
    emitter.send(batch)
    stats = EmitterStats("memory:", emitter.ledger)
    assert (stats.recorded, stats.pending) == (len(batch), 0)
    assert stats.recorded == stats.sent + sum(stats.dropped.values())
    assert stats.sent == len(parents_in(emitter.documents))
    assert (stats.datagrams, stats.bytes) == (len(emitter.data), sum(map(len, emitter.data)))
    marked = [d for d in entities_in(emitter.documents) if "xtrace" in d.get("metadata", {})]
    assert stats.shortened >= len(marked)
