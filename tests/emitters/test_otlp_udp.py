"""Spans over the X-Ray daemon's port: what AWS Lambda's layers send, and the collector reads."""

from __future__ import annotations

import base64
import errno
import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.helpers import ended, eventually, listening, port_of, tree
from xtrace import collector
from xtrace.emitters import make
from xtrace.emitters.otlp_udp import OtlpUdpEmitter
from xtrace.ledger import EmitterStats
from xtrace.recorder import Recorder


def stats(emitter):
    return EmitterStats(emitter.url, emitter.ledger)


def spans(datagrams):
    """The spans in datagrams, as the published definitions read them."""
    found = []
    for datagram in datagrams:
        header, _, body = datagram.partition(b"\n")
        assert json.loads(header) == {"format": "json", "version": 1}
        assert body[:3] == b"T1S"
        request = ExportTraceServiceRequest.FromString(base64.b64decode(body[3:], validate=True))
        found += [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
    return found


def drained(daemon):
    daemon.settimeout(0.2)
    found = []
    try:
        while True:
            found.append(daemon.recv(65_536))
    except TimeoutError:
        return found


@pytest.fixture
def daemon():
    with listening() as daemon:
        yield daemon


@pytest.fixture
def emitter(daemon):
    emitter = make(f"otlp+udp://127.0.0.1:{port_of(daemon)}")
    yield emitter
    emitter.close()


def test_a_segment_is_one_datagram_of_spans(daemon, emitter):
    batch = ended("shop", parts=3)
    emitter.send(batch)
    found = spans([daemon.recv(65_536)])
    assert {span.span_id.hex() for span in found} == {entity.id for entity in batch}
    assert (stats(emitter).recorded, stats(emitter).sent, stats(emitter).datagrams) == (4, 4, 1)


@pytest.mark.parametrize("most", [64_000, 9000, 2000])
def test_no_datagram_is_larger_than_it_may_be(daemon, most):
    emitter = make(f"otlp+udp://127.0.0.1:{port_of(daemon)}", most)
    batch = tree(
        [number // 3 for number in range(60)],
        lambda entity, number: entity.put_metadata("k", "x" * (number * 97 % 900)),
    )
    emitter.send(batch)
    datagrams = drained(daemon)
    assert max(map(len, datagrams)) <= most
    assert {span.span_id.hex() for span in spans(datagrams)} == {entity.id for entity in batch}
    assert stats(emitter).sent == stats(emitter).recorded == 61
    emitter.close()


def test_what_is_too_large_is_shortened_as_a_document_is(daemon, emitter):
    emitter.send(ended(value="x" * 200_000, parts=1))
    assert len(spans(drained(daemon))) == 2
    assert stats(emitter).shortened == 1


def test_what_a_span_says_twice_fits(daemon, emitter):
    recorder = Recorder(service="a", sampling=False, emitter=emitter)
    with recorder.in_segment():
        for size in (7_000, 8_000):
            with recorder.in_subsegment("db", namespace="remote") as call:
                call.set_sql({"database_type": "mysql", "sanitized_query": "x" * size})
                call.put_metadata("k", "y" * 27_000)
    assert len(spans(drained(daemon))) == stats(emitter).sent == stats(emitter).recorded == 3


def test_smaller_datagrams_where_the_system_refuses_large_ones(daemon, emitter, monkeypatch):
    emitter.send(ended())

    class Refusing:
        def __init__(self, sock):
            self.sock = sock

        def send(self, data):
            if len(data) > 9216:
                raise OSError(errno.EMSGSIZE, "too long")
            return self.sock.send(data)

        def __getattr__(self, name):
            return getattr(self.sock, name)

    emitter._socket = Refusing(emitter._socket)
    batch = ended(parts=20, k="x")
    for entity in batch:
        entity._metadata = {"default": {"k": "x" * 1000}}
    emitter.send(batch)
    assert len(spans(drained(daemon))) == 22
    assert stats(emitter).dropped == {}


def test_the_collector_has_the_documents_again():
    with collector.running() as there:
        recorder = Recorder(
            service="shop", sampling=False, emitter=[f"otlp+udp://{there.address}", "memory:"]
        )
        with recorder.in_segment() as segment, recorder.in_subsegment("part"):
            pass
        eventually(lambda: there.received == 2)
        assert there.flush()
        (document,) = recorder.emitters[1].documents
        ids = {json.loads(data)["id"] for data in there.store.raw(segment.trace_id)}
        assert ids == {document["id"], document["subsegments"][0]["id"]}


def test_subsegments_alone_belong_to_their_service(daemon, emitter):
    recorder = Recorder(service="shop", sampling=False, emitter=emitter)
    with recorder.in_segment():
        for _ in range(40):
            with recorder.in_subsegment("part"):
                pass
    datagrams = drained(daemon)
    assert all(b"shop" in base64.b64decode(each.partition(b"\n")[2][3:]) for each in datagrams)
    assert isinstance(recorder.emitters[0], OtlpUdpEmitter)
