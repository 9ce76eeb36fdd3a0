"""A collector forwards what it receives: in batches, whatever the backend does meanwhile, and nothing
twice that it knows of.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.collector.forward.conftest import PROCESSED, documents, ids
from tests.collector.store_contract import put
from tests.collector.strategies import NOON, minimal
from tests.delivery.backend import answering, backend, reset
from tests.delivery.signatures import is_signed
from tests.helpers import eventually
from xtrace.collector import forward, running
from xtrace.collector.forward import ForwardCounts, Forwarder, sources
from xtrace.collector.forward.services import Services
from xtrace.collector.forward.sources import Source, StoredSource
from xtrace.collector.forward.targets import ForwardError, Settings, Target, target_of
from xtrace.collector.receiver import HEADER
from xtrace.collector.store import open_store
from xtrace.delivery import Outcome
from xtrace.otlp.names import SERVER
from xtrace.recorder import Recorder

X_RAY = "xray://eu-west-1"


def document(number, **members):
    made = minimal(f"1-5f84c7a1-{number:024x}", id=f"{number:016x}", **members)
    return json.dumps(made).encode()


def send(collector, *bodies):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for body in bodies:
            sender.sendto(HEADER + body, collector.endpoint)
            time.sleep(0)


def counts(collector):
    (found,) = collector.forwarding.counts()
    return found


def total(found):
    return found.delivered + found.lost + found.waiting + sum(found.refused.values())


# -- to X-Ray -------------------------------------------------------------------------------------


def test_documents_are_put_as_they_came_fifty_at_a_time(x_ray):
    sent = [document(number) + b" " for number in range(1, 121)]
    with running(forward=[target_of(X_RAY)]) as collector:
        send(collector, *sent)
        assert collector.flush()
        assert collector.forwarding.flush(10)
        assert sorted(text.encode() for text in documents(x_ray)) == sorted(sent)
        assert counts(collector)[:5] == (X_RAY, 120, {}, 0, 0)
    puts = [r for r in x_ray.requests if r.path == "/TraceSegments"]
    assert max(len(r.json()["TraceSegmentDocuments"]) for r in puts) <= 50
    assert all(is_signed(r, "eu-west-1") for r in puts)
    assert all("xray-agent/xtrace" in r.headers["user-agent"] for r in puts)


def test_what_x_ray_does_not_take_is_counted(x_ray, caplog):
    unprocessed = [{"Id": f"{2:016x}", "ErrorCode": "InvalidTraceId"}]
    x_ray.manners = [answering(200, json.dumps({"UnprocessedTraceSegments": unprocessed}).encode())]
    with running(forward=[target_of(X_RAY)]) as collector:
        send(collector, document(1), document(2))
        assert collector.flush()
        assert collector.forwarding.flush(10)
        found = counts(collector)
    assert (found.delivered, found.refused) == (1, {"rejected by X-Ray: InvalidTraceId": 1})
    assert "InvalidTraceId" in caplog.text


def test_two_targets_get_everything_each_at_its_own_pace(x_ray):
    with backend(answering(503)) as down, running() as other:
        targets = [
            target_of(X_RAY),
            target_of(f"otlp+http://127.0.0.1:{down.port}"),
            target_of(f"otlp+{other.url}"),
        ]
        with running(forward=targets) as collector:
            send(collector, *(document(number) for number in range(1, 31)))
            assert collector.flush()
            eventually(lambda: len(ids(x_ray)) == 30)
            eventually(lambda: other.received == 30)
            eventually(
                lambda: [found.waiting for found in collector.forwarding.counts()] == [0, 30, 0]
            )


# -- an outage ------------------------------------------------------------------------------------


def test_an_outage_loses_nothing(x_ray):
    x_ray.manners = [answering(503)]
    with running(forward=[target_of(X_RAY)]) as collector:
        for first in range(1, 400, 40):
            send(collector, *(document(number) for number in range(first, first + 40)))
            assert collector.flush()
        eventually(lambda: counts(collector).is_down)
        found = counts(collector)
        assert (found.delivered, found.waiting) == (0, 400)
        assert found.troubles["HTTPCode5XXCount"] >= 4
        assert "503" in found.last_trouble
        x_ray.requests.clear()
        x_ray.manners = [PROCESSED]
        eventually(lambda: counts(collector).delivered == 400)
        assert sorted(ids(x_ray)) == [f"{number:016x}" for number in range(1, 401)]
        assert not counts(collector).is_down


def test_a_backend_that_asks_for_time_gets_it(x_ray):
    x_ray.manners = [answering(429, retry_after="3600")]
    with running(forward=[target_of(X_RAY)]) as collector:
        send(collector, document(1))
        assert collector.flush()
        (forwarder,) = collector.forwarding._forwarders
        eventually(lambda: forwarder._not_before > time.monotonic() + 200)
        assert forwarder._not_before < time.monotonic() + 400
        assert counts(collector).troubles["HTTPCode4XXCount"] == 1


def test_while_a_backend_is_down_it_is_asked_with_little(x_ray):
    x_ray.manners = [reset]
    with running(forward=[target_of(X_RAY)]) as collector:
        send(collector, *(document(number) for number in range(1, 200)))
        assert collector.flush()
        eventually(lambda: counts(collector).is_down)
        x_ray.requests.clear()
        eventually(lambda: [_documents_in(r) for r in x_ray.requests[-3:]] == [1, 1, 1])


def _documents_in(request):
    return len(request.json()["TraceSegmentDocuments"])


PROGRAM = """
import sys
from xtrace.collector.forward import sources
from xtrace.collector.forward.targets import target_of
from xtrace.collector import forward, running
with running(path=sys.argv[1], forward=[target_of("xray://eu-west-1")]) as collector:
    print(collector.endpoint[1], flush=True)
    for line in sys.stdin:
        collector.flush()
        print("flushed", flush=True)
