"""Spans to an OTLP endpoint: what arrives there, how it is configured, and what its answers lead to."""

from __future__ import annotations

import json

import pytest

from tests.delivery.backend import answering, backend
from tests.helpers import ended, entities_in, eventually, keeping_recorder
from xtrace import collector
from xtrace.delivery import otlp
from xtrace.delivery.otlp import MAX_REQUEST_BYTES, OtlpError, endpoint_of, options
from xtrace.emitters import worker
from xtrace.emitters.otlp import OtlpEmitter
from xtrace.errors import InvalidAddress
from xtrace.ledger import EmitterStats
from xtrace.recorder import Recorder


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("ENDPOINT", "HEADERS", "PROTOCOL", "COMPRESSION", "TIMEOUT", "CERTIFICATE"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_TRACES_{name}", raising=False)
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)


@pytest.fixture
def emitter_to():
    """Makes an emitter to a backend; it is closed afterwards."""
    made = []

    def make(there, **options):
        made.append(OtlpEmitter(f"otlp+http://127.0.0.1:{there.port}", **options))
        return made[-1]

    yield make
    for emitter in made:
        emitter.close()


def stats(emitter):
    emitter.settle()
    return EmitterStats(emitter.url, emitter.ledger)


def in_progress(name="a", **metadata):
    segment = keeping_recorder().in_segment(name)
    segment.begin()
    for key, value in metadata.items():
        segment.put_metadata(key, value)
    return segment


# -- what arrives ---------------------------------------------------------------------------------


def test_entities_are_spans_in_protobuf_and_compressed(emitter_to):
    with backend() as there:
        emitter = emitter_to(there)
        batch = ended("shop", parts=30, key="value")
        emitter.send(batch)
        emitter.flush(10)
        (request,) = there.requests
        spans = request.spans()
    assert (request.method, request.path) == ("POST", "/v1/traces")
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["content-encoding"] == "gzip"
    assert {span.span_id.hex() for span in spans} == {entity.id for entity in batch}
    assert {span.parent_span_id.hex() for span in spans} == {"", batch[0].id}
    assert stats(emitter).sent == stats(emitter).recorded == 31
    assert stats(emitter).bytes == len(request.body)


def test_small_requests_are_not_compressed(emitter_to):
    with backend() as there:
        emitter = emitter_to(there)
        emitter.send(ended())
        emitter.flush(10)
        assert "content-encoding" not in there.requests[0].headers


def test_what_the_environment_asks_for(monkeypatch, emitter_to):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b,X-Other=1")
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=x"
    )
    with backend() as there:
        emitter = emitter_to(there)
        emitter.send(ended("shop", parts=30))
        emitter.flush(10)
        (request,) = there.requests
    assert request.headers["content-type"] == "application/json"
    assert "content-encoding" not in request.headers
    assert (request.headers["api-key"], request.headers["x-other"]) == ("a b", "1")
    (group,) = request.json()["resourceSpans"]
    attributes = {a["key"]: a["value"]["stringValue"] for a in group["resource"]["attributes"]}
    assert attributes["deployment.environment.name"] == "test"
    assert attributes["service.name"] == "shop"
    assert len(group["scopeSpans"][0]["spans"]) == 31


def test_subsegments_that_travel_alone_belong_to_their_service(emitter_to):
    with backend() as there:
        recorder = Recorder(service="shop", sampling=False, emitter=emitter_to(there))
        with recorder.in_segment():
            for _ in range(40):  # more than a segment holds
                with recorder.in_subsegment("part"):
                    pass
        recorder.flush(10)
        requests = [request.content for request in there.requests]
        assert len(there.spans()) == 41
    assert all(b"shop" in content for content in requests)


def test_requests_keep_to_a_size(emitter_to):
    with backend() as there:
        emitter = emitter_to(there, max_bytes=64_000)
        for _ in range(100):
            emitter.send(ended(value="x" * 60_000))
        emitter.flush(20)
        assert len(there.spans()) == 100
        assert max(len(request.content) for request in there.requests) < MAX_REQUEST_BYTES
        assert there.connections == 1


def test_what_is_in_progress_waits_for_its_end(emitter_to):
    with backend() as there:
        emitter = emitter_to(there)
        segment = in_progress()
        emitter.send([segment])
        emitter.flush(10)
        assert stats(emitter).pending == 1
        segment.close()
        emitter.send([segment])
        emitter.flush(10)
        (span,) = there.spans()
        assert stats(emitter).recorded == stats(emitter).sent == 1
    assert not [a for a in span.attributes if a.key == "aws.xray.inprogress"]


