"""What the collector should have after some visits: which nodes and edges, which parts of a trace.

Asks the X-Ray API as any client would; nothing here knows how the shop works inside.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from load import Visit

CLIENT = "client"
SQL = "orders.db"
TABLE = "ProductCatalog"
QUEUE = "demostore-orderqueue"
REDIS = "redis@carts"

EDGES = {
    (CLIENT, "Frontend"),
    ("Frontend", "catalogservice"),
    ("Frontend", "cartservice"),
    ("Frontend", "orderservice"),
    ("Frontend", "recommenderservice"),
    ("Frontend", "ImageService"),
    ("recommenderservice", "catalogservice"),
    ("orderservice", "cartservice"),
    ("orderservice", "catalogservice"),
    ("orderservice", QUEUE),
    ("orderservice", SQL),
    ("cartservice", "catalogservice"),
    ("cartservice", REDIS),
    ("catalogservice", TABLE),
    (QUEUE, "order-worker"),
    ("order-worker", SQL),
}
NODES = {name for edge in EDGES for name in edge}

SECONDS_TO_ARRIVE = 15
PAGE = 100
"""Traces asked for at once."""


class Count(NamedTuple):
    """How many segments and subsegments a trace has."""

    segments: int
    subsegments: int


def expected(visit: Visit) -> Count:
    """What a request should leave if nothing goes wrong."""
    items = visit.items
    if visit.kind == "GET /product/{id}":
        return Count(6, 9) if visit.case == "known" else Count(2, 2)
    if visit.kind == "POST /cart":
        return Count(3, {"new": 5, "there already": 4, "unknown": 3}[visit.case])
    if visit.kind == "GET /cart":
        return Count(2 + items, 2 + 2 * items)
    if visit.kind == "POST /cart/order":
        return Count(5 + items, 8 + 2 * items) if items else Count(3, 3)
    if visit.kind in {"GET /", "GET /product", "GET /images/{name}"}:
        return Count(2, 2)
    return Count(1, 0)


class Collected:
    """What a collector has, by way of its API. since: when the load began, in epoch seconds."""

    def __init__(self, url: str, since: float) -> None:
        self.url = url
        self.since = since

    def ask(self, path: str, **members: object) -> dict:
        return httpx.post(f"{self.url}{path}", json=members, trust_env=False, timeout=30).json()

    def traces(self, ids: Iterable[str]) -> Iterator[list[dict]]:
        """The segments of each trace that is there, without the inferred ones."""
        ids = list(ids)
        for first in range(0, len(ids), PAGE):
            for trace in self.ask("/Traces", TraceIds=ids[first : first + PAGE])["Traces"]:
                documents = [json.loads(each["Document"]) for each in trace["Segments"]]
                yield [document for document in documents if not document.get("inferred")]

    def summaries(self, expression: str = "") -> list[dict]:
        """The summaries of the traces that a filter expression selects."""
        window = {"StartTime": self.since, "EndTime": time.time() + 60}
        found, token = [], None
        while True:
            more = {"NextToken": token} if token else {}
            page = self.ask("/TraceSummaries", **window, FilterExpression=expression, **more)
            found += page["TraceSummaries"]
            token = page.get("NextToken")
            if token is None:
                return found

    def graph(self) -> list[dict]:
        """The nodes of the service graph, with their edges."""
        return self.ask("/ServiceGraph", StartTime=self.since, EndTime=time.time() + 60)["Services"]


def names_of(services: list[dict]) -> dict[int, str]:
    """The name of each node, by its number. A client is called so, whatever it asked for."""
    return {
        service["ReferenceId"]: CLIENT if service.get("Type") == CLIENT else service["Name"]
        for service in services
    }


def edges_of(services: list[dict]) -> set[tuple[str, str]]:
    """The edges of a service graph, by names."""
    names = names_of(services)
    return {
        (names[service["ReferenceId"]], names[edge["ReferenceId"]])
        for service in services
        for edge in service["Edges"]
    }


def entities(segments: Iterable[dict]) -> Iterator[dict]:
    """The segments and everything in them."""
    waiting = list(segments)
    while waiting:
        entity = waiting.pop()
        yield entity
        waiting += entity.get("subsegments", ())


def count(segments: list[dict]) -> Count:
    """How many segments and subsegments there are.

    Of those the ones that belong to the request: not the rendering of pages, which are compiled
    when they are first needed, nor that Django connects to SQLite, if that takes a while.
    """
    whole = sum(segment.get("type") != "subsegment" for segment in segments)
    everything = [each for each in entities(segments) if not _is_housekeeping(each)]
    return Count(whole, len(everything) - whole)


def _is_housekeeping(entity: dict) -> bool:
    step = entity.get("metadata", {}).get("sql", {}).get("step")
    return ".html" in entity["name"] or step == "connect"


def orphans(segments: list[dict]) -> list[dict]:
    """What names a parent that isn't there."""
    known = {entity["id"] for entity in entities(segments)}
    return [each for each in segments if each.get("parent_id", "") not in {"", *known}]