"""


def test_what_a_killed_collector_had_stored_is_delivered_by_the_next(x_ray, tmp_path):
    path = str(tmp_path / "traces.db")
    x_ray.manners = [answering(503)]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    port = int(process.stdout.readline())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(1, 101):
            sender.sendto(HEADER + document(number), ("127.0.0.1", port))
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "flushed\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    x_ray.requests.clear()
    x_ray.manners = [PROCESSED]
    with running(path=path, forward=[target_of(X_RAY)]) as collector:
        assert collector.forwarding.flush(20)
        assert counts(collector).delivered == 100
    assert sorted(ids(x_ray)) == [f"{number:016x}" for number in range(1, 101)]
    x_ray.requests.clear()
    with running(path=path, forward=[target_of(X_RAY)]) as collector:
        assert collector.forwarding.flush(20)
    assert ids(x_ray) == []


def test_what_is_trimmed_before_it_was_delivered_is_counted_as_lost(x_ray):
    x_ray.manners = [answering(503)]
    with running(forward=[target_of(X_RAY)]) as collector:
        send(collector, *(document(number) for number in range(1, 11)))
        assert collector.flush()
        eventually(lambda: counts(collector).is_down)
        for number in range(11, 41):  # beyond what was read ahead
            send(collector, document(number))
        assert collector.flush()
        source = collector.forwarding._forwarders[0].source
        with source._changed:
            read = len(source._ready) + source._out
        collector.store.remove()
        x_ray.manners = [PROCESSED]
        assert collector.forwarding.flush(10)
        found = counts(collector)
        assert found.delivered == read
        assert total(found) == 40


def test_the_end_waits_a_little_for_what_is_not_delivered_yet(x_ray):
    with running(forward=[target_of(X_RAY)]) as collector:
        send(collector, *(document(number) for number in range(1, 51)))
        eventually(lambda: collector.received == 50)
    assert len(ids(x_ray)) == 50


def test_the_end_does_not_wait_for_a_backend_that_is_down(x_ray, monkeypatch):
    monkeypatch.setattr(forward, "SECONDS_TO_FINISH", 60.0)
    x_ray.manners = [answering(503)]
    with running(forward=[target_of(X_RAY)]) as collector:
        send(collector, document(1))
        assert collector.flush()
        eventually(lambda: counts(collector).troubles["HTTPCode5XXCount"])
        begun = time.monotonic()
    assert time.monotonic() - begun < 30.0


# -- to OTLP --------------------------------------------------------------------------------------


def test_spans_of_subsegments_that_come_alone_belong_to_their_service():
    with backend() as there:
        target = target_of(f"otlp+http://127.0.0.1:{there.port}")
        with running(forward=[target]) as collector:
            recorder = Recorder(
                service="shop", sampling=False, emitter=f"udp://{collector.address}"
            )
            with recorder.in_segment() as segment:
                for _ in range(40):
                    with recorder.in_subsegment("part"):
                        pass
            eventually(lambda: collector.received > 1)
            assert collector.flush()
            assert collector.forwarding.flush(10)
            assert len(there.spans()) == 41
        contents = [request.content for request in there.requests]
        (root,) = [span for span in there.spans() if span.kind == SERVER]
        assert root.span_id.hex() == segment.id
    assert all(content.count(b"unknown_service") == 0 for content in contents)


def test_services_are_found_in_what_has_passed_and_in_what_is_stored():
    segment = {
        **minimal(name="shop", id="1" * 16),
        "service": {"version": "2"},
        "subsegments": [{"id": "2" * 16, "subsegments": [{"id": "3" * 16}, 7]}],
    }
    alone = {"trace_id": segment["trace_id"], "id": "4" * 16, "type": "subsegment"}
    services = Services()
    assert services.of({**alone, "parent_id": "3" * 16}) is None
    services.learn(segment)
    assert services.of({**alone, "parent_id": "3" * 16}) == ("shop", {"service": {"version": "2"}})
    services.learn({**alone, "parent_id": "3" * 16})
    assert services.of({**alone, "id": "5" * 16, "parent_id": "4" * 16})[0] == "shop"
    assert services.of({**alone, "parent_id": "9" * 16}) is None
    assert services.of({}) is None
    stored = [json.dumps(each).encode() for each in ({**alone, "parent_id": "1" * 16}, segment)]
    services = Services(lambda trace_id: [b"{", *stored])
    assert services.of({**alone, "id": "6" * 16, "parent_id": "4" * 16})[0] == "shop"


def test_what_is_in_progress_is_sent_with_its_end_or_at_the_end():
    with backend() as there:
        target = target_of(f"otlp+http://127.0.0.1:{there.port}")
        with running(forward=[target]) as collector:
            begun = json.loads(document(1))
            early = {**begun, "in_progress": True}
            del early["end_time"]
            other = {**early, "id": "f" * 16}
            send(collector, json.dumps(early).encode(), json.dumps(other).encode())
            assert collector.flush()
            assert collector.forwarding.flush(10)
            assert there.spans() == []
            send(collector, document(1))
            assert collector.flush()
            assert collector.forwarding.flush(10)
            assert [span.span_id.hex() for span in there.spans()] == [begun["id"]]
        assert [span.span_id.hex() for span in there.spans()] == [begun["id"], "f" * 16]


# -- in memory ------------------------------------------------------------------------------------


def test_memory_has_a_bound_and_the_oldest_go():
    source = Source(1000)
    source.put([b"x" * 300] * 3)
    items = source.take(2, 10**6, 1.0)
    assert len(items) == 2
    source.put([b"%d" % number + b"y" * 299 for number in range(5)])
    assert (source.lost, source.waiting()) == (3, 5)
    source.give_back(items)
    assert (source.lost, source.waiting()) == (5, 3)
    rest = source.take(10, 10**6, 1.0)
    source.settle(rest)
    assert source.waiting() == 0
    assert [item.parcel.data[:1] for item in rest] == [b"2", b"3", b"4"]


def test_documents_wait_for_others_but_not_for_long(monkeypatch):
    monkeypatch.setattr(sources, "SECONDS_TO_GATHER", 0.2)
    source = Source(1000)
    source.put([b"a"])
    begun = time.monotonic()
    assert len(source.take(50, 1000, 5.0)) == 1
    assert time.monotonic() - begun >= 0.15
    assert source.take(50, 1000, 0.01) == []
    source.put([b"a", b"b"])
    assert len(source.take(2, 1000, 5.0)) == 2
    source.stop()
    assert source.take(50, 1000, 5.0) == []


class Broken:
    """A backend with a fault of ours."""

    url = "broken:"
    max_documents = max_bytes = 100
    failures = 1

    def deliver(self, parcels, deadline, final=False):
        if self.failures and parcels:
            self.failures -= 1
            raise ZeroDivisionError
        return Outcome(sent=len(parcels))

    def close(self):
        pass


def test_a_fault_of_ours_is_counted_and_the_next_are_delivered(caplog):
    source = Source(1000)
    forwarder = Forwarder(
        Target("broken:", "http://broken", lambda services: Broken(), 1, None), source
    )
    forwarder.start()
    source.put([b"a"])
    eventually(lambda: forwarder.counts().refused)
    source.put([b"b", b"c"])
    assert forwarder.flush(10)
    forwarder.stop()
    found = forwarder.counts()
    assert (found.delivered, found.refused) == (2, {"forwarding failed": 1})
    assert str(found) == "broken:: delivered 2, lost 0, refused 1"
    assert isinstance(found, ForwardCounts)


# -- the outbox -----------------------------------------------------------------------------------


def test_batches_are_forgotten_when_all_of_them_is_settled(tmp_path):
    store = open_store(str(tmp_path / "traces.db"))
    outbox = store.outbox(["a", "b"])
    put(store, *(json.loads(document(number)) for number in range(1, 6)))
    assert (outbox.waiting("a"), outbox.waiting("b"), outbox.waiting("c")) == (5, 5, 0)
    source = StoredSource(outbox, "a")
    items = [item for _ in range(5) for item in source.take(1, 10**6, 5.0)]
    source.settle(items[:4])
    source.tidy()
    assert (outbox.waiting("a"), source.waiting()) == (5, 1)
    source.settle(items[4:])
    source.tidy()
    assert (outbox.waiting("a"), outbox.waiting("b"), source.waiting()) == (0, 5, 0)
    store.close()
    again = open_store(str(tmp_path / "traces.db"))
    assert again.outbox(["b"]).waiting("b") == 5
    put(again, json.loads(document(9)))
    assert (again.outbox(["b"]).waiting("b"), again.outbox([]).waiting("a")) == (6, 0)
    again.close()


def test_a_store_that_forwards_to_nobody_keeps_no_account():
    store = open_store(":memory:")
    put(store, minimal(start_time=NOON))
    assert store.outbox(["a"]).waiting("a") == 0
    store.close()


# -- targets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["", "udp://h:1", "xray://not a region", "otlp+http://h:0", "http://h", "otlp+grpc://h"]
)
def test_what_is_no_target_is_an_error_that_says_so(url):
    with pytest.raises(ForwardError, match=re.escape(repr(url))):
        target_of(url)


def test_settings_of_x_ray(x_ray):
    settings = Settings(region="eu-north-1", endpoint="https://127.0.0.1:1", verifies=False)
    target = target_of("xray:", settings)
    assert target.url == "xray://eu-north-1"
    assert target.concurrency == 8
    api = target.api()
    assert api.url == "https://127.0.0.1:1"
    assert api._client._context.check_hostname is False
    with pytest.raises(ForwardError, match="no region"):
        target_of("xray:")
    role = Settings(role_arn="arn:aws:iam::1:role/r")
    assert target_of("xray://eu-west-1", role).api().signer.role_arn == role.role_arn
    own = target_of("otlp+https://xray.eu-west-1.amazonaws.com", role)
    assert own.make_backend(None)._signer.role_arn == role.role_arn
    with pytest.raises(ForwardError, match="nonsense"):
        target_of("xray:", Settings(region="eu-west-1", endpoint="nonsense"))
