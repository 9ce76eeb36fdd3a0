"""Flask, by its test client and by a real server."""

from __future__ import annotations

import threading

import flask
import pytest
import requests
from werkzeug.serving import make_server

import xtrace
from tests.marks import SECRET
from xtrace.errors import SegmentNameMissing
from xtrace.integrations.flask import XRayMiddleware
from xtrace.recorder import Recorder

pytestmark = pytest.mark.library("Flask", "sync")

TRACE = "1-5759e988-bd862e3fe1be46a994272793"
CALLER = "53995c3f42cd8ad8"


def make_app():
    app = flask.Flask("shop")

    @app.get("/items/<int:item>")
    def item(item):
        with xtrace.in_subsegment("work"):
            return f"item {item}"

    @app.get("/fails")
    def fails():
        raise ValueError("boom")

    @app.get("/handled")
    def handled():
        raise KeyError("handled")

    @app.errorhandler(KeyError)
    def on_key_error(error):
        return "no such thing", 400

    @app.get("/busy")
    def busy():
        return "later", 429

    @app.get("/stream")
    def stream():
        @flask.stream_with_context
        def parts():
            for number in range(3):
                with xtrace.in_subsegment(f"part {number}"):
                    yield f"{number}"

        return flask.Response(parts())

    @app.get("/breaks")
    def breaks():
        def parts():
            yield "one"
            raise ValueError("in the stream")

        return flask.Response(parts())

    @app.get("/file")
    def file():
        return flask.send_file(__file__)

    @app.before_request
    def early():
        if flask.request.path == "/early":
            return "stopped", 403
        return None

    return app


@pytest.fixture
def app(traces):
    app = make_app()
    change_back = xtrace.recorder.override(service="shop")
    XRayMiddleware(app)
    yield app
    change_back()


@pytest.fixture
def client(app):
    return app.test_client()


def test_a_request_is_a_segment(client, traces):
    response = client.get(
        f"/items/7?token={SECRET}", headers={"User-Agent": "me", "Host": "shop.test:80"}
    )
    segment = traces.segment("shop")
    assert response.text == "item 7"
    assert segment["http"] == {
        "request": {
            "method": "GET",
            "url": "http://shop.test:80/items/7",
            "user_agent": "me",
            "client_ip": "127.0.0.1",
        },
        "response": {"status": 200, "content_length": 6},
    }
    assert segment["annotations"] == {"http_route": "/items/<int:item>"}
    assert segment["subsegments"][0]["name"] == "work"


def test_the_first_forwarded_address_is_the_client_s(client, traces):
    client.get("/items/1", headers={"X-Forwarded-For": "10.0.0.1, 10.0.0.2"})
    request = traces.segment("shop")["http"]["request"]
    assert request["client_ip"] == "10.0.0.1"
    assert request["x_forwarded_for"] is True


@pytest.mark.parametrize(
    ("path", "status", "flags"),
    [
        ("/items/1", 200, set()),
        ("/nowhere", 404, {"error"}),
        ("/early", 403, {"error"}),
        ("/handled", 400, {"error"}),
        ("/busy", 429, {"error", "throttle"}),
        ("/fails", 500, {"fault"}),
    ],
)
def test_the_final_response_sets_the_flags(client, traces, path, status, flags):
    assert client.get(path).status_code == status
    segment = traces.segment("shop")
    assert segment["http"]["response"]["status"] == status
    assert {flag for flag in ("error", "throttle", "fault") if segment.get(flag)} == flags


def test_an_exception_is_recorded_once_with_its_own_traceback(client, traces):
    client.get("/fails")
    (exception,) = traces.segment("shop")["cause"]["exceptions"]
    assert (exception["type"], exception["message"]) == ("ValueError", "boom")
    assert exception["stack"][0]["label"] == "fails"


def test_an_exception_that_flask_passes_on_reaches_the_caller(app, traces):
    app.testing = True
    with pytest.raises(ValueError, match="boom"):
        app.test_client().get("/fails")
    segment = traces.segment("shop")
    assert len(segment["cause"]["exceptions"]) == 1
    assert segment["http"]["response"]["status"] == 500


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (None, None),
        (f"Root={TRACE};Parent={CALLER};Sampled=1", f"Root={TRACE}"),
        (f"Root={TRACE};Parent={CALLER};Sampled=0", f"Root={TRACE}"),
        (f"Root={TRACE};Sampled=?", f"Root={TRACE};Sampled=1"),
        ("nonsense" * 100, None),
    ],
)
def test_the_response_carries_the_trace_id(client, traces, sent, answered):
    response = client.get("/items/1", headers={"X-Amzn-Trace-Id": sent} if sent else {})
    header = response.headers["X-Amzn-Trace-Id"]
    assert header == (answered or f"Root={traces.segment('shop')['trace_id']}")


