"""Datagrams to a daemon that is absent, late, moved or gone, over a socket that anything happens to:
the application never notices, and recorded = sent + pending + dropped at each quiet moment.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import socket
import threading
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import ended, eventually, free_port, listening, port_of, received
from tests.test_fork import in_child
from xtrace.emitters import udp
from xtrace.emitters.udp import HEADER, SMALL_DATAGRAM_BYTES, UdpEmitter
from xtrace.errors import InvalidAddress
from xtrace.ledger import EmitterStats

posix = pytest.mark.skipif(os.name == "nt", reason="sockets aren't files there")


@pytest.fixture
def daemon():
    with listening() as daemon:
        yield daemon


@pytest.fixture
def emitter(daemon):
    emitter = UdpEmitter(f"udp://127.0.0.1:{port_of(daemon)}")
    yield emitter
    emitter.close()


def balance(emitter):
    """The emitter's counts, which must add up."""
    emitter.settle()
    stats = EmitterStats(emitter.url, emitter.ledger)
    assert stats.recorded == stats.sent + stats.pending + sum(stats.dropped.values())
    return stats


def emit(emitter, *names):
    for name in names:
        emitter.send(ended(name))


def names(documents):
    return [document["name"] for document in documents]


# -- sending -----------------------------------------------------------------------------------


def test_each_document_is_a_datagram_with_a_header(emitter, daemon):
    batch = ended("a", parts=2)
    emitter.send(batch)
    datagram = daemon.recv(65_536)
    header, _, body = datagram.partition(b"\n")
    assert json.loads(header) == {"format": "json", "version": 1}
    assert json.loads(body)["id"] == batch[0].id
    stats = balance(emitter)
    assert (stats.recorded, stats.sent, stats.datagrams) == (3, 3, 1)
    assert stats.bytes == len(datagram)


def test_a_large_trace_is_several_datagrams_with_their_header_within_the_limit(emitter, daemon):
    batch = ended("a", parts=40)
    largest = []
    for limit in range(1500, 2500, 30):
        emitter.max_bytes = limit
        datagrams = balance(emitter).datagrams
        emitter.send(batch)
        count = balance(emitter).datagrams - datagrams
        largest.append(limit - max(len(daemon.recv(65_536)) for _ in range(count)))
    assert 0 <= min(largest) < len(HEADER)  # some are nearly as large as they may be
    assert balance(emitter).sent == 41 * len(largest)


def test_ipv6():
    try:
        with listening("::1") as daemon:
            emitter = UdpEmitter(f"udp://[::1]:{port_of(daemon)}")
            emit(emitter, "a")
            assert names(received(daemon)) == ["a"]
            emitter.close()
    except OSError:
        pytest.skip("no IPv6 on this machine")


@pytest.mark.parametrize("url", ["udp:", "udp://", "udp://host", "udp://host:0", "udp://::1:2000"])
def test_an_address_that_is_none_is_an_error_that_says_what_to_write(url):
    with pytest.raises(InvalidAddress, match=r"127\.0\.0\.1:2000|from 1 to 65535"):
        UdpEmitter(url)


# -- nobody listens ----------------------------------------------------------------------------


def test_without_a_daemon_everything_is_counted_as_refused(caplog):
    emitter = UdpEmitter(f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
    for count in range(1, 6):
        emit(emitter, "a")
        stats = balance(emitter)
        assert (stats.recorded, stats.sent, stats.dropped) == (count, 0, {"refused": count})
    assert (stats.datagrams, stats.bytes) == (0, 0)
    emitter.close()


def test_without_a_daemon_one_line_a_minute_says_what_to_do(caplog):
    port = free_port(socket.SOCK_DGRAM)
    emitter = UdpEmitter(f"udp://127.0.0.1:{port}")
    emit(emitter, *"abcdef")
    (record,) = caplog.records
    assert f"127.0.0.1:{port}" in record.message
    assert "xtrace collector" in record.message
    assert "AWS_XRAY_DAEMON_ADDRESS" in record.message
    emitter.close()


def test_refused_is_only_what_was_refused():
    port = free_port(socket.SOCK_DGRAM)
    emitter = UdpEmitter(f"udp://127.0.0.1:{port}")
    emitter.send(ended("lost", parts=4))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", port))
        daemon.settimeout(15)
        emit(emitter, "arrives")
        assert names(received(daemon)) == ["arrives"]
        stats = balance(emitter)
    assert (stats.recorded, stats.sent, stats.dropped) == (6, 1, {"refused": 5})
    emitter.close()


def test_a_daemon_that_stops_and_starts_again_gets_what_comes_then(daemon):
    emitter = UdpEmitter(f"udp://127.0.0.1:{port_of(daemon)}")
    port = port_of(daemon)
    emit(emitter, "before")
    assert names(received(daemon)) == ["before"]
    daemon.close()
    emit(emitter, "lost", "lost")
    assert balance(emitter).dropped == {"refused": 2}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))
        again.settimeout(15)
        emit(emitter, "after")
        assert names(received(again)) == ["after"]
    assert balance(emitter).sent == 2
    emitter.close()


