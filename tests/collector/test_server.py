"""The collector as a whole, with our own SDK in front of it, and as a program."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.helpers import DEADLINE_SECONDS, eventually
from tests.servers.clickhouse import clickhouse_server
from xtrace.cli.collector import age, size
from xtrace.collector import Collector, running
from xtrace.collector.occupant import occupant
from xtrace.collector.server import NotLocal, Taken
from xtrace.collector.store import Window, open_to_read
from xtrace.recorder import Recorder

ROOT = Path(__file__).parents[2]


def ask(url_or_address, path, body=None, **headers):
    """Status, headers and body of an HTTP reply."""
    address = url_or_address.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=DEADLINE_SECONDS)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", path, body, given)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def stats_of(collector):
    return json.loads(ask(collector.url, "/api/v1/stats")[2])


def document(number=0, **members):
    now = time.time()
    return {
        "trace_id": f"1-{int(now):08x}-{number:024x}",
        "id": f"{number:016x}",
        "name": "shop",
        "start_time": now - 1,
        "end_time": now,
        **members,
    }


def put(collector, *documents):
    texts = [each if isinstance(each, str) else json.dumps(each) for each in documents]
    body = json.dumps({"TraceSegmentDocuments": texts})
    status, _, reply = ask(collector.url, "/TraceSegments", body)
    assert status == 200
    return json.loads(reply)["UnprocessedTraceSegments"]


def send(collector, *bodies):
    host, port = collector.endpoint
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        for body in bodies:
            sender.sendto(b'{"format":"json","version":1}\n' + body, (host, port))


# -- what arrives


def test_what_x_ray_would_say_of_a_trace_can_be_asked_for():
    with running() as collector:
        good = document(1, metadata={"AWS.x": {}})
        bad = {**good, "id": "2" * 16, "user": "u" * 251, "subsegments": [{"id": "3"}]}
        taken = json.dumps({"TraceSegmentDocuments": [json.dumps(good), json.dumps(bad)]})
        assert ask(collector.url, "/TraceSegments", taken)[0] == 200
        collector.flush()
        path = f"/api/v1/traces/{good['trace_id']}/verdicts"
        status, _, said = ask(collector.url, path)
        told = json.loads(said)
        assert (status, told["documents"], told["complete"]) == (200, 2, True)
        found = [(v["document"], v["code"], v["path"], v["effect"]) for v in told["verdicts"]]
        assert found[0] == (good["id"], "reserved", "metadata.AWS.x", "changes")
        assert ("2" * 16, "too long", "user", "rejects") in found
        assert ("2" * 16, "malformed", "subsegments[0].id", "rejects") in found
        assert all(verdict["why"] for verdict in told["verdicts"])
        assert ask(collector.url, "/api/v1/traces/nobody/verdicts")[0] == 404
        checks = stats_of(collector)["checks"]
        assert (checks["checked"], checks["rejected"]) == (2, 1)
        assert checks["codes"] == {"malformed": 1, "missing": 1, "too long": 1}


def test_what_the_sdk_sends_is_stored():
    with running() as collector:
        recorder = Recorder(service="shop", sampling=False, daemon_address=collector.address)
        for number in range(1, 501):
            with recorder.in_segment(), recorder.in_subsegment("work"):
                pass
            if number % 50 == 0:  # no burst: a busy machine's kernel would drop some
                eventually(lambda number=number: collector.stored == number)
        assert collector.store.size().documents == 500
        assert collector.received == 500
        assert recorder.stats().sent == 1000


def test_what_has_arrived_is_stored_before_it_stops(tmp_path):
    path = str(tmp_path / "traces.db")
    with running(path=path) as collector:
        recorder = Recorder(service="shop", sampling=False, daemon_address=collector.address)
        with recorder.in_segment():
            pass
    assert collector.stored == 1
    assert collector.summary() == "received 1, stored 1, malformed 0, dropped 0, waiting 0"
    again = open_to_read(path)
    assert again.size().documents == 1
    again.close()


def test_every_document_is_in_the_counts_once():
    with running() as collector:
        send(collector, b"nonsense", b"{}", json.dumps(document(1)).encode())
        assert len(put(collector, document(2), "[", json.dumps({"id": "x"}))) == 2
        eventually(lambda: stats_of(collector)["received"] == 6)
        collector.flush()
        counts = stats_of(collector)
        assert (counts["stored"], counts["malformed"]) == (2, 4)
        assert (counts["dropped"], counts["waiting"], counts["lost_by_kernel"]) == (0, 0, 0)
        assert counts["store"]["documents"] == 2
        assert {each["beginning"] for each in counts["malformed_documents"]} >= {"nonsense", "["}
    assert collector.summary() == "received 6, stored 2, malformed 4, dropped 0, waiting 0"


def test_what_was_sent_before_a_flush_shows_after_it():
    for endpoint in (("127.0.0.1", 0), ("::1", 0), ("0.0.0.0", 0)):
        with running(endpoint, allow_remote=True) as collector:
            port = collector.endpoint[1]
            host = {"0.0.0.0": "127.0.0.1"}.get(endpoint[0], endpoint[0])
            for number in range(20):
                sent = [document(100 * number + part) for part in range(3)]
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                with socket.socket(family, socket.SOCK_DGRAM) as sender:
                    for each in sent:
                        text = json.dumps(each).encode()
                        sender.sendto(b'{"format":"json","version":1}\n' + text, (host, port))
                assert collector.flush()
                page = collector.store.find(Window(time.time() - 60, time.time() + 60))
                assert {each["Id"] for each in page.summaries} >= {d["trace_id"] for d in sent}
            assert collector.counts()[:3] == (60, 60, 0)
    assert collector.flush()  # nothing is on its way any more


def test_why_a_document_was_not_taken():
    with running() as collector:
        bad = document(7, trace_id=5)
        assert put(collector, bad) == [
            {"Id": bad["id"], "ErrorCode": "InvalidTraceId", "Message": "trace_id is no text."}
        ]
        (nameless,) = put(collector, "}")
        assert nameless["Id"] is None


def test_it_listens_on_ipv6_too():
    with running(("::1", 0)) as collector:
        assert collector.address.startswith("[::1]:")
        recorder = Recorder(service="shop", sampling=False, daemon_address=collector.address)
        with recorder.in_segment():
            pass
        eventually(lambda: collector.stored == 1)
        assert ask(collector.url, "/health")[0] == 200


def test_udp_and_tcp_have_the_same_port_unless_told_otherwise():
    with running() as collector:
        assert collector.endpoint == collector.http_endpoint
        assert collector.url == f"http://{collector.address}"
    with running(tcp=("127.0.0.1", 0)) as collector:
        udp, tcp = collector.endpoint[1], collector.http_endpoint[1]
        assert collector.address == f"tcp:127.0.0.1:{tcp} udp:127.0.0.1:{udp}"
        assert ask(collector.url, "/health")[0] == 200


def test_a_trace_shows_soon_after_its_last_datagram():
    with running() as collector:
        sent = document(1)
        send(collector, json.dumps(sent).encode())
        began = time.monotonic()
        asked = {"StartTime": sent["start_time"] - 60, "EndTime": sent["end_time"] + 60}

        def shows():
            reply = ask(collector.url, "/TraceSummaries", json.dumps(asked))[2]
            return [each["Id"] for each in json.loads(reply)["TraceSummaries"]]

        eventually(shows)
        assert shows() == [sent["trace_id"]]
        assert time.monotonic() - began < 1.0


# -- beside the operations


def test_a_probe_is_told_what_this_is():
    with running() as collector:
        status, headers, body = ask(collector.url, "/health")
        assert (status, headers["content-type"]) == (200, "application/json")
        said = json.loads(body)
        assert (said["program"], said["pid"], said["status"]) == (
            "xtrace collector",
            os.getpid(),
            "ok",
        )


def test_a_person_is_told_what_this_is():
    with running() as collector:
        status, headers, body = ask(collector.url, "/")
        assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert b"xtrace collector" in body


def test_prometheus_is_told_the_counts():
    with running() as collector:
        put(collector, document(1))
        collector.flush()
        status, headers, body = ask(collector.url, "/metrics")
        assert status == 200
        assert headers["content-type"].startswith("text/plain")
        assert b"xtrace_documents_stored_total 1.0" in body


SPAN = {
    "traceId": "5759e988bd862e3fe1be46a994272793",
    "spanId": "53995c3f42cd8ad8",
    "name": "GET /",
    "kind": 2,
}


def otlp_request(**members):
    now = time.time_ns()
    times = {"startTimeUnixNano": str(now - 10**9), "endTimeUnixNano": str(now)}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "otel shop"}}]}
    spans = [{**SPAN, **times, **members}]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}


def test_opentelemetry_in_json():
    with running() as collector:
        body = json.dumps(otlp_request())
        status, headers, reply = ask(
            collector.url, "/v1/traces", body, content_type="application/json"
        )
        assert (status, headers["content-type"], reply) == (200, "application/json", b"{}")
        (trace,) = collector.store.traces(["1-5759e988-bd862e3fe1be46a994272793"])
        assert trace.root.name == "otel shop"


def test_opentelemetry_in_compressed_protobuf():
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    span = resource.scope_spans.add().spans.add()
    span.trace_id = bytes.fromhex(SPAN["traceId"])
    span.span_id = bytes.fromhex(SPAN["spanId"])
    span.start_time_unix_nano = time.time_ns() - 10**9
    span.end_time_unix_nano = time.time_ns()
    with running() as collector:
        status, headers, reply = ask(
            collector.url,
            "/v1/traces",
            gzip.compress(request.SerializeToString()),
            content_type="application/x-protobuf",
            content_encoding="gzip",
        )
        assert (status, headers["content-type"]) == (200, "application/x-protobuf")
        assert not ExportTraceServiceResponse.FromString(reply).partial_success.rejected_spans
        assert collector.store.traces(["1-5759e988-bd862e3fe1be46a994272793"])


def test_opentelemetry_that_cant_be_taken():
    with running() as collector:
        ancient = json.dumps(otlp_request(startTimeUnixNano="1", endTimeUnixNano="2"))
        status, _, reply = ask(
            collector.url, "/v1/traces", ancient, content_type="application/json"
        )
        assert status == 200
        assert json.loads(reply)["partialSuccess"]["rejectedSpans"] == "1"
        assert collector.malformed == 1
        for body, kind, expected in (
            ("[", "application/json", 400),
            ("\xff", "application/x-protobuf", 400),
            ("{}", "text/plain", 415),
            ("x" * (5 * 1024 * 1024 + 1), "application/json", 413),
        ):
            status, _, reply = ask(collector.url, "/v1/traces", body, content_type=kind)
            assert status == expected
            assert b"Traceback" not in reply


def test_another_sites_page_cant_send():
    with running() as collector:
        for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            for path in ("/TraceSegments", "/v1/traces"):
                assert ask(collector.url, path, "{}", **headers)[0] == 403
        assert collector.received == 0


# -- ports


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_taken_port_gives_up_everything(kind, tmp_path):
    path = str(tmp_path / "traces.db")
    for _ in range(10):
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", 0))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            endpoint = taken.getsockname()
            with pytest.raises(Taken, match="in use") as caught:
                Collector(endpoint, path)
            assert caught.value.endpoint == endpoint
            assert f"process {os.getpid()} (" in occupant(endpoint)
        try:
            with running(endpoint, path) as collector:  # nothing is held
                assert collector.endpoint == endpoint
                return
        except Taken:
            continue  # another program was given the port meanwhile
    pytest.fail("the port is still held")


def test_a_collector_says_that_it_has_the_port(tmp_path):
    path = str(tmp_path / "traces.db")
    with running(path=path) as collector:
        said = occupant(collector.endpoint)
        assert said == f"another xtrace collector (process {os.getpid()}, storing in {path})"


def test_a_free_port_is_nobodys():
    with running() as collector:
        endpoint = collector.endpoint
    assert occupant(endpoint) is None


def test_someone_who_listens_and_says_nothing_is_found_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert f"process {os.getpid()} (" in occupant(silent.getsockname())


def test_other_machines_are_let_in_only_if_someone_says_so():
    with pytest.raises(NotLocal, match="loopback"):
        Collector(("0.0.0.0", 0))
    with running(("0.0.0.0", 0), allow_remote=True, allow_hosts=["shop"]) as collector:
        address = f"127.0.0.1:{collector.endpoint[1]}"
        assert ask(address, "/health")[0] == 200
        assert ask(address, "/health", host="10.1.2.3:2000")[0] == 200
        assert ask(address, "/health", host="shop:2000")[0] == 200
        assert ask(address, "/health", host="evil.example")[0] == 403


def test_a_collector_that_was_never_started_stops():
    collector = Collector(("127.0.0.1", 0))
    collector.stop()
    collector.close()


def test_it_starts_and_stops_quickly_and_leaves_no_threads():
    before = set(threading.enumerate())
    began = time.monotonic()
    with running() as collector:
        ask(collector.url, "/health")
        assert time.monotonic() - began < 1.0
        began = time.monotonic()
    assert time.monotonic() - began < 2.0
    eventually(lambda: not [t for t in set(threading.enumerate()) - before if not t.daemon])
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("xtrace")]


def test_a_client_that_stays_connected_doesnt_hold_up_the_stop():
    with running() as collector:
        clients = [socket.create_connection(collector.http_endpoint) for _ in range(3)]
        clients[0].sendall(b"POST /Traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        clients[1].sendall(b"POST /Tra")
        clients[2].sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert clients[2].recv(1000).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
    assert time.monotonic() - began < 5.0
    for client in clients:
        client.close()


# -- as a program


@contextmanager
def program(*words, **environment):
    """`xtrace collector` for the time of a `with` block."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "xtrace", "collector", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_health_says_that_nothing_can_be_stored(monkeypatch):
    with running() as collector:
        assert json.loads(ask(collector.url, "/health")[2])["status"] == "ok"
        monkeypatch.setattr(collector.store._writer, "fails", True)
        status, _, said = ask(collector.url, "/health")
    assert status == 200
    assert json.loads(said)["status"] == "documents can't be stored; the log says why"


