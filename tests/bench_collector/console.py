"""What a console waits for: each answer over HTTP, from a store of many traces; and a packet's way to a page."""

from __future__ import annotations

import http.client
import json
import os
import random
import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tests.bench_collector.load import renumbered, trace
from xtrace.collector import Collector, running

if TYPE_CHECKING:
    from collections.abc import Iterator

SEGMENTS = 2
"""Of a trace; what they call sends nothing itself. Storing 100,000 such traces takes a minute."""

LISTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("list of 1,000, newest first", {}),
    ("list of 1,000 with fault", {"filter": "fault"}),
    ("list of 1,000 with a service's fault", {"filter": 'service("service-10") { fault }'}),
    ("list of 1,000 with an annotation", {"filter": 'annotation.tenant = "tenant-7"'}),
    ("list of 1,000, the slowest", {"sort": "-response_time"}),
    ("list of 1,000, the slowest with an annotation",
     {"sort": "-response_time", "filter": 'annotation.tenant = "tenant-7"'}),
)  # fmt: skip


class Page:
    """Asks a collector as a page does, on one connection."""

    def __init__(self, collector: Collector) -> None:
        self._connection = http.client.HTTPConnection(*collector.http_endpoint, timeout=60)

    def get(self, path: str, **parameters: Any) -> tuple[float, bytes]:
        """How long an answer took, and the answer."""
        query = urlencode(parameters, doseq=True, quote_via=quote)
        begun = time.perf_counter()
        self._connection.request("GET", f"/api/v1{path}?{query}")
        reply = self._connection.getresponse()
        content = reply.read()
        took = time.perf_counter() - begun
        assert reply.status == 200, content
        return took, content


def console(path: str, quick: bool) -> None:
    """The answers."""
    traces = 20_000 if quick else 100_000
    rounds = 3 if quick else 7
    with filled(path, traces) as collector:
        page = Page(collector)

        def timed(what: str, path: str, **parameters: Any) -> None:
            asked = [page.get(path, **parameters) for _ in range(rounds)]
            times = [took for took, _ in asked]
            size = len(asked[0][1])
            print(
                f"  {what}: median {median(times) * 1000:.0f} ms, worst {max(times) * 1000:.0f} ms, "
                f"{size / 1024:.0f} KB"
            )

        for what, parameters in LISTS:
            timed(what, "/traces", range="all", limit=1000, **parameters)
        timed("histogram and heatmap", "/distribution", range="all")
        timed("the same with an annotation", "/distribution", range="all",
              filter='annotation.tenant = "tenant-7"')  # fmt: skip
        timed("grouped by URL", "/facets", range="all", by="url", limit=100)
        timed("every facet", "/facets", range="all")
        timed("errors", "/errors", range="all")
        timed("map of 60 nodes", "/map", range="PT1H")
        timed("map of 60 nodes, of a filter", "/map", range="PT15M", filter="fault")
        for rows in (100, 10_000):
            trace_id = put_wide(collector, rows)
            timed(f"trace of {rows:,} rows", f"/traces/{trace_id}")
            timed(f"a row's details, of {rows:,}", f"/traces/{trace_id}/entities/{rows:016x}")
        trace_id = put_services(collector, 500)
        timed("map of 500 nodes", f"/traces/{trace_id}/map")
        to_page(collector, 5 if quick else 15)


@contextmanager
def filled(path: str, traces: int) -> Iterator[Collector]:
    """A collector with so many traces of the last hour."""
    now = time.time()
    chance = random.Random(1)
    templates = [trace(number, 1_000_000_000.0, chance) for number in range(200)]
    begun = time.perf_counter()
    with running(path=path) as collector:
        ingest = collector.service.ingest
        for number in range(traces):
            at = now - 3600 * (1 - number / traces)
            ingest.take(renumbered(templates[number % 200][:SEGMENTS], number, at))
            if number % 500 == 0:
                ingest.flush()
        collector.flush(600)
        size = collector.store.size()
        print(
            f"  {size.traces:,} traces of {SEGMENTS} segments, {size.bytes >> 20} MB, "
            f"in {time.perf_counter() - begun:.0f} s"
        )
        yield collector


def put_wide(collector: Collector, rows: int) -> str:
    """A trace of so many rows; its id."""
    now = time.time()
    trace_id = f"1-{int(now):08x}-{rows:024x}"
    segments = max(1, rows // 50)
    documents = []
    for number in range(segments):
        first = number * (rows // segments)
        document = {
            "trace_id": trace_id,
            "id": f"{first + 1:016x}",
            "name": f"service-{number % 20}",
            "start_time": now + number / 1000,
            "end_time": now + number / 1000 + 1,
            "subsegments": [
                {
                    "id": f"{first + place + 1:016x}",
                    "name": "query",
                    "start_time": now + number / 1000 + place / 100,
                    "end_time": now + number / 1000 + place / 100 + 0.01,
                    "sql": {"sanitized_query": "select a, b from c where d = ?"},
                }
                for place in range(1, rows // segments)
            ],
        }
        if number:
            document["parent_id"] = f"{(number - 1) // 2 * (rows // segments) + 1:016x}"
        documents.append(json.dumps(document).encode())
    collector.service.ingest.take(documents)
    collector.flush(60)
    return trace_id


def put_services(collector: Collector, count: int) -> str:
    """A trace of so many services, each called by another; its id."""
    now = time.time()
    trace_id = f"1-{int(now):08x}-{'5' * 24}"
    documents = []
    for number in range(count):
        document: dict[str, Any] = {
            "trace_id": trace_id,
            "id": f"{number + 1:016x}",
            "name": f"node-{number}",
            "start_time": now + number / 1000,
            "end_time": now + 2,
        }
        if number:
            document["parent_id"] = f"{(number - 1) // 3 + 1:016x}"
        documents.append(json.dumps(document).encode())
    collector.service.ingest.take(documents)
    collector.flush(60)
    return trace_id


def to_page(collector: Collector, times: int) -> None:
    """From a datagram to the event on a page."""
    import socket

    connection = http.client.HTTPConnection(*collector.http_endpoint, timeout=60)
    connection.request("GET", "/api/v1/events")
    reply = connection.getresponse()
    took = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(times):
            now = time.time()
            trace_id = f"1-{int(now):08x}-{os.urandom(12).hex()}"
            document = {"trace_id": trace_id, "id": f"{number:016x}", "name": "probe"}
            document |= {"start_time": now - 0.1, "end_time": now}
            begun = time.perf_counter()
            data = b'{"format":"json","version":1}\n' + json.dumps(document).encode()
            sender.sendto(data, collector.endpoint)
            while trace_id.encode() not in reply.readline():
                pass
            took.append(time.perf_counter() - begun)
    connection.close()
    print(
        f"  from a packet to a page: median {median(took) * 1000:.0f} ms, "
        f"worst {max(took) * 1000:.0f} ms"
    )
