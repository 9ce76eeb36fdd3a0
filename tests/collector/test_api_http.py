"""The API over HTTP, below the operations: bodies, limits, errors, and who may speak to it."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import socket
import statistics
import time
from contextlib import contextmanager
from threading import Event

import pytest

from tests.helpers import DEADLINE_SECONDS, eventually
from xtrace.collector.api import http as api_http
from xtrace.collector.api import serving
from xtrace.collector.api.errors import ApiError
from xtrace.collector.api.guard import Guard
from xtrace.collector.api.http import MAX_BODY_BYTES, application
from xtrace.collector.api.operations import OPERATIONS
from xtrace.collector.api.serving import HttpServer
from xtrace.collector.store import StoreError


def echo(operation, input):
    """In the place of the operations: says what it was asked."""
    return {"operation": operation.name, "input": input}


@contextmanager
def serve(answer=echo, hosts=(), any_address=False):
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    server = HttpServer(Guard(application(answer), hosts, any_address), listener)
    server.start()
    try:
        yield address
    finally:
        server.stop()


@pytest.fixture(scope="module")
def address():
    with serve() as address:
        yield address


def ask(address, path="/Traces", body=b'{"TraceIds":["a"]}', method="POST", **headers):
    connection = http.client.HTTPConnection(*address, timeout=DEADLINE_SECONDS)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, given)
        reply = connection.getresponse()
        return reply.status, reply.headers, json.loads(reply.read())
    finally:
        connection.close()


def error_of(reply):
    """Status, type and message of an error, which must be in the model's form."""
    status, headers, body = reply
    assert headers["content-type"] == "application/json"
    assert headers["x-amzn-ErrorType"] == body["__type"]
    assert headers["x-amzn-RequestId"]
    assert "Traceback" not in body["message"]
    return status, body["__type"], body["message"]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_every_operation_answers_to_post_at_its_path_only(address, operation):
    status, _, said = ask(address, operation.path, b"{}")
    if operation.input.required:
        assert (status, said["__type"]) == (400, "InvalidRequestException")
        assert said["message"].endswith("is missing.")
    else:
        assert (status, said["operation"]) == (200, operation.name)
    reply = ask(address, operation.path, method="GET", body=None)
    assert error_of(reply)[:2] == (405, "UnknownOperationException")


def test_another_path_is_unknown(address):
    reply = ask(address, "/GetTraces")
    assert error_of(reply) == (
        404,
        "UnknownOperationException",
        "There is nothing at /GetTraces.",
    )


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", None])
def test_an_empty_body_is_an_empty_object(address, body):
    status, _, said = ask(address, "/GetSamplingRules", body)
    assert (status, said["input"]) == (200, {})


@pytest.mark.parametrize("kind", ["text/plain", "application/x-amz-json-1.0", "nonsense", ""])
def test_the_content_type_doesnt_matter_and_signatures_neither(address, kind):
    status, _, said = ask(
        address, content_type=kind, authorization="AWS4-HMAC-SHA256 Credential=x", x_amz_date="x"
    )
    assert (status, said["input"]) == (200, {"TraceIds": ["a"]})


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"a"',
        b"\xff\xfe",
        b'{"TraceIds": ["\\ud800"]}',
        b"[" * 100_000,
        b"nan",
        b"[" * 1000 + b"]" * 1000,
    ],
    ids=lambda body: body[:10].hex(),
)
def test_what_isnt_a_json_object_is_refused(address, body):
    status, type, message = error_of(ask(address, body=body))
    assert (status, type) == (400, "InvalidRequestException")
    assert "request" in message


def test_a_compressed_body_is_read(address):
    body = gzip.compress(b'{"TraceIds":["a"]}')
    assert ask(address, body=body, content_encoding="gzip")[0] == 200
    assert error_of(ask(address, content_encoding="gzip"))[0] == 400
    assert error_of(ask(address, body=body[:-4], content_encoding="gzip"))[0] == 400
    assert error_of(ask(address, content_encoding="br"))[:2] == (415, "UnsupportedMediaType")


