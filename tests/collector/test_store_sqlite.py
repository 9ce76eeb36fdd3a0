"""The store on SQLite: the contract of all stores, and what only a file can go through."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.collector.store_contract import (
    ALWAYS,
    StoreContract,
    at,
    by_subject,
    check_trimmed,
    edges_of,
    found,
    id_of,
    parsed,
    producer_and_consumers,
    put,
)
from tests.collector.strategies import NOON, TRACE_ID, minimal
from tests.helpers import eventually
from xtrace.collector import filters
from xtrace.collector.graph import rollups_of
from xtrace.collector.store import StoreError, Window, links, open_store, open_to_read, writer
from xtrace.collector.trace import compile_trace

ROOT = Path(__file__).parents[2]


@contextmanager
def opened(path, **limits):
    store = open_store(str(path), **limits)
    try:
        yield store
    finally:
        store.close()


class TestInMemory(StoreContract):
    @pytest.fixture
    def store(self):
        with self.empty() as store:
            yield store

    @staticmethod
    def empty():
        return opened(":memory:")


class TestInAFile(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        with opened(tmp_path / "new" / "traces.db") as store:
            yield store

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path_factory):
        type(self).root = tmp_path_factory.mktemp("stores")
        type(self).count = 0

    @classmethod
    def empty(cls):
        cls.count += 1
        return opened(cls.root / f"{cls.count}.db")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "traces.db"


# -- making room


def large(number):
    return at(number, NOON + number, metadata={"default": {"x": "y" * 3000}})


@pytest.mark.parametrize("where", ["memory", "file"])
def test_the_oldest_traces_make_room(where, path):
    contents = [large(number) for number in range(1500)]
    with opened(":memory:" if where == "memory" else path, max_bytes=2_000_000) as store:
        for start in range(0, 1500, 100):
            put(store, *contents[start : start + 100])
        eventually(lambda: store.size().bytes <= 2_000_000)
        kept = store.size().traces
        assert 100 < kept < 1000
        assert store.counts().stored == 1500
        check_trimmed(store, contents, kept)


@pytest.mark.parametrize("where", ["memory", "file"])
def test_pinned_runs_make_no_room(where, path):
    contents = [large(number) for number in range(900)]
    with opened(":memory:" if where == "memory" else path, max_bytes=2_000_000) as store:
        for name, part in (("a", contents[:60]), ("b", contents[60:160]), ("a", contents[160:200])):
            store.begin_run(name)
            put(store, *part)
        store.pin_run("a", True)
        store.begin_run(None)
        for start in range(200, 900, 100):
            put(store, *contents[start : start + 100])
        eventually(lambda: store.size().bytes <= 2_000_000)
        kept = store.size().traces
        assert 110 < kept < 700
        left = [*contents[:60], *contents[160:200], *contents[900 - (kept - 100) :]]
        ids = {each["trace_id"] for each in left}
        assert set(found(store, ALWAYS, limit=10_000, seconds=30)) == ids
        compiled = [compile_trace(each["trace_id"], [each]) for each in left]
        assert by_subject(store.graph(ALWAYS)) == by_subject(rollups_of(compiled))
        store.pin_run("a", False)
        put(store, *(large(number) for number in range(1000, 1300)))
        eventually(lambda: found(store, ALWAYS, run="a", limit=1) == [])


def test_what_is_removed_is_no_more_in_the_file(path):
    with opened(path) as store:
        put(store, at(1, NOON, user="a secret name"))
        store.remove()
        store.flush()
    assert not any(b"a secret name" in file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize("where", ["memory", "file"])
def test_names_go_with_the_last_trace_that_has_them(where, path, monkeypatch):
    monkeypatch.setattr(writer, "SECONDS_BETWEEN_NODES", 0)
    contents = [{**large(n), "name": f"service-{n:03}"} for n in range(300)]
    contents[299]["name"] = contents[0]["name"]  # an old trace's name in a new one
    with opened(":memory:" if where == "memory" else path, max_bytes=1_000_000) as store:
        put(store, *contents[:100])
        put(store, *contents[100:])
        eventually(lambda: store.size().bytes <= 1_000_000)
        store._writer.run(lambda _: None)  # what trims has ended
        kept = {store.traces([id])[0].root.name for id in found(store, ALWAYS, limit=1000)}
        assert 10 < len(kept) < 250
        assert contents[0]["name"] in kept
        assert set(store.vocabulary("name", limit=1000)) == kept

        def count(table):
            return store._writer.run(lambda c: c.execute(f"select count(*) from {table}"))

        (nodes,), (subjects,) = count("nodes").fetchone(), count("subjects").fetchone()
        assert nodes == 2 * len(kept)  # with clients
        assert subjects == 2 * len(kept)  # and edges from them
        put(store, {**contents[5], "trace_id": id_of(1000)})
        assert contents[5]["name"] in store.vocabulary("name", limit=1000)
        ends = {(r.subject[0], sum(r.counts)) for r in store.graph(ALWAYS) if r.received}
        assert (contents[5]["name"], 1) in ends


def test_traces_go_when_they_are_old(path):
    contents = [at(number, NOON + number) for number in range(200)]
    with opened(path, max_age=0.5) as store:
        put(store, *contents)
        eventually(lambda: store.size().traces == 0)
        assert store.counts().trimmed_traces == 200
        assert store.graph(ALWAYS) == []
        put(store, at(1, NOON))
        assert store.size().traces == 1


def test_a_trace_that_is_larger_than_the_store_goes_in_pieces(path, monkeypatch):
    monkeypatch.setattr(writer, "TRIM_DOCUMENTS", 10)
    parts = [{**large(1), "id": f"{number:016x}"} for number in range(101)]
    with opened(path, max_bytes=400_000) as store:
        put(store, *parts)
        eventually(lambda: store.counts().trimmed_traces == 1)
        assert store.counts().trimmed_documents == 101
        put(store, at(2, NOON))
        assert found(store, ALWAYS) == [id_of(2)]
        assert store.size()[:2] == (1, 1)


def test_what_is_trimmed_while_it_waits_to_be_compiled_is_gone(path, monkeypatch):
    monkeypatch.setattr(writer, "QUIET_SECONDS", 60)
    monkeypatch.setattr(writer, "LONGEST_WAIT_SECONDS", 60)
    with opened(path, max_age=0.2) as store:
        store.write(parsed(at(1, NOON)))
        eventually(lambda: store.counts().stored == 1)
        eventually(lambda: store.counts().trimmed_traces == 1)
        assert store.counts().stale == 0
        put(store, at(1, NOON))
        assert found(store, ALWAYS) == [id_of(1)]


def test_a_link_leads_where_it_led_when_the_other_trace_has_made_room(path, monkeypatch):
    monkeypatch.setattr(writer, "TRIM_TRACES", 1)
    sender, (receiver,) = producer_and_consumers(1)
    with opened(path) as store:
        put(store, sender)
        put(store, receiver)
        store._writer.run(
            lambda c: (store._writer._delete_oldest(c), store._writer._rollups.write(c))
        )
        assert store.raw(sender["trace_id"]) == []
        before = edges_of(store)
        assert before == {("jobs", "worker", True): 1}
        put(store, {**receiver, "user": "ann"})
        assert edges_of(store) == before
    with opened(path) as store:
        put(store, {**receiver, "user": "bob"})
        assert edges_of(store) == before


def test_many_links_to_a_trace_that_grows_compile_little(path, monkeypatch):
    compiled = Counter()
    compile_trace = writer.compile_trace

    def counting(trace_id, *rest):
        compiled[trace_id] += 1
        return compile_trace(trace_id, *rest)

    monkeypatch.setattr(writer, "compile_trace", counting)
    monkeypatch.setattr(links, "compile_trace", counting)
    sender, receivers = producer_and_consumers(50)
    with opened(path) as store:
        for number, receiver in enumerate(receivers):
            put(store, {**sender, "metadata": {"n": {"n": number}}}, receiver)
        assert edges_of(store)["jobs", "worker", True] == 50
    of_sender = compiled.pop(sender["trace_id"])
    assert of_sender <= 51  # once for each change, and once to follow the first link
    assert max(compiled.values()) == 1


# -- a file


def test_a_file_is_there_again_when_it_is_opened_again(path):
    with opened(path) as store:
        put(store, at(1, NOON), at(2, NOON + 1))
        store.put_setting("x", [1])
        seen, graph = store.last_change(), store.graph(ALWAYS)
    with opened(path) as store:
        assert found(store, ALWAYS) == [id_of(2, NOON + 1), id_of(1)]
        assert store.graph(ALWAYS) == graph
        assert store.setting("x") == [1]
        put(store, {**at(1, NOON), "id": "2" * 16})
        assert store.last_change() == seen + 1
        assert len(store.raw(id_of(1))) == 2


def test_only_its_owner_may_read_a_file(path):
    with opened(path):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


LOAD = """
import sys, time
from tests.collector.store_contract import at, parsed
from xtrace.collector.store import open_store
store = open_store(sys.argv[1])
number = 0
while True:
    store.write(parsed(*(at(number + n, time.time()) for n in range(20))))
    number += 20
    if number % 500 == 0 and store.is_safe(60):
        print(number, flush=True)
