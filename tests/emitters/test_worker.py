"""The worker of the HTTP emitters: what it does when the backend doesn't do what it should.

Everywhere recorded = sent + pending + dropped, nobody waits, and memory has a bound.
"""

from __future__ import annotations

import os
import random
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest
import trustme

import xtrace
from tests.delivery.backend import answering, backend, dripping, raw, reset, silent
from tests.helpers import ended, eventually, free_port, keeping_recorder
from xtrace import faults, forks
from xtrace.delivery import http, retry
from xtrace.emitters import worker
from xtrace.emitters.otlp import OtlpEmitter
from xtrace.ledger import EmitterStats
from xtrace.recorder import Recorder

OK = answering()


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What is tried again is tried again soon."""
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(retry, "LAST_SECONDS", 0.05)
    monkeypatch.setattr(worker, "SECONDS_TO_GATHER", 0.02)


@pytest.fixture
def emitter_to():
    """Makes an emitter to a port; it is closed afterwards."""
    made = []

    def make(port, scheme="otlp+http", host="127.0.0.1"):
        made.append(OtlpEmitter(f"{scheme}://{host}:{port}"))
        return made[-1]

    yield make
    for emitter in made:
        emitter.close()


def stats(emitter):
    return EmitterStats(emitter.url, emitter.ledger)


# -- what goes wrong on the wire ------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        answering(429),
        answering(502),
        answering(503, b"overloaded"),
        answering(504),
        answering(503, retry_after="0"),
        reset,
        raw(b""),
        raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        raw(b"220 smtp.example.com\r\n"),
        raw(b"\x15\x03\x01\x00\x02"),
        # More headers than http.client takes, also where clickhouse_connect has made that 10,000.
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"),
    ],
    ids=lambda manner: getattr(manner, "__name__", ""),
)
def test_what_goes_wrong_is_tried_again_until_it_goes_well(emitter_to, trouble):
    with backend(trouble, trouble, OK) as there:
        emitter = emitter_to(there.port)
        batches = [ended(parts=2) for _ in range(3)]
        for batch in batches:
            emitter.send(batch)
        eventually(lambda: stats(emitter).sent == 9)
        last = [span.span_id.hex() for span in there.requests[-1].spans()]
        assert set(last) <= {entity.id for batch in batches for entity in batch}
    assert stats(emitter).dropped == {}
    assert faults.counts["emitter"] >= 2


CHAOS = (
    OK,
    answering(200, connection="close"),
    answering(400),
    answering(413),
    answering(415),
    answering(429, retry_after="0"),
    answering(503),
    reset,
    raw(b""),
    raw(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False),
    raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
    raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
    raw(b"nonsense\r\n\r\n"),
)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_backend_does_everything_is_sent_or_dropped_once(emitter_to, seed):
    chance = random.Random(seed)
    with backend(*chance.choices(CHAOS, k=25), OK) as there:
        emitter = emitter_to(there.port)
        for _ in range(60):
            if chance.random() < 0.2:
                # Held back until the end.
                emitter.send([keeping_recorder().begin_segment("open")])
            else:
                emitter.send(ended(parts=chance.randrange(4)))
            if chance.random() < 0.3:
                emitter.flush(chance.choice((0.0, 0.05, 5.0)))
            if chance.random() < 0.03:
                emitter.close()
            assert stats(emitter).pending >= 0
        emitter.finish(20)
        eventually(lambda: stats(emitter).pending == 0)
        told = stats(emitter)
        assert told.recorded == told.sent + sum(told.dropped.values())
        # Each of those that were counted as sent was there; some twice, whose answers got lost.
        assert len({id for request in there.requests for id in span_ids(request)}) >= told.sent


def span_ids(request):
    if request.headers["content-type"] == "application/x-protobuf":
        return [span.span_id.hex() for span in request.spans()]
    (resources,) = request.json().values()
    return [
        span["spanId"]
        for resource in resources
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_what_was_delivered_is_not_sent_again(emitter_to):
    with backend(OK, answering(503), OK) as there:
        emitter = emitter_to(there.port)
        for _ in range(3):
            emitter.send(ended())
            emitter.flush(5)
        eventually(lambda: stats(emitter).sent == 3)
        ids = [span.span_id for r in (there.requests[0], *there.requests[2:]) for span in r.spans()]
    assert len(ids) == len(set(ids)) == 3


def test_a_backend_that_starts_later_gets_everything(emitter_to):
    port = free_port()
    emitter = emitter_to(port)
    for _ in range(20):
        emitter.send(ended())
    eventually(lambda: emitter._worker._backoff.is_open)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        connection, _ = listener.accept()
        with connection:
            head = connection.recv(65_536)
            assert head.startswith(b"POST /v1/traces")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            eventually(lambda: stats(emitter).sent)
    assert stats(emitter).dropped == {}


def test_a_connection_that_the_backend_has_closed_is_opened_anew(emitter_to):
    with backend(answering(200, connection="close"), OK, raw(b""), OK) as there:
        emitter = emitter_to(there.port)
        for _ in range(3):
            emitter.send(ended())
            eventually(lambda: not stats(emitter).pending)
    assert stats(emitter).sent == 3


def test_retry_after_is_waited_for(emitter_to):
    with backend(answering(503, retry_after="3600"), OK) as there:
        emitter = emitter_to(there.port)
        emitter.send(ended())
        eventually(lambda: there.requests)
        eventually(lambda: emitter._worker._not_before > time.monotonic() + 200)
        assert emitter._worker._not_before < time.monotonic() + 400
        assert (len(there.requests), stats(emitter).pending) == (1, 1)
        emitter.flush(5)  # who flushes wants it now
        assert stats(emitter).sent == 1


def test_documents_that_the_backend_stumbles_over_do_not_block_the_way(emitter_to, monkeypatch):
    monkeypatch.setattr(worker, "ATTEMPTS", 3)

    def stumbling(connection, request):
        is_bad = any(span.name == "bad" for span in request.spans())
        answering(503 if is_bad else 200)(connection, request)

    with backend(stumbling) as there:
        emitter = emitter_to(there.port)
        emitter.send(ended("bad"))
        eventually(lambda: there.requests)
        emitter.send(ended("good"))
        eventually(lambda: not stats(emitter).pending)
        assert "good" in {span.name for span in there.spans()}
    assert stats(emitter).dropped.pop("given up after many attempts") >= 1


# -- TLS ------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """A certificate authority that the emitters trust, and the context of a server of its own."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "ca.pem"))
    return ca


