"""Clients of Elasticsearch and OpenSearch, sync and async, against a stand-in: an HTTP server."""

from __future__ import annotations

import asyncio
import inspect
import socket

import elastic_transport
import elasticsearch
import elasticsearch.helpers
import opensearchpy
import opensearchpy.helpers
import pytest

import xtrace
from tests.integrations.stores import search
from tests.integrations.stores.conftest import result
from tests.marks import SECRET
from xtrace.integrations._search import _masked

ALL = ["elasticsearch", "opensearch", "urllib3", "aiohttp", "requests", "http_client"]


class Client:
    """One of the four clients: what differs."""

    def __init__(self, system, make, module, transports, **options):
        self.system = system
        self.make = make
        self.module = module
        self.transports = transports
        self.options = options
        self.bad_request = getattr(module, "BadRequestError", getattr(module, "RequestError", None))

    def put(self, client, index, id, document):
        name = "document" if self.module is elasticsearch else "body"
        return client.index(index=index, id=id, **{name: document})

    def search(self, client, index, query):
        if self.module is elasticsearch:
            return client.search(index=index, query=query)
        return client.search(index=index, body={"query": query})

    def bulk(self, client, lines):
        name = "operations" if self.module is elasticsearch else "body"
        return client.bulk(**{name: lines})


CLIENTS = {
    "elasticsearch": Client(
        "Elasticsearch", lambda: elasticsearch.Elasticsearch, elasticsearch, elastic_transport
    ),
    "elasticsearch, async": Client(
        "Elasticsearch", lambda: elasticsearch.AsyncElasticsearch, elasticsearch, elastic_transport
    ),
    "opensearch": Client("OpenSearch", lambda: opensearchpy.OpenSearch, opensearchpy, opensearchpy),
    "opensearch, requests": Client(
        "OpenSearch",
        lambda: opensearchpy.OpenSearch,
        opensearchpy,
        opensearchpy,
        connection_class=opensearchpy.RequestsHttpConnection,
    ),
    "opensearch, async": Client(
        "OpenSearch", lambda: opensearchpy.AsyncOpenSearch, opensearchpy, opensearchpy
    ),
}


def marked(name):
    library = "elasticsearch" if name.startswith("elastic") else "opensearch-py"
    mode = "async" if "async" in name else "sync"
    return pytest.param(CLIENTS[name], id=name, marks=pytest.mark.library(library, mode))


@pytest.fixture(autouse=True)
def _patched(unpatched, traces):
    xtrace.patch(ALL)


@pytest.fixture(params=map(marked, CLIENTS))
def kind(request):
    return request.param


@pytest.fixture
def cluster():
    with search.serving() as cluster:
        yield cluster


@pytest.fixture
def run(kind, cluster):
    """Runs an async function with a client, in a segment."""

    def run(work, port=cluster.port, **options):
        async def main():
            client = kind.make()(f"http://127.0.0.1:{port}", **kind.options, **options)
            try:
                with xtrace.in_segment():
                    return await work(client)
            finally:
                await result(client.close())

        return asyncio.run(main())

    return run


def texts(traces):
    return [call["sql"]["sanitized_query"] for call in traces.subsegments]


def test_a_request_is_one_subsegment_without_documents(run, kind, traces, cluster):
    async def work(client):
        await result(kind.put(client, "orders", SECRET, {"name": SECRET}))
        return await result(client.get(index="orders", id=SECRET))

    assert run(work)["_source"] == {"name": SECRET}
    put, get = traces.subsegments
    assert get["name"] == f"{kind.system.lower()}@127.0.0.1:{cluster.port}"
    assert get["namespace"] == "remote"
    url = f"http://127.0.0.1:{cluster.port}"
    driver = get["sql"].pop("driver_version")
    assert driver.partition(" ")[0] in ("elasticsearch-py", "opensearch-py")
    assert get["sql"] == {
        "url": url,
        "database_type": kind.system,
        "sanitized_query": "GET /orders/_doc/{id}",
    }
    assert get["http"]["request"] == {"method": "GET", "url": f"{url}/orders/_doc/{{id}}"}
    assert put["sql"]["sanitized_query"] == "PUT /orders/_doc/{id}"
    if kind.module is elasticsearch:
        assert put["http"]["response"] == {"status": 201}
    assert f"Parent={get['id']}" in cluster.headers[-1]["X-Amzn-Trace-Id"]