def test_what_is_in_progress_has_room_in_bytes_and_the_oldest_are_sent_as_they_are(
    emitter_to, monkeypatch
):
    monkeypatch.setattr(otlp, "MAX_HELD_BYTES", 10_000)
    with backend() as there:
        emitter = emitter_to(there)
        segments = [in_progress(f"part {number}", x="y" * 900) for number in range(30)]
        for segment in segments:
            emitter.send([segment])
        emitter.flush(10)
        assert emitter._worker._backend._held_bytes <= 10_000
        early = [span.name for span in there.spans()]
        assert early == [segment.name for segment in segments[: len(early)]]
        assert stats(emitter).sent == len(early) >= 15
        for segment in segments:
            segment.close()
            emitter.send([segment])
        emitter.flush(10)
        assert emitter._worker._backend._held_bytes == 0
        assert {span.name for span in there.spans()} == {segment.name for segment in segments}


def test_what_is_still_in_progress_at_the_end_is_sent_as_it_is(emitter_to):
    with backend() as there:
        emitter = emitter_to(there)
        emitter.send([in_progress()])
        emitter.finish(10)
        (span,) = there.spans()
        assert stats(emitter).sent == 1
    assert span.end_time_unix_nano >= span.start_time_unix_nano
    assert [a.key for a in span.attributes if a.value.bool_value] == ["aws.xray.inprogress"]


# -- answers --------------------------------------------------------------------------------------


def test_what_the_backend_rejects_is_counted(emitter_to):
    partly = json.dumps({"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no"}}).encode()
    with backend(answering(200, partly, content_type="application/json")) as there:
        emitter = emitter_to(there)
        emitter.send(ended(parts=4))
        emitter.flush(10)
    assert (stats(emitter).sent, stats(emitter).dropped) == (3, {"rejected by the backend": 2})


def test_what_the_backend_rejects_in_protobuf_is_counted(emitter_to):
    with backend(answering(200, b"\x0a\x06\x08\x03\x12\x02no")) as there:
        emitter = emitter_to(there)
        emitter.send(ended(parts=4))
        emitter.flush(10)
    assert stats(emitter).dropped == {"rejected by the backend": 3}


@pytest.mark.parametrize("answer", [b"nonsense", b"\x0a\xff", b"{"])
def test_a_reply_that_is_none_rejects_nothing(emitter_to, answer):
    with backend(answering(200, answer)) as there:
        emitter = emitter_to(there)
        emitter.send(ended())
        emitter.flush(10)
    assert stats(emitter).sent == 1


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 500, 501])
def test_what_is_refused_for_good_is_not_tried_again(emitter_to, status):
    with backend(answering(status)) as there:
        emitter = emitter_to(there)
        emitter.send(ended(parts=1))
        emitter.flush(10)
        assert len(there.requests) == 1
    assert stats(emitter).dropped == {f"refused with status {status}": 2}


def test_a_request_that_is_too_large_is_halved(emitter_to):
    def limited(connection, request):
        answering(413 if len(request.spans()) > 3 else 200)(connection, request)

    with backend(limited) as there:
        emitter = emitter_to(there)
        for number in range(8):
            emitter.send(ended(parts=number % 3))
        emitter.send(ended(parts=5))
        emitter.flush(10)
        eventually(lambda: not stats(emitter).pending)
    assert stats(emitter).dropped == {"too large for the backend": 6}
    assert stats(emitter).sent == stats(emitter).recorded - 6


def test_of_a_request_that_was_halved_only_what_is_left_is_sent_again(emitter_to, monkeypatch):
    monkeypatch.setattr(worker, "SECONDS_TO_GATHER", 60.0)
    with backend(answering(413), answering(), answering(503), answering()) as there:
        emitter = emitter_to(there)
        emitter.send(ended())
        emitter.send(ended())
        emitter.flush(20)
        emitter.flush(20)
        ids = [{span.span_id for span in request.spans()} for request in there.requests]
    assert ids[1] | ids[2] == ids[0]
    assert ids[1].isdisjoint(ids[2])
    assert ids[3] == ids[2]
    assert stats(emitter).recorded == 2


def test_what_was_made_before_the_encoding_changed_is_made_again(emitter_to, monkeypatch):
    def picky(connection, request):
        is_json = request.headers["content-type"] == "application/json"
        answering(200 if is_json else 415)(connection, request)

    monkeypatch.setattr(otlp, "MAX_REQUEST_BYTES", 500)
    with backend(picky) as there:
        emitter = emitter_to(there)
        for number in range(6):
            emitter.send(ended(f"service-{number}", parts=3))
        emitter.flush(10)
        assert len(there.requests) > 3
        for request in there.requests[1:]:
            assert request.json()["resourceSpans"]
    assert stats(emitter).sent == 24


def test_more_services_than_are_kept_are_told_apart(emitter_to, monkeypatch):
    monkeypatch.setattr(otlp, "_MAX_SERVICES", 2)
    with backend() as there:
        emitter = emitter_to(there)
        for number in range(6):
            emitter.send(ended(f"service-{number}"))
        emitter.flush(10)
    assert stats(emitter).sent == 6


