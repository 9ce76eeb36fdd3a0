"""requests, against a server on the loopback."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

import xtrace
from xtrace.header import parse


class Handler(BaseHTTPRequestHandler):
    """Answers /status/N with that status, /redirect with a redirect, and keeps the headers."""

    seen: list[dict[str, str]]

    def do_GET(self):
        self.seen.append(dict(self.headers))
        status = (
            302 if self.path == "/redirect" else int(self.path.partition("?")[0].split("/")[-1])
        )
        body = b"hello"
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/status/200")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    Handler.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def patched():
    xtrace.patch("requests")
    yield
    xtrace.unpatch("requests")


def test_a_call_is_a_subsegment_named_by_its_host(server, traces):
    with xtrace.in_segment("a"):
        response = requests.get(f"{server}/status/200?secret=1#x", timeout=5)
    call = traces.subsegment("127.0.0.1")
    assert response.text == "hello"
    assert call["namespace"] == "remote"
    assert call["http"] == {
        "request": {"method": "GET", "url": f"{server}/status/200"},
        "response": {"status": 200, "content_length": 5},
    }


def test_the_called_service_learns_the_subsegment_s_id(server, traces):
    with xtrace.in_segment("a") as segment:
        requests.get(f"{server}/status/200", timeout=5)
    header = parse(Handler.seen[0]["X-Amzn-Trace-Id"])
    assert header.root == segment.trace_id
    assert header.parent == traces.subsegment("127.0.0.1")["id"]
    assert header.sampled is True


@pytest.mark.parametrize(
    ("status", "flags"),
    [(200, set()), (404, {"error"}), (429, {"error", "throttle"}), (503, {"fault"})],
)
def test_the_status_sets_the_flags(server, traces, status, flags):
    with xtrace.in_segment("a"):
        requests.get(f"{server}/status/{status}", timeout=5)
    call = traces.subsegment("127.0.0.1")
    assert {flag for flag in ("error", "throttle", "fault") if call.get(flag)} == flags


def test_a_redirect_is_one_call_whose_hops_carry_the_header(server, traces):
    with xtrace.in_segment("a"):
        assert requests.get(f"{server}/redirect", timeout=5).history
    calls = traces.subsegments
    assert calls[0]["http"]["response"]["status"] == 200
    assert all("X-Amzn-Trace-Id" in headers for headers in Handler.seen)


def test_sessions_prepared_requests_and_methods_in_lower_case(server, traces):
    session = requests.Session()
    with xtrace.in_segment("a"):
        session.send(session.prepare_request(requests.Request("get", f"{server}/status/200")))
        session.request("post", f"{server}/status/200", data="x", timeout=5)
    methods = [call["http"]["request"]["method"] for call in traces.subsegments]
    assert methods == ["GET", "POST"]


def test_a_connection_error_is_a_fault_and_passes_unchanged(traces):
    with xtrace.in_segment("a"), pytest.raises(requests.ConnectionError):
        requests.get("http://127.0.0.1:1/x", timeout=5)
    call = traces.subsegment("127.0.0.1")
    assert call["fault"] is True
    assert call["cause"]["exceptions"][0]["type"] == "ConnectionError"


def test_credentials_are_never_recorded(server, traces):
    with xtrace.in_segment("a"):
        requests.get(server.replace("//", "//user:pass@") + "/status/200", timeout=5)
    url = traces.subsegment("127.0.0.1")["http"]["request"]["url"]
    assert url == f"{server}/status/200"


def test_an_unsampled_call_carries_the_decision(server, traces):
    with xtrace.in_segment("a", sampling=False) as segment:
        requests.get(f"{server}/status/200", timeout=5)
    assert Handler.seen[0]["X-Amzn-Trace-Id"] == f"Root={segment.trace_id};Sampled=0"
    assert traces.documents == []


def test_without_a_segment_nothing_is_added_and_nothing_said(server, traces, caplog):
    assert requests.get(f"{server}/status/200", timeout=5).ok
    assert "X-Amzn-Trace-Id" not in Handler.seen[0]
    assert caplog.records == []


def test_a_broken_url_is_requests_own_error(traces):
    with xtrace.in_segment("a"), pytest.raises(requests.exceptions.RequestException):
        requests.get("http://[bad/", timeout=5)


def test_our_own_failure_does_not_reach_the_caller(server, traces, monkeypatch, lenient_faults):
    def fail(*args):
        raise RuntimeError("ours")

    monkeypatch.setattr("xtrace.integrations._outgoing.host", fail)
    monkeypatch.setattr("xtrace.integrations._outgoing._length", fail)
    with xtrace.in_segment("a"):
        assert requests.get(f"{server}/status/200", timeout=5).text == "hello"
    assert xtrace.stats().faults == {"http": 2}
