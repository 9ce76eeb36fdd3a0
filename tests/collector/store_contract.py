"""What every store must do, whatever its engine: subclass StoreContract and give it a store.

A subclass has a fixture `store`, an empty store, and a method `empty()`, a context manager that
gives another.
"""

from __future__ import annotations

import json
import random
import time

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collector.strategies import (
    NOON,
    OTHER_TRACE_ID,
    TRACE_ID,
    arrivals,
    minimal,
    odd_documents,
    traces,
)
from xtrace.collector import filters
from xtrace.collector.graph import Edge, NodeKey, added_up, rollups_of
from xtrace.collector.ingest import documents
from xtrace.collector.store import (
    Document,
    RangeType,
    SamplingCount,
    StoreError,
    Window,
)
from xtrace.collector.summaries import summary
from xtrace.collector.trace import compile_trace

HOUR = Window(NOON - 3600, NOON + 3600)
ALWAYS = Window(0.0, 1e12)

# Each example opens a store. What is tested with them is made anew in each test: the tests are
# inherited, and hypothesis keeps an account of each function that it runs.
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def parsed(*contents):
    """Documents as ingestion hands them over."""
    return [Document(each["trace_id"], orjson.dumps(each), each) for each in contents]


def put(store, *contents):
    """Store documents, and wait until they show everywhere."""
    assert store.write(parsed(*contents)) == len(contents)
    assert store.flush(30)


def id_of(number, time=NOON):
    return f"1-{int(time):08x}-{number:024x}"


def at(number, start, **members):
    """The segment of a trace of its own, that begins then."""
    return minimal(id_of(number, start), start_time=start, end_time=start + 1, **members)


def found(store, window=HOUR, **question):
    return [s["Id"] for s in store.find(window, **question).summaries]


def pages(store, window=HOUR, **question):
    """All pages of an answer."""
    cursor = None
    while True:
        page = store.find(window, cursor=cursor, **question)
        yield page
        cursor = page.cursor
        if cursor is None:
            return


def by_subject(rollups):
    return {rollup.subject: rollup for rollup in added_up(rollups)}


def linked(sent):
    """The traces of documents by trace id, compiled with their links to each other."""
    alone = {id: compile_trace(id, contents) for id, contents in sent.items()}

    def producer(trace_id, id):
        return alone[trace_id].producer(id) if trace_id in alone else None

    return [compile_trace(id, contents, producer) for id, contents in sent.items()]


def producer_and_consumers(count=3):
    """A trace that sends to a queue, and traces that link to it; the queue is a call's target."""
    sender = at(0, NOON, name="shop")
    call = {
        "id": "2" * 16,
        "name": "SQS",
        "namespace": "aws",
        "start_time": NOON,
        "end_time": NOON + 0.5,
        "aws": {"queue_url": "https://sqs/1/jobs"},
    }
    link = {"trace_id": sender["trace_id"], "id": call["id"]}
    receivers = [at(n, NOON + 2 + n, name="worker", links=[link]) for n in range(1, count + 1)]
    return {**sender, "subsegments": [call]}, receivers


def edges_of(store):
    return {
        (r.subject.source.name, r.subject.target.name, r.subject.link): sum(r.counts)
        for r in store.graph(ALWAYS)
        if isinstance(r.subject, Edge)
    }


