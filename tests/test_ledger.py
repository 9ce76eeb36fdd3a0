"""recorded = sent + pending + dropped, whatever happens in whatever order."""

from __future__ import annotations

import json
from threading import Barrier, Thread

from hypothesis import given
from hypothesis import strategies as st

from xtrace import ledger as module
from xtrace.ledger import EmitterStats, Ledger, Stats

counts = st.integers(1, 50)
reasons = st.sampled_from(["refused", "too large"])
calls = st.one_of(
    st.tuples(st.just("send"), counts, counts, st.sampled_from(["as it comes", "recorded before"])),
    st.tuples(st.just("record"), counts),
    st.tuples(
        st.just("drop"), reasons, counts, st.sampled_from(["as it comes", "recorded before"])
    ),
    st.tuples(st.just("recall"), reasons, counts, counts),
    st.tuples(st.just("shorten"), counts),
    st.tuples(st.just("repair"), reasons),
    st.tuples(st.just("add_up")),
)


def balance(ledger):
    stats = EmitterStats("memory:", ledger)
    assert stats.recorded == stats.sent + stats.pending + sum(stats.dropped.values())
    return stats


@given(st.lists(calls))
def test_what_is_recorded_is_sent_pending_or_dropped(calls):
    ledger, recorded, sent, dropped = Ledger(), 0, 0, 0
    for name, *arguments in calls:
        if name in ("send", "drop"):
            *arguments, how = arguments
            entities = arguments[name == "drop"]
            arguments.append(entities if how == "as it comes" else 0)
            recorded += arguments[-1]
            sent += entities * (name == "send")
            dropped += entities * (name == "drop")
        recorded += arguments[0] if name == "record" else 0
        if name == "recall":
            sent, dropped = sent - arguments[1], dropped + arguments[1]
        getattr(ledger, name)(*arguments)
        stats = balance(ledger)
        assert (stats.recorded, stats.sent) == (recorded, sent)
        assert sum(stats.dropped.values()) == dropped


def test_many_threads_count_exactly():
    ledger, barrier = Ledger(), Barrier(9)

    def work():
        barrier.wait()
        for _ in range(2000):
            ledger.send(1, 10, 1)
            ledger.record(1)
            ledger.drop("refused", 1)
            ledger.recall("refused", 1, 10)
            ledger.repair("name")
            ledger.shorten()

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    barrier.wait()
    while any(thread.is_alive() for thread in threads):
        assert balance(ledger).pending >= 0
    stats = balance(ledger)
    assert (stats.recorded, stats.sent, stats.pending) == (32_000, 0, 0)
    assert (stats.datagrams, stats.bytes, stats.shortened) == (0, 0, 16_000)
    assert stats.dropped == {"refused": 32_000}
    assert stats.repaired == {"name": 16_000}


def test_sends_are_added_up_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(module, "_MOST_SENDS", 10)
    ledger = Ledger()
    for _ in range(25):
        ledger.send(1, 100, 1)
    assert len(ledger._sends) <= 10
    stats = balance(ledger)
    assert (stats.sent, stats.datagrams, stats.bytes) == (25, 25, 2500)


def test_a_datagram_that_turned_out_lost_was_not_sent():
    ledger = Ledger()
    ledger.send(3, 500, 3)
    ledger.recall("refused", 3, 500)
    stats = balance(ledger)
    assert (stats.recorded, stats.sent, stats.datagrams, stats.bytes) == (3, 0, 0, 0)
    assert stats.dropped == {"refused": 3}


def test_a_forked_child_starts_from_zero_with_a_lock_of_its_own():
    ledger = Ledger()
    ledger.send(1, 10, 1)
    ledger.drop("refused", 1, 1)
    ledger._lock.acquire()
    ledger.after_fork()
    ledger.record(1)
    stats = balance(ledger)
    assert (stats.recorded, stats.sent, stats.dropped) == (1, 0, {})


def test_a_copy_does_not_change_any_more():
    ledger = Ledger()
    ledger.repair("name")
    ledger.drop("refused", 1, 1)
    stats = EmitterStats("memory:", ledger)
    ledger.repair("name")
    ledger.drop("refused", 1, 1)
    assert (stats.repaired, stats.dropped) == ({"name": 1}, {"refused": 1})


def stats_of(*ledgers, open=0):
    emitters = [EmitterStats(f"emitter {n}", ledger) for n, ledger in enumerate(ledgers)]
    return Stats(emitters, open, late=1, repaired={"name": 1}, sampling="local", faults={"udp": 2})


def test_the_stats_are_the_sum_over_the_emitters():
    one, other = Ledger(), Ledger()
    one.send(2, 100, 2)
    one.drop("refused", 1, 1)
    other.record(4)
    other.drop("refused", 1)
    other.drop("too large", 1)
    other.repair("name")
    other.shorten()
    stats = stats_of(one, other)
    assert (stats.recorded, stats.sent, stats.pending) == (7, 2, 2)
    assert stats.dropped == {"refused": 2, "too large": 1}
    assert stats.repaired == {"name": 2}
    assert (stats.datagrams, stats.bytes, stats.shortened) == (1, 100, 1)
    assert [emitter.recorded for emitter in stats.emitters] == [3, 4]


def test_the_stats_are_plain_data_for_json():
    ledger = Ledger()
    ledger.drop("refused", 1, 1)
    data = stats_of(ledger).as_dict()
    assert json.loads(json.dumps(data)) == data
    assert set(data) == set(Stats.__slots__)
    assert set(data["emitters"][0]) == set(EmitterStats.__slots__)
    assert data["emitters"][0]["dropped"] == {"refused": 1}


def test_the_stats_read_as_a_sentence():
    ledger = Ledger()
    assert str(stats_of(ledger)) == "recorded 0, sent 0 (0 bytes in 0 datagrams), dropped 0"
    ledger.send(5, 700, 5)
    ledger.record(4)
    ledger.drop("too large", 1)
    ledger.drop("refused", 2)
    ledger.shorten()
    text = (
        "recorded 9, sent 5 (700 bytes in 1 datagrams), pending 1, "
        "dropped 3 (2 refused, 1 too large), shortened 1, open 2"
    )
    assert str(stats_of(ledger, open=2)) == text
    assert repr(stats_of(ledger, open=2)) == f"<Stats: {text}>"