def test_queries_arent_recorded(run, kind, traces):
    async def work(client):
        await result(kind.search(client, "orders,carts", {"term": {"name": SECRET}}))
        await result(client.cluster.health())

    run(work)
    assert texts(traces) == ["POST /orders,carts/_search", "GET /_cluster/health"]


def test_what_is_refused_is_an_error_without_its_reason(run, kind, traces):
    async def work(client):
        await result(kind.search(client, "orders", {"nonsense": SECRET}))

    with pytest.raises(kind.bad_request) as raised:
        run(work)
    assert SECRET in str(raised.value)
    [call] = traces.subsegments
    assert call["error"]
    assert "fault" not in call
    assert call["http"]["response"] == {"status": 400}
    assert call["metadata"] == {"search": {"error": "parsing_exception"}}
    [exception, *_] = traces.segments[0]["cause"]["exceptions"]
    assert exception["message"] == "400, parsing_exception"


def test_what_isnt_there_is_an_error_unless_that_was_asked(run, kind, traces):
    async def work(client):
        with pytest.raises(kind.module.NotFoundError):
            await result(client.get(index="orders", id=SECRET))
        return await result(client.exists(index="orders", id=SECRET))

    assert not run(work)
    get, exists = traces.subsegments
    assert get["error"]
    assert get["http"]["response"] == {"status": 404}
    assert "error" not in exists


def test_tries_are_one_subsegment(run, kind, traces, cluster):
    cluster.busy = 2

    async def work(client):
        await result(client.cluster.health())

    run(work, max_retries=3, retry_on_status=[503])
    assert texts(traces) == ["GET /_cluster/health"]
    assert not {"error", "fault"} & traces.subsegments[0].keys()


def test_a_fault_of_the_cluster_is_one(run, kind, traces, cluster):
    cluster.busy = 100

    async def work(client):
        with pytest.raises(Exception, match="503"):
            await result(client.cluster.health())

    run(work, max_retries=0)
    [call] = traces.subsegments
    assert call["fault"]
    assert call["http"]["response"] == {"status": 503}


def test_no_cluster_is_a_fault(run, kind, traces):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

        async def work(client):
            with pytest.raises(kind.module.ConnectionError):
                await result(client.cluster.health())

        run(work, port=port, max_retries=0)
    [call] = traces.subsegments
    assert call["fault"]
    assert call["cause"]["exceptions"][0]["type"] == "ConnectionError"


def test_a_bulk_request_of_which_a_part_fails_is_an_error(run, kind, traces):
    lines = [{"index": {"_index": "orders"}}, {"name": "fail"}]

    async def work(client):
        await result(kind.bulk(client, lines))
        await result(kind.bulk(client, [lines[0], {"name": SECRET}]))

    run(work)
    failed, fine = traces.subsegments
    assert failed["error"]
    assert "error" not in fine


def test_what_cant_be_sent_is_named_by_its_type(run, kind, traces):
    async def work(client):
        await result(kind.put(client, "orders", "1", {"a": {SECRET}}))

    with pytest.raises(kind.module.SerializationError) as raised:
        run(work)
    assert SECRET in str(raised.value)
    messages = [
        each["message"]
        for document in (*traces.subsegments, *traces.segments)
        if isinstance(document.get("cause"), dict)
        for each in document["cause"]["exceptions"]
        if each["type"] == "SerializationError"
    ]
    assert messages
    assert all("can't be sent" in each for each in messages)


