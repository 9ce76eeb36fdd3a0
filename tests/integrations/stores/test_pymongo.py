"""pymongo, sync and async, and motor, against a stand-in that speaks MongoDB's wire protocol."""

from __future__ import annotations

import asyncio
import gc
import inspect
import socket

import bson
import motor.motor_asyncio
import pymongo
import pytest
from pymongo import monitoring

import xtrace
from tests.integrations.stores import mongodb
from tests.integrations.stores.conftest import result
from tests.marks import SECRET
from xtrace.integrations.pymongo import _store

# A monitor that still looks for a server when its client is closed drops its socket.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)

HAS_ASYNC = hasattr(pymongo, "AsyncMongoClient")
CLIENTS = {
    "pymongo": lambda: pymongo.MongoClient,
    "pymongo, async": lambda: pymongo.AsyncMongoClient,
    "motor": lambda: motor.motor_asyncio.AsyncIOMotorClient,
}


@pytest.fixture(autouse=True)
def _patched(unpatched, traces):
    xtrace.patch("pymongo")
    yield
    gc.collect()


@pytest.fixture(scope="session")
def server():
    with mongodb.serving() as server:
        yield server


@pytest.fixture(
    params=[
        pytest.param("pymongo", marks=pytest.mark.library("pymongo", "sync")),
        pytest.param(
            "pymongo, async",
            marks=[
                pytest.mark.library("pymongo", "async"),
                pytest.mark.skipif(not HAS_ASYNC, reason="pymongo is async since 4.9"),
            ],
        ),
        pytest.param("motor", marks=pytest.mark.library("motor", "async")),
    ]
)
def run(request, server):
    """Runs an async function with a database of any client, in a segment."""

    def run(work, port=server.port, **options):
        async def main():
            make = CLIENTS[request.param]()
            url = f"mongodb://127.0.0.1:{port}/shop"
            client = make(url, **{"serverSelectionTimeoutMS": 5000, **options})
            try:
                with xtrace.in_segment():
                    return await work(client.get_default_database())
            finally:
                await result(client.close())

        server.collections.clear()
        return asyncio.run(main())

    return run


def texts(traces):
    return [call["sql"]["sanitized_query"] for call in traces.subsegments]


async def listed(cursor):
    if hasattr(cursor, "__await__"):
        cursor = await cursor
    if hasattr(cursor, "__aiter__"):
        return [each async for each in cursor]
    return list(cursor)


def test_a_command_is_a_subsegment_without_documents(run, traces, server):
    async def work(shop):
        await result(shop.carts.insert_one({"_id": SECRET, "name": SECRET}))
        return await result(shop.carts.find_one({"_id": SECRET}))

    assert run(work) == {"_id": SECRET, "name": SECRET}
    insert, find = traces.subsegments
    assert find["name"] == f"shop@127.0.0.1:{server.port}"
    assert find["namespace"] == "remote"
    assert find["sql"] == {
        "url": f"mongodb://127.0.0.1:{server.port}/shop",
        "database_type": "MongoDB",
        "driver_version": f"pymongo {pymongo.version}",
        "sanitized_query": "find carts",
    }
    assert insert["sql"]["sanitized_query"] == "insert carts"
    assert insert["metadata"] == {"mongodb": {"documents": 1}}
    assert "metadata" not in find


def test_the_rest_of_a_cursor_is_another_command(run, traces):
    async def work(shop):
        await result(shop.carts.insert_many([{"_id": n, "name": SECRET} for n in range(1000)]))
        return await listed(shop.carts.find())

    assert len(run(work)) == 1000
    assert texts(traces) == ["insert carts", "find carts", "getMore carts"]


def test_other_commands_are_named(run, traces):
    async def work(shop):
        await result(shop.command("ping"))
        await listed(shop.carts.aggregate([{"$match": {"name": SECRET}}]))
        await result(shop.carts.update_many({"a": SECRET}, {"$set": {"a": SECRET}}))
        await result(shop.carts.delete_many({"a": SECRET}))

    run(work)
    assert texts(traces) == ["ping", "aggregate carts", "update carts", "delete carts"]


def test_a_refused_command_is_a_fault_without_what_its_message_quotes(run, traces):
    async def work(shop):
        with pytest.raises(pymongo.errors.OperationFailure) as raised:
            await listed(shop.carts.find({"$where": SECRET}))
        assert SECRET in str(raised.value)

    run(work)
    [call] = traces.subsegments
    assert call["fault"]
    [exception] = call["cause"]["exceptions"]
    assert (exception["type"], exception["message"]) == ("OperationFailure", "BadValue (code 2)")


def test_a_duplicate_is_an_error_and_named_without_its_key(run, traces):
    async def work(shop):
        await result(shop.carts.insert_one({"_id": SECRET}))
        await result(shop.carts.insert_one({"_id": SECRET}))

    with pytest.raises(pymongo.errors.DuplicateKeyError):
        run(work)
    call = traces.subsegments[-1]
    assert call["error"]
    assert call["metadata"] == {"mongodb": {"documents": 0, "errors": 1}}
    [segment] = traces.segments
    [exception] = segment["cause"]["exceptions"]
    assert exception["message"] == "code 11000, collection shop.carts, index _id_"


