"""/metrics: read back with Prometheus' own parser, counters that only grow, labels that end."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from xtrace.collector import metrics
from xtrace.collector.checks import Checks
from xtrace.collector.graph import Edge, Observation, added_up, change
from xtrace.collector.ingest import Ingest, IngestCounts
from xtrace.collector.metrics import MAX_LATE_SECONDS, MAX_SERVICES, Metrics
from xtrace.collector.store import Counts, Size, StoreError, open_store
from xtrace.collector.trace import NodeKey

SHOP = NodeKey("shop", None, None)
TABLE = NodeKey("cart", "AWS::DynamoDB::Table", None)
START = 1_700_000_040.0  # a whole minute


class Store:
    """A store of nothing but rollups."""

    def __init__(self):
        self.seen = []
        self.broken = False
        self.held = Size(7, 9, 4096, 1_600_000_000.0, None)

    def counts(self):
        return Counts(0, 0, 0, 0, 3, 4, 1, 2)

    def size(self):
        if self.broken:
            raise StoreError("damaged")
        return self.held

    def series(self, window, period, *, subjects):
        minutes = {}
        for (minute, subject), rollup in change((), self.seen).items():
            if window.start <= minute < window.end and subjects(subject):
                minutes.setdefault(minute, []).append(rollup)
        return [(float(minute), added_up(minutes[minute])) for minute in sorted(minutes)]

    def see(self, node=SHOP, status=0, seconds=0.2, at=START):
        took = round(seconds * 1e6)
        start = int(at)
        self.seen.append(Observation(node, status, start, start + 1, took, took, True, True))


class Waiting:
    def __init__(self):
        self.checks = Checks()

    def counts(self):
        return IngestCounts(10, 6, 2, 1, 1)


@pytest.fixture
def clock(monkeypatch):
    """The time, which the test sets."""
    now = [START + 5]
    monkeypatch.setattr("xtrace.ids.wall_clock", lambda: now[0])
    return now


@pytest.fixture
def store():
    return Store()


def page(of):
    """(name, labels) -> value, as Prometheus reads it."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(of.render().decode())
        for sample in family.samples
    }


def of_service(of, name, service="shop"):
    return {
        key[0].removeprefix("xtrace_service_"): value
        for key, value in page(of).items()
        if ("service", service) in key and key[0].startswith(f"xtrace_service_{name}")
    }


def test_what_arrived_and_what_is_stored(store, clock):
    found = page(Metrics(Waiting(), store, lambda: 5))
    assert {key[0]: value for key, value in found.items()} == {
        "xtrace_documents_received_total": 10,
        "xtrace_documents_stored_total": 6,
        "xtrace_documents_malformed_total": 2,
        "xtrace_documents_dropped_total": 1,
        "xtrace_documents_waiting": 1,
        "xtrace_kernel_drops_total": 5,
        "xtrace_documents_checked_total": 0,
        "xtrace_documents_rejectable_total": 0,
        "xtrace_store_bytes": 4096,
        "xtrace_store_traces": 7,
        "xtrace_store_documents": 9,
        "xtrace_store_stale_traces": 1,
        "xtrace_store_oldest_timestamp_seconds": 1_600_000_000.0,
        "xtrace_store_trimmed_traces_total": 3,
        "xtrace_store_trimmed_documents_total": 4,
        "xtrace_store_failed_traces_total": 2,
    }


def test_an_empty_store_has_no_oldest_trace(store, clock):
    store.held = Size(0, 0, 0, None, None)
    found = page(Metrics(Waiting(), store))
    assert not any("oldest" in key[0] for key in found)


def test_what_the_graph_says_of_a_service(store, clock):
    told = Metrics(Waiting(), store)
    for status, seconds in ((0, 0.004), (1, 0.2), (2, 0.2), (3, 20.0), (4, 0.0)):
        store.see(status=status, seconds=seconds)
    assert of_service(told, "requests") == {"requests_total": 4}
    assert of_service(told, "errors") == {"errors_total": 2}
    assert of_service(told, "throttles") == {"throttles_total": 1}
    assert of_service(told, "faults") == {"faults_total": 1}
    times = "xtrace_service_response_time_seconds"
    found = {
        dict(key[1:]).get("le"): value
        for key, value in page(told).items()
        if key[0] == f"{times}_bucket"
    }
    assert (found["0.005"], found["0.1"], found["0.25"], found["10.0"]) == (1, 1, 3, 3)
    assert found["+Inf"] == 4
    assert of_service(told, "response_time")["response_time_seconds_count"] == 4
    assert of_service(told, "response_time")["response_time_seconds_sum"] == 20.404


def test_services_have_their_type_and_clients_and_edges_are_none(store, clock):
    told = Metrics(Waiting(), store)
    client = NodeKey("shop", "client", None)
    for node in (TABLE, client, Edge(client, SHOP, False)):
        store.see(node)
    labels = [dict(key[1:]) for key in page(told) if key[0] == "xtrace_service_requests_total"]
    assert labels == [{"service": "cart", "type": "AWS::DynamoDB::Table"}]