@pytest.fixture(params=["sqlite", "clickhouse"])
def database(request, tmp_path):
    """What is given as --db."""
    if request.param == "sqlite":
        yield str(tmp_path / "x.db")
    else:
        with clickhouse_server(tmp_path) as server:
            yield f"{server}/killed_{os.getpid()}"


def test_what_http_was_told_is_taken_survives_a_kill(database):
    taken: list[str] = []

    def send_until_it_dies(address, sender):
        number = sender * 1_000_000
        try:
            while True:
                some = [document(number + each) for each in range(20)]
                number += len(some)
                texts = [json.dumps(each) for each in some]
                reply = ask(address, "/TraceSegments", json.dumps({"TraceSegmentDocuments": texts}))
                if json.loads(reply[2])["UnprocessedTraceSegments"] == []:
                    taken.extend(each["trace_id"] for each in some)
        except (OSError, http.client.HTTPException):
            pass

    with program("--listen", "127.0.0.1:0", "--db", database) as process:
        address = address_of(process)
        senders = [
            threading.Thread(target=send_until_it_dies, args=(address, number))
            for number in range(3)
        ]
        for sender in senders:
            sender.start()
        eventually(lambda: len(taken) > 600)
        process.kill()
        for sender in senders:
            sender.join()
    store = open_to_read(database)
    assert [trace_id for trace_id in taken if not store.raw(trace_id)] == []
    store.close()


