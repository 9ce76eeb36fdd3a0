"""The store on ClickHouse keeps the contract, and what one collector stores the others show.

The engine is real: chdb, which is ClickHouse as a library, behind a small server that speaks
ClickHouse's HTTP interface. XTRACE_TEST_CLICKHOUSE=clickhouse://user:password@host:8123 uses a server that
is there instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from itertools import count
from random import Random

import orjson
import pytest
from clickhouse_connect.driver.exceptions import OperationalError

from tests.collector.filter_traces import of, segment
from tests.collector.store_contract import (
    ALWAYS,
    StoreContract,
    at,
    edges_of,
    found,
    id_of,
    pages,
    parsed,
    producer_and_consumers,
    put,
)
from tests.collector.test_filters import EXAMPLES
from tests.helpers import eventually
from tests.servers.clickhouse import clickhouse_server
from xtrace.collector import Collector, running
from xtrace.collector.filters import parse
from xtrace.collector.filters.dialects import ClickHouse
from xtrace.collector.filters.sql import prefilter
from xtrace.collector.graph import NodeKey, added_up
from xtrace.collector.store import StoreError, Window, open_store, open_to_read, shown
from xtrace.collector.store import clickhouse as clickhouse_store
from xtrace.collector.store.clickhouse import aggregates, place_of, rolling, tables
from xtrace.collector.store.clickhouse.database import Database
from xtrace.collector.store.clickhouse.questions import Selection
from xtrace.collector.store.clickhouse.rows import row_of
from xtrace.collector.store.derive import derive

_databases = count(1)


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory):
    """The URL of a server, without a database."""
    with clickhouse_server(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


def new_database(server):
    return f"{server}/test_{os.getpid()}_{next(_databases)}"


@pytest.fixture
def url(clickhouse):
    return new_database(clickhouse)


def empty_again(store):
    """Make a store's database as it was: sooner than to make another."""
    database = Database(store._database.place, None, read_only=False)
    used = "SELECT DISTINCT table FROM system.parts WHERE active AND database = currentDatabase()"
    for (table,) in database.query(used):
        database.truncate(table)
    database.close()


class TestContract(StoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, clickhouse):
        self.clickhouse = clickhouse

    @contextmanager
    def empty(self):
        store = open_store(f"{self.clickhouse}/contract_{os.getpid()}")
        try:
            yield store
        finally:
            store.close()
            empty_again(store)

    @pytest.fixture
    def store(self, _server):
        with self.empty() as store:
            yield store


@contextmanager
def two(url):
    one, other = open_store(url), open_store(url)
    try:
        yield one, other
    finally:
        one.close()
        other.close()


def test_two_collectors_show_the_same(url):
    with two(url) as (one, other):
        put(one, *(at(number, 1_700_000_000.0) for number in range(20)))
        put(other, *(at(number, 1_700_000_000.0) for number in range(20, 40)))
        assert one.flush(30)
        everything = sorted(id_of(number) for number in range(40))
        assert sorted(found(one, ALWAYS)) == sorted(found(other, ALWAYS)) == everything
        assert (one.counts().stored, other.counts().stored) == (20, 20)
        one.put_setting("a", 1)
        eventually(lambda: other.setting("a") == 1)


def test_a_trace_whose_documents_reach_different_collectors_is_whole(url):
    with two(url) as (one, other):
        put(one, at(1, 1_700_000_000.0))
        put(other, {**at(1, 1_700_000_000.0), "id": "2" * 16, "name": "second"})
        assert one.flush(30)
        for store in (one, other):
            (trace,) = store.traces([id_of(1)])
            assert len(trace.parts) == 2
            assert len(store.raw(id_of(1))) == 2


def test_what_was_stored_is_there_for_the_next_collector(url):
    first = open_store(url)
    put(first, *(at(number, 1_700_000_000.0) for number in range(20)))
    first.close()
    with two(url) as (one, _):
        assert one.flush(30)
        assert len(found(one, ALWAYS)) == 20
    reader = open_to_read(url)
    assert reader.flush(30)
    assert len(found(reader, ALWAYS)) == 20
    assert reader.write(parsed(at(99, 1.0))) == 0
    reader.close()


def test_what_one_removes_is_gone_everywhere(url):
    with two(url) as (one, other):
        put(one, *(at(number, 1_700_000_000.0) for number in range(5)))
        assert other.flush(30)
        other.remove()
        eventually(lambda: one.flush(30) and found(one, ALWAYS) == [])
        put(other, at(7, 1_700_000_000.0))
        eventually(lambda: one.flush(30) and found(one, ALWAYS) == [id_of(7)])