def test_what_no_socket_can_be_connected_to_is_unreachable():
    emitter = UdpEmitter("udp://255.255.255.255:2000")  # forbidden without being asked for
    emit(emitter, "a", "b")
    stats = balance(emitter)
    assert (stats.recorded, stats.dropped) == (2, {"unreachable": 2})


# -- the socket --------------------------------------------------------------------------------


def close_object(emitter):
    emitter._socket.close()


def close_descriptor(emitter):
    os.close(emitter._socket.fileno())


def close_emitter(emitter):
    emitter.close()


@posix
@pytest.mark.parametrize("close", [close_object, close_descriptor, close_emitter])
def test_a_socket_that_was_closed_under_us_is_replaced(emitter, daemon, close):
    emit(emitter, "a")
    for _ in range(3):
        close(emitter)
        emit(emitter, "b")
    assert names(received(daemon, 4)) == ["a", "b", "b", "b"]
    stats = balance(emitter)
    assert (stats.recorded, stats.sent, stats.dropped) == (4, 4, {})


def other_file(tmp_path):
    return open(tmp_path / "other", "w+b", buffering=0)


def other_listener(tmp_path):
    other = socket.create_server(("127.0.0.1", 0))
    other.setblocking(False)
    return other


def other_datagrams(tmp_path):
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("127.0.0.1", 0))
    return other


@posix
@pytest.mark.parametrize("what", [other_file, other_listener, other_datagrams])
@pytest.mark.parametrize("then", ["send", "settle", "close", "after_fork", "__del__"])
def test_a_descriptor_that_is_another_s_now_is_left_alone(emitter, daemon, tmp_path, what, then):
    emit(emitter, "a")
    descriptor = emitter._socket.fileno()
    with what(tmp_path) as other:
        os.dup2(other.fileno(), descriptor)  # as if ours was closed and theirs opened
        inode = os.fstat(descriptor).st_ino
        if then == "send":
            emit(emitter, "b")
            assert names(received(daemon, 2)) == ["a", "b"]
        else:
            getattr(emitter, then)()
        assert os.fstat(descriptor).st_ino == inode, "closed what isn't ours"
        if what is other_file:
            assert other.seek(0, 2) == 0, "wrote into what isn't ours"
        emit(emitter, "c")
        balance(emitter)
        os.close(descriptor)


@posix
def test_asking_for_refusals_does_not_take_another_socket_s_error(emitter):
    emit(emitter, "a")
    descriptor = emitter._socket.fileno()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.connect(("127.0.0.1", free_port(socket.SOCK_DGRAM)))
        other.send(b"refused")
        os.dup2(other.fileno(), descriptor)
        assert balance(emitter).sent == 1
        assert other.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
        emitter._disconnect()
        os.close(descriptor)


class Odd(Exception):
    errno = [1]

    def __str__(self):
        raise ValueError


FAILURES = [
    (BlockingIOError(errno.EAGAIN, "full"), "send buffer full"),
    (OSError(errno.ENOBUFS, "full"), "send buffer full"),
    (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "refused"),
    (OSError(errno.ENETUNREACH, "no route"), "unreachable"),
    (PermissionError(errno.EPERM, "firewall"), "unreachable"),
    (OSError(errno.EMSGSIZE, "large"), "refused as too large"),
    (OSError("no number"), "unreachable"),
    (TimeoutError(), "unreachable"),
    (ValueError("never"), "unreachable"),
    (MemoryError(), "unreachable"),
    (RecursionError(), "unreachable"),
    (Odd(), "unreachable"),
]