class StoreContract:
    # -- what comes in

    def test_documents_are_kept_byte_for_byte_in_the_order_of_arrival(self, store):
        datas = [
            b'{ "trace_id":"t","id":"b","name":"x","start_time":1e0,  "x":"\xc3\xa9" }',
            b'{"trace_id":"t","id":"a","name":"x","start_time":0.5}',
            b'{"trace_id":"t","id":"a","name":"x","start_time":0.5}',
        ]
        for data in datas:
            assert store.write(list(documents(data))) == 1
            assert store.flush(30)
        assert store.raw("t") == datas
        assert store.raw("another") == []

    def test_a_trace_is_there_by_its_id_as_soon_as_it_is_written(self, store):
        store.write(parsed(minimal(OTHER_TRACE_ID)))
        assert store.raw(OTHER_TRACE_ID)
        store.write(parsed(minimal(name="shop")))
        (trace,) = store.traces([TRACE_ID])
        assert (trace.id, trace.root.name) == (TRACE_ID, "shop")

    def test_traces_come_in_the_order_they_are_asked_for_without_those_unknown(self, store):
        put(store, minimal(TRACE_ID), minimal(OTHER_TRACE_ID))
        asked = [OTHER_TRACE_ID, "unknown", TRACE_ID, OTHER_TRACE_ID]
        assert [trace.id for trace in store.traces(asked)] == [OTHER_TRACE_ID, TRACE_ID]

    def test_every_document_is_counted_once(self, store):
        put(store, *(at(number, NOON) for number in range(10)))
        store.write(parsed(at(11, NOON)))
        counts = store.counts()
        assert counts.taken == 11
        assert counts.taken == counts.stored + counts.dropped + counts.waiting
        assert store.flush(30)
        assert store.counts()[:4] == (11, 11, 0, 0)
        assert store.counts().stale == store.counts().failed == 0
        assert store.size()[:2] == (11, 11)
        assert store.size().bytes > 0

    def test_a_store_knows_when_its_traces_arrived(self, store):
        assert store.size()[3:] == (None, None)
        before = time.time()
        put(store, at(1, NOON))
        put(store, at(2, NOON - 100))
        size = store.size()
        assert before <= size.oldest < size.newest <= time.time()

    def test_documents_of_any_content_can_be_stored(self):
        @few
        @given(st.lists(odd_documents(), max_size=6))
        def check(contents):
            with self.empty() as store:
                handed = [d for c in contents for d in documents(json.dumps(c).encode())]
                handed = [each for each in handed if isinstance(each, Document)]
                store.write(handed)
                assert store.flush(30)
                assert store.counts().failed == 0
                assert store.counts().stored == len(handed)
                for page in pages(store, ALWAYS):
                    json.dumps(page.summaries)
                store.graph(ALWAYS)
                store.graph(ALWAYS, filters.parse("!ok"))

        check()

    # -- finding

    def test_traces_are_found_newest_first(self, store):
        put(store, at(1, NOON + 5), at(2, NOON + 20), at(3, NOON - 7))
        assert found(store) == [id_of(2, NOON + 20), id_of(1, NOON + 5), id_of(3, NOON - 7)]

    def test_a_summary_is_that_of_the_compiled_trace(self, store):
        contents = [minimal(annotations={"a": 1, "b": "x"}, user="alice", fault=True)]
        put(store, *contents)
        told = store.find(ALWAYS).summaries
        assert told == [json.loads(json.dumps(summary(compile_trace(TRACE_ID, contents))))]

    def test_a_trace_that_grows_shows_as_it_is(self, store):
        whole = minimal(name="shop", user="alice")
        part = {**minimal(id="2" * 16), "parent_id": whole["id"], "type": "subsegment"}
        put(store, {**whole, "in_progress": True, "end_time": None})
        assert store.find(ALWAYS).summaries[0]["IsPartial"]
        put(store, part)
        put(store, whole)
        (told,) = store.find(ALWAYS).summaries
        assert (told["IsPartial"], told["Revision"]) == (False, 3)
        assert found(store, ALWAYS, filter=filters.parse('user = "alice"')) == [TRACE_ID]
        assert found(store, ALWAYS, filter=filters.parse("partial")) == []

    def test_a_window_holds_its_start_and_not_its_end(self, store):
        put(store, at(1, NOON), at(2, NOON + 10))
        assert len(found(store, Window(NOON, NOON + 10))) == 1
        assert len(found(store, Window(NOON, NOON + 11))) == 2
        assert found(store, Window(NOON + 10, NOON + 10)) == []

    def test_the_time_in_an_id_is_looked_for_to_the_second(self, store):
        put(store, at(1, NOON + 0.7))
        assert len(found(store, Window(NOON + 0.5, NOON + 2))) == 1

    def test_traces_whose_ids_hold_no_time_are_found_by_their_start(self, store):
        random_id = "1-f0000000-" + "1" * 24
        put(store, minimal(random_id, start_time=NOON, end_time=NOON + 1))
        put(store, minimal("text", start_time=NOON + 1, end_time=NOON + 2))
        assert found(store) == ["text", random_id]

    def test_range_types(self, store):
        early = id_of(1, NOON - 60)  # an id made a minute before the trace began
        put(store, minimal(early, start_time=NOON, end_time=NOON + 100))
        inside, after = Window(NOON + 50, NOON + 60), Window(NOON + 100, NOON + 101)
        for window, by_id, by_event, by_end in [
            (Window(NOON - 60, NOON - 59), 1, 0, 0),
            (Window(NOON, NOON + 1), 0, 1, 0),
            (inside, 0, 1, 0),
            (after, 0, 1, 1),
            (Window(NOON + 101, NOON + 200), 0, 0, 0),
        ]:
            answers = [len(found(store, window, range_type=each)) for each in RangeType]
            assert answers == [by_id, by_event, by_end], window

    @pytest.mark.parametrize(
        "window",
        [Window(-1e300, 1e300), Window(float("-inf"), float("inf")), Window(5.0, -5.0)],
    )
    @pytest.mark.parametrize("range_type", list(RangeType))
    def test_any_window_can_be_asked_for(self, store, window, range_type):
        put(store, at(1, NOON))
        many = window.end > window.start
        assert len(found(store, window, range_type=range_type)) == many
        assert bool(store.graph(window)) == many
        assert bool(store.graph(window, filters.parse("ok"))) == many

    @pytest.mark.parametrize("range_type", list(RangeType))
    def test_pages_hold_each_trace_once_while_more_arrive(self, store, range_type):
        chance = random.Random(5)
        starts = [NOON + chance.choice((0, 0.25, 1, 7)) * n // 3 for n in range(60)]
        put(store, *(at(number, start) for number, start in enumerate(starts)))
        seen, scanned, cursor = [], 0, None
        for number in range(100):
            page = store.find(HOUR, range_type=range_type, cursor=cursor, limit=7)
            assert len(page.summaries) <= 7
            seen += [each["Id"] for each in page.summaries]
            scanned += page.scanned
            cursor = page.cursor
            if cursor is None:
                break
            put(store, at(1000 + number, NOON + 1000 + number))
        assert cursor is None
        assert len(seen) == len(set(seen)) == scanned == 60

    def test_what_is_scanned_is_counted_found_or_not(self, store):
        put(store, *(at(number, NOON + number, fault=number % 10 == 0) for number in range(40)))
        for expression in ("fault", "rootcause.fault.service"):  # the second can't be SQL
            asked = filters.parse(expression)
            answers = list(pages(store, filter=asked, limit=3))
            assert sum(page.scanned for page in answers) == 40
            assert sum(len(page.summaries) for page in answers) == 4

    def test_a_page_ends_when_its_time_is_up(self, store):
        put(store, *(at(number, NOON + number) for number in range(100)))
        asked = filters.parse("rootcause.fault.service")
        page = store.find(HOUR, filter=asked, seconds=0.0)
        assert page.cursor is not None
        assert page.scanned < 100
        answers = list(pages(store, filter=asked, seconds=0.0))
        assert sum(each.scanned for each in answers) == 100

    @pytest.mark.parametrize("cursor", ["", "x", "1/2/3", "nan", "0x1p0", "0x1p99999999/1"])
    def test_what_is_no_cursor_is_refused(self, store, cursor):
        with pytest.raises(ValueError, match="cursor"):
            store.find(HOUR, cursor=cursor)

    def test_a_filter_means_the_same_in_a_store(self):
        @few
        @given(
            st.lists(traces(TRACE_ID), min_size=1, max_size=1),
            st.sampled_from(
                [
                    "ok",
                    "fault",
                    "service() { fault }",
                    'service("users")',
                    'edge("front", "orders")',
                    "inferred",
                    "partial",
                    "annotation.a",
                    "rootcause.fault.service",
                    "responsetime > 1 OR duration > 1",
                    "!error AND !throttle",
                ]
            ),
        )
        def check(sent, expression):
            chosen = filters.parse(expression)
            with self.empty() as store:
                put(store, *sent[0])
                matches = chosen.matches(compile_trace(TRACE_ID, sent[0]))
                assert found(store, ALWAYS, filter=chosen) == [TRACE_ID] * matches
                assert bool(store.graph(ALWAYS, chosen)) == bool(matches and store.graph(ALWAYS))

        check()

    def test_groups_stand_for_their_expressions(self, store):
        put(store, at(1, NOON), at(2, NOON, fault=True))
        asked = filters.parse('group.name = "bad"')
        groups = {"bad": filters.parse("fault")}
        assert found(store, filter=asked, groups=groups) == [id_of(2)]
        assert len(store.graph(HOUR, asked, groups)) == 2  # the client's edge, and the node

    # -- changes

    def test_changes_are_followed(self, store):
        assert store.last_change() == 0
        put(store, at(1, NOON))
        seen = store.last_change()
        put(store, at(2, NOON), at(3, NOON))
        put(store, {**at(2, NOON), "id": "2" * 16})
        changes = store.changes(seen)
        assert [change.trace_id for change in changes] == [id_of(3), id_of(2)]
        assert changes[-1].number == store.last_change()
        assert changes[-1].summary["Revision"] == 2
        assert len(store.changes(0)) == 3
        assert len(store.changes(0, limit=2)) == 2
        assert store.changes(store.last_change()) == []

    # -- the graph

    def test_the_graph_is_that_of_the_traces_however_they_arrive(self):
        @few
        @given(st.data())
        def check(data):
            sent = {id: data.draw(traces(id)) for id in (TRACE_ID, OTHER_TRACE_ID)}
            arriving = data.draw(arrivals([d for contents in sent.values() for d in contents]))
            with self.empty() as store:
                while arriving:
                    count = data.draw(st.integers(1, len(arriving)))
                    put(store, *arriving[:count])
                    arriving = arriving[count:]
                compiled = linked(sent)
                assert by_subject(store.graph(ALWAYS)) == by_subject(rollups_of(compiled))
                told = {each["Id"]: each for each in store.find(ALWAYS).summaries}
                assert told == {t.id: json.loads(json.dumps(summary(t))) for t in compiled}

        check()

    @pytest.mark.parametrize("order", ["sender first", "sender last", "in between", "at once"])
    def test_links_lead_from_what_another_trace_called_whenever_that_comes(self, store, order):
        sender, receivers = producer_and_consumers()
        arriving = {
            "sender first": [[sender], receivers],
            "sender last": [receivers, [sender]],
            "in between": [receivers[:1], [sender], receivers[1:]],
            "at once": [[*receivers, sender]],
        }[order]
        for contents in arriving:
            put(store, *contents)
        assert edges_of(store) == {
            ("shop", "shop", False): 1,
            ("shop", "jobs", False): 1,
            ("jobs", "worker", True): 3,
        }
        traces = [sender, *receivers]
        expected = by_subject(rollups_of(linked({d["trace_id"]: [d] for d in traces})))
        assert by_subject(store.graph(ALWAYS)) == expected
        assert by_subject(store.graph(ALWAYS, filters.parse("ok"))) == expected
        of_each = store.traces([d["trace_id"] for d in traces])
        assert by_subject(rollups_of(of_each)) == expected
        # Those that a filter on links finds, by SQL or not.
        for expression in ('edge("jobs", "worker")', 'edge("jobs", "worker") AND !fault'):
            assert len(found(store, ALWAYS, filter=filters.parse(expression))) == 3

    def test_links_follow_what_they_lead_from_as_it_grows(self, store):
        sender, (receiver,) = producer_and_consumers(1)
        early = {**sender, "subsegments": [], "end_time": None, "in_progress": True}
        call = {**sender["subsegments"][0], "end_time": None, "in_progress": True}
        put(store, receiver)
        assert edges_of(store) == {("worker", "worker", False): 1}  # of a client
        put(store, early)
        assert ("worker", "worker", False) in edges_of(store)
        put(store, {**early, "subsegments": [call]})
        (link,) = [r for r in store.graph(ALWAYS) if r.subject[2] is True]
        assert (link.counts, link.buckets) == ([0, 0, 0, 0, 1], {})  # nobody knows how old
        put(store, sender)
        (link,) = [r for r in store.graph(ALWAYS) if r.subject[2] is True]
        assert (link.counts, link.buckets) == ([1, 0, 0, 0, 0], {2500: 1})

    def test_a_link_to_nothing_that_is_known_is_no_edge(self, store):
        _, (receiver,) = producer_and_consumers(1)
        nonsense = [{"trace_id": id, "id": "2" * 16} for id in ("", "x" * 10_000, "\0", "nobody")]
        put(store, {**receiver, "links": [*receiver["links"], *nonsense]})
        assert edges_of(store) == {("worker", "worker", False): 1}

    def test_a_window_of_the_graph_is_in_whole_minutes(self, store):
        minute = NOON // 60 * 60
        put(store, at(1, minute + 30), at(2, minute + 90, name="later"))
        names = [
            {r.subject.name for r in store.graph(window) if isinstance(r.subject, NodeKey)}
            for window in (
                Window(minute + 40, minute + 50),
                Window(minute, minute + 61),
                Window(minute - 60, minute),
            )
        ]
        first = at(1, NOON)["name"]
        assert names == [{first}, {first, "later"}, set()]

    def test_the_graph_over_long_times_is_the_sum_of_its_minutes(self, store):
        old = time.time() - 20_000
        contents = [at(n, old + n * 40, fault=n % 7 == 0) for n in range(100)]
        put(store, *contents[:50])
        for each in contents[50:60]:
            put(store, each)
        put(store, *contents[60:])
        put(store, {**contents[3], "fault": True}, {**contents[97], "error": True})
        window = Window(old + 500, old + 3500)
        whole = by_subject(store.graph(window))
        minutes = [r for _, rollups in store.series(window, 60) for r in rollups]
        assert whole == by_subject(minutes)
        assert sum(sum(r.counts) for s, r in whole.items() if isinstance(s, NodeKey)) in (
            75,
            76,
            77,
        )

    def test_series(self, store):
        minute = NOON // 300 * 300
        put(store, *(at(n, minute + 20 * n, name="ab"[n % 2]) for n in range(12)))
        window = Window(minute, minute + 240)
        by_minute = store.series(window, 60)
        assert [start for start, _ in by_minute] == [minute + 60 * n for n in range(4)]
        only = store.series(window, 120, subjects=lambda subject: subject == ("a", None, None))
        assert [start for start, _ in only] == [minute // 120 * 120 + 120 * n for n in range(2)]
        assert [[r.subject.name for r in rollups] for _, rollups in only] == [["a"], ["a"]]
        edges = store.series(window, 60, subjects=lambda subject: isinstance(subject, Edge))
        assert all(isinstance(r.subject, Edge) for _, rollups in edges for r in rollups)
        asked = filters.parse('service("b")')
        filtered = store.series(window, 60, asked)
        assert {r.subject.name for _, rs in filtered for r in rs if r.subject[1] is None} == {"b"}

    # -- words

    def test_vocabulary(self, store):
        put(
            store,
            at(1, NOON, name="shop", user="bob", annotations={"tier": "gold", "b": 1}),
            at(2, NOON, name="stock", user="bo", annotations={"tier": "blue"}),
            at(3, NOON, http={"request": {"method": "GET", "url": "http://x/"}}),
        )
        assert store.vocabulary("name", prefix="s") == ["shop", "stock"]
        assert store.vocabulary("annotation") == ["b", "tier"]
        assert store.vocabulary("value", "tier") == ["blue", "gold"]
        assert store.vocabulary("value", "tier", "g") == ["gold"]
        assert store.vocabulary("user", limit=1) == ["bo"]
        assert store.vocabulary("http.url") == ["http://x/"]
        assert "client" in store.vocabulary("type")
        with pytest.raises(ValueError, match="kind"):
            store.vocabulary("nonsense")

    # -- small things

    def test_settings(self, store):
        assert store.setting("rules") is None
        store.put_setting("rules/b", {"x": [1, 2.5, "é"]})
        store.put_setting("rules/a", [])
        store.put_setting("other", 1)
        assert store.setting("rules/b") == {"x": [1, 2.5, "é"]}
        assert list(store.settings("rules/").items()) == [
            ("rules/a", []),
            ("rules/b", {"x": [1, 2.5, "é"]}),
        ]
        store.put_setting("rules/a", None)
        store.put_setting("rules/a", None)
        assert list(store.settings("rules/")) == ["rules/b"]

    def test_sampling_counts_add_up(self, store):
        now = time.time() // 10 * 10
        store.add_sampling([SamplingCount("a", now, 5, 1, 2), SamplingCount("b", now, 1, 0, 1)])
        store.add_sampling(
            [SamplingCount("a", now, 3, 0, 1), SamplingCount("a", now + 10, 1, 1, 1)]
        )
        store.add_sampling([])
        assert store.sampling(Window(now, now + 10)) == [("a", now, 8, 1, 3), ("b", now, 1, 0, 1)]
        assert len(store.sampling(Window(now, now + 11))) == 3

    def test_closing_twice_is_no_error_and_nothing_can_be_written_then(self, store):
        store.close()
        store.close()
        with pytest.raises(StoreError):
            store.find(HOUR)
        with pytest.raises(StoreError):
            store.put_setting("x", 1)
        assert store.write(parsed(at(1, NOON))) == 0


def check_trimmed(store, contents, kept):
    """Only the last traces are left, and nothing is left of the others."""
    left = contents[-kept:]
    assert found(store, ALWAYS, limit=10_000, seconds=30) == [d["trace_id"] for d in left[::-1]]
    compiled = [compile_trace(d["trace_id"], [d]) for d in left]
    assert by_subject(store.graph(ALWAYS)) == by_subject(rollups_of(compiled))
    gone = len(contents) - kept
    assert (store.counts().trimmed_traces, store.counts().trimmed_documents) == (gone, gone)
    assert store.size()[:2] == (kept, kept)
    assert store.raw(contents[0]["trace_id"]) == []