def test_what_was_there_before_is_not_counted(store, clock):
    store.see()
    store.see(at=START - 60)
    told = Metrics(Waiting(), store)
    assert of_service(told, "requests") == {"requests_total": 0}
    store.see()
    store.see(at=START - 60)
    assert of_service(told, "requests") == {"requests_total": 2}


def test_late_ones_are_counted_for_a_while(store, clock):
    told = Metrics(Waiting(), store)
    store.see(at=START - MAX_LATE_SECONDS)
    store.see(at=START - MAX_LATE_SECONDS - 60)
    assert of_service(told, "requests") == {"requests_total": 1}


def test_what_happens_between_two_scrapes_is_counted_however_long_that_is(store, clock):
    told = Metrics(Waiting(), store)
    page(told)
    for minute in range(24 * 60):
        store.see(at=START + 60 * minute)
    clock[0] += 24 * 3600
    assert of_service(told, "requests") == {"requests_total": 24 * 60}
    assert of_service(told, "requests") == {"requests_total": 24 * 60}


def test_what_the_store_loses_or_takes_back_stays_counted_once(store, clock):
    told = Metrics(Waiting(), store)
    store.see()
    store.see(status=3)
    assert of_service(told, "requests") == {"requests_total": 2}
    kept, store.seen = store.seen, []
    assert of_service(told, "requests") == {"requests_total": 2}
    store.seen = kept
    assert of_service(told, "requests") == {"requests_total": 2}
    store.see()
    assert of_service(told, "requests") == {"requests_total": 3}


steps = st.lists(
    st.tuples(st.sampled_from(["see", "lose", "wait"]), st.integers(0, 4), st.integers(0, 3)),
    max_size=20,
)


@given(steps)
def test_counters_never_go_back(steps):
    store = Store()
    now = [START + 5]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xtrace.ids.wall_clock", lambda: now[0])
        told = Metrics(Waiting(), store)
        before = {}
        for what, status, number in steps:
            if what == "see":
                store.see(status=status, seconds=number / 10, at=now[0] - 60 * number)
            elif what == "lose" and store.seen:
                store.seen.pop(number % len(store.seen))
            else:
                now[0] += 200 * number
            after = page(told)
            for key, value in before.items():
                if key[0].endswith(("_total", "_bucket", "_count", "_sum")):
                    assert after[key] >= value, key
            before = after


def test_labels_end(store, clock):
    told = Metrics(Waiting(), store)
    for number in range(MAX_SERVICES + 3):
        store.see(NodeKey(f"n{number:04}", None, None))
    assert of_service(told, "requests", "other") == {"requests_total": 3}
    names = {dict(key[1:])["service"] for key in page(told) if key[0].endswith("requests_total")}
    assert len(names) == MAX_SERVICES + 1


def test_names_are_escaped(store, clock):
    told = Metrics(Waiting(), store)
    name = 'a"b\\c\nd'
    store.see(NodeKey(name, None, None))
    assert of_service(told, "requests", name) == {"requests_total": 1}


def test_a_part_that_can_not_be_read_does_not_hide_the_others(store, clock):
    told = Metrics(Waiting(), store)
    store.broken = True
    for count in (1, 2):
        found = page(told)
        assert found["xtrace_metrics_failures_total", ("part", "store")] == count
        assert ("xtrace_documents_received_total",) in found
        assert ("xtrace_store_bytes",) not in found


def test_two_collectors_in_one_process_do_not_meet(store, clock):
    first, second = Metrics(Waiting(), store), Metrics(Waiting(), Store())
    store.see()
    assert of_service(first, "requests") and not of_service(second, "requests")
    assert metrics.CONTENT_TYPE.startswith("text/plain")


def test_with_a_real_store_and_ingest():
    store = open_store(":memory:")
    ingest = Ingest(store)
    told = Metrics(ingest, store)
    now = time.time()
    template = (
        '{"trace_id":"1-5759e988-bd862e3fe1be46a99427279%d","id":"%016d","name":"shop",'
        '"start_time":%f,"end_time":%f,"fault":true}'
    )
    bodies = [(template % (n, n, now - 0.1, now)).encode() for n in range(1, 4)]
    odd = json.loads(bodies[0])
    odd.update(user="u" * 251, http={"request": {"url": "u" * 251, "method": 1}})
    ingest.take_each([*bodies, json.dumps(odd).encode(), b"nonsense"])
    assert store.flush(10)
    found = page(told)
    assert found["xtrace_documents_stored_total",] == 4
    assert found["xtrace_documents_malformed_total",] == 1
    assert found["xtrace_documents_checked_total",] == 4
    assert found["xtrace_documents_rejectable_total",] == 1
    by_code = "xtrace_documents_rejectable_by_code_total"
    assert found[by_code, ("code", "too long")] == found[by_code, ("code", "wrong type")] == 1
    assert found["xtrace_store_traces",] == 3
    assert of_service(told, "faults") == {"faults_total": 3}
    ingest.stop()
    store.close()