def failing(error, times=10**6):
    """What makes connected sockets on which the first sends fail."""
    left = [times]

    class Failing(socket.socket):
        def send(self, data, *flags):
            left[0] -= 1
            if left[0] >= 0:
                raise error
            return super().send(data, *flags)

    def connected(address):
        sock = Failing(address[0], socket.SOCK_DGRAM)
        sock.connect(address[1])
        return sock

    return connected


@pytest.mark.parametrize(("error", "reason"), FAILURES, ids=lambda value: type(value).__name__)
def test_whatever_sending_raises_is_a_counted_drop(
    emitter, monkeypatch, lenient_faults, error, reason
):
    monkeypatch.setattr(udp, "_connected", failing(error))
    for count in range(1, 4):
        emitter.send(ended("a", parts=1))
        stats = balance(emitter)
        assert (stats.recorded, stats.sent, stats.dropped) == (2 * count, 0, {reason: 2 * count})


@pytest.mark.parametrize(("error", "reason"), FAILURES, ids=lambda value: type(value).__name__)
def test_what_fails_once_is_tried_once_more_unless_it_is_no_use(
    emitter, daemon, monkeypatch, lenient_faults, error, reason
):
    monkeypatch.setattr(udp, "_connected", failing(error, times=1))
    emit(emitter, "a", "b")
    is_full = reason == "send buffer full"
    assert names(received(daemon, 1 if is_full else 2)) == (["b"] if is_full else ["a", "b"])
    assert balance(emitter).dropped == ({"send buffer full": 1} if is_full else {})


def test_a_thrown_away_emitter_leaves_no_warning(daemon):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        emitter = UdpEmitter(f"udp://127.0.0.1:{port_of(daemon)}")
        emit(emitter, "a")
        del emitter
        gc.collect()
    assert caught == []


# -- large datagrams ---------------------------------------------------------------------------


def test_where_large_datagrams_are_refused_smaller_ones_are_sent(daemon):
    # No system sends datagrams of more than 65,507 bytes.
    emitter = UdpEmitter(f"udp://127.0.0.1:{port_of(daemon)}", max_bytes=100_000)
    batch = ended("a", parts=30)
    for entity in batch:
        entity._metadata = {"default": {"text": "x" * 3000}}
    emitter.send(batch)
    stats = balance(emitter)
    sizes = [len(daemon.recv(65_536)) for _ in range(stats.datagrams)]
    assert max(sizes) <= SMALL_DATAGRAM_BYTES
    assert (stats.recorded, stats.sent, stats.dropped, stats.shortened) == (31, 31, {}, 0)
    emitter.send(batch)  # from now on at once
    assert balance(emitter).sent == 62
    assert emitter.max_bytes == SMALL_DATAGRAM_BYTES
    emitter.close()


def test_two_threads_that_learn_it_at_once_both_send_smaller_ones(daemon, monkeypatch):
    emitter = UdpEmitter(f"udp://127.0.0.1:{port_of(daemon)}", max_bytes=100_000)
    pack = udp.pack

    def pack_and_learn(*arguments):
        packed = pack(*arguments)
        emitter.max_bytes = SMALL_DATAGRAM_BYTES  # another thread did, meanwhile
        return packed

    monkeypatch.setattr(udp, "pack", pack_and_learn)
    emitter.send(ended("a", text="x" * 90_000))
    stats = balance(emitter)
    assert (stats.sent, stats.dropped) == (1, {})
    assert len(daemon.recv(65_536)) <= SMALL_DATAGRAM_BYTES
    emitter.close()


# -- host names --------------------------------------------------------------------------------


class Names:
    """Stands in for the system's resolver: an answer for each question, when it may be given."""

    def __init__(self, monkeypatch):
        self.answers = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = 0
        monkeypatch.setattr(socket, "getaddrinfo", self.ask)

    def ask(self, host, port, *arguments, **options):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        assert self.may_answer.wait(15)
        if isinstance(answer, Exception):
            raise answer
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", answer))]


