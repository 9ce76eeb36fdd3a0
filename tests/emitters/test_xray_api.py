"""Documents to the X-Ray service: signed, in batches of 50, and what its answers lead to."""

from __future__ import annotations

import json
from email.message import Message

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.delivery.backend import answering, backend
from tests.delivery.signatures import KEY, is_signed
from tests.helpers import ended, eventually, keeping_recorder
from tests.marks import SECRET
from xtrace import collector
from xtrace.delivery import Parcel, retry, xray
from xtrace.delivery.http import Answer
from xtrace.emitters import make, worker
from xtrace.emitters.otlp import OtlpEmitter
from xtrace.emitters.xray_api import XRayEmitter
from xtrace.errors import InvalidAddress
from xtrace.ledger import EmitterStats
from xtrace.recorder import Recorder

REGION = "eu-west-1"
PROCESSED = json.dumps({"UnprocessedTraceSegments": []}).encode()


@pytest.fixture(autouse=True)
def account(monkeypatch, tmp_path):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_XRAY", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(retry, "LAST_SECONDS", 0.05)
    monkeypatch.setattr(worker, "SECONDS_TO_GATHER", 0.02)


@pytest.fixture
def emitter_to(monkeypatch):
    made = []

    def make(url):
        monkeypatch.setenv("AWS_ENDPOINT_URL_XRAY", url)
        made.append(XRayEmitter(f"xray://{REGION}"))
        return made[-1]

    yield make
    for emitter in made:
        emitter.close()


def local(there):
    return f"http://127.0.0.1:{there.port}"


def stats(emitter):
    return EmitterStats(emitter.url, emitter.ledger)


def documents(there):
    return [
        json.loads(text)
        for request in list(there.requests)
        for text in request.json()["TraceSegmentDocuments"]
    ]


# -- requests -------------------------------------------------------------------------------------


def test_documents_are_put_as_they_are(emitter_to):
    with backend(answering(200, PROCESSED)) as there:
        emitter = emitter_to(local(there))
        batch = ended("shop", parts=2, key="ü€")
        emitter.send(batch)
        emitter.flush(10)
        (request,) = there.requests
        (document,) = documents(there)
    assert (request.method, request.path) == ("POST", "/TraceSegments")
    assert is_signed(request, REGION)
    assert request.headers["content-type"] == "application/json"
    assert float(request.headers["x-amzn-xray-timestamp"]) > 1.7e9
    assert document["id"] == batch[0].id
    assert document["metadata"] == {"default": {"key": "ü€"}}
    assert (stats(emitter).sent, stats(emitter).pending) == (3, 0)


def test_fifty_documents_a_request(emitter_to):
    with backend(answering(200, PROCESSED)) as there:
        emitter = emitter_to(local(there))
        for _ in range(120):
            emitter.send(ended())
        emitter.flush(10)
        assert len(documents(there)) == 120
        assert max(len(r.json()["TraceSegmentDocuments"]) for r in there.requests) == 50
        assert there.connections == 1
        assert all(is_signed(request, REGION) for request in there.requests)


def test_what_is_in_progress_is_sent_at_once(emitter_to):
    segment = keeping_recorder().in_segment("a")
    segment.begin()
    with backend(answering(200, PROCESSED)) as there:
        emitter = emitter_to(local(there))
        emitter.send([segment])
        emitter.flush(10)
        assert documents(there)[0]["in_progress"] is True


# -- answers --------------------------------------------------------------------------------------


def test_what_is_unprocessed_is_counted_or_tried_again(emitter_to):
    bad, busy, good = ended("bad"), ended("busy"), ended("good")
    unprocessed = [
        {"Id": bad[0].id, "ErrorCode": "InvalidTraceId", "Message": "no"},
        {"Id": busy[0].id, "ErrorCode": "ThrottledException"},
        {"Id": "f" * 16, "ErrorCode": "InvalidTraceId"},
        "nonsense",
    ]
    first = json.dumps({"UnprocessedTraceSegments": unprocessed}).encode()
    with backend(answering(503), answering(200, first), answering(200, PROCESSED)) as there:
        emitter = emitter_to(local(there))
        for batch in (ended("early"), bad, busy, good):
            emitter.send(batch)
        eventually(lambda: not stats(emitter).pending)
        again = [document["name"] for document in documents(there)]
    assert stats(emitter).sent == 3
    assert stats(emitter).dropped == {"rejected by X-Ray: InvalidTraceId": 1}
    assert again.count("busy") >= 2


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (429, b"", {}),
        (400, b'{"__type":"ThrottledException","message":"slow down"}', {}),
        (400, b"", {"x_amzn_errortype": "ThrottledException:http://internal/"}),
        (500, b"<html>", {}),
        (503, b"", {"Retry_After": "0"}),
        (403, b'{"__type":"com.amazon#ExpiredTokenException"}', {}),
        (403, b"[", {}),
    ],
)
def test_what_may_go_well_later_is_tried_again(emitter_to, status, body, headers):
    with backend(answering(status, body, **headers), answering(200, PROCESSED)) as there:
        emitter = emitter_to(local(there))
        emitter.send(ended())
        eventually(lambda: stats(emitter).sent == 1)
    assert stats(emitter).dropped == {}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, b'{"__type":"InvalidRequestException"}', "refused with InvalidRequestException"),
        (404, b"", "refused with status 404"),
        (301, b"", "refused with status 301"),
    ],
)
def test_what_is_refused_for_good_is_counted(emitter_to, status, body, reason):
    with backend(answering(status, body)) as there:
        emitter = emitter_to(local(there))
        emitter.send(ended(parts=1))
        emitter.flush(10)
    assert stats(emitter).dropped == {reason: 2}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["1" * 16, "2" * 16, ""]), st.integers(1, 9)), max_size=6),
    st.lists(
        st.one_of(
            st.none(),
            st.text(max_size=3),
            st.fixed_dictionaries(
                {},
                optional={
                    "Id": st.sampled_from(["1" * 16, "2" * 16, "3" * 16, "", None, 7, ["x"]]),
                    "ErrorCode": st.sampled_from(["ThrottledException", "InvalidSegment", None]),
                },
            ),
        ),
        max_size=8,
    ),
)
def test_of_each_document_one_thing_became(sent, unprocessed):
    parcels = [Parcel(json.dumps({"id": id}).encode(), entities) for id, entities in sent]
    body = json.dumps({"UnprocessedTraceSegments": unprocessed}).encode()
    outcome = xray._processed(Answer(200, Message(), body), parcels, 1)
    again = sum(parcel.entities for parcel in outcome.again)
    total = sum(parcel.entities for parcel in parcels)
    assert outcome.sent >= 0
    assert outcome.sent + again + sum(outcome.dropped.values()) == total