TEXTS = [
    "abc",
    "aBc",
    "5 %",
    "a_cd",
    "x[a-c]",
    "a\x00b",
    "b",
    "café",
    "cafÉ",
    "' or 1=1 --",
    "\\\\n",
]

KILLED = """
import sys, time
from tests.collector.store_contract import at, parsed
from xtrace.collector.store import open_store
store = open_store(sys.argv[1])
number = 0
while True:
    store.write(parsed(*(at(number + n, 1_700_000_000.0) for n in range(20))))
    number += 20
    print(store.counts().stored, flush=True)
    time.sleep(0.02)
"""


def test_a_killed_collector_loses_nothing_that_it_had_counted_as_stored(url):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, url], stdout=subprocess.PIPE, text=True
    )
    stored = 0
    deadline = time.monotonic() + 30
    while stored < 200 and time.monotonic() < deadline:
        stored = int(process.stdout.readline())
    process.kill()
    process.communicate()
    assert stored >= 200
    with two(url) as (one, other):
        for store in (one, other):
            assert store.flush(30)
            assert store.size().documents >= stored
            # Those, too, whose rows it hadn't made yet.
            shown = sum(page.scanned for page in pages(store, ALWAYS, limit=1000))
            assert shown == store.size().traces == store.size().documents


def test_what_is_said_to_be_safe_has_been_inserted(url):
    with two(url) as (one, other):
        insert = one._database.insert_what_goes
        held, asked = threading.Event(), threading.Event()

        def late(table, rows):
            asked.set()
            assert held.wait(30)
            return insert(table, rows)

        one._database.insert_what_goes = late
        one.write(parsed(at(1, 1_700_000_000.0)))
        assert asked.wait(30)
        assert not one.is_safe(0.01)
        held.set()
        assert one.is_safe(30)
        assert other.raw(id_of(1))


@pytest.mark.parametrize("trouble", ["refused", "down"])
def test_what_is_not_inserted_is_not_said_to_be_safe(url, trouble):
    with two(url) as (one, _):
        insert = one._database.insert_what_goes
        is_over = threading.Event()

        def failing(table, rows):
            if is_over.is_set():
                return insert(table, rows)
            if trouble == "refused":
                return set(range(len(rows)))
            raise StoreError("it doesn't answer")

        one._database.insert_what_goes = failing
        one.write(parsed(at(1, 1_700_000_000.0)))
        assert not one.is_safe(30)
        assert one.fails == (trouble == "down")
        is_over.set()
        eventually(lambda: one.flush(30) and not one.fails)
        one.write(parsed(at(2, 1_700_000_000.0)))
        eventually(lambda: one.is_safe(30))


def test_what_a_collector_that_died_had_not_made_rows_of_is_shown_by_another(url):
    store = open_store(url)
    try:
        content = at(1, 1_700_000_000.0)
        dead = [("dead", 1, "", content["trace_id"], orjson.dumps(content))]
        store._database.insert("documents", dead)
        store._sweep(all=True)
        assert found(store, ALWAYS) == [id_of(1)]
    finally:
        store.close()


def test_the_row_that_knows_most_wins_whoever_writes_last(url):
    with two(url) as (slow, quick):
        inserted = slow._settling._database.insert
        second = {**at(1, 1_700_000_000.0), "id": "2" * 16, "name": "second"}

        def late(table, rows):
            if table == "traces":
                slow._settling._database.insert = inserted
                put(quick, second)
            inserted(table, rows)

        slow._settling._database.insert = late
        put(slow, at(1, 1_700_000_000.0))
        for store in (slow, quick):
            (told,) = store.find(ALWAYS).summaries
            assert told["Revision"] == 2
            nodes = [r for r in store.graph(ALWAYS) if isinstance(r.subject, NodeKey)]
            assert {node.subject.name for node in nodes} >= {"second"}


def test_links_between_traces_of_different_collectors_are_followed(url):
    sender, receivers = producer_and_consumers()
    with two(url) as (one, other):
        put(one, receivers[0])
        put(other, sender)
        put(one, *receivers[1:])
        for store in (one, other):
            assert edges_of(store)["jobs", "worker", True] == 3


def test_the_end_does_not_wait_for_a_clickhouse_that_is_down(url):
    store = open_store(url)
    client, store._database.client = store._database.client, Down()
    store.write(parsed(at(1, 1_700_000_000.0), at(2, 1_700_000_000.0)))
    eventually(lambda: store._down)
    store.close()
    client.close()
    assert store.counts()[:4] == (2, 0, 2, 0)


