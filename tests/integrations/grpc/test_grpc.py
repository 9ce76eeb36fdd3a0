"""gRPC against real servers: sync and asyncio on either side, unary and streaming, one contract."""

from __future__ import annotations

import asyncio
import inspect
import socket
from contextlib import ExitStack

import grpc
import grpc.aio
import pytest

import xtrace
from tests.helpers import eventually
from tests.integrations.grpc import service
from tests.integrations.grpc.service import CLIENT_FORMAT, KINDS, NAME
from xtrace.integrations.grpc import AsyncXRayInterceptor, XRayInterceptor
from xtrace.integrations.grpc._client import _read_target
from xtrace.integrations.grpc._status import HTTP_STATUS
from xtrace.testing import recording

SERVERS = {
    "sync": (service.sync_server, {}),
    "aio": (service.aio_server, {}),
    "aio, writing": (service.aio_server, {"service": service.Writing}),
}
CLIENTS = {"sync": service.SyncClient, "aio": service.AioClient}


@pytest.fixture
def traces():
    with recording(service="shop") as traces:
        xtrace.patch("grpc")
        service.waiting.clear()
        service.cancelled.clear()
        yield traces
        eventually(lambda: not xtrace.recorder.open)  # nothing comes late into the next test
        xtrace.unpatch("grpc")


def marked(names, modes):
    return [pytest.param(name, marks=pytest.mark.library("grpcio", modes(name))) for name in names]


@pytest.fixture(scope="session")
def ports():
    """Of the servers, made while the library is patched: it is so again in each test."""
    xtrace.patch("grpc")
    with ExitStack() as stack:
        ports = {n: stack.enter_context(make(**options)) for n, (make, options) in SERVERS.items()}
        xtrace.unpatch("grpc")
        yield ports


@pytest.fixture(params=marked(SERVERS, lambda name: "sync" if name == "sync" else "async"))
def port(request, ports, traces):
    return ports[request.param]


@pytest.fixture(params=marked(CLIENTS, lambda name: "sync" if name == "sync" else "async"))
def client(request, port):
    client = CLIENTS[request.param](port)
    yield client
    client.close()


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def both(traces):
    """The document of the caller's segment, its subsegment of the call, and the called one's segment."""
    eventually(lambda: len(traces.segments) == 2)
    called, caller = sorted(traces.segments, key=lambda d: "http" not in d)
    [call] = caller["subsegments"]
    return caller, call, called


# -- calls -------------------------------------------------------------------------------------


def test_a_call_is_a_subsegment_and_a_segment_of_one_trace(client, traces, port, kind):
    with xtrace.in_segment() as segment:
        answers = client.call(kind)
    assert f"hello {segment.trace_id}" in answers
    caller, call, called = both(traces)
    assert call["name"] == "127.0.0.1"
    assert call["namespace"] == "remote"
    assert call["http"] == {
        "request": {"method": "POST", "url": f"grpc://127.0.0.1:{port}/{NAME}/{kind}"},
        "response": {"status": 200},
    }
    assert called["trace_id"] == caller["trace_id"]
    assert called["parent_id"] == call["id"]
    assert called["annotations"] == {"http_route": f"/{NAME}/{kind}"}
    request = called["http"]["request"]
    assert request["method"] == "POST"
    assert request["url"].endswith(f"/{NAME}/{kind}")
    assert request["client_ip"] == "127.0.0.1"
    assert request["user_agent"].startswith("grpc-python")
    assert called["http"]["response"] == {"status": 200}
    assert called["subsegments"][0]["name"] == "work"
    assert not {"fault", "error", "cause"} & {*call, *called}


def test_what_fails_is_a_fault_on_both_sides(client, traces, kind):
    with xtrace.in_segment():
        with pytest.raises(grpc.RpcError) as raised:
            client.call(kind, "fail")
        assert raised.value.code() is grpc.StatusCode.UNKNOWN
    _, call, called = both(traces)
    assert call["fault"]
    assert call["http"]["response"] == {"status": 500}
    assert call["annotations"] == {"grpc_status": "UNKNOWN"}
    exception = call["cause"]["exceptions"][0]
    assert exception["remote"]
    assert exception["message"].startswith("UNKNOWN: ")
    assert "no tea left" in exception["message"]
    assert "\n" not in exception["message"]
    assert called["fault"]
    assert called["http"]["response"] == {"status": 500}
    exception = called["cause"]["exceptions"][0]
    assert (exception["type"], exception["message"]) == ("NoStock", "no tea left")
    assert exception["stack"][0]["label"] == "answer"