"""


def test_a_kill_loses_nothing_that_was_said_to_be_safe(path):
    loading = subprocess.Popen(
        [sys.executable, "-c", LOAD, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    for _ in range(8):
        safe = int(loading.stdout.readline())
    loading.send_signal(signal.SIGKILL)
    loading.communicate()
    assert safe > 0
    with opened(path) as store:
        assert store.flush(30)
        size = store.size()
        assert size.documents == size.traces >= safe
        assert len(found(store, ALWAYS, limit=10**6, seconds=30)) == size.traces
        counted = sum(sum(r.counts) for r in store.graph(ALWAYS) if r.subject[1] is None)
        assert counted == size.traces


def test_what_waits_to_be_compiled_is_compiled_when_the_file_is_opened_again(path, monkeypatch):
    monkeypatch.setattr(writer, "QUIET_SECONDS", 60)
    monkeypatch.setattr(writer, "LONGEST_WAIT_SECONDS", 60)
    monkeypatch.setattr(writer, "SECONDS_TO_FINISH", 0)
    with opened(path) as store:
        store.write(parsed(at(1, NOON)))
        eventually(lambda: store.counts().stored == 1)
        assert found(store, ALWAYS) == []
        assert len(store.traces([id_of(1)])) == 1
    monkeypatch.undo()
    with opened(path) as store:
        eventually(lambda: found(store, ALWAYS) == [id_of(1)])


def test_two_collectors_dont_share_a_file(path):
    with opened(path) as store:
        with pytest.raises(StoreError, match=f"process {os.getpid()}.*--db"):
            open_store(str(path))
        put(store, at(1, NOON))
    with opened(path) as store:
        assert store.size().traces == 1


def test_a_collector_in_another_process_is_noticed_until_it_dies(path):
    code = "import sys; from xtrace.collector.store import open_store; s = open_store(sys.argv[1])"
    other = subprocess.Popen(
        [sys.executable, "-c", code + "\nprint('open', flush=True); input()", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert other.stdout.readline() == b"open\n"
    with pytest.raises(StoreError, match=f"process {other.pid}"):
        open_store(str(path))
    other.kill()
    other.communicate()
    open_store(str(path)).close()


def test_readers_read_what_another_store_writes_and_write_nothing(path):
    with pytest.raises(StoreError, match="no such file"):
        open_to_read(str(path))
    assert not path.exists()
    with opened(path) as store:
        reader = open_to_read(str(path))
        put(store, at(1, NOON))
        assert found(reader, ALWAYS) == [id_of(1)]
        assert reader.size().traces == 1
        for write in (
            lambda: reader.write(parsed(at(2, NOON))),
            lambda: reader.put_setting("x", 1),
            reader.flush,
        ):
            with pytest.raises(StoreError, match="read only"):
                write()
        assert reader.counts().taken == 0
        reader.close()


def test_an_empty_file_has_nothing_to_read(path):
    path.touch()
    with pytest.raises(StoreError, match="empty"):
        open_to_read(str(path))
    open_store(str(path)).close()


def test_a_file_that_is_no_database_is_refused_with_advice_and_left_alone(path):
    path.write_text("my notes, not a database " * 100)
    for open in (open_store, open_to_read):
        with pytest.raises(StoreError, match="--db"):
            open(str(path))
    assert path.read_text().startswith("my notes")


def test_a_database_of_another_program_is_refused_and_left_alone(path):
    with sqlite3.connect(path) as connection:
        connection.execute("create table mine (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program.*--db"):
        open_store(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", [1, 99])
def test_a_database_of_another_version_is_refused(path, version):
    connection = sqlite3.connect(path)
    connection.execute("create table documents (number)")
    connection.execute("pragma application_id = 0x78747263")
    connection.execute(f"pragma user_version = {version}")
    connection.close()
    with pytest.raises(StoreError, match=f"version {version}"):
        open_store(str(path))


def test_a_folder_that_cant_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="--db"):
        open_store(str(tmp_path / "file" / "traces.db"))


def test_a_damaged_file_is_said_and_left_there(path):
    with opened(path) as store:
        put(store, *(large(number) for number in range(200)))
    data = bytearray(path.read_bytes())
    data[8192:-8192] = os.urandom(len(data) - 2 * 8192)
    path.write_bytes(data)
    size = path.stat().st_size
    with pytest.raises(StoreError, match="Can't"):
        with opened(path) as store:
            found(store, ALWAYS)
            store.raw(id_of(5, NOON + 5))
    assert path.stat().st_size >= size


@pytest.mark.usefixtures("lenient_faults")
def test_when_the_disk_is_full_documents_wait_then_are_dropped_and_it_goes_on(
    path, monkeypatch, caplog
):
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.01)
    with opened(path, max_waiting_bytes=100_000) as store:
        put(store, large(0))
        pages = store._writer.run(lambda c: c.execute("pragma max_page_count = 60").fetchone()[0])
        assert pages == 60
        number = 0
        while store.counts().dropped < 20:
            number += 1
            store.write(parsed(large(number)), timeout=0.02)
        counts = store.counts()
        assert counts.waiting > 0
        assert counts.taken == counts.stored + counts.dropped + counts.waiting
        assert not store.is_safe(timeout=30)  # and says so at once
        assert store.fails
        assert "disk full" in caplog.text or "full" in caplog.text
        assert len([r for r in caplog.records if "store documents" in r.message]) == 1
        store._readers.clear()
        store._writer._connection.execute("pragma max_page_count = 100000")
        assert store.write(parsed(large(number + 1)), timeout=10) == 1
        assert store.flush(30)
        assert store.is_safe(timeout=30)
        assert not store.fails
        counts = store.counts()
        assert counts.waiting == 0
        assert counts.stored == number + 2 - counts.dropped
        assert store.size().documents == counts.stored


def test_while_another_program_holds_the_file_documents_wait(path, monkeypatch):
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.01)
    with opened(path) as store:
        put(store, at(1, NOON))
        store._writer.run(lambda c: None)
        store._writer._connection.execute("pragma busy_timeout = 10")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin immediate")
        store.write(parsed(at(2, NOON)))
        eventually(lambda: store._writer._complained > 0)
        assert store.counts().waiting == 1
        with pytest.raises(StoreError, match="locked"):
            store.put_setting("x", 1)
        assert found(store, ALWAYS) == [id_of(1)]  # reading goes on
        other.execute("rollback")
        other.close()
        assert store.flush(30)
        assert len(found(store, ALWAYS)) == 2


def test_what_there_is_no_room_for_is_dropped_whole(path):
    with opened(path, max_waiting_bytes=10_000) as store:
        with store._writer._changed:  # the writer can take nothing meanwhile
            assert store.write(parsed(large(1))) == 1
            assert store.write(parsed(large(2), large(3), large(4))) == 0
            assert store.write(parsed(large(5))) == 1
        assert store.flush(30)
        assert store.counts()[:4] == (5, 2, 3, 0)


# -- compiling


def test_a_trace_that_trickles_in_is_compiled_now_and_then(path, monkeypatch):
    compiled = []
    derive = writer.derive

    def slow(trace, links):
        compiled.append(trace.id)
        time.sleep(0.02)  # as a large trace would take
        return derive(trace, links)

    monkeypatch.setattr(writer, "derive", slow)
    monkeypatch.setattr(writer, "SECONDS_BETWEEN_COMMITS", 0.001)
    monkeypatch.setattr(writer, "QUIET_SECONDS", 0.001)
    monkeypatch.setattr(writer, "LONGEST_WAIT_SECONDS", 0.001)
    with opened(path) as store:
        begun = time.monotonic()
        for number in range(300):
            store.write(parsed({**at(1, NOON), "id": f"{number:016x}"}))
            time.sleep(0.002)
        took = time.monotonic() - begun
        assert len(compiled) <= 2 + took / (0.02 / writer.SHARE_OF_TIME)
        eventually(lambda: store.find(ALWAYS).summaries[0]["Revision"] == 300)


@pytest.mark.usefixtures("lenient_faults")
def test_a_trace_that_cant_be_compiled_is_counted_and_its_documents_kept(path, monkeypatch, caplog):
    derive = writer.derive

    def failing(trace, links):
        if trace.id == TRACE_ID:
            raise RuntimeError("a fault of ours")
        return derive(trace, links)

    monkeypatch.setattr(writer, "derive", failing)
    with opened(path) as store:
        put(store, minimal(), at(1, NOON))
        assert found(store, ALWAYS) == [id_of(1)]
        assert store.counts().failed == 1
        assert len(store.raw(TRACE_ID)) == 1
        assert "can't be compiled" in caplog.text


@pytest.mark.usefixtures("lenient_faults")
def test_a_trace_that_cant_be_written_doesnt_hold_up_the_others(path, monkeypatch):
    derive = writer.derive

    def unfit(trace, links):
        derived = derive(trace, links)
        if trace.id == TRACE_ID:
            return derived._replace(trace=(object(), *derived.trace[1:]))
        return derived

    monkeypatch.setattr(writer, "derive", unfit)
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.01)
    with opened(path) as store:
        store.write(parsed(minimal(), *(at(number, NOON) for number in range(5))))
        eventually(lambda: len(found(store, ALWAYS)) == 5)
        eventually(lambda: store.counts().failed == 1)
        put(store, at(7, NOON))
        assert len(found(store, ALWAYS)) == 6
        assert store.counts().stored == 7


def test_minutes_that_are_over_are_added_up(path):
    old = time.time() - 7200
    with opened(path) as store:
        for number in range(120):
            store.write(parsed(at(number, old + number * 30)))
        assert store.flush(30)
        eventually(lambda: not store._writer._rollups._unsealed)
        before = store.graph(ALWAYS)
        connection = sqlite3.connect(path)
        spans = dict(connection.execute("select span, count(*) from rollups group by span"))
        connection.close()
        assert 0 < spans[600] < spans[60]
        put(store, {**at(3, old + 90), "fault": True}, at(500, old + 100))
        after = store.graph(ALWAYS)
        assert sum(r.counts[3] for r in after) == 2
        assert sum(sum(r.counts) for r in after) == sum(sum(r.counts) for r in before) + 2


def test_a_large_window_without_matches_is_scanned_in_slices(path, monkeypatch):
    from xtrace.collector.store import questions

    monkeypatch.setattr(questions, "SLICE", 7)
    with opened(path) as store:
        put(store, *(at(number, NOON + number // 3) for number in range(50)))
        assert len(found(store, ALWAYS, limit=1000, seconds=30)) == 50
        page = store.find(ALWAYS, filter=filters.parse("fault"), seconds=30)
        assert page == ([], 50, None)
        assert len(store.graph(Window(0, 1e12), filters.parse("ok"))) == 2


def test_a_document_keeps_its_bytes_in_the_file(path):
    with opened(path) as store:
        put(store, at(1, NOON))
    connection = sqlite3.connect(path)
    (data,) = connection.execute("select data from documents").fetchone()
    connection.close()
    assert json.loads(data)["trace_id"] == id_of(1)
