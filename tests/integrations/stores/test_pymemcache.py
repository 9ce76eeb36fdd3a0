"""pymemcache against a real memcached: plain, pooled, hashing and retrying clients."""

from __future__ import annotations

import inspect
import socket
import uuid
from contextlib import closing

import pymemcache
import pytest
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.client.retrying import RetryingClient
from pymemcache.exceptions import MemcacheIllegalInputError, MemcacheUnknownCommandError

import xtrace
from tests.marks import SECRET
from xtrace.integrations.pymemcache import _store

pytestmark = pytest.mark.library("pymemcache", "sync")


@pytest.fixture(autouse=True)
def _patched(unpatched, traces):
    xtrace.patch("pymemcache")


CLIENTS = {
    "plain": lambda server: Client(server),
    "pooled": lambda server: PooledClient(server, max_pool_size=2),
    "hashing": lambda server: HashClient([server]),
    "hashing, pooled": lambda server: HashClient([server], use_pooling=True),
    "retrying": lambda server: RetryingClient(Client(server), attempts=2),
}


@pytest.fixture(params=CLIENTS)
def client(request, memcached):
    client = CLIENTS[request.param]((memcached.host, memcached.port))
    yield client
    client.close()


@pytest.fixture
def key():
    """One that nobody else of the run has; it is secret."""
    return f"{SECRET}-{uuid.uuid4().hex}"


def texts(traces):
    return [call["sql"]["sanitized_query"] for call in traces.subsegments]


def test_a_command_is_a_subsegment_without_keys_and_values(client, traces, memcached, key):
    with xtrace.in_segment():
        client.set(key, SECRET)
        assert client.get(key) == SECRET.encode()
        assert client.get(f"{key}-none") is None
        client.incr(key, 1, noreply=True)
        client.delete(key)
    call = traces.subsegments[1]
    assert call["name"] == f"memcached@127.0.0.1:{memcached.port}"
    assert call["namespace"] == "remote"
    assert call["sql"] == {
        "url": f"memcached://127.0.0.1:{memcached.port}",
        "database_type": "Memcached",
        "driver_version": f"pymemcache {pymemcache.__version__}",
        "sanitized_query": "get ?",
    }
    assert texts(traces) == ["set ? ?", "get ?", "get ?", "incr ?", "delete ?"]
    assert [c.get("metadata") for c in traces.subsegments[1:3]] == [
        {"memcached": {"found": 1}},
        {"memcached": {"found": 0}},
    ]


def test_many_keys_are_one_subsegment(client, traces, key):
    with xtrace.in_segment():
        keys = [f"{key}{number}" for number in range(100)]
        client.set_many(dict.fromkeys(keys[:50], SECRET))
        assert len(client.get_many(keys)) == 50
    kept, fetched = traces.subsegments
    assert kept["sql"]["sanitized_query"] == "set ? ? ×50"
    assert fetched["sql"]["sanitized_query"] == "get ? ? ? ? ? ? ? ? … (100)"
    assert fetched["metadata"] == {"memcached": {"found": 50}}


def test_commands_of_a_client_alone(traces, memcached, key):
    with closing(Client((memcached.host, memcached.port))) as client, xtrace.in_segment():
        client.version()
        client.stats()
        client.touch(key)
        client.raw_command(f"get {key}", end_tokens=b"END\r\n")
        client.gets(key)
    assert texts(traces) == ["version", "stats", "touch ?", "get ?", "gets ?"]


def test_errors_are_faults_without_keys(client, traces):
    with pytest.raises(MemcacheIllegalInputError) as raised, xtrace.in_segment():
        client.get(f"two {SECRET}")
    assert SECRET in str(raised.value)
    messages = {
        each["message"]
        for document in (*traces.segments, *traces.subsegments)
        if isinstance(document.get("cause"), dict)
        for each in document["cause"]["exceptions"]
    }
    assert messages == {"Key contains whitespace"}  # the retrying client has asked twice


def test_what_the_server_doesnt_know_is_a_fault(traces, memcached):
    with closing(Client((memcached.host, memcached.port))) as client, xtrace.in_segment():
        with pytest.raises(MemcacheUnknownCommandError):
            client.raw_command(f"nonesuch {SECRET}")
    [call] = traces.subsegments
    assert call["sql"]["sanitized_query"] == "nonesuch ?"
    assert call["cause"]["exceptions"][0]["message"] == "an unknown command"


@pytest.mark.parametrize("ignored", [False, True])
def test_no_server_is_a_fault_also_where_the_client_ignores_it(traces, ignored):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client = Client(free.getsockname(), ignore_exc=ignored)
        with xtrace.in_segment():
            if ignored:
                assert client.get("a") is None
            else:
                with pytest.raises(ConnectionRefusedError):
                    client.get("a")
    [call] = traces.subsegments
    assert call["fault"]
    assert ("cause" in call) is not ignored


def test_unsampled_and_without_a_segment_nothing_is_recorded(client, traces, key):
    client.set(key, 1)
    with xtrace.in_segment(sampling=False):
        assert client.get(key) == b"1"
    assert traces.documents == []


METHODS = ("_fetch_cmd", "_store_cmd", "_misc_cmd")


def test_methods_keep_their_signatures_and_unpatch_restores():
    patched = {name: vars(Client)[name] for name in METHODS}
    xtrace.unpatch("pymemcache")
    for name, ours in patched.items():
        original = vars(Client)[name]
        assert ours is not original
        assert inspect.signature(ours) == inspect.signature(original)


def test_whatever_fails_inside_commands_are_carried_out(
    client, traces, key, monkeypatch, lenient_faults
):
    from xtrace.integrations import pymemcache as integration

    monkeypatch.setattr(integration, "_name", None)
    with xtrace.in_segment():
        client.set(key, "1")
        assert client.get(key) == b"1"
    assert traces.subsegments == []
    assert xtrace.faults.counts == {"integration:pymemcache": 2}


@pytest.mark.parametrize(
    ("server", "name", "url"),
    [
        (("cache", 11211), "memcached@cache", "memcached://cache:11211"),
        (("::1", 11212), "memcached@::1:11212", "memcached://[::1]:11212"),
        ("/run/m.sock", "memcached@/run/m.sock", "memcached:///run/m.sock"),
    ],
)
def test_a_store_is_named_by_its_server(server, name, url):
    store = _store(Client(server))
    assert (store.name, store.block["url"]) == (name, url)