def test_a_body_that_is_too_large_is_refused_unread(address):
    with socket.create_connection(address, DEADLINE_SECONDS) as client:
        head = f"POST /Traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MAX_BODY_BYTES + 1}"
        client.sendall(head.encode() + b"\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_body_that_turns_out_to_be_too_large_is_refused(monkeypatch, address):
    monkeypatch.setattr(api_http, "MAX_BODY_BYTES", 1000)
    for chunks in (iter([b"x" * 600, b"x" * 600]), iter([b"x" * 1001])):
        assert error_of(ask(address, body=chunks))[0] == 413
    bomb = gzip.compress(b" " * 10_000_000)[:900]
    assert error_of(ask(address, body=bomb, content_encoding="gzip"))[0] == 413


def test_errors_of_operations_are_answered():
    def answer(operation, input):
        raise ApiError("ResourceNotFoundException", 404, "It isn't there.", "arn")

    with serve(answer) as address:
        reply = ask(address)
        assert error_of(reply) == (404, "ResourceNotFoundException", "It isn't there.")
        assert reply[2]["ResourceName"] == "arn"


def test_a_store_that_cant_be_read_is_unavailable(caplog):
    def answer(operation, input):
        raise StoreError("The disk is full.")

    with serve(answer) as address:
        reply = ask(address)
    assert error_of(reply) == (503, "ServiceUnavailableException", "The disk is full.")


def test_a_fault_of_ours_is_logged_and_not_told(caplog):
    def answer(operation, input):
        raise ZeroDivisionError("secret")

    with caplog.at_level(logging.ERROR), serve(answer) as address:
        status, type, message = error_of(ask(address))
    assert (status, type) == (500, "InternalFailure")
    assert "secret" not in message
    assert "ZeroDivisionError: secret" in caplog.text


def test_numbers_and_texts_that_json_libraries_fear_go_out():
    with serve(lambda *_: {"big": 2**80, "half": "\ud800"}) as address:
        assert ask(address)[2] == {"big": 2**80, "half": "\ud800"}


# -- who may speak to it


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:2000", "127.0.0.1:1", "[::1]:2000", "127.1.2.3", "localhost."]
)
def test_names_of_the_loopback_are_ours(address, host):
    assert ask(address, host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "192.168.1.7:2000", "0.0.0.0", "[::2]", "", "a b"],
)
def test_other_names_are_refused(address, host):
    status, type, message = error_of(ask(address, host=host))
    assert (status, type) == (403, "AccessDeniedException")
    assert "--allow-host" in message


def test_names_can_be_allowed():
    with serve(hosts=["Collector", "10.0.0.1"]) as address:
        assert ask(address, host="collector:2000")[0] == 200
        assert ask(address, host="10.0.0.1")[0] == 200
        assert ask(address, host="10.0.0.2")[0] == 403
    with serve(any_address=True) as address:
        assert ask(address, host="10.0.0.2")[0] == 200
        assert ask(address, host="evil.example")[0] == 403
    with serve(hosts=["*"]) as address:
        assert ask(address, host="evil.example")[0] == 200


def test_a_page_may_post_to_where_it_came_from_only(address):
    host = f"127.0.0.1:{address[1]}"
    assert ask(address, origin=f"http://{host}", sec_fetch_site="same-origin")[0] == 200
    for origin in ("https://evil.example", "null", "http://127.0.0.1:9", "http://localhost", ""):
        status, type, message = error_of(ask(address, origin=origin))
        assert (status, type) == (403, "AccessDeniedException"), origin
        assert repr(origin) in message
    assert error_of(ask(address, sec_fetch_site="cross-site"))[0] == 403


def test_browsers_are_told_to_take_data_for_nothing_else(address):
    headers = ask(address)[1]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'self'")


def test_answers_on_a_connection_that_is_kept_dont_wait_for_the_network(address):
    connection = http.client.HTTPConnection(*address, timeout=DEADLINE_SECONDS)
    seconds = []
    for _ in range(30):
        began = time.monotonic()
        connection.request("POST", "/GetSamplingRules")
        connection.getresponse().read()
        seconds.append(time.monotonic() - began)
    connection.close()
    assert statistics.median(seconds) < 0.03  # a receipt that is delayed takes 0.04


