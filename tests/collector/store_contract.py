"""What every store must do, whatever its engine: subclass StoreContract and give it a store.

A subclass has a fixture `store`, an empty store, and a method `empty()`, a context manager that
gives another.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from itertools import product

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
    FACETS,
    Document,
    Order,
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


VALUES = {
    Order.START: lambda summary: summary["StartTime"],
    Order.RESPONSE_TIME: lambda summary: summary["ResponseTime"],
    Order.DURATION: lambda summary: summary["Duration"],
    Order.STATUS: lambda summary: summary["Http"].get("HttpStatus"),
    Order.URL: lambda summary: summary["Http"].get("HttpURL"),
    Order.METHOD: lambda summary: summary["Http"].get("HttpMethod"),
}


def two_digits(number):
    unit = 10 ** max(0, len(str(number)) - 2)
    return number // unit * unit


def group_of(told, type):
    return next(group.group for group in told.groups if group.type == type)


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

    # -- many traces together

    @pytest.mark.parametrize("expression", [None, "!fault", "!rootcause.fault.service"])
    def test_traces_can_be_sorted(self, store, expression):
        chance = random.Random(3)
        segments = []
        for number in range(30):
            http = {
                "request": {"url": f"http://x/{number % 7}", "method": "GET"},
                "response": {"status": 200 + number % 3},
            }
            segment = at(number, NOON + chance.random() * 9, fault=number % 10 == 0)
            if number % 6:
                segment["http"] = http
            if number % 5:
                segment["end_time"] = segment["start_time"] + chance.random()
            else:
                segment["end_time"] = None
            segments.append(segment)
        # In an order of their own, some of them together.
        chance.shuffle(segments)
        for first in range(0, 30, 10):
            put(store, *segments[first : first + 10])
        chosen = filters.parse(expression) if expression else None
        for order, highest in product(Order, (True, False)):
            ranking = store.ranked(HOUR, order, highest=highest, filter=chosen, limit=1000)
            assert ranking.complete
            summaries = ranking.summaries
            assert {s["Id"] for s in summaries} == set(found(store, filter=chosen, limit=1000))
            values = [VALUES[order](summary) for summary in summaries]
            known = [value for value in values if value is not None]
            assert values == known + [None] * (len(values) - len(known)), (order, highest)
            assert known == sorted(known, reverse=highest), (order, highest)
            first = store.ranked(HOUR, order, highest=highest, filter=chosen, limit=5)
            assert first.summaries == summaries[:5]

    def test_traces_are_counted_by_time_status_and_response_time(self, store):
        contents = []
        for number in range(200):
            start = NOON + number * 1.7
            outcome = {3: {"error": True}, 5: {"fault": True}, 7: {"error": True, "throttle": True}}
            segment = at(number, start, **outcome.get(number % 9, {}))
            segment["end_time"] = start + 0.000_1 * 1.13**number if number % 11 else None
            contents.append(segment)
        put(store, *contents)
        for expression in (None, "!fault", "!rootcause.fault.service"):
            chosen = filters.parse(expression) if expression else None
            told = store.distribution(HOUR, 60.0, filter=chosen)
            expected = Counter()
            every = store.find(HOUR, filter=chosen, limit=1000, seconds=30).summaries
            for each in every:
                took = each["ResponseTime"]
                status = 3 if each["HasFault"] else 2 if each["HasThrottle"] else 1
                if not (each["HasFault"] or each["HasError"]):
                    status = 4 if took is None else 0
                cut = None if took is None else two_digits(round(took * 1e6))
                expected[each["StartTime"] // 60 * 60, status, cut] += 1
            assert told.since is None
            assert {tuple(cell[:3]): cell.traces for cell in told.cells} == expected
            total = sum(s["ResponseTime"] or 0.0 for s in every)
            assert sum(cell.seconds for cell in told.cells) == pytest.approx(total)

    def test_a_count_says_how_far_it_came(self, store):
        put(store, *(at(number, NOON + number) for number in range(50)))
        told = store.distribution(
            HOUR, 60.0, filter=filters.parse("rootcause.fault.service"), seconds=0
        )
        assert told.cells == []
        assert NOON < told.since <= HOUR.end
        assert store.facets(HOUR, ["url"], seconds=0)[0] == 0
        assert store.failures(HOUR, 60.0, seconds=0).since is not None

    def test_traces_can_be_grouped(self, store):
        segments = []
        for number in range(40):
            segment = at(
                number,
                NOON + number,
                name=f"front-{number % 2}",
                user=f"user {number % 7}",
                http={
                    "request": {
                        "url": f"http://x/{number % 4}",
                        "method": "GET",
                        "client_ip": "10.0.0.1",
                        "user_agent": "curl",
                    },
                    "response": {"status": 500 if number % 5 == 0 else 200},
                },
                annotations={"tier": f"t{number % 3}", "big": number % 2 == 0, "size": number % 4},
                fault=number % 5 == 0,
                aws={"ec2": {"instance_id": "i-1", "availability_zone": "a"}},
                resource_arn="arn:x",
            )
            segment["subsegments"] = [
                {
                    "id": f"{number:08x}{call:08x}",
                    "name": "table",
                    "namespace": "remote",
                    "start_time": NOON + number,
                    "end_time": NOON + number + 0.5,
                }
                for call in (1, 2)
            ]
            if number % 5 == 0:
                segment["cause"] = {"exceptions": [{"id": "e" * 16, "type": "ValueError"}]}
            segments.append(segment)
        put(store, *segments)
        by = [*FACETS, "annotation.tier", "annotation.big", "annotation.size", "annotation.none"]
        for asked in (by, *([each] for each in by)):  # several at once, or one by one
            told = store.facets(HOUR, asked, limit=5)
            assert (told.traces, told.since) == (40, None)
            facets = {facet.by: facet for facet in told.facets}
            assert list(facets) == asked
            for name, expected in {
                "url": {f"http://x/{n}": 10 for n in range(4)},
                "http_status": {200: 32, 500: 8},
                "method": {"GET": 40},
                "client_ip": {"10.0.0.1": 40},
                "user_agent": {"curl": 40},
                "service": {"front-0": 20, "front-1": 20, "table": 40},
                "type": {"remote": 40},
                "entry": {"front-0": 20, "front-1": 20},
                "status": {"ok": 32, "fault": 8},
                "error": {"ValueError": 8},
                "availability_zone": {"a": 40},
                "instance": {"i-1": 40},
                "arn": {"arn:x": 40},
                "annotation.tier": {"t0": 14, "t1": 13, "t2": 13},
                "annotation.big": {True: 20, False: 20},
                "annotation.size": dict.fromkeys((0.0, 1.0, 2.0, 3.0), 10),
                "annotation.none": {},
            }.items():
                if name in facets:
                    shares = facets[name].shares
                    assert {each.value: each.traces for each in shares} == expected, name
                    assert facets[name].values == len(expected)
                    assert sorted(shares, key=lambda each: -each.traces) == shares
            if "user" in facets:
                assert (len(facets["user"].shares), facets["user"].values) == (5, 7)
                assert facets["user"].shares[0].traces == 6
            if "status" in facets:
                fault = next(s for s in facets["status"].shares if s.value == "fault")
                assert fault.counts == [0, 0, 0, 8, 0]
                assert (fault.timed, round(fault.seconds, 3)) == (8, 8.0)
        chosen = filters.parse('user = "user 1"')
        assert store.facets(HOUR, ["url"], filter=chosen).traces == 6
        assert (
            store.facets(HOUR, ["url"], filter=filters.parse("rootcause.fault.service")).traces == 8
        )
        with pytest.raises(ValueError, match="by must be one of"):
            store.facets(HOUR, ["nonsense"])

    def test_failures_that_are_the_same_are_counted_together(self, store):
        contents = []
        for number in range(20):
            exception = {
                "id": f"{number:016x}",
                "type": "KeyError" if number % 2 else "ValueError",
                "message": f"no cart {number}",
                "stack": [
                    {"path": "/x/site-packages/lib.py", "line": 3, "label": "get"},
                    {"path": "shop/cart.py", "line": 12, "label": "find"},
                ],
            }
            contents.append(
                at(number, NOON + 10 * number, name=f"s{number % 3}", fault=True)
                | {"cause": {"working_directory": "", "exceptions": [exception]}}
            )
        contents.append(at(99, NOON))
        put(store, *contents)
        told = store.failures(HOUR, 60.0, samples=3)
        assert told.since is None
        assert [group[1:6] for group in told.groups] == [
            (type, "no cart <n>", ("shop/cart.py", 12, "find"), 10, 10)
            for type in sorted(["KeyError", "ValueError"], key=lambda t: group_of(told, t))
        ]
        group = next(each for each in told.groups if each.type == "KeyError")
        assert (group.first, group.last) == (NOON + 11, NOON + 191)
        assert {node.name for node in group.nodes} == {"s0", "s1", "s2"}
        assert sum(group.series.values()) == 10
        assert all(start % 60 == 0 for start in group.series)
        assert [sample[0] for sample in group.samples] == [
            id_of(n, NOON + 10 * n) for n in (19, 17, 15)
        ]
        (only,) = store.failures(HOUR, 60.0, group=group.group).groups
        assert only[:10] == group[:10]
        (some,) = store.failures(HOUR, 60.0, filter=filters.parse('service("s0")')).groups[:1]
        assert some.failures < 10

    def test_which_of_some_traces_match(self, store):
        put(store, at(1, NOON), at(2, NOON, fault=True), at(3, NOON, fault=True))
        ids = [id_of(1), id_of(2), "nobody"]
        assert store.matching(ids) == {id_of(1), id_of(2)}
        for expression in ("fault", "rootcause.fault.service"):
            assert store.matching(ids, filter=filters.parse(expression)) == {id_of(2)}
        assert store.matching([]) == set()

    def test_what_follows_from_a_trace(self, store):
        sender, receivers = producer_and_consumers()
        put(store, sender, *receivers)
        assert sorted(store.followers(sender["trace_id"])) == [
            (each["trace_id"], "2" * 16) for each in receivers
        ]
        assert len(store.followers(sender["trace_id"], limit=1)) == 1
        assert store.followers(receivers[0]["trace_id"]) == []

    def test_a_store_knows_when_its_traces_began(self, store):
        assert store.extent() is None
        put(store, at(1, NOON), at(2, NOON - 500.5), at(3, NOON + 7))
        assert store.extent() == (NOON - 500.5, NOON + 7)

    # -- removing, and runs

    def test_nothing_is_left_when_all_is_removed(self, store):
        sender, receivers = producer_and_consumers()
        put(store, sender, *receivers, at(9, NOON, fault=True, user="ann", annotations={"a": "b"}))
        store.put_setting("kept", 1)
        before = store.last_change()
        assert store.remove() == (5, 5, 0)
        assert found(store, ALWAYS) == []
        assert store.graph(ALWAYS) == []
        assert store.size()[:2] == (0, 0)
        assert store.extent() is None
        assert store.raw(sender["trace_id"]) == []
        assert store.failures(ALWAYS, 60.0).groups == []
        for kind in ("name", "type", "annotation", "user"):
            assert store.vocabulary(kind) == []
        assert store.setting("kept") == 1
        put(store, at(1, NOON))
        assert store.last_change() > before
        assert by_subject(store.graph(ALWAYS)) == by_subject(
            rollups_of([compile_trace(id_of(1), [at(1, NOON)])])
        )
        assert store.remove() == (1, 1, 0)
        assert store.remove() == (0, 0, 0)

    def test_traces_are_of_the_run_in_which_they_began_to_arrive(self, store):
        assert (store.runs(), store.current_run()) == ([], None)
        put(store, at(1, NOON))
        store.begin_run("before")
        put(store, at(2, NOON, fault=True), at(3, NOON + 5))
        store.begin_run("after")
        assert store.current_run() == "after"
        put(store, at(4, NOON), {**at(2, NOON), "id": "2" * 16})
        store.begin_run("before")
        put(store, at(5, NOON))
        store.begin_run(None)
        put(store, at(6, NOON))
        assert [(r.name, r.pinned, r.traces, r.first, r.last) for r in store.runs()] == [
            ("before", False, 3, NOON, NOON + 5),
            ("after", False, 1, NOON, NOON),
        ]
        assert store.run_of(id_of(2)) == "before"
        assert store.run_of(id_of(6)) is store.run_of("nobody") is None
        expected = {id_of(2), id_of(3, NOON + 5), id_of(5)}
        assert set(found(store, run="before")) == expected
        assert found(store, run="nobody") == []
        assert store.matching([id_of(2), id_of(4)], run="after") == {id_of(4)}
        assert {s["Id"] for s in store.ranked(HOUR, Order.START, run="before")[0]} == expected
        assert sum(cell.traces for cell in store.distribution(HOUR, 60, run="before").cells) == 3
        assert store.facets(HOUR, ["url"], run="before").traces == 3
        assert len(store.failures(HOUR, 60, run="before").groups) == 1
        assert store.failures(HOUR, 60, run="after").groups == []
        (node,) = [r for r in store.graph(HOUR, run="after") if isinstance(r.subject, NodeKey)]
        assert sum(node.counts) == 1
        fault = filters.parse("fault")
        assert found(store, run="before", filter=fault) == [id_of(2)]
        series = store.series(HOUR, 60, run="before", subjects=lambda s: isinstance(s, NodeKey))
        assert sum(sum(r.counts) for _, rollups in series for r in rollups) == 4

    def test_stored_traces_can_be_put_in_a_run(self, store):
        put(store, at(1, NOON), at(2, NOON), at(3, NOON))
        store.put_in_run("imported", [id_of(1), id_of(3), "nobody"])
        assert set(found(store, run="imported")) == {id_of(1), id_of(3)}
        assert store.current_run() is None
        put(store, at(4, NOON))
        assert store.run_of(id_of(4)) is None

    @pytest.mark.parametrize("run", ["few", "many"])
    def test_a_run_can_be_removed(self, store, run):
        contents = {"few": [], "many": []}
        for number in range(40):
            name = "few" if number % 8 == 3 else "many"
            store.begin_run(name)
            sent = at(number, NOON + 100 * number, name=f"{name}-{number % 3}", fault=True)
            put(store, sent)
            contents[name].append(sent)
        gone = contents[run]
        kept = contents["many" if run == "few" else "few"]
        assert store.remove(run) == (len(gone), len(gone), 0)
        assert set(found(store, ALWAYS, limit=100)) == {each["trace_id"] for each in kept}
        compiled = [compile_trace(each["trace_id"], [each]) for each in kept]
        assert by_subject(store.graph(ALWAYS)) == by_subject(rollups_of(compiled))
        assert store.size()[:2] == (len(kept), len(kept))
        assert set(store.vocabulary("name")) == {each["name"] for each in kept}
        assert [each.name for each in store.runs()] == ["many" if run == "few" else "few"]
        put(store, *gone)
        assert len(found(store, ALWAYS, limit=100)) == 40

    def test_pinned_runs_are_kept(self, store):
        store.begin_run("before")
        put(store, at(1, NOON))
        store.begin_run("after")
        put(store, at(2, NOON))
        assert store.pin_run("before", True)
        assert not store.pin_run("nobody", True)
        assert store.runs()[0].pinned
        assert store.remove() == (1, 1, 1)
        assert found(store) == [id_of(1)]
        assert [each.name for each in store.runs()] == ["before", "after"]  # it goes on
        assert store.current_run() == "after"
        assert store.remove(pinned=True) == (1, 1, 0)
        assert found(store) == []
        assert [each.name for each in store.runs()] == ["after"]
        store.remove("after")
        assert (store.current_run(), store.runs()) == (None, [])

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