@pytest.mark.library("elasticsearch", "sync")
@pytest.mark.library("opensearch-py", "sync")
def test_errors_of_helpers_are_recorded_without_documents(traces, cluster):
    for module, client in (
        (elasticsearch, elasticsearch.Elasticsearch),
        (opensearchpy, opensearchpy.OpenSearch),
    ):
        connected = client(f"http://127.0.0.1:{cluster.port}")
        with pytest.raises(module.helpers.BulkIndexError), xtrace.in_segment():
            actions = [{"_index": "orders", "_source": {"fail": SECRET}}]
            module.helpers.bulk(connected, actions)
        connected.close()
    assert len(traces.segments) == 2


def test_unsampled_requests_carry_that_on(kind, traces, cluster):
    async def main():
        client = kind.make()(f"http://127.0.0.1:{cluster.port}", **kind.options)
        with xtrace.in_segment(sampling=False) as segment:
            await result(client.cluster.health())
        await result(client.close())
        return segment.trace_id

    trace_id = asyncio.run(main())
    assert traces.documents == []
    assert cluster.headers[-1]["X-Amzn-Trace-Id"] == f"Root={trace_id};Sampled=0"


def test_without_a_segment_nothing_is_recorded_or_sent(kind, traces, cluster):
    async def main():
        client = kind.make()(f"http://127.0.0.1:{cluster.port}", **kind.options)
        await result(client.cluster.health())
        await result(client.close())

    asyncio.run(main())
    assert traces.documents == []
    assert "X-Amzn-Trace-Id" not in cluster.headers[-1]


def test_excluded_clusters_are_silent(run, traces, cluster):
    before = xtrace.recorder.excluded_urls
    xtrace.recorder.excluded_urls = (f"127.0.0.1:{cluster.port}",)
    try:

        async def work(client):
            await result(client.cluster.health())

        run(work)
    finally:
        xtrace.recorder.excluded_urls = before
    assert traces.subsegments == []
    assert "X-Amzn-Trace-Id" not in cluster.headers[-1]


def test_transports_keep_their_signatures_and_unpatch_restores(kind):
    names = ("Transport", "AsyncTransport")
    patched = {name: getattr(kind.transports, name).perform_request for name in names}
    xtrace.unpatch(["elasticsearch", "opensearch"])
    for name, ours in patched.items():
        original = getattr(kind.transports, name).perform_request
        assert ours is not original
        assert inspect.signature(ours) == inspect.signature(original)
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(original)


def test_whatever_fails_inside_requests_are_answered(
    run, kind, traces, monkeypatch, lenient_faults
):
    from xtrace.integrations import _search

    monkeypatch.setattr(_search, "outgoing", None)

    async def work(client):
        return await result(client.cluster.health())

    assert run(work)["status"] == "green"
    [call] = traces.subsegments  # of the HTTP client, which isn't silent then
    assert call["name"] == "127.0.0.1"
    name = {"Elasticsearch": "elasticsearch", "OpenSearch": "opensearch"}[kind.system]
    assert xtrace.faults.counts == {f"integration:{name}": 1}


@pytest.mark.parametrize(
    ("target", "masked"),
    [
        ("/", "/"),
        ("/orders", "/orders"),
        ("/orders/_doc/secret?refresh=secret", "/orders/_doc/{id}"),
        ("/orders/_update/a%2Fb", "/orders/_update/{id}"),
        ("/a,b/_search", "/a,b/_search"),
        ("/_search/scroll/secret", "/_search/{id}/{id}"),
        ("/_security/user/bob", "/_security/{id}/{id}"),
        ("/_cat/indices", "/_cat/indices"),
        ("/_cluster/health/orders", "/_cluster/health/orders"),
    ],
)
def test_ids_arent_in_a_path(target, masked):
    assert _masked(target) == masked