def test_a_collector_ends_though_its_store_is_down(url, caplog):
    collector = Collector(("127.0.0.1", 0), url)
    collector.start()
    client, collector.store._database.client = collector.store._database.client, Down()
    collector.store.write(parsed(at(1, 1_700_000_000.0)))
    collector.stop()
    collector.close()
    client.close()
    assert collector.store.counts()[:4] == (1, 0, 1, 0)
    assert "1 documents could not be stored" in caplog.text


@contextmanager
def filtered(url, *traces):
    """A function that gives the places of the traces that a filter finds in SQL, and if it is exact."""
    place = place_of(url)
    database = Database(place, None, read_only=False)
    rows = [
        row_of(
            f"{number:04}",
            derive(trace, {}),
            documents=1,
            linked=0,
            received=0.0,
            run="",
            placed=False,
            place=number,
        )
        for number, trace in enumerate(traces)
    ]
    database.insert("traces", rows)

    def places(expression, groups=None):
        made = prefilter(parse(expression), groups, ClickHouse())
        rows = database.query(
            f"SELECT t.trace_id FROM traces AS t FINAL WHERE {made.where} ORDER BY 1",
            made.parameters,
        )
        return [int(number) for (number,) in rows], made.is_exact

    try:
        yield places
    finally:
        database.close()


def test_the_examples_of_filters_are_found_by_sql(url):
    # The traces of the examples of root causes are made up, and are in no table either.
    examples = [each for each in EXAMPLES if "rootcause" not in each[0]]
    traces = [trace for _, matching, other in examples for trace in (matching, other)]
    with filtered(url, *traces) as places:
        for place, (expression, _, _) in enumerate(examples):
            chosen = parse(expression)
            expected = [n for n, trace in enumerate(traces) if chosen.matches(trace)]
            assert 2 * place in expected
            assert places(expression) == (expected, True), expression
            others = [n for n in range(len(traces)) if n not in expected]
            assert places(f"!({expression})") == (others, True), expression


def test_texts_compare_byte_by_byte(url):
    traces = [
        of(segment(user=text, annotations={"k": text}, http={"request": {"url": text}}))
        for text in TEXTS
    ]
    with filtered(url, *traces) as places:
        for text in TEXTS:
            for operator in ("=", "!=", "CONTAINS", "BEGINSWITH", "ENDSWITH"):
                expression = " AND ".join(
                    f'{name} {operator} "{text}"' for name in ("user", "annotation.k", "http.url")
                )
                for asked in (expression, f"!({expression})"):
                    chosen = parse(asked)
                    expected = [n for n, trace in enumerate(traces) if chosen.matches(trace)]
                    assert places(asked) == (expected, True), asked


class Down:
    """A client of a server that isn't there."""

    def insert(self, *_, **__):
        raise OperationalError("nobody answers")

    query = command = insert

    def close(self):
        pass


def test_an_outage_of_clickhouse_loses_nothing(url, monkeypatch):
    store = open_store(url)
    try:
        database = store._database
        client, database.client = database.client, Down()
        store.write(parsed(at(1, 1_700_000_000.0)))
        assert not store.flush(0.5)
        assert store.counts()[:4] == (1, 0, 0, 1)
        database.client = client
        assert store.flush(30)
        assert store.counts()[:4] == (1, 1, 0, 0)
    finally:
        database.client = client
        store.close()


def test_the_console_of_either_collector_has_all(url):
    with running(path=url) as one, running(path=url) as other:
        for number, collector in enumerate((one, other)):
            put(collector.store, at(number, time.time() - 10, name=f"service-{number}"))
        assert one.flush(30)
        assert other.flush(30)
        for collector in (one, other):
            names = {
                rollup.subject.name
                for rollup in collector.store.graph(ALWAYS)
                if len(rollup.subject) == 3 and isinstance(rollup.subject[0], str)
            }
            assert {"service-0", "service-1"} <= names


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse:",
        "clickhouse://",
        "clickhouse://h/a-b",
        "clickhouse://h:x/",
        "clickhouse://h/a?b=1",
    ],
)
def test_a_url_that_cannot_be_read_is_an_error_that_says_what_to_write(url):
    with pytest.raises(StoreError, match="clickhouse://user:password@host:8123/database"):
        place_of(url)


