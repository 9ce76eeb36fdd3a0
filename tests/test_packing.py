"""Any tree of any size becomes datagrams: whole, split, shortened, and only in the end dropped."""

from __future__ import annotations

import json

import pytest

from tests.documents import validator
from tests.helpers import entities_in, keeping_recorder, parents_in, tree
from xtrace.document import MAX_EMBEDDED_DEPTH
from xtrace.ledger import Ledger
from xtrace.packing import TOO_LARGE, pack

LIMIT = 64_000


@pytest.fixture
def ledger():
    return Ledger()


def packed_whole(batch, limit, ledger):
    """The documents of a batch, parsed: each fits and is valid, and no entity is lost or moved."""
    packed = pack(batch, limit, ledger)
    documents = [json.loads(data) for data, _ in packed]
    for (data, entities), document in zip(packed, documents, strict=True):
        assert len(data) <= limit
        assert entities == len(parents_in([document]))
        validator.validate(document)
    assert parents_in(documents) == {entity.id: entity.parent_id for entity in batch}
    return documents


def text(size):
    return lambda entity, number: entity.put_metadata("text", "x" * size)


def names(documents):
    return [document["name"] for document in documents]


def levels(document):
    """How many levels of subsegments a document has."""
    depth, level = 0, document.get("subsegments", [])
    while level:
        depth, level = depth + 1, [below for each in level for below in each.get("subsegments", ())]
    return depth


