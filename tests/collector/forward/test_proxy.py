"""X-Ray behind the collector: requests are signed and handed on, sampling rules are the service's."""

from __future__ import annotations

import json
import socket
import time
from http.client import HTTPConnection

import pytest

from tests.collector.forward.conftest import documents
from tests.collector.forward.test_forward import document, send
from tests.delivery.backend import answering, backend, raw
from tests.delivery.signatures import is_signed
from tests.helpers import eventually
from xtrace.collector import running
from xtrace.collector.daemon import Daemon
from xtrace.collector.forward import telemetry
from xtrace.collector.forward.targets import target_of
from xtrace.collector.receiver import HEADER
from xtrace.recorder import Recorder
from xtrace.sampling.client import ask

X_RAY = "xray://eu-west-1"
RULES = {"SamplingRuleRecords": [], "NextToken": None}


@pytest.fixture
def daemon(x_ray):
    made = Daemon(("127.0.0.1", 0), forward=[target_of(X_RAY)], max_waiting_bytes=10**6)
    made.start()
    yield made
    made.stop()


def request(server, method, path, body=b"", **headers):
    connection = HTTPConnection(*server.http_endpoint, timeout=10)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_any_request_is_handed_on_signed_and_the_answer_comes_back(daemon, x_ray):
    x_ray.manners = [answering(418, b"short", X_Amzn_RequestId="7", Content_Type="text/plain")]
    status, headers, body = request(
        daemon, "PUT", "/any/path?a=b", b"tea", **{"X-Other": "1", "Connection": "close"}
    )
    (asked,) = x_ray.requests
    assert (asked.method, asked.path, asked.body) == ("PUT", "/any/path?a=b", b"tea")
    assert asked.headers["x-other"] == "1"
    assert asked.headers["host"] == f"127.0.0.1:{x_ray.port}"
    assert "connection" not in asked.headers
    assert is_signed(asked, "eu-west-1")
    assert (status, body, headers["x-amzn-requestid"]) == (418, b"short", "7")


def test_without_credentials_requests_go_unsigned(daemon, x_ray, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    x_ray.manners = [answering(403, b'{"message":"Missing Authentication Token"}')]
    status, _, body = request(daemon, "POST", "/GetSamplingRules")
    assert (status, b"Missing" in body) == (403, True)
    assert "authorization" not in x_ray.requests[0].headers


def test_a_service_that_does_not_answer_is_a_bad_gateway(daemon, x_ray):
    x_ray.manners = [raw(b"nonsense\r\n\r\n")]
    status, _, body = request(daemon, "POST", "/GetSamplingRules")
    assert status == 502
    assert b"HTTP" in body


def test_connections_are_kept(daemon, x_ray):
    x_ray.manners = [answering(200, b"{}")]
    for _ in range(5):
        request(daemon, "POST", "/GetSamplingRules")
    assert x_ray.connections == 1


def test_other_sites_pages_have_nothing_signed(daemon, x_ray):
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        status, _, _ = request(daemon, "POST", "/GetSamplingRules", **headers)
        assert status == 403
    assert x_ray.requests == []


def test_a_body_has_a_limit(daemon, monkeypatch):
    monkeypatch.setattr("xtrace.collector.forward.proxy.MAX_BODY_BYTES", 10)
    assert request(daemon, "POST", "/x", b"x" * 11)[0] == 413


# -- sampling through a collector with a store ----------------------------------------------------


def test_rules_are_those_of_the_service(x_ray):
    x_ray.manners = [answering(200, json.dumps(RULES).encode())]
    with running(forward=[target_of(X_RAY)]) as collector:
        found = ask(collector.http_endpoint, "/GetSamplingRules", {})
        assert found["SamplingRuleRecords"] == []
        statistics = {
            "RuleName": "Default",
            "ClientID": "0" * 24,
            "Timestamp": time.time(),
            "RequestCount": 1,
            "SampledCount": 1,
        }
        ask(
            collector.http_endpoint,
            "/SamplingTargets",
            {"SamplingStatisticsDocuments": [statistics]},
        )
        asked = x_ray.requests[-1]
        assert asked.path == "/SamplingTargets"
        assert asked.json()["SamplingStatisticsDocuments"][0]["RuleName"] == "Default"
        summaries = ask(collector.http_endpoint, "/Groups", {})  # is answered here
        assert summaries["Groups"]
        assert len(x_ray.requests) == 2


def test_the_collectors_own_rules_are_in_force_while_the_service_is_silent(x_ray):
    x_ray.manners = [answering(500)]
    with running(forward=[target_of(X_RAY)]) as collector:
        found = ask(collector.http_endpoint, "/GetSamplingRules", {})
        (record,) = found["SamplingRuleRecords"]
        assert record["SamplingRule"]["RuleName"] == "Default"


def test_an_sdk_samples_by_the_services_rules_through_the_daemon(daemon, x_ray):
    rule = {
        "SamplingRule": {
            "RuleName": "all",
            "Priority": 1,
            "FixedRate": 1.0,
            "ReservoirSize": 0,
            "ServiceName": "*",
            "ServiceType": "*",
            "Host": "*",
            "HTTPMethod": "*",
            "URLPath": "*",
            "ResourceARN": "*",
            "Version": 1,
        }
    }
    x_ray.manners = [answering(200, json.dumps({"SamplingRuleRecords": [rule]}).encode())]
    recorder = Recorder(service="shop", sampler="central", daemon_address=daemon.address)
    with recorder.in_segment(sampling=None):
        pass
    eventually(lambda: [each.name for each in recorder.sampler.rules] == ["all"])
    recorder.configure(sampler="local", emitter="memory:")


# -- without a store ------------------------------------------------------------------------------


def test_a_daemon_forwards_documents_and_says_how_many(daemon, x_ray):
    urls = [f"udp://{daemon.address}", f"otlp+udp://{daemon.address}", f"otlp+{daemon.url}"]
    for url in urls:
        recorder = Recorder(service="shop", sampling=False, emitter=url)
        with recorder.in_segment(), recorder.in_subsegment("part"):
            pass
        recorder.configure(emitter="memory:")
    eventually(lambda: daemon.counts().received == 5)
    assert daemon.forwarding.flush(10)
    assert len(documents(x_ray)) == 5
    status, _, body = request(daemon, "GET", "/health")
    told = json.loads(body)
    assert (status, told["received"], told["store"]) == (200, 5, None)
    assert told["forwarded"][0]["delivered"] == 5
    assert daemon.summary() == f"received 5, malformed 0; {X_RAY}: delivered 5, lost 0"


def test_a_daemon_counts_what_is_none(daemon, x_ray):
    send(daemon, b"T1Snonsense")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"no header", daemon.endpoint)
        sender.sendto(HEADER + b"{", daemon.endpoint)
    eventually(lambda: tuple(daemon.counts()) == (1, 2))
    assert daemon.forwarding.flush(10)
    assert documents(x_ray) == ["{"]  # what the daemon does: X-Ray says what is wrong
    assert request(daemon, "POST", "/v1/traces", b"x", **{"Content-Type": "text/x"})[0] == 415


