"""What the receiver takes from the wire."""

from __future__ import annotations

import socket
import sys
from threading import Event

import pytest

from xtrace.collector.receiver import Receiver, body

DOCUMENT = b'{"name":"a"}'


@pytest.mark.parametrize(
    "header",
    [
        b'{"format":"json","version":1}',
        b'{"format": "json", "version": 1}',
        b'{"version":1,"format":"JSON","extra":true}',
    ],
)
def test_a_datagram_is_a_header_line_and_a_document(header):
    assert body(header + b"\n" + DOCUMENT) == DOCUMENT


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\n",
        DOCUMENT,
        b'{"format":"json","version":1}',
        b'{"format":"json","version":1}\n',
        b'{"format":"json","version":2}\n' + DOCUMENT,
        b'{"format":"xml","version":1}\n' + DOCUMENT,
        b"[]\n" + DOCUMENT,
        b"5\n" + DOCUMENT,
        b"\xff\xfe\n" + DOCUMENT,
    ],
)
def test_anything_else_is_rejected(datagram):
    assert body(datagram) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_documents_are_handed_on_and_counted(host):
    taken, done = [], Event()

    def take(documents):
        taken.extend(documents)
        if len(taken) == 100:
            done.set()

    receiver = Receiver((host, 0), take)
    receiver.start()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"nonsense", receiver.endpoint)
        for number in range(100):
            sender.sendto(b'{"format":"json","version":1}\n%d' % number, receiver.endpoint)
    assert done.wait(10)
    receiver.stop()
    assert taken == [b"%d" % number for number in range(100)]
    assert (receiver.received, receiver.rejected) == (101, 1)


def test_what_has_arrived_before_a_stop_is_handed_on():
    taken = []
    receiver = Receiver(("127.0.0.1", 0), taken.extend)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(50):
            sender.sendto(b'{"format":"json","version":1}\nx', receiver.endpoint)
    receiver.start()
    receiver.stop()
    assert len(taken) == 50
    receiver.stop()  # nothing more


def test_a_port_that_is_taken_is_an_error():
    first = Receiver(("127.0.0.1", 0), lambda documents: None)
    with pytest.raises(OSError, match="in use"):
        Receiver(first.endpoint, lambda documents: None)
    first.stop()


def test_what_is_no_document_is_shown_to_whoever_wants_to_know():
    refused, done = [], Event()

    def refuse(datagram):
        refused.append(datagram)
        done.set()

    receiver = Receiver(("127.0.0.1", 0), lambda documents: None, refuse)
    receiver.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"nonsense", receiver.endpoint)
    assert done.wait(10)
    receiver.stop()
    assert refused == [b"nonsense"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_what_the_kernel_drops_is_counted():
    receiver = Receiver(("127.0.0.1", 0), lambda documents: None)
    receiver._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(100):  # nobody receives yet
            sender.sendto(b'{"format":"json","version":1}\n' + b"x" * 1000, receiver.endpoint)
    assert 0 < receiver.kernel_drops < 100
    lost = receiver.kernel_drops
    receiver.start()
    receiver.stop()
    assert receiver.kernel_drops == lost
    assert receiver.received == 100 - lost