def in_progress(segments: list[dict]) -> list[dict]:
    """What hasn't ended."""
    return [entity for entity in entities(segments) if entity.get("in_progress")]


def compare(collected: Collected, visits: list[Visit], *, exactly: bool = True) -> list[str]:
    """What isn't as it should be after some visits, in words; waits for what is still on its way.

    exactly: each trace has what section `expected` says, and the graph these nodes and edges. Else,
    as where services are killed on purpose: no trace is missing, and none has an orphan.
    """
    deadline = time.monotonic() + SECONDS_TO_ARRIVE
    while True:
        problems = list(_problems(collected, visits, exactly))
        if not problems or time.monotonic() > deadline:
            return problems
        time.sleep(0.2)


def _problems(collected: Collected, visits: list[Visit], exactly: bool) -> Iterator[str]:
    answered = {visit.trace_id: visit for visit in visits if visit.trace_id is not None}
    found = {}
    for segments in collected.traces(answered):
        found[segments[0]["trace_id"]] = segments
    wrong: Counter[str] = Counter()
    for trace_id, visit in answered.items():
        segments = found.get(trace_id)
        if segments is None:
            wrong[f"{visit.kind}: no trace"] += 1
            continue
        counted, wanted = count(segments), expected(visit)
        if exactly and counted != wanted:
            wrong[f"{visit.kind} {visit.case}: {counted}, not {wanted}"] += 1
        if len([each for each in segments if each["name"] == "Frontend"]) != 1:
            wrong[f"{visit.kind}: not one segment of Frontend"] += 1
        for entity in in_progress(segments):
            wrong[f"{visit.kind}: {entity['name']} is in progress"] += 1
        for entity in orphans(segments):
            wrong[f"{visit.kind}: the parent of {entity['name']} is missing"] += 1
    for problem, times in wrong.items():
        yield f"{problem} ({times} times)"
    if exactly:
        edges = edges_of(collected.graph())
        for what, difference in (("missing", EDGES - edges), ("too much", edges - EDGES)):
            if difference:
                arrows = ", ".join(sorted(f"{source} -> {target}" for source, target in difference))
                yield f"on the map, {what}: {arrows}"


def told(statistics: dict) -> str:
    """Statistics of a node or an edge in a few words."""
    total, faults = statistics["TotalCount"], statistics["FaultStatistics"]["TotalCount"]
    errors = statistics["ErrorStatistics"]["TotalCount"]
    words = [f"{total} requests"]
    if statistics["TotalResponseTime"]:
        words.append(f"{statistics['TotalResponseTime'] / total * 1000:.1f} ms")
    words += [
        f"{number} {what}" for number, what in ((errors, "errors"), (faults, "faults")) if number
    ]
    return ", ".join(words)


def draw_graph(services: list[dict]) -> None:
    """Print each node of the service graph with its numbers, and where its calls go."""
    names = names_of(services)
    for service in sorted(services, key=lambda service: names[service["ReferenceId"]] != CLIENT):
        kind = f" ({service['Type']})" if service.get("Type") not in (None, CLIENT) else ""
        statistics = service.get("SummaryStatistics")
        numbers = f"  {told(statistics)}" if statistics and statistics["TotalCount"] else ""
        print(f"  {names[service['ReferenceId']]}{kind}{numbers}")
        for edge in service["Edges"]:
            print(f"    -> {names[edge['ReferenceId']]}  {told(edge['SummaryStatistics'])}")
