"""redis-py against a real server, sync and async: one contract for both."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import socket

import pytest
import redis
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

import xtrace
from tests.integrations.stores.conftest import result
from tests.marks import SECRET
from xtrace.integrations import redis as integration


@pytest.fixture(autouse=True)
def _patched(unpatched, traces):
    xtrace.patch("redis")


MODULES = [
    pytest.param(redis, id="sync", marks=pytest.mark.library("redis", "sync")),
    pytest.param(redis.asyncio, id="async", marks=pytest.mark.library("redis", "async")),
]


@pytest.fixture(params=MODULES)
def run(request, redis_server):
    """Runs an async function with a client of either kind, in a segment."""

    def run(work, url=redis_server.url, **options):
        async def main():
            client = request.param.from_url(url, **options)
            try:
                with xtrace.in_segment():
                    return await work(client)
            finally:
                await result((getattr(client, "aclose", None) or client.close)())

        return asyncio.run(main())

    return run


def statements(traces):
    return [call["sql"]["sanitized_query"] for call in traces.subsegments]


# -- commands ----------------------------------------------------------------------------------


def test_a_command_is_a_subsegment_without_values(run, traces, redis_server):
    async def work(client):
        await result(client.set(SECRET, SECRET, ex=60))
        return await result(client.get(SECRET))

    assert run(work) == SECRET.encode()
    call = traces.subsegments[1]
    assert call["name"] == f"redis@127.0.0.1:{redis_server.port}"
    assert call["namespace"] == "remote"
    assert call["sql"] == {
        "url": f"redis://127.0.0.1:{redis_server.port}/{redis_server.database}",
        "database_type": "Redis",
        "driver_version": f"redis-py {redis.__version__}",
        "sanitized_query": "GET ?",
    }
    assert statements(traces) == ["SET ? ? ? ?", "GET ?"]
    assert "fault" not in call
    assert redis_server.password not in str(traces.documents)


def test_a_server_has_the_name_that_is_known_of_its_host(traces, redis_server):
    change_back = xtrace.recorder.override(peer_names={f"127.0.0.1:{redis_server.port}": "carts"})
    try:
        with redis.from_url(redis_server.url) as client, xtrace.in_segment("shop"):
            client.get("a")
    finally:
        change_back()
    (call,) = traces.subsegments
    assert call["name"] == "redis@carts"
    assert str(redis_server.port) in call["sql"]["url"]


def test_no_segment_no_subsegment_and_unsampled_none(run, traces, redis_server):
    with redis.from_url(redis_server.url) as client:
        client.set("a", 1)
        with xtrace.in_segment("shop", sampling=False):
            assert client.get("a") == b"1"
    assert traces.documents == []


def test_what_the_server_refuses_is_a_fault_with_its_words_but_not_ours(run, traces):
    async def work(client):
        await result(client.set("text", SECRET))
        with pytest.raises(redis.ResponseError) as raised:
            await result(client.lpush("text", SECRET))
        assert str(raised.value).startswith("WRONGTYPE")
        with pytest.raises(redis.ResponseError) as raised:
            await result(client.execute_command("NONESUCH", SECRET))
        assert SECRET in str(raised.value)  # the server quotes it

    run(work)
    _, wrong, unknown = traces.subsegments
    assert wrong["fault"]
    [exception] = wrong["cause"]["exceptions"]
    assert exception["type"] == "ResponseError"
    assert exception["message"].startswith("WRONGTYPE Operation")
    [exception] = unknown["cause"]["exceptions"]
    assert exception["message"].startswith("unknown command '?'")


def test_an_error_that_leaves_the_segment_is_described_once_and_without_values(traces, run):
    async def work(client):
        try:
            await result(client.execute_command("NONESUCH", SECRET))
        except redis.ResponseError as error:
            raise RuntimeError("the cart is broken") from error

    with pytest.raises(RuntimeError):
        run(work)
    [segment] = traces.segments
    assert len(segment["cause"]["exceptions"]) == 2


def test_no_server_is_a_fault(run, traces):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

        async def work(client):
            with pytest.raises(redis.ConnectionError):
                await result(client.get("a"))

        run(work, url=f"redis://:{SECRET}@127.0.0.1:{port}/0", retry=None)
    [call] = traces.subsegments
    assert call["fault"]
    assert "127.0.0.1" in call["cause"]["exceptions"][0]["message"]


def test_a_cancelled_command_is_no_fault(traces, redis_server):
    async def main():
        async with redis.asyncio.from_url(redis_server.url) as client:
            with xtrace.in_segment():
                waiting = asyncio.create_task(client.blpop(["nobody-pushes-here"]))
                await asyncio.sleep(0)
                while not client.connection_pool._in_use_connections:
                    await asyncio.sleep(0.001)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting

    asyncio.run(main())
    [call] = traces.subsegments
    assert call["annotations"] == {"cancelled": "CancelledError"}
    assert "fault" not in call


def test_concurrent_commands_are_siblings(traces, redis_server):
    async def main():
        async with redis.asyncio.from_url(redis_server.url) as client:
            with xtrace.in_segment():
                await asyncio.gather(*(client.set(f"k{n}", n) for n in range(20)))

    asyncio.run(main())
    [segment] = traces.segments
    assert len(segment["subsegments"]) == 20


def test_subcommands_are_named_and_credentials_never_recorded(run, traces):
    async def work(client):
        await result(client.config_get("maxmemory"))
        await result(client.execute_command(f"SET {SECRET} {SECRET}"))
        with pytest.raises(redis.RedisError):
            await result(client.execute_command("AUTH", SECRET, SECRET))
        await result(client.mget([f"{SECRET}{n}" for n in range(200)]))

    run(work)
    assert statements(traces) == [
        "CONFIG GET ?",
        "SET ? ?",
        "AUTH ? ?",
        "MGET ? ? ? ? ? ? ? ? … (200)",
    ]


def test_for_development_values_are_recorded_but_no_credentials(run, traces):
    before = xtrace.recorder.redact
    xtrace.recorder.redact = False
    try:

        async def work(client):
            await result(client.set("color", "red"))
            with pytest.raises(redis.RedisError):
                await result(client.execute_command("AUTH user", SECRET))
            pipeline = client.pipeline()
            pipeline.set("a", "x" * 1000)
            pipeline.get("a")
            await result(pipeline.execute())

        run(work)
    finally:
        xtrace.recorder.redact = before
    assert statements(traces)[:2] == ["SET color red", "AUTH ? ?"]
    assert statements(traces)[2].endswith("xxx…; GET a; EXEC")


def test_statements_may_be_left_out(run, traces):
    stream_sql, xtrace.recorder.stream_sql = xtrace.recorder.stream_sql, False
    try:

        async def work(client):
            await result(client.get("a"))

        run(work)
    finally:
        xtrace.recorder.stream_sql = stream_sql
    [call] = traces.subsegments
    assert set(call["sql"]) == {"url", "database_type", "driver_version"}


# -- pipelines ---------------------------------------------------------------------------------


def test_a_pipeline_of_1000_commands_is_one_subsegment(run, traces):
    async def work(client):
        pipeline = client.pipeline(transaction=False)
        for number in range(600):
            pipeline.set(f"{SECRET}{number}", SECRET)
        for number in range(400):
            pipeline.get(f"{SECRET}{number}")
        return await result(pipeline.execute())

    assert len(run(work)) == 1000
    [call] = traces.subsegments
    assert call["sql"]["sanitized_query"] == "SET ? ? ×600; GET ? ×400"
    assert call["metadata"] == {"redis": {"commands": 1000}}


def test_a_transaction_says_so_and_an_empty_pipeline_nothing(run, traces):
    async def work(client):
        pipeline = client.pipeline()
        assert await result(pipeline.execute()) == []
        pipeline.incr("n").expire("n", 60)
        await result(pipeline.execute())

    run(work)
    assert statements(traces) == ["MULTI; INCRBY ? ?; EXPIRE ? ?; EXEC"]


def test_different_commands_of_a_pipeline_are_bounded(run, traces):
    async def work(client):
        pipeline = client.pipeline(transaction=False)
        for count in range(1, 200):
            pipeline.execute_command("ECHO", *["x"] * count)
        await result(pipeline.execute(raise_on_error=False))

    run(work)
    [call] = traces.subsegments
    assert call["sql"]["sanitized_query"].endswith("; … (179 more)")
    assert call["metadata"]["redis"] == {"commands": 199, "errors": 198}
    assert "fault" not in call


def test_an_error_in_a_pipeline_is_recorded_without_the_command_it_quotes(run, traces):
    async def work(client):
        pipeline = client.pipeline()
        pipeline.set("text", SECRET)
        pipeline.lpush("text", f"{SECRET}) of pipeline caused error: {SECRET}")
        with pytest.raises(redis.ResponseError) as raised:
            await result(pipeline.execute())
        assert SECRET in str(raised.value)

    run(work)
    [call] = traces.subsegments
    assert call["fault"]
    message = call["cause"]["exceptions"][0]["message"]
    assert message.startswith("Command # 2 of pipeline caused error: WRONGTYPE")


def test_a_watched_key_that_changes_is_an_error_but_no_fault(run, traces):
    async def work(client):
        await result(client.set("stock", 1))
        pipeline = client.pipeline()
        await result(pipeline.watch("stock"))
        await result(pipeline.get("stock"))
        pipeline.multi()
        pipeline.set("stock", 0)
        await result(client.set("stock", 5))
        with pytest.raises(redis.WatchError):
            await result(pipeline.execute())

    run(work)
    assert statements(traces) == [
        *("SET ? ?", "WATCH ?", "GET ?", "SET ? ?"),
        "MULTI; SET ? ?; EXEC",
    ]
    call = traces.subsegments[-1]
    assert call["error"]
    assert "fault" not in call
    assert call["cause"]["exceptions"][0]["type"] == "WatchError"


def test_scripts_are_loaded_when_they_are_missing(run, traces):
    async def work(client):
        await result(client.script_flush())
        script = client.register_script(f"return redis.call('get', KEYS[1]) -- {SECRET}")
        await result(script(keys=["a"]))

    run(work)
    assert statements(traces) == ["SCRIPT FLUSH", "EVALSHA ? ? ?", "SCRIPT LOAD ?", "EVALSHA ? ? ?"]
    assert not [call for call in traces.subsegments if "fault" in call]


# -- the library stays as it is ----------------------------------------------------------------


def classes():
    import redis.asyncio.cluster
    import redis.cluster

    for client, cluster in ((redis.client, redis.cluster), (redis.asyncio, redis.asyncio.cluster)):
        yield client.Redis, "execute_command"
        yield client.client.Pipeline if client is redis.asyncio else client.Pipeline, "execute"
        yield cluster.RedisCluster, "execute_command"
        yield cluster.ClusterPipeline, "execute"


def test_signatures_kinds_and_names_stay_and_unpatch_restores():
    patched = [(owner, name, vars(owner)[name]) for owner, name in classes()]
    xtrace.unpatch("redis")
    for owner, name, ours in patched:
        original = vars(owner)[name]
        assert original is not ours
        assert inspect.signature(ours) == inspect.signature(original)
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(original)
        assert (ours.__name__, ours.__qualname__) == (original.__name__, original.__qualname__)
        assert not hasattr(original, "__wrapped__")


def test_clients_made_before_and_subclasses_are_traced(traces, redis_server):
    xtrace.unpatch("redis")

    class Own(redis.Redis):
        def execute_command(self, *args, **options):
            return super().execute_command(*args, **options)

    client = Own.from_url(redis_server.url)
    xtrace.patch("redis")
    with xtrace.in_segment(), client:
        client.ping()
        assert type(client.pipeline()) is redis.client.Pipeline
    assert statements(traces) == ["PING"]


def test_errors_can_be_pickled_still(redis_server):
    with redis.from_url(redis_server.url) as client, xtrace.in_segment():
        with pytest.raises(redis.ResponseError) as raised:
            client.execute_command("NONESUCH")
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_whatever_fails_inside_the_command_runs(run, traces, monkeypatch, lenient_faults):
    monkeypatch.setattr(integration, "_text", None)
    monkeypatch.setattr(integration, "_count_errors", None)

    async def work(client):
        await result(client.set("a", 1))
        pipeline = client.pipeline()
        pipeline.get("a")
        assert await result(pipeline.execute()) == [b"1"]
        return await result(client.get("a"))

    assert run(work) == b"1"
    assert traces.subsegments == []
    assert xtrace.faults.counts == {"integration:redis": 3}


# -- names and addresses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name", "recorded"),
    [
        ("redis://cache", "redis@cache", "redis://cache:6379/0"),
        ("redis://u:pw-1@cache:6380/4", "redis@cache:6380", "redis://cache:6380/4"),
        ("rediss://u:pw-1@cache?db=2", "redis@cache", "rediss://cache:6379/2"),
        ("redis://[::1]:7000", "redis@::1:7000", "redis://[::1]:7000/0"),
        (
            "unix://u:pw-1@/run/redis.sock?db=3",
            "redis@/run/redis.sock",
            "unix:///run/redis.sock?db=3",
        ),
    ],
)
@pytest.mark.parametrize("module", [redis, redis.asyncio])
def test_a_store_is_named_by_where_it_is(module, url, name, recorded):
    store = integration._store(module.from_url(url).connection_pool)
    assert store.name == name
    assert store.block["url"] == recorded


def test_behind_sentinels_a_store_has_the_name_of_its_service():
    from redis.sentinel import Sentinel

    client = Sentinel([("localhost", 26379)]).master_for("orders", db=2)
    store = integration._store(client.connection_pool)
    assert (store.name, store.block["url"]) == ("redis@orders", "sentinel://orders/2")


@given(
    st.lists(
        st.one_of(st.text(max_size=20), st.binary(max_size=20), st.integers()),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(["GET", "config get", b"SET", "AUTH", "", "1"]),
)
def test_no_argument_is_in_a_commands_text(values, name):
    marked = [f"{SECRET}{value!r}" for value in values]
    text = integration._text([name, *marked])
    assert SECRET not in text
    assert SECRET not in integration._text([f"{name!s} {' '.join(marked)}", *marked])
    assert len(text) < 100


def test_odd_arguments_do_no_harm():
    commands = [[bytearray(b"get"), "a"], [b"get", "b"], ["GET", "c"], ["set", "a", "b"]]
    assert integration._counted(commands) == {"GET ?": 3, "SET ? ?": 1}
    assert integration._counted(commands[1:]) == {"GET ?": 2, "SET ? ?": 1}
    assert integration._text([bytearray(b"get"), "a"]) == "GET ?"
    assert integration._text([b"\xff\xfe", "a"]) == "? ? ?"
    assert integration._text([SECRET]) == "? ?"