# -- clients that are slow or gone


@pytest.mark.parametrize(
    "said", [b"", b"POST /Tra", b"POST /Traces HTTP/1.1\r\nHost: localhost\r\n"]
)
def test_a_client_that_sends_no_whole_head_is_let_go(monkeypatch, said):
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.1)
    with serve() as address, socket.create_connection(address, DEADLINE_SECONDS) as client:
        client.sendall(said)
        try:
            assert client.recv(1000) == b""
        except ConnectionResetError:
            pass
        assert ask(address)[0] == 200


def test_dripping_doesnt_help(monkeypatch):
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.2)
    with serve() as address, socket.create_connection(address, DEADLINE_SECONDS) as client:

        def is_let_go():
            try:
                client.sendall(b"P")
            except OSError:
                return True
            return False

        eventually(is_let_go, seconds=5)


def test_a_second_request_on_a_connection_has_its_own_time(monkeypatch):
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.3)
    with serve() as address:
        connection = http.client.HTTPConnection(*address, timeout=DEADLINE_SECONDS)
        began = time.monotonic()
        while time.monotonic() < began + 0.6:  # longer than the patience for one head
            connection.request("POST", "/GetSamplingRules")
            reply = connection.getresponse()
            assert reply.status == 200
            reply.read()
        client = connection.sock
        client.sendall(b"POST /GetSamplingRules HTTP/1.1\r\nHo")
        try:
            assert client.recv(1000) == b""
        except ConnectionResetError:
            pass
        connection.close()


def test_a_body_that_doesnt_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(api_http, "BODY_SECONDS", 0.1)
    with serve() as address, socket.create_connection(address, DEADLINE_SECONDS) as client:
        client.sendall(b"POST /Traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        reply = client.recv(1000)
        assert reply.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in reply.lower()


def test_an_answer_that_nobody_reads_is_given_up(monkeypatch):
    monkeypatch.setattr(serving, "READ_SECONDS", 0.5)
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 2)
    size = 30_000_000
    request = b"POST /GetSamplingRules HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    asked = Event()

    def answer(*_):
        asked.set()
        return "x" * size

    with serve(answer) as address:
        with socket.create_connection(address, DEADLINE_SECONDS) as client:
            client.sendall(request)
            assert asked.wait(DEADLINE_SECONDS)
            eventually(lambda: not has_no_room(address))
            assert received_from(client) < size
        with socket.create_connection(address, DEADLINE_SECONDS) as client:
            client.sendall(request)
            assert received_from(client) > size


def has_no_room(address):
    """Whether the server has as many connections as it takes."""
    connection = http.client.HTTPConnection(*address, timeout=DEADLINE_SECONDS)
    connection.request("GET", "/nowhere")
    status = connection.getresponse().status
    connection.close()
    return status == 503


def received_from(client):
    """How many bytes come until the connection ends."""
    total = 0
    try:
        while data := client.recv(1_000_000):
            total += len(data)
    except ConnectionResetError:
        pass
    return total


def test_a_client_that_goes_away_in_the_middle_harms_nobody(address, caplog):
    for said in (
        b"POST /Traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
        b"POST",
    ):
        with socket.create_connection(address, DEADLINE_SECONDS) as client:
            client.sendall(said)
    assert ask(address)[0] == 200
    assert not caplog.records


def test_connections_are_limited(monkeypatch):
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 5)
    with serve() as address:
        held = [socket.create_connection(address, DEADLINE_SECONDS) for _ in range(6)]

        eventually(lambda: has_no_room(address))
        for client in held:
            client.close()
        eventually(lambda: not has_no_room(address))


def test_a_head_that_is_too_large_is_refused(address):
    with socket.create_connection(address, DEADLINE_SECONDS) as client:
        client.sendall(b"POST /Traces HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
        assert client.recv(1000).startswith(b"HTTP/1.1 400")


def test_nonsense_instead_of_http_is_answered_and_closed(address):
    with socket.create_connection(address, DEADLINE_SECONDS) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 400")