def test_the_caller_s_trace_goes_on(client, traces):
    client.get("/items/1", headers={"X-Amzn-Trace-Id": f"Root={TRACE};Parent={CALLER};Sampled=1"})
    segment = traces.segment("shop")
    assert (segment["trace_id"], segment["parent_id"]) == (TRACE, CALLER)


def test_a_traceparent_does_too(client, traces):
    parent = f"00-5759e988bd862e3fe1be46a994272793-{CALLER}-01"
    client.get("/items/1", headers={"traceparent": parent})
    segment = traces.segment("shop")
    assert (segment["trace_id"], segment["parent_id"]) == (TRACE, CALLER)


def test_an_unsampled_request_is_answered_all_the_same(client, traces):
    header = f"Root={TRACE};Parent={CALLER};Sampled=0"
    response = client.get("/items/1", headers={"X-Amzn-Trace-Id": header})
    assert response.text == "item 1"
    assert traces.documents == []
    assert xtrace.recorder.get_trace_entity() is None


def test_the_sampler_sees_host_method_and_path(app, traces):
    seen = []

    class Sampler:
        def should_trace(self, request=None):
            seen.append(request)
            return False

    change_back = xtrace.recorder.override(sampler=Sampler(), sampling=True)
    app.test_client().post("/items/1", headers={"Host": "shop.test:8080"})
    change_back()
    assert seen == [{"service": "shop", "host": "shop.test", "method": "POST", "path": "/items/1"}]


def test_a_stream_s_segment_ends_with_its_last_part(client, traces):
    response = client.get("/stream")
    assert traces.documents == []
    assert response.text == "012"
    segment = traces.segment("shop")
    assert [s["name"] for s in segment["subsegments"]] == ["part 0", "part 1", "part 2"]
    assert segment["http"]["response"]["content_length"] == 3


def test_a_stream_that_the_client_leaves_ends_its_segment(client, traces):
    response = client.get("/stream", buffered=False)
    response.close()
    assert traces.segment("shop")["http"]["response"]["status"] == 200
    assert xtrace.recorder.get_trace_entity() is None


def test_an_exception_in_a_stream_is_a_fault(client, traces):
    with pytest.raises(ValueError, match="in the stream"):
        client.get("/breaks").get_data()
    segment = traces.segment("shop")
    assert segment["fault"] is True
    assert segment["cause"]["exceptions"][0]["message"] == "in the stream"


def test_files_and_head_requests_end_their_segments(client, traces):
    with open(__file__, "rb") as file, client.get("/file") as response:
        assert response.data == file.read()
    client.head("/file").close()
    assert [s["http"]["request"]["method"] for s in traces.segments] == ["GET", "HEAD"]


def test_names_may_go_by_host(app, traces):
    change_back = xtrace.recorder.override(dynamic_naming="*.shop.test")
    client = app.test_client()
    client.get("/items/1", headers={"Host": "eu.shop.test:80"})
    client.get("/items/1", headers={"Host": "evil.test"})
    change_back()
    assert [s["name"] for s in traces.segments] == ["eu.shop.test", "shop"]


def test_without_a_service_name_the_middleware_says_what_to_type():
    with pytest.raises(SegmentNameMissing, match="xtrace.configure"):
        XRayMiddleware(flask.Flask("x"), Recorder())


def test_installed_twice_a_request_is_one_segment(app, client, traces):
    XRayMiddleware(app)
    client.get("/fails")
    assert len(traces.segment("shop")["cause"]["exceptions"]) == 1


def test_patch_traces_every_application_and_never_twice(traces):
    patched, both = make_app(), make_app()
    change_back = xtrace.recorder.override(service="shop")
    XRayMiddleware(both)
    xtrace.patch("flask")
    try:
        patched.test_client().get("/fails")
        both.test_client().get("/items/1")
    finally:
        xtrace.unpatch("flask")
        change_back()
    patched.test_client().get("/items/1")
    fails, item = traces.segments
    assert len(fails["cause"]["exceptions"]) == 1
    assert item["http"]["request"]["url"].endswith("/items/1")


def test_our_own_failure_leaves_the_response_as_it_is(client, traces, monkeypatch, lenient_faults):
    plain = make_app().test_client().get("/items/1")

    def fail(*args):
        raise RuntimeError("ours")

    for name in ("incoming_request", "describe_response", "response_header"):
        with monkeypatch.context() as patching:
            patching.setattr(f"xtrace.integrations._wsgi.{name}", fail)
            response = client.get("/items/1")
        assert (response.status, response.data) == (plain.status, plain.data)
    assert xtrace.stats().faults["wsgi"] == 3
    assert xtrace.recorder.get_trace_entity() is None


def test_concurrent_requests_on_a_real_server_keep_apart(app, traces):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:

        def call(item):
            requests.get(f"http://127.0.0.1:{server.server_port}/items/{item}", timeout=10)

        callers = [threading.Thread(target=call, args=(n,)) for n in range(40)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(traces.segments) == 40
    assert len({s["trace_id"] for s in traces.segments}) == 40
    assert all(len(s["subsegments"]) == 1 for s in traces.segments)
