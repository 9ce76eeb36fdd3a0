"""redis-py's clients of a cluster of three real nodes, sync and async."""

from __future__ import annotations

import asyncio

import pytest
import redis
import redis.asyncio

import xtrace
from tests import servers
from tests.integrations.stores.conftest import result
from tests.marks import SECRET


@pytest.fixture(autouse=True)
def _patched(unpatched):
    xtrace.patch("redis")


@pytest.fixture(scope="session")
def cluster():
    return servers.get("redis_cluster")


MODULES = [
    pytest.param(redis, id="sync", marks=pytest.mark.library("redis", "sync")),
    pytest.param(redis.asyncio, id="async", marks=pytest.mark.library("redis", "async")),
]


@pytest.fixture(params=MODULES)
def run(request, cluster):
    """Runs an async function with a client of either kind, in a segment."""

    def run(work):
        async def main():
            with xtrace.in_segment():
                client = request.param.RedisCluster(
                    host=cluster.host, port=cluster.port, password=cluster.password
                )
                try:
                    await result(client.ping(target_nodes="all"))
                    await work(client)
                finally:
                    await result((getattr(client, "aclose", None) or client.close)())

        asyncio.run(main())

    return run


def statements(traces):
    """Of all but the look-ups of nodes that the sync client makes when it is made."""
    texts = [call["sql"]["sanitized_query"] for call in traces.subsegments]
    return texts[texts.index("PING") + 1 :]


def test_a_command_is_one_subsegment_whichever_node_it_goes_to(run, traces, cluster):
    async def work(client):
        for number in range(10):
            await result(client.set(f"{SECRET}{number}", SECRET))
        await result(client.dbsize(target_nodes="primaries"))

    run(work)
    assert statements(traces) == ["SET ? ?"] * 10 + ["DBSIZE"]
    assert {call["name"] for call in traces.subsegments} == {f"redis@127.0.0.1:{cluster.port}"}
    url = f"redis://127.0.0.1:{cluster.port}/0"
    assert {call["sql"]["url"] for call in traces.subsegments} == {url}
    assert cluster.password not in str(traces.documents)


def test_a_pipeline_over_all_nodes_is_one_subsegment(run, traces):
    async def work(client):
        async with _entered(client.pipeline()) as pipeline:
            for number in range(1000):
                pipeline.set(f"{SECRET}{number}", number)
            assert len(await result(pipeline.execute())) == 1000
            assert await result(pipeline.execute()) == []

    run(work)
    assert statements(traces) == ["SET ? ? ×1000"]
    assert traces.subsegments[-1]["metadata"] == {"redis": {"commands": 1000}}


@pytest.mark.skipif(
    redis.__version__.startswith("5."),
    reason="clusters have transactions since redis-py 6",
)
def test_a_transaction_says_so(run, traces):
    async def work(client):
        async with _entered(client.pipeline(transaction=True)) as pipeline:
            pipeline.incr("{cart}n")
            pipeline.expire("{cart}n", 60)
            await result(pipeline.execute())

    run(work)
    assert statements(traces) == ["MULTI; INCRBY ? ?; EXPIRE ? ?; EXEC"]


def test_errors_are_recorded_without_values(run, traces):
    async def work(client):
        await result(client.set("text", SECRET))
        with pytest.raises(redis.ResponseError):
            await result(client.lpush("text", SECRET))
        async with _entered(client.pipeline()) as pipeline:
            pipeline.lpush("text", SECRET)
            with pytest.raises(redis.ResponseError):
                await result(pipeline.execute())
        async with _entered(client.pipeline()) as pipeline:
            pipeline.lpush("text", SECRET)
            pipeline.get("text")
            await result(pipeline.execute(raise_on_error=False))

    run(work)
    *_, one, many, silent = traces.subsegments
    assert one["fault"]
    assert many["fault"]
    assert silent["metadata"]["redis"] == {"commands": 2, "errors": 1}


def test_a_cluster_client_made_before_is_traced(traces, cluster):
    xtrace.unpatch("redis")
    options = {"host": cluster.host, "port": cluster.port, "password": cluster.password}
    with redis.RedisCluster(**options) as client:
        xtrace.patch("redis")
        with xtrace.in_segment():
            client.set("a", SECRET)
    [call] = traces.subsegments
    assert call["name"].startswith("redis@127.0.0.1")


class _entered:
    """`async with` around a pipeline of either kind."""

    def __init__(self, pipeline):
        self.pipeline = pipeline

    async def __aenter__(self):
        return self.pipeline

    async def __aexit__(self, *error):
        await result(self.pipeline.reset())