def address_of(process):
    """Where it listens, as its first line says."""
    line = process.stdout.readline()
    return line.partition("udp ")[2].partition(",")[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_has_arrived_is_stored_when_it_is_told_to_stop(number, tmp_path):
    path = str(tmp_path / "deep" / "traces.db")
    with program("--listen", "127.0.0.1:0", "--db", path) as process:
        address = address_of(process)
        recorder = Recorder(service="shop", sampling=False, daemon_address=address)
        for _ in range(10):
            with recorder.in_segment():
                pass
        process.send_signal(number)
        said, complaints = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, complaints) == (0, "")
    assert "Stopped: received 10, stored 10, malformed 0, dropped 0, waiting 0" in said
    store = open_to_read(path)
    assert store.size().documents == 10
    store.close()


def test_a_second_ctrl_c_quits_at_once(tmp_path):
    with program("--listen", "127.0.0.1:0", "--db", str(tmp_path / "x.db")) as process:
        address = address_of(process)
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port))) as client:
            # A request in progress holds up the stop for two seconds.
            client.sendall(b"POST /Traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
            eventually(lambda: ask(address, "/health")[0] == 200)
            process.send_signal(signal.SIGINT)
            eventually(lambda: not answers(address))
            process.send_signal(signal.SIGINT)
            process.wait(timeout=DEADLINE_SECONDS)
    assert process.returncode == 130


def answers(address):
    try:
        return ask(address, "/health")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def test_a_taken_port_is_said_and_by_whom(tmp_path):
    with running() as collector:
        words = ("--listen", collector.address, "--db", str(tmp_path / "x.db"))
        with program(*words) as process:
            _, complaints = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert complaints == (
        f"xtrace collector: Port {collector.endpoint[1]} on 127.0.0.1 is taken by another xtrace "
        f"collector (process {os.getpid()}, storing in :memory:). Stop it, or take another port "
        "with --listen.\n"
    )


def test_the_daemons_flags_and_variable(tmp_path):
    log = tmp_path / "log.txt"
    rules = tmp_path / "rules.json"
    rules.write_text(
        json.dumps({"version": 2, "rules": [], "default": {"fixed_target": 7, "rate": 1}})
    )
    words = ("-b", "127.0.0.1:0", "-l", "warn", "-f", str(log), "--sampling-rules", str(rules))
    limits = ("--db", str(tmp_path / "x.db"), "--max-bytes", "1 GiB", "--max-age", "90m")
    with program(*words, *limits, AWS_XRAY_DAEMON_ADDRESS="127.0.0.1:0") as process:
        url = process.stdout.readline().partition("http://")[2].partition(",")[0]
        reply = json.loads(ask(url, "/GetSamplingRules", "")[2])
        assert reply["SamplingRuleRecords"][0]["SamplingRule"]["ReservoirSize"] == 7
        process.terminate()
        assert process.communicate(timeout=DEADLINE_SECONDS)[1] == ""
    assert process.returncode == 0
    assert log.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--listen", "0.0.0.0:0"), "--allow-remote"),
        (("--listen", "nonsense"), "--listen is 'nonsense'"),
        (("-t", "127.0.0.1"), "--bind-tcp is '127.0.0.1'"),
        (("--db", "/dev/null/x.db"), "/dev/null/x.db"),
        (("--max-bytes", "lots"), "'lots' isn't a quantity such as 2GB"),
        (("--max-bytes", "10KB"), "--max-bytes is 10000, which leaves no room"),
        (("--max-age", "7x"), "'7x' isn't a quantity such as 7d"),
        (("--sampling-rules", "/nowhere.json"), "/nowhere.json"),
        (("-f", "/nowhere/log.txt"), "Can't log to '/nowhere/log.txt'"),
        (("-l", "loud"), "invalid choice: 'loud'"),
        (("--listen", "192.0.2.7:0"), "Is 192.0.2.7 an address of this machine?"),
        (("--allow-host", "http://shop:2000/"), "Write --allow-host shop"),
        (("--db", "postgres://host/traces"), "postgres:// is no store. Name a file"),
    ],
)
def test_words_that_cant_be_used(words, said, tmp_path):
    given = ("--listen", "127.0.0.1:0", "--db", str(tmp_path / "x.db"), *words)
    with program(*given) as process:
        _, complaints = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert said in complaints
    assert "Traceback" not in complaints