@pytest.fixture
def resolver(monkeypatch):
    return Names(monkeypatch)


def test_what_comes_before_the_name_is_resolved_waits_and_is_sent(daemon, resolver):
    resolver.answers = [port_of(daemon)]
    resolver.may_answer.clear()
    emitter = UdpEmitter("udp://daemon.test:2000")
    emit(emitter, "a", "b", "c")
    stats = balance(emitter)
    assert (stats.recorded, stats.sent, stats.pending) == (3, 0, 3)
    resolver.may_answer.set()
    assert sorted(names(received(daemon, 3))) == ["a", "b", "c"]
    eventually(lambda: balance(emitter).sent == 3)
    stats = balance(emitter)
    assert (stats.recorded, stats.pending, stats.dropped) == (3, 0, {})
    emit(emitter, "d")
    assert names(received(daemon)) == ["d"]
    assert resolver.asked == 1
    emitter.close()


def test_flush_waits_for_the_name(daemon, resolver):
    resolver.answers = [port_of(daemon)]
    emitter = UdpEmitter("udp://daemon.test:2000")
    emit(emitter, "a")
    emitter.flush(15)
    assert balance(emitter).sent == 1
    emitter.close()


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "unknown"), UnicodeError("a label too long")]
)
def test_what_waits_for_a_name_that_nobody_knows_is_dropped_at_flush(
    resolver, error, lenient_faults, caplog
):
    resolver.answers = [error]
    emitter = UdpEmitter("udp://nowhere.test:2000")
    emit(emitter, "a", "b")
    assert balance(emitter).pending == 2
    emitter.flush(15)
    stats = balance(emitter)
    assert (stats.recorded, stats.pending) == (2, 0)
    assert stats.dropped == {"host name not resolved": 2}
    assert "nowhere.test:2000" in caplog.text
    emit(emitter, "c")
    assert resolver.asked == 1, "asked again at once"
    emitter.flush(0)


def test_a_resolver_that_never_answers_keeps_nobody_waiting(resolver):
    resolver.answers = [socket.gaierror(-2, "unknown")]
    resolver.may_answer.clear()
    emitter = UdpEmitter("udp://slow.test:2000")
    emit(emitter, "a")
    emitter.flush(0.01)
    assert balance(emitter).dropped == {"host name not resolved": 1}
    resolver.may_answer.set()
    emitter._lookup.join()


def test_a_name_that_is_known_later_is_asked_for_again(daemon, resolver, monkeypatch):
    monkeypatch.setattr(udp, "SECONDS_BETWEEN_ATTEMPTS", 0)
    resolver.answers = [socket.gaierror(-2, "unknown"), port_of(daemon)]
    emitter = UdpEmitter("udp://daemon.test:2000")
    emit(emitter, "a")
    emitter._lookup.join()
    emit(emitter, "b")
    emitter._lookup.join()
    assert sorted(names(received(daemon, 2))) == ["a", "b"]
    assert balance(emitter).sent == 2
    emitter.close()


def test_no_more_wait_than_the_memory_for_them(resolver, monkeypatch):
    monkeypatch.setattr(udp, "MAX_WAITING_BYTES", 2000)
    resolver.answers = [socket.gaierror(-2, "unknown")]
    resolver.may_answer.clear()
    emitter = UdpEmitter("udp://slow.test:2000")
    for _ in range(50):
        emit(emitter, "a")
        assert emitter._waiting_bytes <= 2000
    stats = balance(emitter)
    assert stats.dropped == {"too many waiting": 50 - stats.pending}
    assert 0 < stats.pending < 50
    resolver.may_answer.set()
    emitter.flush(15)
    assert balance(emitter).pending == 0


def test_a_name_that_moves_is_followed(daemon, resolver, monkeypatch):
    with listening() as other:
        resolver.answers = [port_of(daemon), port_of(other)]
        emitter = UdpEmitter("udp://daemon.test:2000")
        emit(emitter, "a")
        assert names(received(daemon)) == ["a"]
        emitter._lookup.join()
        emitter._next_lookup = 0  # a minute later
        emit(emitter, "b")
        emitter._lookup.join()
        emit(emitter, "c")
        assert names(received(other))[0] in "bc"
        assert balance(emitter).sent == 3
        emitter.close()


