"""Documents kept in the process: parsed, in order, and not without end."""

from __future__ import annotations

from collections import deque

from tests.helpers import ended
from xtrace.emitters import memory
from xtrace.emitters.memory import MemoryEmitter
from xtrace.ledger import EmitterStats


def names(emitter):
    return [document["name"] for document in emitter.documents]


def test_documents_are_kept_parsed_and_in_order():
    emitter = MemoryEmitter()
    emitter.send(ended("a", parts=2))
    emitter.send(ended("b"))
    assert names(emitter) == ["a", "b"]
    assert [part["name"] for part in emitter.documents[0]["subsegments"]] == ["part 0", "part 1"]
    stats = EmitterStats(emitter.url, emitter.ledger)
    assert (stats.recorded, stats.sent, stats.pending) == (4, 4, 0)
    assert (stats.datagrams, stats.bytes) == (2, sum(map(len, emitter.data)))


def test_what_is_kept_is_what_would_have_been_sent():
    emitter = MemoryEmitter(max_bytes=1500)
    emitter.send(ended("a", parts=30))
    assert len(emitter.data) > 1
    assert max(map(len, emitter.data)) <= 1500


def test_changing_a_document_changes_none_that_is_kept():
    emitter = MemoryEmitter()
    emitter.send(ended("a"))
    emitter.documents[0]["name"] = "changed"
    assert names(emitter) == ["a"]


def test_clear_forgets_the_documents_and_keeps_the_counts():
    emitter = MemoryEmitter()
    emitter.send(ended("a"))
    emitter.clear()
    emitter.send(ended("b"))
    assert names(emitter) == ["b"]
    assert EmitterStats(emitter.url, emitter.ledger).sent == 2


def test_the_oldest_go_when_there_are_too_many(monkeypatch):
    assert MemoryEmitter().data.maxlen == memory.MAX_DOCUMENTS
    emitter = MemoryEmitter()
    emitter.data = deque(maxlen=3)
    for number in range(5):
        emitter.send(ended(f"{number}"))
    assert names(emitter) == ["2", "3", "4"]