def test_a_server_that_is_not_there_is_an_error_without_the_password():
    with pytest.raises(StoreError) as raised:
        open_store("clickhouse://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(raised.value)


def test_tables_of_another_version_are_left_alone(url):
    place = place_of(url)
    database = Database(place, None, read_only=False)
    database.command("ALTER TABLE documents DROP COLUMN run")
    database.close()
    with pytest.raises(StoreError, match="another version"):
        open_store(url)


def test_tables_are_replicated_and_distributed_on_a_cluster():
    place = place_of("clickhouses://u:p%40@h/traces?cluster=main")
    assert place[:7] == ("h", 8443, "u", "p@", "traces", "main", True)
    made = [statement for _, statement in tables(place, 3600.0)]
    assert "ReplicatedReplacingMergeTree" in made[0]
    assert "ON CLUSTER main" in made[0]
    assert "INTERVAL 3600 SECOND" in made[0]
    assert any("Distributed(main" in statement for statement in made)


def test_the_commands_read_it(url, capsys):
    from xtrace.cli import main

    store = open_store(url)
    put(store, at(1, time.time() - 5, name="shop"))
    store.close()
    assert main(["show", "--db", url]) == 0
    assert "shop" in capsys.readouterr().out
    assert main(["compare-backends", url, url]) == 0


def test_a_password_is_shown_to_nobody():
    assert shown("clickhouse://me:se%40cret@h:8123/x") == "clickhouse://me:***@h:8123/x"
    assert shown("clickhouse://h/x") == "clickhouse://h/x"
    assert shown("/a:b@c") == "/a:b@c"


# -- the service graph's sums per minute -----------------------------------------------------------


def from_traces(store, window=ALWAYS, step=60):
    """The rollups of a window without any sums, by period and subject."""
    low, high = int(window.start), int(window.end)
    found = aggregates.rollups(store._database, Selection("1", ()), [(low, high)], step)
    return comparable(found)


def from_sums(store, window=ALWAYS, step=60):
    low, high = int(window.start), int(window.end)
    return comparable(store._rolling.rollups(store._rolled(), low, high, step))


def comparable(found):
    periods = {}
    for start, rollup in found:
        periods.setdefault(start, []).append(rollup)
    return {
        (start, str(rollup.subject)): str(rollup)
        for start, rollups in periods.items()
        for rollup in added_up(rollups)
    }


def rolled(store):
    """Add up what there is, as after a while in which nothing changes."""
    for _ in range(3):
        store._roll_up()
    return store._database.query(
        "SELECT minute, is_marked FROM graph FINAL WHERE generation = ? ORDER BY minute",
        (store._rolled().generation,),
    )


@pytest.fixture
def at_once(monkeypatch):
    """What is inserted shows at once, and rounds follow each other."""
    monkeypatch.setattr(rolling, "SECONDS_BETWEEN_ROUNDS", 0.0)
    monkeypatch.setattr(rolling, "SECONDS_TO_SHOW", 0.0)


NOON = 1_700_000_040  # a whole minute


def test_the_graph_is_the_same_from_sums_and_from_traces(url, at_once):
    random = Random(7)
    service = ("web", "cart", "stock")
    window = Window(NOON - 600, NOON + 3600)
    with two(url) as stores:
        for turn in range(6):
            store = stores[turn % 2]
            documents = []
            for _ in range(8):
                # Of few traces, so that they come late, twice, and in pieces; some long-lived.
                number = random.randrange(15)
                start = NOON + number * 40 + random.choice((0, 0, 0.4, 70, 1500))
                ended = {"end_time": start + random.random()} if random.random() < 0.8 else {}
                content = {
                    "trace_id": id_of(number),
                    "id": f"{random.randrange(40) + 1:016x}",
                    "name": random.choice(service),
                    "start_time": start,
                    **(ended or {"in_progress": True}),
                    "subsegments": [
                        {
                            "id": f"{random.randrange(10**15):016x}",
                            "name": random.choice(service),
                            "namespace": "remote",
                            "start_time": start + 61,
                            "end_time": start + 62,
                            "error": random.random() < 0.3,
                        }
                    ],
                }
                documents.append(content)
            put(store, *documents)
            assert store.flush(30)
            if turn % 2:
                random.choice(stores)._roll_up()
            other = stores[(turn + 1) % 2]
            other._all_settings(fresh=True)
            step = (60, 600)[turn // 2 % 2]
            assert from_sums(other, window, step) == from_traces(other, window, step)
        minutes = rolled(stores[0])
        assert len(minutes) > 10 and not any(is_marked for _, is_marked in minutes)
        # All of it is answered by sums now: nothing is asked of traces any more.
        expected = from_traces(stores[0], window)
        stores[1]._all_settings(fresh=True)
        stores[1]._rolling._of_traces = None
        assert from_sums(stores[1], window) == expected


def test_what_begins_elsewhere_with_a_later_document_is_no_longer_where_it_was(url, at_once):
    """A row of the trace says nothing any more about a minute whose sums an earlier row is in."""
    store = open_store(url)
    try:
        begun = at(1, NOON + 600.0, in_progress=True)
        del begun["end_time"]
        put(store, begun)
        assert [minute for minute, _ in rolled(store)] == [NOON + 600]
        put(store, {**at(1, NOON + 60.0), "trace_id": begun["trace_id"]})
        window = Window(NOON, NOON + 3600)
        for _ in range(2):
            assert {start for start, _ in from_sums(store, window)} == {NOON + 60}
            assert from_sums(store, window) == from_traces(store, window)
            assert not any(is_marked for _, is_marked in rolled(store))
    finally:
        store.close()


def test_sums_that_were_begun_before_a_change_are_not_taken_for_the_newer(url, at_once):
    with two(url) as (slow, quick):
        put(slow, at(1, float(NOON)))
        slow._roll_up()
        slow._roll_up()
        inserted = slow._database.command

        def late(statement, parameters=()):
            if statement.startswith("INSERT INTO graph"):
                # What it reads, it reads before the change; what it writes comes after the mark.
                slow._database.command = inserted
                taken = from_traces(slow)
                put(quick, at(2, float(NOON)))
                quick._all_settings(fresh=True)
                quick._roll_up()
                assert taken != from_traces(quick)
                slow._database.insert(
                    "graph", [rolling._row(slow._rolled().generation, NOON, version, False)]
                )
                return
            inserted(statement, parameters)

        put(slow, at(3, float(NOON)))
        slow._database.command = late
        version = slow._rolling._now()
        slow._rolling.add_up(slow._rolled().generation, set())
        for store in (slow, quick):
            store._all_settings(fresh=True)
            assert from_sums(store) == from_traces(store)


def test_what_is_removed_is_in_no_sum(url, at_once):
    with two(url) as (one, other):
        one.begin_run("a")
        put(one, at(1, float(NOON)))
        one.begin_run("b")
        put(one, at(2, float(NOON)))
        before = rolled(one)
        assert len(before) == 1
        other.remove("a")
        for store in (one, other):
            store._all_settings(fresh=True)
            assert from_sums(store) == from_traces(store) != {}
            rolled(store)
            assert from_sums(store) == from_traces(store)
        other.remove()
        one._all_settings(fresh=True)
        assert from_sums(one) == {}


def test_what_is_too_old_to_be_kept_is_asked_of_the_traces(url, at_once):
    store = open_store(url, max_age=3600.0)
    try:
        assert store._database.max_age() == 3600.0
        now = time.time() // 60 * 60
        put(store, at(1, now - 7200), at(2, now - 600))
        rolled(store)
        # As ClickHouse does with sums of their age, some time or other.
        store._database.command("DELETE FROM graph WHERE minute < ?", (int(now - 3600),))
        window = Window(now - 10_800, now)
        assert from_sums(store, window) == from_traces(store, window)
        assert len({start for start, _ in from_sums(store, window)}) == 2
    finally:
        store.close()


def test_a_collector_keeps_sums_by_itself(url, at_once, monkeypatch):
    monkeypatch.setattr(clickhouse_store, "SECONDS_BETWEEN_ROUNDS", 0.05)
    store = open_store(url)
    try:
        put(store, at(1, float(NOON)), at(2, float(NOON)))
        rows = "SELECT minute FROM graph FINAL WHERE NOT is_marked"
        eventually(lambda: store._database.query(rows) == [(NOON,)])
        assert from_sums(store) == from_traces(store)
    finally:
        store.close()
    assert not store._rolling_thread.is_alive()


def test_a_map_that_cannot_be_added_up_is_asked_of_the_traces(url, at_once, monkeypatch, caplog):
    monkeypatch.setattr(clickhouse_store, "SECONDS_BETWEEN_ROUNDS", 0.05)
    store = open_store(url)
    try:
        store._database.command("DROP TABLE graph")
        put(store, at(1, float(NOON)))
        eventually(lambda: "the map is asked of the traces meanwhile" in caplog.text)
        put(store, at(2, float(NOON)))
        (node,) = (r for r in store.graph(ALWAYS) if isinstance(r.subject, NodeKey) and r.received)
        assert sum(node.counts) == 2
    finally:
        store.close()
