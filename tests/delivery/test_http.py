"""Our own requests over HTTP, with others that keep to the protocol in their own way, or don't."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest
import trustme

from tests.delivery.backend import answering, backend, raw, reset
from xtrace.delivery import http

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def client_of(port, host="127.0.0.1", **options):
    scheme = "https" if options else "http"
    return http.Client(http.Place(scheme, host, port, ""), "", **options)


def post(client, body=b"", seconds=30.0):
    return client.request("POST", "/", {}, body, time.monotonic() + seconds)


@contextmanager
def serving(serve):
    """The port of a server that hands each connection to a function."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * 3,
    ],
)
def test_what_is_said_before_the_answer_is_not_the_answer(first):
    with backend(raw(first + OK, then_close=False)) as there:
        client = client_of(there.port)
        for _ in range(2):
            answer = post(client)
            assert (answer.status, answer.body) == (200, b"{}")
        client.close()
        assert there.connections == 1


@pytest.mark.parametrize("end", [raw(b""), reset])
def test_a_kept_connection_that_ends_at_its_next_use_is_no_failure(end):
    with backend(answering(), end, answering()) as there:
        client = client_of(there.port)
        assert [post(client).status for _ in range(2)] == [200, 200]
        client.close()
        assert there.connections == 2
        assert len(there.requests) == 3


@pytest.mark.parametrize("end", [raw(b""), reset, raw(b"HTTP/1.1 200 OK\r\nConte")])
def test_whoever_ends_a_new_connection_or_has_begun_to_answer_isn_t_asked_again_at_once(end):
    with backend(end) as there:
        with pytest.raises(http.Unreachable):
            post(client_of(there.port))
        assert len(there.requests) == 1
    with backend(answering(), raw(b"HTTP/1.1 200 OK\r\nConte"), answering()) as there:
        client = client_of(there.port)
        post(client)
        with pytest.raises(http.Unreachable):
            post(client)
        assert len(there.requests) == 2


def test_an_answer_that_comes_before_everything_is_sent_is_read():
    """As proxies answer that a request is too large: without reading it, and then they hang up."""

    def serve(connection):
        with connection:
            connection.recv(1024)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    with serving(serve) as port:
        assert post(client_of(port), b"x" * 32_000_000).status == 413


def test_a_backend_that_reads_slowly_over_tls_has_no_longer_than_one_that_answers_slowly():
    authority = trustme.CA()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    enough = threading.Event()

    def serve(connection):
        with theirs.wrap_socket(connection, server_side=True) as secured:
            try:
                while not enough.wait(0.05):
                    for _ in range(8):
                        secured.recv(16_384)
            except OSError:
                pass

    with serving(serve) as port:
        begun = time.monotonic()
        with pytest.raises(http.Unreachable) as caught:
            post(client_of(port, context=ours), b"x" * 64_000_000, seconds=0.5)
        enough.set()
    assert caught.value.kind == "TimeoutCount"
    assert time.monotonic() - begun < 15.0  # all of it would take 25


def test_chunks_without_end_have_one():
    def flooding(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    with (
        backend(flooding) as there,
        pytest.raises(http.Unreachable, match="answers with more than"),
    ):
        post(client_of(there.port))


def test_a_name_is_looked_up_for_each_connection(monkeypatch):
    """So that a backend that moves is found where it is now."""
    with backend(answering(connection="close")) as one, backend() as other:
        places = [("127.0.0.1", one.port), ("127.0.0.1", other.port)]

        def getaddrinfo(host, *args, flags=0, **kwargs):
            if flags:
                raise socket.gaierror(socket.EAI_NONAME, "no address")
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", places.pop(0))]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        client = client_of(4318, "collector.example")
        for _ in range(3):
            post(client)
        client.close()
        assert (len(one.requests), len(other.requests)) == (1, 2)