def test_bulk_errors_are_named_without_their_documents(run, traces):
    async def work(shop):
        await result(shop.carts.insert_many([{"_id": SECRET}, {"_id": SECRET}]))

    with pytest.raises(pymongo.errors.BulkWriteError) as raised:
        run(work)
    assert SECRET in str(raised.value)
    [exception] = traces.segments[0]["cause"]["exceptions"]
    assert exception["message"] == "code 65"


def test_a_document_that_cant_be_sent_is_named_by_its_type(run, traces):
    async def work(shop):
        await result(shop.carts.insert_one({"a": {SECRET}}))

    with pytest.raises(bson.errors.InvalidDocument) as raised:
        run(work)
    assert SECRET in str(raised.value)
    [exception, *_] = traces.segments[0]["cause"]["exceptions"]
    assert exception["message"] == "cannot encode an object of type: <class 'set'>"


def test_no_server_is_a_fault_with_the_time_spent_looking_for_one(run, traces):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

        async def work(shop):
            with pytest.raises(pymongo.errors.ServerSelectionTimeoutError):
                await result(shop.carts.find_one())

        run(work, port=port, serverSelectionTimeoutMS=60)
    [call] = traces.subsegments
    assert call["fault"]
    assert call["name"] == f"mongodb@127.0.0.1:{port}"
    assert call["sql"]["sanitized_query"] == "select server"
    assert call["end_time"] - call["start_time"] > 0.05


def test_unsampled_and_without_a_segment_nothing_is_recorded(traces, server):
    with pymongo.MongoClient(f"mongodb://127.0.0.1:{server.port}") as client:
        client.shop.carts.find_one()
        with xtrace.in_segment(sampling=False):
            client.shop.carts.find_one()
    assert traces.documents == []


def test_clients_made_before_are_traced_and_after_unpatching_not(traces, server):
    xtrace.unpatch("pymongo")
    with pymongo.MongoClient(f"mongodb://127.0.0.1:{server.port}") as client:
        client.shop.carts.find_one()
        xtrace.patch("pymongo")
        with xtrace.in_segment():
            client.shop.carts.find_one()
            xtrace.unpatch("pymongo")
            client.shop.carts.find_one()
    assert texts(traces) == ["find carts"]


def test_listeners_of_the_application_are_told_as_before(traces, server):
    told = []

    class Own(monitoring.CommandListener):
        def started(self, event):
            told.append(("started", event.command_name, type(xtrace.current_subsegment())))

        def succeeded(self, event):
            told.append(("succeeded", event.command_name, xtrace.is_sampled()))

        def failed(self, event):
            told.append(("failed", event.command_name, xtrace.is_sampled()))

    url = f"mongodb://127.0.0.1:{server.port}"
    with pymongo.MongoClient(url, event_listeners=[Own()]) as client:
        with xtrace.in_segment(sampling=False):
            client.shop.carts.find_one()
        with xtrace.in_segment():
            with pytest.raises(pymongo.errors.OperationFailure):
                client.shop.carts.find_one({"$where": "1"})
    assert [(what, name) for what, name, _ in told[:4]] == [
        *(("started", "find"), ("succeeded", "find")),
        *(("started", "find"), ("failed", "find")),
    ]
    assert len(traces.subsegments) == 1


def test_concurrent_commands_are_siblings(traces, server):
    async def main():
        client = motor.motor_asyncio.AsyncIOMotorClient(f"mongodb://127.0.0.1:{server.port}")
        with xtrace.in_segment():
            await asyncio.gather(*(client.shop.carts.find_one({"_id": n}) for n in range(20)))
        client.close()

    asyncio.run(main())
    [segment] = traces.segments
    assert len(segment["subsegments"]) == 20


METHODS = ("publish_command_start", "publish_command_success", "publish_command_failure")


def test_methods_keep_their_signatures_and_unpatch_restores():
    kind = monitoring._EventListeners
    patched = {name: vars(kind)[name] for name in METHODS}
    asked = vars(kind)["enabled_for_commands"]
    xtrace.unpatch("pymongo")
    for name, ours in patched.items():
        original = vars(kind)[name]
        assert ours is not original
        assert inspect.signature(ours) == inspect.signature(original)
    assert vars(kind)["enabled_for_commands"] is not asked


def test_whatever_fails_inside_commands_are_carried_out(run, traces, monkeypatch, lenient_faults):
    from xtrace.integrations import pymongo as integration

    monkeypatch.setattr(integration, "command", None)

    async def work(shop):
        await result(shop.carts.insert_one({"_id": 1}))
        return await result(shop.carts.find_one())

    assert run(work) == {"_id": 1}
    assert traces.subsegments == []
    assert xtrace.faults.counts == {"integration:pymongo": 2}


@pytest.mark.parametrize(
    ("database", "address", "name", "url"),
    [
        ("shop", ("db", 27017), "shop@db", "mongodb://db:27017/shop"),
        ("shop", ("::1", 27018), "shop@::1:27018", "mongodb://[::1]:27018/shop"),
        (None, ("/tmp/m.sock", None), "mongodb@/tmp/m.sock", "mongodb:///tmp/m.sock/"),
    ],
)
def test_a_store_is_named_by_its_database_and_host(database, address, name, url):
    store = _store(database, address)
    assert (store.name, store.block["url"]) == (name, url)