def test_localhost_needs_no_resolver(daemon, resolver):
    resolver.answers = [socket.gaierror(-2, "unknown")]
    emitter = UdpEmitter(f"udp://localhost:{port_of(daemon)}")
    emit(emitter, "a")
    assert names(received(daemon)) == ["a"]
    assert resolver.asked == 0
    emitter.close()


def test_without_threads_to_ask_what_waits_is_counted(resolver, monkeypatch):
    def no_more(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    emitter = UdpEmitter("udp://daemon.test:2000")
    emit(emitter, "a")
    assert balance(emitter).pending == 1
    emitter.flush(0)
    assert balance(emitter).dropped == {"host name not resolved": 1}


# -- fork, threads -----------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_a_socket_and_counts_of_its_own(emitter, daemon):
    emit(emitter, "parent")
    _, parent = daemon.recvfrom(65_536)

    def child():
        emitter.after_fork()
        emit(emitter, "child")
        return EmitterStats(emitter.url, emitter.ledger).as_dict()

    stats = in_child(child)
    assert (stats["recorded"], stats["sent"]) == (1, 1)
    assert daemon.recvfrom(65_536)[1] != parent
    emit(emitter, "parent again")
    assert daemon.recvfrom(65_536)[1] == parent
    assert balance(emitter).sent == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_what_waits_in_the_parent_is_the_parent_s(daemon, resolver):
    resolver.answers = [port_of(daemon)]
    resolver.may_answer.clear()
    emitter = UdpEmitter("udp://daemon.test:2000")
    emit(emitter, "parent")

    def child():
        resolver.may_answer = threading.Event()  # the thread that is gone may have held its lock
        resolver.may_answer.set()
        emitter.after_fork()
        emit(emitter, "child")
        emitter.flush(15)
        return EmitterStats(emitter.url, emitter.ledger).as_dict()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork() beside the resolver's thread
        assert in_child(child)["sent"] == 1
    assert names(received(daemon)) == ["child"]
    resolver.may_answer.set()
    emitter.flush(15)
    assert names(received(daemon)) == ["parent"]
    emitter.close()


def test_threads_share_an_emitter_whose_socket_goes_away(emitter, daemon):
    daemon.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
    batches = [[ended("a") for _ in range(200)] for _ in range(4)]

    def work(mine):
        for batch in mine:
            emitter.send(batch)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in batches]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        emitter.close()
    stats = balance(emitter)
    assert (stats.recorded, stats.pending) == (800, 0)
    assert stats.sent > 0


steps = st.lists(
    st.sampled_from(["send", "send many", "settle", "close", "gone", "closed", "stop", "start"]),
    max_size=30,
)


@posix
@settings(max_examples=60, deadline=None)
@given(steps)
def test_at_each_quiet_moment_the_counts_add_up(steps):
    daemon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    daemon.bind(("127.0.0.1", 0))
    port = port_of(daemon)
    emitter = UdpEmitter(f"udp://127.0.0.1:{port}")
    recorded = arrived = 0
    for step in steps:
        if step.startswith("send"):
            parts = 3 * (step == "send many")
            emitter.send(ended("a", parts))
            recorded += 1 + parts
        elif step in ("settle", "close"):
            getattr(emitter, step)()
        elif step == "gone" and emitter._socket is not None:
            emitter._socket.close()
        elif step == "closed" and emitter._socket is not None and emitter._socket.fileno() >= 0:
            os.close(emitter._socket.detach())
        elif step == "stop":
            daemon.close()
        elif step == "start" and daemon.fileno() < 0:
            daemon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            daemon.bind(("127.0.0.1", port))
        stats = balance(emitter)
        assert (stats.recorded, stats.pending) == (recorded, 0)
        if daemon.fileno() >= 0:
            daemon.setblocking(False)
            try:
                while datagram := daemon.recv(65_536):
                    document = json.loads(datagram[len(HEADER) :])
                    arrived += 1 + len(document.get("subsegments", ()))
            except BlockingIOError:
                pass
        assert arrived <= stats.sent <= recorded
    daemon.close()
    emitter.close()
