"""What single HTTP clients have that the others don't."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import http.client
import pickle
import socket
import urllib.request
from urllib.error import HTTPError

import aiohttp
import httpx
import pytest
import requests
import urllib3
from urllib3._collections import HTTPHeaderDict

import xtrace
from tests.integrations.clients.server import Handler, Server, serving
from xtrace.default import recorder
from xtrace.header import parse

pytestmark = pytest.mark.usefixtures("unpatched")


def names(traces):
    return [call["name"] for call in traces.subsegments]


# -- requests --------------------------------------------------------------------------------------


def test_requests_sessions_prepared_requests_and_methods_in_lower_case(server, traces):
    xtrace.patch("requests")
    with requests.Session() as session, xtrace.in_segment("a"):
        session.send(session.prepare_request(requests.Request("get", f"{server.url}/status/200")))
        session.request("post", f"{server.url}/status/200", data="x", timeout=5)
    methods = [call["http"]["request"]["method"] for call in traces.subsegments]
    assert methods == ["GET", "POST"]


def test_responses_are_left_alone_until_one_is_read_on(server, traces, monkeypatch):
    response = urllib3.HTTPResponse
    before = response.close
    closed = []
    xtrace.patch(["requests", "urllib3"])
    with requests.Session() as session, xtrace.in_segment("a"):
        session.get(f"{server.url}/status/200", timeout=5)
        assert response.close is before

        def close(self):
            closed.append(self)
            return before(self)

        monkeypatch.setattr(response, "close", close)  # by another library, meanwhile
        session.get(f"{server.url}/status/200", stream=True, timeout=5).close()
        assert response.close is not close
        session.get(f"{server.url}/status/200", stream=True, timeout=5).close()
    assert len(closed) == 2
    assert ["end_time" in call for call in traces.subsegments] == [True] * 3
    xtrace.unpatch(["requests", "urllib3"])
    assert response.close is close


def test_a_body_ends_its_call_though_it_was_unpatched_and_patched_again_meanwhile(server, traces):
    xtrace.patch(["requests", "urllib3"])
    with requests.Session() as session, xtrace.in_segment("a"):
        response = session.get(f"{server.url}/status/200", stream=True, timeout=5)
        xtrace.unpatch(["requests", "urllib3"])
        xtrace.patch(["requests", "urllib3"])
        response.close()
    assert ["end_time" in call for call in traces.subsegments] == [True]


def test_requests_hooks_may_make_calls_of_their_own(server, traces):
    xtrace.patch(["requests", "urllib3"])

    def ask_again(response, *args, **kwargs):
        if response.status_code == 403:
            session.get(f"{server.url}/status/200?token", timeout=5)

    with requests.Session() as session, xtrace.in_segment("a"):
        session.get(f"{server.url}/status/403", hooks={"response": ask_again}, timeout=5)
    outer = traces.segment("a")["subsegments"][0]
    assert outer["http"]["response"]["status"] == 403
    (inner,) = outer["subsegments"]
    assert inner["http"]["response"]["status"] == 200
    assert [parse(value).parent for value in server.trace_headers] == [outer["id"], inner["id"]]


def test_requests_next_is_a_call_of_its_own(server, traces):
    xtrace.patch("requests")
    with requests.Session() as session, xtrace.in_segment("a"):
        first = session.get(f"{server.url}/redirect", allow_redirects=False, timeout=5)
        session.send(first.next)
    assert [c["http"]["response"]["status"] for c in traces.subsegments] == [302, 200]
    assert [parse(v).parent for v in server.trace_headers] == [c["id"] for c in traces.subsegments]


def test_requests_responses_can_be_pickled_and_copied(server, traces):
    xtrace.patch(["requests", "urllib3", "http_client"])
    with xtrace.in_segment("a"):
        response = requests.get(f"{server.url}/status/200", timeout=5)
        assert pickle.loads(pickle.dumps(response)).text == "hello"
        assert copy.copy(response).text == "hello"


def test_a_response_that_is_dropped_ends_its_call(server, traces):
    xtrace.patch("requests")
    server.go.set()
    with xtrace.in_segment("a"):
        response = requests.get(f"{server.url}/stream", stream=True, timeout=5)
        assert len(recorder.open) == 2
        del response
        gc.collect()
        assert len(recorder.open) == 1
    assert names(traces) == ["127.0.0.1"]


# -- urllib3 ---------------------------------------------------------------------------------------


def test_urllib3_s_headers_stay_the_application_s(server, traces):
    xtrace.patch("urllib3")
    headers = HTTPHeaderDict({"X-A": "1", "traceparent": "theirs"})
    with urllib3.PoolManager(headers={"X-Pool": "1"}) as pool, xtrace.in_segment("a"):
        pool.request("GET", f"{server.url}/status/200", headers=headers)
        pool.request("GET", f"{server.url}/status/200")
    assert dict(headers) == {"X-A": "1", "traceparent": "theirs"}
    assert dict(pool.headers) == {"X-Pool": "1"}
    assert server.headers("X-A") == [["1"], []]
    assert server.headers("X-Pool") == [[], ["1"]]
    assert len(server.trace_headers) == 2


# -- http.client -------------------------------------------------------------------------------------


def test_http_client_step_by_step(server, traces):
    xtrace.patch("httplib")
    connection = http.client.HTTPConnection(*server.server_address)
    with contextlib.closing(connection), xtrace.in_segment("a"):
        for _ in range(2):  # over one connection
            connection.putrequest("POST", "/status/200?x=1")
            connection.putheader("Content-Length", "3")
            with xtrace.in_subsegment("own work") as part:
                assert recorder.get_trace_entity() is part
            connection.endheaders()
            connection.send(b"abc")
            assert connection.getresponse().read() == b"hello"
    assert sorted(names(traces)) == ["127.0.0.1", "127.0.0.1", "own work", "own work"]
    assert len({parse(value).parent for value in server.trace_headers}) == 2


def test_http_client_asked_too_early_and_given_up(server, traces):
    xtrace.patch("http_client")
    connection = http.client.HTTPConnection(*server.server_address)
    with xtrace.in_segment("a"):
        connection.putrequest("GET", "/status/200")
        with pytest.raises(http.client.ResponseNotReady):
            connection.getresponse()
        with pytest.raises(http.client.CannotSendRequest):
            connection.putrequest("GET", "/other")
        connection.close()
        assert len(recorder.open) == 1
    (call,) = traces.subsegments
    assert call["http"]["request"]["url"] == f"{server.url}/status/200"


def test_http_client_asked_in_the_way_of_urllib3_1_26(server, traces):
    xtrace.patch("http_client")
    connection = http.client.HTTPConnection(*server.server_address)
    with contextlib.closing(connection), xtrace.in_segment("a"):
        connection.request("GET", "/status/200")
        with pytest.raises(TypeError):
            connection.getresponse(buffering=True)  # of Python 2
        assert connection.getresponse().read() == b"hello"
    (call,) = traces.subsegments
    assert call["http"]["response"]["status"] == 200
    assert "fault" not in call


@pytest.mark.parametrize("method", ["GET\r\nX-Evil: 1", "GET /x HTTP/1.1\r\n"])
def test_http_client_refuses_line_breaks_itself(server, traces, method):
    xtrace.patch("http_client")
    connection = http.client.HTTPConnection(*server.server_address)
    with xtrace.in_segment("a"), pytest.raises(ValueError, match="method"):
        connection.request(method, "/status/200")
    assert traces.subsegments == []
    assert server.seen == []


# -- urllib ------------------------------------------------------------------------------------------


def test_urllib_takes_a_url_or_a_request_and_leaves_that_as_it_is(server, traces, tmp_path):
    xtrace.patch("urllib")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"{server.url}/status/200")
    (tmp_path / "file").write_text("hello")
    with xtrace.in_segment("a"):
        for what in (request, request, request.full_url):
            with opener.open(what) as response:
                assert response.read() == b"hello"
        with opener.open((tmp_path / "file").as_uri()) as response:
            assert response.read() == b"hello"
        with pytest.raises(HTTPError) as raised:
            opener.open(f"{server.url}/status/404", b"data")
        raised.value.close()
    assert len(traces.subsegments) == 4
    assert traces.subsegments[-1]["http"]["request"]["method"] == "POST"
    assert "X-amzn-trace-id" not in request.unredirected_hdrs
    assert len({*server.trace_headers}) == 4


# -- httpx -------------------------------------------------------------------------------------------


def test_httpx_other_transports_and_calls_inside_them(traces):
    xtrace.patch("httpx")

    def serve(request):
        if request.url.path == "/outer":
            with httpx.Client(transport=httpx.MockTransport(serve)) as inner:
                return inner.get("http://inner.example/")
        assert "X-Amzn-Trace-Id" in request.headers
        return httpx.Response(200, text="hello")

    with httpx.Client(transport=httpx.MockTransport(serve)) as client, xtrace.in_segment("a"):
        assert client.get("http://outer.example/outer").text == "hello"
    assert names(traces) == ["outer.example", "inner.example"]


def test_httpx_a_redirect_that_the_application_follows_by_itself(server, traces):
    xtrace.patch("httpx")
    with httpx.Client(trust_env=False) as client:
        with xtrace.in_segment("a"):
            first = client.get(f"{server.url}/redirect")
        client.send(first.next_request)
    (call,) = traces.subsegments
    assert "metadata" not in call
    assert [len(each) for each in server.headers()] == [1, 0]


def test_httpx_an_auth_flow_is_one_call(server, traces):
    xtrace.patch("httpx")

    class Auth(httpx.Auth):
        def auth_flow(self, request):
            response = yield request
            if response.status_code == 401:
                request.url = request.url.copy_with(path="/status/200")
                yield request

    with httpx.Client(trust_env=False) as client, xtrace.in_segment("a"):
        assert client.get(f"{server.url}/status/401", auth=Auth()).status_code == 200
    (call,) = traces.subsegments
    assert call["http"]["response"]["status"] == 200
    assert [hop["status"] for hop in call["metadata"]["http"]["hops"]] == [401, 200]


# -- aiohttp -----------------------------------------------------------------------------------------


def in_session(work, **options):
    async def run():
        async with aiohttp.ClientSession(**options) as session:
            return await work(session)

    return asyncio.run(run())


def test_aiohttp_raise_for_status_is_an_answer(server, traces):
    xtrace.patch("aiohttp")

    async def work(session):
        with pytest.raises(aiohttp.ClientResponseError):
            await session.get("/status/404", params={"q": "1"})

    with xtrace.in_segment("a"):
        in_session(work, base_url=server.url, raise_for_status=True)
    (call,) = traces.subsegments
    assert call["http"]["response"] == {"status": 404, "content_length": 5}
    assert call["error"] is True and "cause" not in call
    assert call["http"]["request"]["url"] == f"{server.url}/status/404"


def test_aiohttp_a_websocket_is_a_call_up_to_its_handshake(traces):
    from aiohttp import web

    xtrace.patch("aiohttp")

    async def talk(request):
        socket_ = web.WebSocketResponse()
        await socket_.prepare(request)
        await socket_.send_str("hello")
        await socket_.close()
        return socket_

    async def run():
        application = web.Application()
        application.router.add_get("/", talk)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{port}/") as connection,
        ):
            assert len(recorder.open) == 1
            assert (await connection.receive()).data == "hello"
        await runner.cleanup()

    with xtrace.in_segment("a"):
        asyncio.run(run())
    (call,) = traces.subsegments
    assert call["http"]["response"]["status"] == 101


def test_aiohttp_over_a_unix_socket(traces, tmp_path):
    xtrace.patch("aiohttp")
    path = str(tmp_path / "socket")

    class UnixServer(Server):
        address_family = socket.AF_UNIX

        def server_bind(self):
            self.socket.bind(path)
            self.server_address = (path, 0)

            self.RequestHandlerClass = type("Plain", (Handler,), {"disable_nagle_algorithm": False})

        def get_request(self):
            connection, _ = self.socket.accept()
            return connection, ("unix", 0)

    async def run():
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
            session.get("http://docker/status/200") as response,
        ):
            return await response.text()

    with serving(UnixServer(path)) as server, xtrace.in_segment("a"):
        assert asyncio.run(run()) == "hello"
    assert names(traces) == ["docker"]
    assert len(server.trace_headers) == 1


def test_aiohttp_s_own_traces_and_middlewares_go_on(server, traces):
    xtrace.patch("aiohttp")
    told = []

    async def tell(session, context, params):
        told.append(params.url.path)

    config = aiohttp.TraceConfig()
    config.on_request_end.append(tell)

    async def work(session):
        async with session.get(f"{server.url}/status/200") as response:
            return await response.text()

    with xtrace.in_segment("a"):
        assert in_session(work, trace_configs=[config]) == "hello"
    assert told == ["/status/200"]
    assert len(traces.subsegments) == 1


# -- the shared piece --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name", "recorded"),
    [
        ("http://EXAMPLE.com:8080/A?b#c", "example.com", "http://EXAMPLE.com:8080/A"),
        ("http://u:p@h/x", "h", "http://h/x"),
        ("http://u:p/w@h/x", "h", "http://h/x"),
        ("http://h?x=http://y/z", "h", "http://h"),
        ("http+unix://%2Fvar%2Frun%2Fdocker.sock/v1", "/var/run/docker.sock", None),
        ("http://[::1]:80/", "::1", "http://[::1]:80/"),
        ("http://müller.example/ü", "müller.example", "http://müller.example/ü"),
        ("http://[bad/", "unknown host", None),
        ("", "unknown host", None),
        ("nonsense", "unknown host", None),
    ],
)
def test_names_and_urls(traces, url, name, recorded):
    from xtrace.integrations import _outgoing

    with xtrace.in_segment("a"):
        call = _outgoing.outgoing(_outgoing.HTTPX, 0, "get", url, {})
        _outgoing.finished(call)
    (call,) = traces.subsegments
    assert call["name"] == name
    if recorded is not None:
        assert call["http"]["request"] == {"method": "GET", "url": recorded}
    assert "p@" not in str(call)


def test_many_hosts_are_not_all_kept(monkeypatch):
    from xtrace.integrations import _outgoing

    monkeypatch.setattr(_outgoing, "_KEPT_ORIGINS", 3)
    with recorder.in_segment("a", sampling=False):
        for number in range(10):
            _outgoing.outgoing(_outgoing.HTTPX, 0, "GET", f"http://h{number}/", {})
    assert len(_outgoing._origins) <= 3


def test_the_order_of_patching_and_unpatching_does_not_matter(server, traces):
    xtrace.patch("requests")
    xtrace.patch("urllib3")
    xtrace.patch("httplib")
    xtrace.unpatch("requests")
    before = vars(requests.Session)["send"]
    with xtrace.in_segment("a"):
        requests.get(f"{server.url}/status/200", timeout=5)
        xtrace.unpatch("urllib3")
        requests.get(f"{server.url}/status/200", timeout=5)
        xtrace.unpatch("http_client")
        requests.get(f"{server.url}/status/200", timeout=5)
    assert len(traces.subsegments) == 2
    assert [len(each) for each in server.headers()] == [1, 1, 0]
    assert not hasattr(before, "__wrapped__")


def test_our_own_traffic_is_nobody_s_call(traces):
    from tests.helpers import eventually
    from tests.sampling.daemon import RULES, answering

    xtrace.patch(["http_client", "urllib", "urllib3", "threading"])
    with answering() as daemon, xtrace.in_segment("a"):
        other = xtrace.Recorder(
            service="b",
            sampler="central",
            daemon_address=f"tcp:{daemon.address} udp:127.0.0.1:9",
            emitter="memory:",
        )
        with other.in_segment("b"):
            eventually(lambda: daemon.asked)
    assert daemon.asked[0][0] == RULES
    assert "X-Amzn-Trace-Id" not in daemon.headers[0]
    assert traces.subsegments == []