def context_of(authority, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_tls(emitter_to, authority):
    with backend(context=context_of(authority, "127.0.0.1")) as there:
        emitter = emitter_to(there.port, "otlp+https")
        for _ in range(3):
            emitter.send(ended())
            emitter.flush(10)
        assert stats(emitter).sent == 3
        assert there.connections == 1


def authority_context(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("wrong", ["another name", "another authority", "no TLS"])
def test_a_backend_that_cannot_be_trusted_gets_nothing(emitter_to, authority, wrong, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
    context = {
        "another name": context_of(authority, "example.com"),
        "another authority": context_of(trustme.CA(), "127.0.0.1"),
        "no TLS": None,
    }[wrong]
    with backend(context=context) as there:
        emitter = emitter_to(there.port, "otlp+https")
        emitter.send(ended())
        eventually(lambda: emitter._worker._backoff.failures > 1)
        assert there.requests == []
    assert stats(emitter).pending == 1


# -- nobody waits, and there is a bound -----------------------------------------------------------


@pytest.mark.parametrize("manner", [silent, dripping(1.0)])
def test_flushing_ends_in_time(emitter_to, manner):
    with backend(manner) as there:
        emitter = emitter_to(there.port)
        emitter.send(ended())
        begun = time.monotonic()
        emitter.flush(0.3)
        assert time.monotonic() - begun < 5.0  # an answer would take ten
        assert stats(emitter).pending == 1
        emitter.close()


def test_a_request_has_an_end_however_slowly_the_answer_comes(emitter_to, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
    with backend(dripping(0.5), OK) as there:
        emitter = emitter_to(there.port)
        emitter.send(ended())
        eventually(lambda: stats(emitter).sent == 1)
        assert len(there.requests) >= 2


def test_what_does_not_fit_is_dropped_the_oldest_first(emitter_to, monkeypatch):
    with backend(silent) as there:
        emitter = emitter_to(there.port)
        emitter._worker._max_waiting_bytes = 50_000
        emitter.send(ended("first"))
        eventually(lambda: there.requests)
        for number in range(30):
            emitter.send(ended(f"segment {number}", filling="x" * 4000))
        assert emitter._worker._waiting_bytes <= 50_000
        dropped = stats(emitter).dropped["queue full"]
        assert 15 < dropped < 25
        names = [each.parcel.service[0] for each in emitter._worker._waiting]
        assert names == [f"segment {number}" for number in range(dropped, 30)]
        emitter.close()
    eventually(lambda: not stats(emitter).pending)
    assert stats(emitter).sent == 0


def test_a_queue_that_fills_up_is_emptied_without_giving_way(emitter_to, monkeypatch):
    """A process that is never idle would leave the worker a tenth of the time to empty it in."""
    monkeypatch.setattr(forks, "may_start_threads", lambda: False)  # flushing delivers, here
    seen = []
    with backend() as there:
        emitter = emitter_to(there.port)
        waiting, inside = emitter._worker, emitter._worker._backend
        waiting._max_waiting_bytes = 40_000
        deliver, inside.max_documents = inside.deliver, 1

        def watched(*words):
            seen.append((waiting._waiting_bytes < 10_000, inside.gives_way))
            return deliver(*words)

        monkeypatch.setattr(inside, "deliver", watched)
        for _ in range(30):
            emitter.send(ended(x="y" * 400))
        emitter.flush(20)
    assert set(seen) == {(True, True), (False, False)}
    assert stats(emitter).sent == 30


def test_a_backend_that_is_down_is_the_reason_for_drops(emitter_to):
    emitter = emitter_to(free_port())
    emitter._worker._max_waiting_bytes = 2000
    emitter.send(ended())
    eventually(lambda: emitter._worker._backoff.is_open)
    for _ in range(20):
        emitter.send(ended())
    assert stats(emitter).dropped["backend down"] > 5


def test_closing_drops_what_waits_and_later_entities_are_sent(emitter_to):
    with backend(answering(503, retry_after="100"), OK) as there:
        emitter = emitter_to(there.port)
        emitter.send(ended(parts=1))
        eventually(lambda: there.requests and emitter._worker._not_before)
        emitter.close()
        assert stats(emitter).dropped == {"not sent in time": 2}
        emitter.send(ended())
        emitter.flush(5)
        assert stats(emitter).sent == 1


def test_closing_does_not_wait_for_an_answer(emitter_to):
    with backend(silent) as there:
        emitter = emitter_to(there.port)
        emitter.send(ended())
        eventually(lambda: there.requests)
        begun = time.monotonic()
        emitter.close()
        assert time.monotonic() - begun < 5.0  # an answer would take ten


def test_closing_drops_what_is_in_progress_too(emitter_to, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
    recorder = keeping_recorder()
    with backend(OK, silent) as there:
        emitter = emitter_to(there.port)
        emitter.send(ended())
        eventually(lambda: stats(emitter).sent == 1)
        emitter.send([recorder.begin_segment("open")])
        emitter.flush(10)
        assert stats(emitter).pending == 1  # it waits for its end
        emitter.send(ended())
        eventually(lambda: len(there.requests) == 2)
        emitter.close()
        eventually(lambda: not stats(emitter).pending)
    assert stats(emitter).dropped == {"not sent in time": 2}


def test_without_a_thread_flushing_does_not_wait_for_a_delivery_that_goes_on(
    emitter_to, monkeypatch
):
    monkeypatch.setattr(forks, "may_start_threads", lambda: False)
    emitter = emitter_to(free_port())
    emitter.send(ended())
    delivering = emitter._worker._delivering
    delivering.acquire()
    let_go = threading.Timer(20.0, delivering.release)
    let_go.start()
    begun = time.monotonic()
    emitter.flush(0.1)
    assert time.monotonic() - begun < 10.0
    let_go.cancel()
    delivering.release()
    assert stats(emitter).pending == 1


def test_an_emitter_that_is_thrown_away_ends_its_thread():
    def threads():
        return [each for each in threading.enumerate() if each.name == "xtrace-emitter"]

    with backend() as there:
        emitter = OtlpEmitter(f"otlp+http://127.0.0.1:{there.port}")
        emitter.send(ended())
        emitter.flush(5)
        before = len(threads())
        del emitter
        eventually(lambda: len(threads()) == before - 1)


def test_fault_in_the_backend_is_a_counted_drop(emitter_to, lenient_faults):
    emitter = emitter_to(free_port())
    emitter._worker._backend.deliver = None
    emitter.send(ended(parts=2))
    eventually(lambda: not stats(emitter).pending)
    assert stats(emitter).dropped == {"emitter failed": 3}


def test_many_threads_lose_nothing(emitter_to):
    with backend() as there:
        emitter = emitter_to(there.port)
        batches = [[ended(parts=1) for _ in range(50)] for _ in range(8)]

        def send(mine):
            for batch in mine:
                emitter.send(batch)

        threads = [threading.Thread(target=send, args=(mine,)) for mine in batches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        emitter.flush(20)
        assert len({span.span_id for span in there.spans()}) == 800
    assert stats(emitter).sent == 800


# -- addresses and proxies ------------------------------------------------------------------------


def hanging(monkeypatch):
    """Names are looked up for ever, until the event is set; addresses are read as always."""
    real, answers = socket.getaddrinfo, threading.Event()
    asked = []

    def getaddrinfo(host, *args, **kwargs):
        if kwargs.get("flags"):
            return real(host, *args, **kwargs)
        asked.append(host)
        answers.wait()
        return real("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers, asked


def test_a_name_that_is_never_resolved_ends_a_request_in_time_and_is_asked_for_once(monkeypatch):
    answers, asked = hanging(monkeypatch)
    with backend() as there:
        client = http.Client(http.Place("http", "collector.example", there.port, ""), "")
        for _ in range(3):
            with pytest.raises(
                http.Unreachable, match="collector.example takes too long"
            ) as caught:
                client.request("POST", "/", {}, b"", time.monotonic() + 0.05)
            assert caught.value.kind == "TimeoutCount"
        answers.set()
        assert client.request("POST", "/", {}, b"", time.monotonic() + 10).status == 200
        client.close()
    assert asked == ["collector.example"]


def test_without_a_thread_for_it_no_name_is_looked_up_where_the_program_ends(monkeypatch):
    """Python 3.12 starts none then; a background thread may wait for the answer, the main one not."""
    answers, asked = hanging(monkeypatch)
    answers.set()

    def refusing(self):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with backend() as there:
        client = http.Client(http.Place("http", "collector.example", there.port, ""), "")
        outcomes = []

        def request():
            try:
                outcomes.append(client.request("POST", "/", {}, b"", time.monotonic() + 10).status)
            except http.Unreachable as error:
                outcomes.append(str(error))
            client.close()

        background = threading.Thread(target=request)
        background.start()  # it begins before no more do
        background.join()
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refusing)
            request()
    assert outcomes[0] == 200
    assert "can't create new thread" in outcomes[1]
    assert asked == ["collector.example"]


def test_an_address_that_is_silent_leaves_time_for_the_next(monkeypatch):
    with backend() as there, socket.socket() as silent_one:
        silent_one.bind(("127.0.0.1", 0))
        silent_one.listen(0)
        full = [socket.socket() for _ in range(4)]
        for each in full:  # its queue is full: what else comes isn't answered at all
            each.setblocking(False)
            each.connect_ex(silent_one.getsockname())
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", silent_one.getsockname()),
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", there.port)),
        ]
        begun = time.monotonic()
        with http.connect(addresses, begun + 1.0) as connection:
            assert connection.getpeername() == ("127.0.0.1", there.port)
        assert time.monotonic() - begun >= 0.4  # the first was tried
        for each in full:
            each.close()


def test_a_proxy_that_asks_who_we_are_is_told(emitter_to, monkeypatch):
    with backend() as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:p%40ss@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        emitter = emitter_to(4318, host="otel.example")
        emitter.send(ended())
        eventually(lambda: stats(emitter).sent == 1)
        (request,) = proxy.requests
    assert request.path == "http://otel.example:4318/v1/traces"
    assert request.headers["host"] == "otel.example:4318"
    assert request.headers["proxy-authorization"] == "Basic bWU6cEBzcw=="


def test_a_proxy_is_told_in_the_tunnel_and_the_backend_is_not(authority, monkeypatch):
    with backend(context=context_of(authority, "127.0.0.1")) as there, tunnel(there.port) as proxy:
        client = http.Client(
            http.Place("https", "127.0.0.1", there.port, ""),
            f"http://me:secret@127.0.0.1:{proxy.port}",
            authority_context(authority),
        )
        assert client.request("POST", "/", {}, b"x", time.monotonic() + 10).status == 200
        client.close()
    assert b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n" in proxy.head
    assert proxy.head.startswith(b"CONNECT 127.0.0.1:")
    assert "proxy-authorization" not in there.requests[0].headers


@contextmanager
def tunnel(port):
    """A proxy that takes one CONNECT, to a port of this machine."""
    said = SimpleNamespace(head=b"", port=0)

    def copy(source, target):
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve():
        connection, _ = listener.accept()
        with connection, socket.create_connection(("127.0.0.1", port)) as there:
            while not said.head.endswith(b"\r\n\r\n"):
                said.head += connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=copy, args=(there, connection), daemon=True)
            back.start()
            copy(connection, there)
            back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        said.port = listener.getsockname()[1]
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield said
        serving.join(10)


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("https://proxy:3128", "over https; write http://host:port"),
        ("http://me:secret@:3128", "':3128' has no host"),
        ("proxy:0", "has the port 0"),
    ],
)
def test_what_is_no_proxy_is_an_error_without_the_password(proxy, said):
    with pytest.raises(ValueError, match=said) as caught:
        http.proxy_of(proxy)
    assert "secret" not in str(caught.value)


# -- threads and forks ----------------------------------------------------------------------------


def test_without_a_thread_flushing_delivers(emitter_to, monkeypatch):
    monkeypatch.setattr(forks, "may_start_threads", lambda: False)
    with backend() as there:
        emitter = emitter_to(there.port)
        emitter.send(ended())
        assert emitter._worker._thread is None
        emitter.flush(5)
        assert len(there.spans()) == 1


def test_a_thread_that_cannot_be_started_is_started_later(emitter_to, monkeypatch):
    def refusing(self):
        raise RuntimeError("can't start new thread")

    with backend() as there:
        emitter = emitter_to(there.port)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refusing)
            emitter.send(ended())
        assert emitter._worker._thread is None
        emitter._worker._thread_due = 0.0
        emitter.send(ended())
        eventually(lambda: stats(emitter).sent == 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_sends_its_own_over_a_connection_of_its_own():
    with backend() as there:
        recorder = Recorder(
            service="shop", sampling=False, emitter=f"otlp+http://127.0.0.1:{there.port}"
        )
        with recorder.in_segment("parent"):
            pass
        recorder.flush(5)
        child = os.fork()
        if not child:
            try:
                with recorder.in_segment("child"):
                    pass
                recorder.flush(5)
                ok = recorder.stats().sent == recorder.stats().recorded == 1
                os._exit(0 if ok else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        with recorder.in_segment("parent again"):
            pass
        recorder.flush(5)
        assert sorted(span.name for span in there.spans()) == ["child", "parent", "parent again"]
        assert there.connections == 2
        assert recorder.stats().sent == 2
        recorder.configure(emitter="memory:")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_delivery_is_the_parents_to_finish():
    answer = threading.Event()

    def late(connection, request):
        answer.wait(60)
        OK(connection, request)

    with backend(late, OK) as there:
        recorder = Recorder(
            service="shop", sampling=False, emitter=f"otlp+http://127.0.0.1:{there.port}"
        )
        with recorder.in_segment("parent"):
            pass
        eventually(lambda: there.requests)
        child = os.fork()
        if not child:
            try:
                with recorder.in_segment("child"):
                    pass
                recorder.flush(20)
                mine = recorder.stats()
                os._exit(0 if (mine.recorded, mine.sent, mine.pending) == (1, 1, 0) else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert (recorder.stats().recorded, recorder.stats().pending) == (1, 1)
        answer.set()
        eventually(lambda: recorder.stats().sent == 1)
        assert sorted(span.name for span in there.spans()) == ["child", "parent"]
        recorder.configure(emitter="memory:")


GREEN = """
import gevent.monkey; gevent.monkey.patch_all()
import sys, gevent, xtrace
xtrace.configure(service="shop", sampling=False, emitter=sys.argv[1:])
def serve(number):
    with xtrace.in_segment():
        gevent.sleep(0)
ticks = 0
def ticking():
    global ticks
    while True:
        gevent.sleep(0.01)
        ticks += 1
gevent.spawn(ticking)
gevent.joinall([gevent.spawn(serve, number) for number in range(50)])
before = ticks
xtrace.flush(1.0)
assert ticks > before + 1  # nobody stands still while it is waited for an answer
stats = xtrace.stats()
assert stats.recorded == 100 == stats.sent + stats.pending + sum(stats.dropped.values()), stats
assert stats.sent == 50, stats
"""


def test_greenlets_go_on_while_one_backend_is_silent_and_the_other_gets_all():
    with backend(silent) as hole, backend() as there:
        urls = [f"otlp+http://127.0.0.1:{each.port}" for each in (hole, there)]
        ran = subprocess.run(
            [sys.executable, "-c", GREEN, *urls], capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        assert len(there.spans()) == 50


# -- exit -----------------------------------------------------------------------------------------

PROGRAM = """
import sys, xtrace
xtrace.configure(service="shop", sampling=False, emitter=sys.argv[1:])
for _ in range(10):
    with xtrace.in_segment():
        pass
xtrace.begin_segment("open")
"""


def run(*urls):
    begun = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *urls], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return time.monotonic() - begun, ran.stderr


def test_a_program_that_ends_at_once_delivers_everything():
    with backend() as there:
        run(f"otlp+http://127.0.0.1:{there.port}")
        assert len({span.span_id for span in there.spans()}) == 11


def test_no_backend_keeps_a_program_from_ending():
    usual, _ = run("memory:")
    with backend(silent) as black_hole, backend(dripping(1.0)) as slow:
        ports = (black_hole.port, slow.port, free_port())
        took, said = run(*(f"otlp+http://127.0.0.1:{port}" for port in ports))
    assert took - usual < 4.0  # a second is allowed for; the rest is for a busy machine
    assert "not sent in time" in said


# -- traced by nobody -----------------------------------------------------------------------------


def test_what_it_sends_is_nobodys_call(emitter_to):
    """With everything patched, and an open segment, the requests leave no subsegment."""
    program = """
import sys, xtrace
xtrace.configure(service="shop", sampling=False, emitter=["memory:", sys.argv[1]])
xtrace.patch_all()
with xtrace.in_segment("a"):
    for _ in range(40):
        with xtrace.in_subsegment("b"):
            pass
    xtrace.flush(5)
xtrace.flush(5)
names = set()
waiting = list(xtrace.recorder.emitters[0].documents)
for each in waiting:
    names.add(each["name"])
    waiting += each.get("subsegments", ())
assert names == {"a", "b"}, names
"""
    with backend() as there:
        url = f"otlp+http://127.0.0.1:{there.port}"
        ran = subprocess.run(
            [sys.executable, "-c", program, url], capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        assert len(there.spans()) == 41
        assert not any("x-amzn-trace-id" in request.headers for request in there.requests)


# -- the pieces -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("100000", 300.0),
        ("Thu, 01 Jan 1970 00:16:45 GMT", 5.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_retry_after(value, seconds):
    assert retry.retry_after(value, 1000.0) == seconds


def test_waits_double_with_jitter_and_have_an_end(monkeypatch):
    monkeypatch.undo()
    backoff = retry.Backoff(random=lambda: 1.0)
    assert [backoff.failed() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff.is_open
    backoff.succeeded()
    assert not backoff.is_open
    assert retry.Backoff(random=lambda: 0.0).failed() == 0.25
    assert retry.Backoff(random=lambda: 0.5).failed(20.0) == 21.0


def test_the_recorder_flushes_all_emitters_in_one_time():
    with backend(silent) as one, backend(silent) as other:
        urls = [f"otlp+http://127.0.0.1:{there.port}" for there in (one, other)]
        recorder = Recorder(service="a", sampling=False, emitter=urls)
        with recorder.in_segment():
            pass
        begun = time.monotonic()
        recorder.flush(3.0)
        assert time.monotonic() - begun < 5.5
        for emitter in recorder.emitters:
            emitter.close()


def test_version_is_told():
    with backend() as there:
        emitter = OtlpEmitter(f"otlp+http://127.0.0.1:{there.port}")
        emitter.send(ended())
        emitter.finish(5)
        assert there.requests[0].headers["user-agent"] == f"xtrace/{xtrace.__version__}"


def test_a_recorder_without_segments_starts_no_thread():
    before = threading.active_count()
    OtlpEmitter("otlp+http://127.0.0.1:1").finish(1)
    assert threading.active_count() == before
    assert keeping_recorder().stats().recorded == 0