def test_an_answer_that_is_none_is_taken_for_consent(emitter_to):
    with backend(answering(200, b"nonsense")) as there:
        emitter = emitter_to(local(there))
        emitter.send(ended())
        emitter.flush(10)
    assert stats(emitter).sent == 1


def test_without_credentials_documents_wait(emitter_to, monkeypatch, caplog):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with backend(answering(200, PROCESSED)) as there:
        emitter = emitter_to(local(there))
        emitter.send(ended())
        emitter.flush(10)
        assert (stats(emitter).pending, there.requests) == (1, [])
        assert "no AWS credentials" in caplog.text
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        emitter.flush(10)
        assert stats(emitter).sent == 1


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-west-1", "https://xray.eu-west-1.amazonaws.com"),
        ("cn-north-1", "https://xray.cn-north-1.amazonaws.com.cn"),
        ("us-iso-east-1", "https://xray.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "https://xray.us-isob-east-1.sc2s.sgov.gov"),
        ("us-gov-west-1", "https://xray.us-gov-west-1.amazonaws.com"),
    ],
)
def test_endpoints_are_those_of_botocore_and_the_daemon(region, url):
    from botocore.session import get_session

    assert xray.endpoint_of(region, {}) == url
    assert XRayEmitter(f"xray://{region}")._worker._backend.url == url
    if "iso" not in region:
        assert get_session().create_client("xray", region).meta.endpoint_url == url


def test_a_url_names_the_emitter():
    emitter = make(f"xray://{REGION}", 5000)
    assert type(emitter) is XRayEmitter
    assert (emitter.url, emitter.max_bytes) == (f"xray://{REGION}", 5000)


def test_another_endpoint_is_taken_from_the_environment():
    said = {"AWS_ENDPOINT_URL_XRAY": "http://a/", "AWS_ENDPOINT_URL": "http://b"}
    assert xray.endpoint_of("eu-west-1", said) == "http://a"
    assert xray.endpoint_of("eu-west-1", {"AWS_ENDPOINT_URL": "http://b"}) == "http://b"
    ignored = {**said, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert xray.endpoint_of("eu-west-1", ignored) == "https://xray.eu-west-1.amazonaws.com"


def test_regions(monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(InvalidAddress, match="xray://eu-west-1"):
        make("xray:")
    (tmp_path / "config").write_text("[default]\nregion = eu-north-1\n")
    assert xray.region_of("") == "eu-north-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert xray.region_of("") == "eu-central-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert xray.region_of("") == "eu-west-3"
    assert xray.region_of("us-east-1") == "us-east-1"
    with pytest.raises(InvalidAddress, match="no region"):
        make("xray://eu west 1")


def test_a_profile_that_is_not_there_is_an_error_at_set_up(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(InvalidAddress, match="nobody"):
        make("xray:")


def test_an_endpoint_that_is_none_is_an_error_at_set_up(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_XRAY", "localhost:2000")
    with pytest.raises(InvalidAddress, match="localhost:2000"):
        make(f"xray://{REGION}")


def test_without_botocore_it_says_what_to_install(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InvalidAddress, match=r"xtrace\[aws\]"):
        make(f"xray://{REGION}")


def test_xrays_otlp_endpoint_is_signed_for(monkeypatch):
    assert xray.signer_for("https://xray.eu-west-1.amazonaws.com/v1/traces").region == REGION
    assert xray.signer_for("https://xray.example.com/v1/traces") is None
    with backend() as there:
        emitter = OtlpEmitter("otlp+https://xray.eu-west-1.amazonaws.com")
        inside = emitter._worker._backend
        inside.url = f"{local(there)}/v1/traces"
        inside._client.place = inside._client.place._replace(
            scheme="http", host="127.0.0.1", port=there.port
        )
        emitter.send(ended(parts=50))
        emitter.finish(10)
        (request,) = there.requests
    assert is_signed(request, REGION)
    assert request.headers["content-encoding"] == "gzip"


# -- our own collector ----------------------------------------------------------------------------


def test_the_collector_has_them_byte_for_byte(emitter_to):
    with collector.running() as there:
        emitter = emitter_to(there.url)
        recorder = Recorder(service="shop", sampling=False, emitter=[emitter, "memory:"])
        with recorder.in_segment() as segment, recorder.in_subsegment("part"):
            pass
        recorder.flush(10)
        assert there.flush()
        assert there.store.raw(segment.trace_id) == list(recorder.emitters[1].data)
        assert stats(emitter).sent == 2