def test_an_aborted_call_is_an_error_and_no_exception_of_the_server(client, traces, kind):
    with xtrace.in_segment():
        with pytest.raises(grpc.RpcError):
            client.call(kind, "abort")
    _, call, called = both(traces)
    assert call["error"]
    assert "fault" not in call
    assert call["http"]["response"] == {"status": 404}
    assert call["cause"]["exceptions"][0]["message"] == "NOT_FOUND: no such cart"
    assert called["error"]
    assert not {"fault", "cause"} & called.keys()
    assert called["annotations"]["grpc_status"] == "NOT_FOUND"
    assert called["metadata"] == {"grpc": {"details": "no such cart"}}


def test_a_status_that_is_set_counts(client, traces, kind):
    with xtrace.in_segment():
        with pytest.raises(grpc.RpcError):
            client.call(kind, "set")
    _, call, called = both(traces)
    for each in (call, called):
        assert each["throttle"]
        assert each["error"]
        assert each["annotations"]["grpc_status"] == "RESOURCE_EXHAUSTED"


def test_a_method_that_isnt_there_is_a_fault(client, traces, monkeypatch):
    monkeypatch.setattr(service, "NAME", "shop.None")
    with xtrace.in_segment():
        with pytest.raises(grpc.RpcError):
            client.call("unary_unary")
    _, call, called = both(traces)
    for each in (call, called):
        assert each["fault"]
        assert each["annotations"]["grpc_status"] == "UNIMPLEMENTED"
    assert called["http"]["request"]["url"] == "/shop.None/unary_unary"


@pytest.mark.parametrize("make", CLIENTS.values())
def test_a_call_past_its_deadline_is_a_fault(traces, kind, make):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = make(silent.getsockname()[1])
        with xtrace.in_segment():
            with pytest.raises(grpc.RpcError) as raised:
                client.call(kind, timeout=0.05)
            assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        client.close()
    [call] = traces.subsegments
    assert call["fault"]
    assert call["http"]["response"] == {"status": 504}


def test_a_server_that_isnt_there_is_a_fault(traces, kind):
    for make in CLIENTS.values():
        client = make(1)
        with xtrace.in_segment():
            with pytest.raises(grpc.RpcError):
                client.call(kind)
        client.close()
    for call in traces.subsegments:
        assert call["fault"]
        assert call["http"]["response"] == {"status": 503}
        assert call["name"] == "127.0.0.1"


def test_unsampled_calls_carry_that_on(client, traces, kind):
    with xtrace.in_segment(sampling=False) as segment:
        answers = client.call(kind)
    assert f"hello {segment.trace_id}" in answers
    assert traces.documents == []


def test_without_a_segment_the_server_begins_a_trace(client, traces, kind):
    client.call(kind, metadata=(("own", "value"),))
    eventually(lambda: traces.segments)
    [called] = traces.segments
    assert "parent_id" not in called