def test_a_daemon_without_x_ray_has_nothing_to_ask():
    with backend() as there:
        target = target_of(f"otlp+http://127.0.0.1:{there.port}")
        made = Daemon(("127.0.0.1", 0), forward=[target], max_waiting_bytes=10**6)
        made.start()
        try:
            assert request(made, "POST", "/GetSamplingRules")[0] == 404
        finally:
            made.stop()


# -- telemetry ------------------------------------------------------------------------------------


def test_telemetry_is_reported_from_the_first_segment_on(daemon, x_ray, monkeypatch):
    monkeypatch.setenv("AWS_HOSTNAME", "host-1")
    counts = daemon.forwarding._forwarders[0].counts
    api = target_of(X_RAY).api
    reporting = telemetry.Telemetry(api, lambda: daemon.counts().received, counts, "arn:x")
    reporting.report()
    assert x_ray.requests == []
    send(daemon, document(1), document(2))
    eventually(lambda: counts().delivered == 2)
    x_ray.requests.clear()
    reporting.report()
    (asked,) = x_ray.requests
    assert asked.path == "/TelemetryRecords"
    assert is_signed(asked, "eu-west-1")
    told = asked.json()
    assert (told["Hostname"], told["ResourceARN"]) == ("host-1", "arn:x")
    (record,) = told["TelemetryRecords"]
    assert (record["SegmentsReceivedCount"], record["SegmentsSentCount"]) == (2, 2)
    assert set(record["BackendConnectionErrors"]) == {
        *("TimeoutCount", "ConnectionRefusedCount", "HTTPCode4XXCount", "HTTPCode5XXCount"),
        *("UnknownHostCount", "OtherCount"),
    }
    # What can't be sent is sent later, ten records at once, with what came since each.
    x_ray.manners = [answering(500)]
    for _ in range(40):
        reporting.report()
    x_ray.requests.clear()
    x_ray.manners = [answering(200)]
    reporting.report()
    records = [len(each.json()["TelemetryRecords"]) for each in x_ray.requests]
    assert records == [10, 10, 10]
    last = x_ray.requests[-1].json()["TelemetryRecords"][-1]
    assert last["SegmentsReceivedCount"] == 0
    assert time.time() - 60 < last["Timestamp"] <= time.time()


def test_the_collector_takes_the_daemons_telemetry(monkeypatch):
    with running() as collector:
        monkeypatch.setenv("AWS_ENDPOINT_URL_XRAY", collector.url)
        monkeypatch.setattr(telemetry, "SECONDS_BETWEEN", 0.05)
        daemon = Daemon(("127.0.0.1", 0), forward=[target_of(X_RAY)], max_waiting_bytes=10**6)
        daemon.start()
        try:
            send(daemon, document(1))
            eventually(lambda: collector.service.telemetry)
        finally:
            daemon.stop()
        assert collector.received == 1