# -- whole -------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [0, 1, 49, 50, 51, 300])
def test_what_fits_is_one_document(ledger, parts):
    batch = tree([number // 3 for number in range(parts)])
    (document,) = packed_whole(batch, LIMIT, ledger)
    assert document["trace_id"] == batch[0].trace_id
    assert (ledger.recorded, ledger.shortened, ledger.repaired) == (0, 0, {})


@pytest.mark.parametrize("parts", [5, 60])
def test_a_document_may_be_as_large_as_the_limit_and_no_larger(ledger, parts):
    batch = tree([0] * parts, text(100))
    ((data, _),) = pack(batch, LIMIT, ledger)
    # The last subsegment leaves room for a comma, which many subsegments need.
    assert len(packed_whole(batch, len(data) + (parts > MAX_EMBEDDED_DEPTH), ledger)) == 1
    assert len(packed_whole(batch, len(data) - 1, ledger)) > 1
    assert ledger.shortened == 0


def test_every_limit_is_kept_to_the_byte(ledger):
    batch = tree(
        [0, 0, 1, 1, 2, 5, 5, 0], lambda entity, n: entity.put_metadata("k", "x" * n * 150)
    )
    for limit in range(1200, 5000, 13):
        packed_whole(batch, limit, ledger)


@pytest.mark.parametrize("parts", [10, 60])
def test_subsegments_stand_in_the_order_in_which_they_began(ledger, parts):
    batch = tree([0] * parts)
    (document,) = packed_whole([batch[0], *reversed(batch[1:])], LIMIT, ledger)
    assert names(document["subsegments"]) == [entity.name for entity in batch[1:]]


# -- split -------------------------------------------------------------------------------------


def test_large_subsegments_travel_alone_and_small_ones_stay(ledger):
    sizes = [0, 100, 50_000, 100, 51_000]
    batch = tree([0] * 4, lambda entity, n: entity.put_metadata("text", "x" * sizes[n]))
    *alone, whole = packed_whole(batch, LIMIT, ledger)
    assert names(whole["subsegments"]) == ["part 1", "part 2", "part 3"]
    assert names(alone) == ["part 4"]
    assert (alone[0]["type"], alone[0]["trace_id"]) == ("subsegment", batch[0].trace_id)
    assert ledger.shortened == 0


def test_a_subtree_travels_as_one(ledger):
    sizes = [40_000, 20_000, 10_000, 10_000]
    batch = tree([0, 1, 1], lambda entity, n: entity.put_metadata("text", "x" * sizes[n]))
    alone, whole = packed_whole(batch, LIMIT, ledger)
    assert names(alone["subsegments"]) == ["part 2", "part 3"]
    assert "subsegments" not in whole


def test_subsegments_without_their_parents_are_documents_of_their_own(ledger):
    batch = tree([0, 1, 2, 3, 0], text(20_000))
    documents = packed_whole([batch[2], batch[4], batch[5], batch[3]], LIMIT, ledger)
    assert sorted(names(documents)) == ["part 2", "part 5"]


def test_what_has_not_ended_is_sent_in_progress(ledger):
    recorder = keeping_recorder()
    with recorder.in_segment("a") as segment:
        (document,) = packed_whole([segment], LIMIT, ledger)
    assert document["in_progress"] is True


@pytest.mark.parametrize("limit", [64_000, 8192, 1024])
def test_ten_thousand_subsegments_under_one(ledger, limit):
    packed_whole(tree([0] * 10_000), limit, ledger)
    assert (ledger.dropped, ledger.shortened) == ({}, 0)


@pytest.mark.parametrize("limit", [64_000, 1024])
def test_a_chain_of_five_thousand_subsegments(ledger, limit):
    documents = packed_whole(tree(list(range(5000))), limit, ledger)
    assert max(map(levels, documents)) < MAX_EMBEDDED_DEPTH
    assert (ledger.dropped, ledger.shortened) == ({}, 0)


# -- shortened, dropped ------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 60])
def test_what_cannot_be_split_is_shortened_with_a_mark(ledger, parts):
    def fill(entity, number):
        entity.put_metadata("text", "x" * (100_000 if number == 1 else 10))

    documents = packed_whole(tree([0] * parts, fill), LIMIT, ledger)
    marked = [each for each in entities_in(documents) if "xtrace" in each["metadata"]]
    assert names(marked) == ["part 1"]
    assert marked[0]["metadata"]["default"]["text"].endswith("… [100000 characters, shortened]")
    assert (ledger.shortened, ledger.dropped) == (1, {})


def test_only_what_is_too_large_by_itself_is_shortened(ledger):
    packed_whole(tree([0, 1, 2, 3, 4], text(50_000)), LIMIT, ledger)
    assert ledger.shortened == 0


def test_what_does_not_fit_at_all_is_dropped_and_counted_and_its_children_are_sent():
    batch = tree([0, 1, 0])
    batch[0].name = "n" * 200
    fates = set()
    for limit in range(150, 400):
        ledger = Ledger()
        packed = pack(batch, limit, ledger)
        found = parents_in([json.loads(data) for data, _ in packed])
        assert all(len(data) <= limit for data, _ in packed)
        assert found.items() <= {entity.id: entity.parent_id for entity in batch}.items()
        assert ledger.recorded == len(batch) - len(found)
        assert sum(ledger.dropped.values()) == ledger.recorded == ledger.dropped.get(TOO_LARGE, 0)
        fates.add((batch[0].id in found, len(found)))
    assert {(False, 0), (False, 3), (True, 4)} <= fates


@pytest.mark.parametrize("parts", [3, 60])
def test_nothing_fits_and_everything_is_counted(ledger, parts):
    assert pack(tree([0] * parts), 100, ledger) == []
    assert ledger.dropped == {TOO_LARGE: parts + 1}
    assert ledger.recorded == parts + 1


@pytest.mark.parametrize("limit", [64_000, 2000])
@pytest.mark.parametrize("parts", [1, 60])
def test_a_repair_is_counted_once_however_often_it_is_packed(ledger, parts, limit):
    def fill(entity, number):
        if number == 1:
            entity.put_annotation("a key", 1)
            entity.name = "a?name"
        entity.put_metadata("text", "x" * 1500)

    packed_whole(tree([0] * parts, fill), limit, ledger)
    assert ledger.repaired == {"annotation key": 1, "name": 1}


# -- other threads -----------------------------------------------------------------------------


class Growing(dict):
    """A dict that another thread makes larger while it is read, the first so many times."""

    left = 1

    def items(self):
        self.left -= 1
        if self.left >= 0:
            raise RuntimeError("dictionary changed size during iteration")
        return super().items()


@pytest.mark.parametrize("limit", [64_000, 3000])
@pytest.mark.parametrize("parts", [3, 60])
def test_what_another_thread_still_changes_is_sent_all_the_same(ledger, parts, limit):
    batch = tree([0] * parts, text(500))
    batch[1].name = "a?name"
    batch[2]._more = Growing(fault=True)
    documents = packed_whole(batch, limit, ledger)
    assert names([each for each in entities_in(documents) if "fault" in each]) == ["part 2"]
    assert ledger.repaired == {"name": 1}


@pytest.mark.parametrize("parts", [3, 60])
def test_what_never_stops_changing_is_an_error_that_the_recorder_counts(ledger, parts):
    batch = tree([0] * parts)
    batch[2]._more = Growing(fault=True)
    batch[2]._more.left = 1000
    with pytest.raises(RuntimeError):
        pack(batch, LIMIT, ledger)