def test_metadata_of_the_application_goes_along_and_an_old_header_doesnt(client, traces, kind):
    old = ("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    for metadata in ((("own", "1"), old), grpc.aio.Metadata(("own", "1"), old)):
        with xtrace.in_segment() as segment:
            assert f"hello {segment.trace_id}" in client.call(kind, metadata=metadata)


def test_the_header_goes_only_where_it_may(client, traces, kind):
    with recording(service="shop", trace_header_targets=["*.example.com"]) as traces:
        with xtrace.in_segment() as segment:
            assert f"hello {segment.trace_id}" not in client.call(kind)
        _, _, called = both(traces)
    assert called["trace_id"] != segment.trace_id
    with recording(service="shop", excluded_urls=["127.0.0.1"]) as traces:
        with xtrace.in_segment("caller"):
            client.call(kind)
    assert "subsegments" not in traces.segment("caller")


def test_sampling_rules_see_the_call(client, traces):
    rules = {
        "version": 2,
        "default": {"fixed_target": 0, "rate": 0},
        "rules": [
            {
                "host": "*",
                "http_method": "POST",
                "url_path": f"/{NAME}/unary_*",
                "fixed_target": 0,
                "rate": 1,
            }
        ],
    }
    with recording(service="shop", sampling=True, sampling_rules=rules) as traces:
        client.call("stream_unary")
        client.call("unary_unary")
        eventually(lambda: traces.segments)
    assert [d["annotations"]["http_route"] for d in traces.segments] == [f"/{NAME}/unary_unary"]


# -- futures, streams that are left, cancellation ----------------------------------------------


def test_a_future_ends_with_its_result(port, traces):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.unary_unary(f"/{NAME}/unary_unary", **CLIENT_FORMAT)
        with xtrace.in_segment() as segment:
            future = method.future("hello")
            assert xtrace.recorder.get_trace_entity() is segment
            assert future.result() == f"hello {segment.trace_id}"
            response, going = method.with_call("hello")
            assert (response, going.code()) == (f"hello {segment.trace_id}", grpc.StatusCode.OK)
            failing = method.future("abort")
            with pytest.raises(grpc.RpcError):
                failing.result()
    [segment] = [d for d in traces.segments if "http" not in d]
    first, second, third = segment["subsegments"]
    assert first["http"]["response"] == second["http"]["response"] == {"status": 200}
    assert third["http"]["response"] == {"status": 404}


def test_a_future_that_nobody_asks_ends_when_it_is_over(port, traces):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.unary_unary(f"/{NAME}/unary_unary", **CLIENT_FORMAT)
        with xtrace.in_segment():
            future = method.future("abort")
            eventually(future.done)
        eventually(lambda: len(traces.subsegments) == 1)
    [call] = traces.subsegments
    assert call["annotations"] == {"grpc_status": "NOT_FOUND"}


def test_a_stream_that_is_dropped_is_cancelled(port, traces):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.unary_stream(f"/{NAME}/unary_stream", **CLIENT_FORMAT)
        with xtrace.in_segment():
            stream = method("wait")
            assert next(stream) == "first"
            assert service.waiting.wait(10)
            del stream
            eventually(service.cancelled.is_set)  # the library has cancelled it
    eventually(lambda: [c for c in traces.subsegments if c["name"] == "127.0.0.1"])
    call = traces.subsegment("127.0.0.1")
    assert call["annotations"] == {"cancelled": "CANCELLED"}
    assert "fault" not in call


def test_an_async_call_that_is_cancelled_is_no_fault(port, traces):
    async def main():
        async with service.connected(port) as channel:
            method = channel.unary_unary(f"/{NAME}/unary_unary", **CLIENT_FORMAT)
            with xtrace.in_segment("caller"):
                call = method("wait")
                while not service.waiting.is_set():
                    await asyncio.sleep(0.005)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call

    asyncio.run(main())
    [call] = traces.segment("caller")["subsegments"]
    assert call["annotations"] == {"cancelled": "CANCELLED"}
    assert "fault" not in call


def test_an_async_stream_that_is_cancelled_is_no_fault(port, traces):
    async def main():
        async with service.connected(port) as channel:
            method = channel.unary_stream(f"/{NAME}/unary_stream", **CLIENT_FORMAT)
            with xtrace.in_segment("caller"):
                stream = method("wait")
                async for each in stream:
                    assert each == "first"
                    break
                stream.cancel()

    asyncio.run(main())
    eventually(lambda: [c for c in traces.subsegments if c["name"] == "127.0.0.1"])
    call = traces.subsegment("127.0.0.1")
    assert call["annotations"] == {"cancelled": "CANCELLED"}


def test_unpatched_a_server_that_was_intercepted_is_silent(ports, traces):
    xtrace.unpatch("grpc")
    for port in ports.values():
        client = service.SyncClient(port)
        with xtrace.in_segment("caller"):
            assert client.call("unary_unary") == ["hello None"]
        client.close()
    assert [d["name"] for d in traces.segments] == ["caller"] * len(ports)
    assert traces.subsegments == []


def test_a_cancelled_call_is_recorded_on_either_side(port, traces):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.unary_unary(f"/{NAME}/unary_unary", **CLIENT_FORMAT)
        with xtrace.in_segment("caller"):
            future = method.future("wait")
            assert service.waiting.wait(10)
            assert future.cancel()
            with pytest.raises(grpc.FutureCancelledError):
                future.result()
        assert service.cancelled.wait(10)
        eventually(lambda: len(traces.segments) == 2)
    eventually(lambda: [c for c in traces.subsegments if c["name"] == "127.0.0.1"])
    call = traces.subsegment("127.0.0.1")
    assert call["annotations"] == {"cancelled": "CANCELLED"}
    called = traces.segment("shop")
    assert not {"fault", "error"} & {*call, *called}


def test_concurrent_async_calls_are_siblings(port, traces):
    async def main():
        async with service.connected(port) as channel:
            method = channel.unary_unary(f"/{NAME}/unary_unary", **CLIENT_FORMAT)
            with xtrace.in_segment("caller") as segment:
                answers = await asyncio.gather(*(method(str(n)) for n in range(20)))
                assert answers == [f"{n} {segment.trace_id}" for n in range(20)]

    asyncio.run(main())
    calls = traces.segment("caller")["subsegments"]
    assert len(calls) == 20
    eventually(lambda: len(traces.segments) == 21)
    parents = {d["parent_id"] for d in traces.segments if "parent_id" in d}
    assert parents == {call["id"] for call in calls}


# -- the application's own interceptors --------------------------------------------------------


class Own(
    grpc.aio.UnaryUnaryClientInterceptor, grpc.UnaryUnaryClientInterceptor, grpc.ServerInterceptor
):
    async def intercept_unary_unary(self, continuation, details, request):
        self.seen = dict(tuple(details.metadata))
        return await continuation(details, request)

    def intercept_service(self, continuation, details):
        self.current = xtrace.recorder.get_trace_entity()
        return continuation(details)


def test_interceptors_of_the_application_run(port, traces):
    own = Own()
    client = service.AioClient(port, [own])
    with xtrace.in_segment("caller"):
        client.call("unary_unary")
        with pytest.raises(grpc.RpcError):
            client.call("unary_unary", "abort")
    first, second = traces.segment("caller")["subsegments"]
    assert f"Parent={second['id']}" in own.seen["x-amzn-trace-id"]
    assert (first["http"]["response"]["status"], second["http"]["response"]["status"]) == (200, 404)


def test_an_intercepted_channel_is_traced(traces):
    class Sync(grpc.UnaryUnaryClientInterceptor):
        def intercept_unary_unary(self, continuation, details, request):
            return continuation(details, request)

    with service.sync_server(interceptors=[Own()]) as port:
        channel = grpc.intercept_channel(grpc.insecure_channel(f"127.0.0.1:{port}"), Sync())
        client = service.SyncClient(port, channel)
        with xtrace.in_segment():
            client.call("unary_unary")
        client.close()
        _, call, called = both(traces)
    assert called["parent_id"] == call["id"]


# -- interceptors of ours ----------------------------------------------------------------------


@pytest.mark.parametrize("serve", ["sync", "aio"])
def test_interceptors_and_patch_together_make_one_segment(traces, serve):
    make = {"sync": XRayInterceptor, "aio": AsyncXRayInterceptor}[serve]
    with SERVERS[serve][0](interceptors=[make()]) as port:
        client = service.SyncClient(port)
        for kind in KINDS:
            client.call(kind)
        client.close()
        eventually(lambda: len(traces.segments) == len(KINDS))
    assert [d["annotations"]["http_route"] for d in traces.segments] == [
        f"/{NAME}/{k}" for k in KINDS
    ]


@pytest.mark.parametrize("serve", ["sync", "aio"])
def test_an_interceptor_alone_with_a_recorder_of_its_own(traces, recorder, sent, serve):
    xtrace.unpatch("grpc")
    make = {"sync": XRayInterceptor, "aio": AsyncXRayInterceptor}[serve]
    with SERVERS[serve][0](interceptors=[make(recorder)]) as port:
        client = service.SyncClient(port)
        with xtrace.in_segment():
            channel = client.channel
            method = channel.unary_unary(f"/{NAME}/unary_unary")
            with pytest.raises(grpc.RpcError):
                method(b"abort")
        client.close()
        eventually(lambda: sent.segments)
    assert sent.segments[0]["http"]["response"] == {"status": 404}


def test_an_interceptor_without_a_name_is_an_error_at_once():
    with pytest.raises(xtrace.errors.SegmentNameMissing):
        XRayInterceptor(xtrace.Recorder(emitter="memory:"))


# -- the library stays as it is ----------------------------------------------------------------


def classes():
    sync, aio = grpc._channel, grpc.aio._channel
    for name in ("_UnaryUnaryMultiCallable", "_StreamUnaryMultiCallable"):
        for method in ("__call__", "with_call", "future"):
            yield getattr(sync, name), method
    for name in ("_UnaryStreamMultiCallable", "_StreamStreamMultiCallable"):
        yield getattr(sync, name), "__call__"
    for name in ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream"):
        yield getattr(aio, f"{name}MultiCallable"), "__call__"


def test_signatures_stay_and_unpatch_restores(traces):
    channel = grpc.insecure_channel("127.0.0.1:1")
    assert type(channel) is grpc._channel.Channel
    channel.close()
    patched = [(owner, name, vars(owner)[name]) for owner, name in classes()]
    server = vars(grpc._server._Server)["__init__"]
    xtrace.unpatch("grpc")
    for owner, name, ours in patched:
        original = vars(owner)[name]
        assert original is not ours
        assert inspect.signature(ours) == inspect.signature(original)
        assert ours.__qualname__ == original.__qualname__
    assert vars(grpc._server._Server)["__init__"] is not server


def test_whatever_fails_inside_calls_are_answered(
    client, traces, kind, monkeypatch, lenient_faults
):
    from xtrace.integrations.grpc import _client, _server

    monkeypatch.setattr(_client, "outgoing", None)
    monkeypatch.setattr(_client, "answered", None)
    monkeypatch.setattr(_server, "incoming_request", None)
    with xtrace.in_segment("caller"):
        with pytest.raises(grpc.RpcError) as raised:
            client.call(kind, "abort")
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert xtrace.faults.counts["integration:grpc"] >= 2


# -- targets and statuses ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("localhost:50051", "grpc://localhost:50051"),
        ("localhost", "grpc://localhost"),
        ("cart.example.com:443", "grpc://cart.example.com:443"),
        ("dns:cart:50051", "grpc://cart:50051"),
        ("dns:///cart.example.com:443", "grpc://cart.example.com:443"),
        ("dns://8.8.8.8/cart:443", "grpc://cart:443"),
        ("ipv4:10.0.0.7:50051,10.0.0.8:50051", "grpc://10.0.0.7:50051"),
        ("ipv6:[2607::1]:50051", "grpc://[2607::1]:50051"),
        ("[::1]:50051", "grpc://[::1]:50051"),
        ("unix:/run/cart.sock", "grpc+unix://%2Frun%2Fcart.sock"),
        ("unix:///run/cart.sock", "grpc+unix://%2Frun%2Fcart.sock"),
        ("xds:///cart", "grpc://cart"),
    ],
)
def test_the_address_of_a_target(target, url):
    assert _read_target(target) == url


def test_every_status_has_a_meaning():
    assert set(grpc.StatusCode) - set(HTTP_STATUS) == {grpc.StatusCode.CANCELLED}


def test_a_socket_of_the_file_system(traces, tmp_path):
    server = grpc.server(service.ThreadPoolExecutor(1), handlers=[service.handler(service.Sync())])
    path = tmp_path / "cart.sock"
    server.add_insecure_port(f"unix:{path}")
    server.start()
    client = service.SyncClient(None, grpc.insecure_channel(f"unix:{path}"))
    with xtrace.in_segment():
        client.call("unary_unary")
    client.close()
    server.stop(None).wait()
    _, call, called = both(traces)
    assert call["name"] == str(path)
    assert called["parent_id"] == call["id"]