def test_a_variable_that_cant_be_used_is_named(tmp_path):
    words = ("--db", str(tmp_path / "x.db"))
    with program(*words, AWS_XRAY_DAEMON_ADDRESS="nonsense") as process:
        _, complaints = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert "AWS_XRAY_DAEMON_ADDRESS is 'nonsense'" in complaints


def test_a_bad_rule_in_a_file_is_named(tmp_path):
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps([{"RuleName": "x"}]))
    words = ("--listen", "127.0.0.1:0", "--db", str(tmp_path / "x.db"))
    with program(*words, "--sampling-rules", str(rules)) as process:
        _, complaints = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert f"{rules}: SamplingRule.ServiceName is missing." in complaints


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('{"version": 3}', "version is 3; write 1 or 2"),
        ('{"version": 2, "rules": [1], "default": {"fixed_target": 1, "rate": 0}}', "rules[0] is"),
        ('{"SamplingRuleRecords": [{}]}', "it holds neither what GetSamplingRules answers"),
        ('{"SamplingRuleRecords": 3}', "it holds neither what GetSamplingRules answers"),
        ('{"version": ', "Expecting value"),
    ],
)
def test_a_file_without_rules_is_said_to_be_one(written, said, tmp_path):
    rules = tmp_path / "rules.json"
    rules.write_text(written)
    words = ("--listen", "127.0.0.1:0", "--db", str(tmp_path / "x.db"))
    with program(*words, "--sampling-rules", str(rules)) as process:
        _, complaints = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 2
    assert f"--sampling-rules {rules}: " in complaints
    assert said in complaints
    assert "Traceback" not in complaints


def test_quantities():
    assert [size(text) for text in ("0", "500MB", "2 GiB", "1.5kb")] == [0, 5e8, 2**31, 1500]
    assert [age(text) for text in ("0", "30", "90m", "12 h", "7d")] == [0, 30, 5400, 43200, 604800]