def test_a_backend_that_knows_only_the_other_encoding_gets_that(emitter_to):
    def picky(connection, request):
        is_json = request.headers["content-type"] == "application/json"
        answering(200 if is_json else 415)(connection, request)

    with backend(picky) as there:
        emitter = emitter_to(there)
        for _ in range(2):
            emitter.send(ended(parts=2))
            emitter.flush(10)
        types = [request.headers["content-type"] for request in there.requests]
    assert types == ["application/x-protobuf", "application/json", "application/json"]
    assert stats(emitter).sent == 6


def test_a_backend_that_knows_no_encoding_is_not_asked_for_ever(emitter_to):
    with backend(answering(415)) as there:
        emitter = emitter_to(there)
        emitter.send(ended())
        emitter.flush(10)
        assert len(there.requests) == 2
    assert stats(emitter).dropped == {"refused with status 415": 1}


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "environment", "endpoint"),
    [
        ("otlp+http://h:4318", {}, "http://h:4318/v1/traces"),
        ("OTLP+HTTP://h:4318/", {}, "http://h:4318/v1/traces"),
        ("otlp+https://h", {}, "https://h/v1/traces"),
        ("otlp+https://h/otlp", {}, "https://h/otlp/v1/traces"),
        ("otlp+https://h/x/v1/traces", {}, "https://h/x/v1/traces"),
        ("otlp+http://[::1]:4318", {}, "http://[::1]:4318/v1/traces"),
        ("otlp+http:", {}, "http://localhost:4318/v1/traces"),
        ("otlp+http:", {"ENDPOINT": "https://h/a"}, "https://h/a/v1/traces"),
        ("otlp+http:", {"ENDPOINT": "https://h", "TRACES_ENDPOINT": "http://g/t"}, "http://g/t"),
        ("otlp+http://i:1", {"ENDPOINT": "https://h"}, "http://i:1/v1/traces"),
    ],
)
def test_endpoints(url, environment, endpoint):
    said = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environment.items()}
    assert endpoint_of(url, said) == endpoint


@pytest.mark.parametrize(
    "url", ["otlp+http://", "otlp+http://:1", "otlp+http://h:0", "otlp+http://h:99999"]
)
def test_an_endpoint_that_is_none_is_an_error_at_set_up(url, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://h")
    with pytest.raises(InvalidAddress, match=r"otlp\+http://host:4318"):
        OtlpEmitter(url)


@pytest.mark.parametrize("url", ["otlp+http://h/?a=1", "otlp+http://u:p@h:1"])
def test_what_an_endpoint_cannot_have(url):
    with pytest.raises(InvalidAddress, match="query|user name"):
        OtlpEmitter(url)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("PROTOCOL", "grpc", "http/protobuf"),
        ("COMPRESSION", "zstd", "gzip or none"),
        ("TIMEOUT", "10s", "milliseconds"),
        ("TIMEOUT", "0", "milliseconds"),
        ("HEADERS", "secret", "key=value"),
        ("HEADERS", "a=b%0d%0aX:1", "key=value"),
        ("HEADERS", "api key=secret", "api key"),
        ("HEADERS", "key=gehe%C3%AFm", "values are ASCII"),
    ],
)
def test_wrong_settings_are_errors_that_say_what_to_write(name, value, hint):
    with pytest.raises(OtlpError, match=hint) as raised:
        options({f"OTEL_EXPORTER_OTLP_{name}": value})
    assert name in str(raised.value)


def test_the_variable_for_traces_wins():
    said = options(
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "1000", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2500"}
    )
    assert said.timeout == 2.5


def test_certificates_that_are_not_there_are_an_error_at_set_up(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem")
    with pytest.raises(InvalidAddress, match="OTEL_EXPORTER_OTLP_CERTIFICATE"):
        OtlpEmitter("otlp+https://h")


# -- our own collector ----------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_the_collector_stores_what_udp_would_have_brought(monkeypatch, protocol):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    with collector.running() as there:
        recorder = Recorder(
            service="shop",
            sampling=False,
            emitter=["memory:", f"otlp+http://{there.address}"],
        )
        with pytest.raises(ZeroDivisionError), recorder.in_segment() as segment:
            segment.set_user("alice")
            segment.put_annotation("tier", "gold")
            with recorder.in_subsegment("db", namespace="remote") as call:
                call.put_metadata("rows", [1, None])
            raise ZeroDivisionError("x")
        recorder.flush(10)
        assert there.flush()
        sent = entities_in(recorder.emitters[0].documents)
        found = [json.loads(data) for data in there.store.raw(segment.trace_id)]
        recorder.configure(emitter="memory:")
    place = ("trace_id", "parent_id", "type", "subsegments")
    said = {each["id"]: {k: v for k, v in each.items() if k not in place} for each in sent}
    assert {each["id"]: {k: v for k, v in each.items() if k not in place} for each in found} == said
