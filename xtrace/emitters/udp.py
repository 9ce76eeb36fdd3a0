"""Documents to the daemon over UDP, sent on the thread that ends the segment.

A non-blocking send of a ready datagram costs microseconds and needs no queue and no thread. Host
names are looked up off that thread; until the first answer, datagrams wait in a bounded queue.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from collections import deque
from threading import Lock, Thread

from ..daemon import endpoint, endpoint_text
from ..faults import report
from ..packing import pack
from . import MAX_DATAGRAM_BYTES, Emitter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..model import Entity
    from ..packing import Packed

HEADER = b'{"format":"json","version":1}\n'
"""What stands before the document in each datagram."""

SECONDS_BETWEEN_LOOKUPS = 60.0
MAX_WAITING_BYTES = 4 * 1024 * 1024
SMALL_DATAGRAM_BYTES = 8192
"""Fits the default of systems that refuse large datagrams (macOS: 9,216)."""

REFUSED = "refused"
UNREACHABLE = "unreachable"
BUFFER_FULL = "send buffer full"
TOO_LARGE_HERE = "refused as too large"
UNRESOLVED = "host name not resolved"
WAITING_TOO_MANY = "too many waiting"
_NONE = (b"", 0)
_REASONS = {
    errno.ECONNREFUSED: REFUSED,
    errno.EAGAIN: BUFFER_FULL,
    errno.ENOBUFS: BUFFER_FULL,
    errno.EMSGSIZE: TOO_LARGE_HERE,
}


class UdpEmitter(Emitter):
    """Sends each document as one datagram of the X-Ray daemon's protocol.

    url: "udp://host:port"; host is a name, an IPv4 address or an IPv6 address in brackets.
    """

    overhead = len(HEADER)

    def __init__(self, url: str, max_bytes: int = MAX_DATAGRAM_BYTES) -> None:
        super().__init__(url, max_bytes)
        self.endpoint = endpoint(url.partition(":")[2].rstrip("/"), url, "emitter")
        self._lock = Lock()
        self._begin()

    def _begin(self) -> None:
        self._socket: socket.socket | None = None
        self._last: Packed = _NONE
        self._address: tuple[int, Any] | None = _literal(*self.endpoint)
        self._is_name = self._address is None
        self._next_lookup = 0.0
        self._lookup: Thread | None = None
        self._waiting: deque[Packed] = deque()
        self._waiting_bytes = 0

    def send(self, batch: list[Entity]) -> None:
        """Send the entities; in smaller datagrams if the system refuses large ones."""
        try:
            self.send_documents(pack(batch, self.max_bytes - len(HEADER), self.ledger))
        except _TooLargeHere:
            self.send_documents(pack(batch, self.max_bytes - len(HEADER), self.ledger))

    def send_documents(self, packed: list[Packed]) -> None:
        """Send each document as a datagram; what can't be sent is dropped and counted."""
        for document in packed:
            sock = self._socket
            if sock is None or self._is_name:
                sock = self._ready()
            if sock is None:
                self._wait(document)
            else:
                self._send(sock, document)

    def _send(self, sock: socket.socket, packed: Packed, may_retry: bool = True) -> None:
        data, entities = packed
        datagram = HEADER + data
        try:
            sock.send(datagram)
        except Exception as error:
            another = self._recover(error, len(datagram)) if may_retry else None
            if another is not None:
                self._send(another, packed, may_retry=False)
            else:
                reason = _REASONS.get(getattr(error, "errno", None) or 0, UNREACHABLE)
                self.ledger.drop(reason, entities, recorded=entities)
        else:
            self._last = packed
            self.ledger.send(entities, len(datagram), entities)

    def _recover(self, error: Exception, size: int) -> socket.socket | None:
        """The socket with which to try once more after a send failed, or None if that's no use."""
        code = getattr(error, "errno", None)
        if code in (errno.EAGAIN, errno.ENOBUFS):
            return None
        if code == errno.EMSGSIZE and self.max_bytes > SMALL_DATAGRAM_BYTES:
            self.max_bytes = SMALL_DATAGRAM_BYTES
            report("udp", f"{self.url}: no datagram of {size} bytes goes out; smaller now", error)
            raise _TooLargeHere
        self._complain(error)
        if code == errno.ECONNREFUSED:
            # That was the answer to the datagram before; reading it made the socket usable again.
            self._recall_last()
            return self._socket
        self._disconnect()
        return self._ready()

    def _recall_last(self) -> None:
        (data, entities), self._last = self._last, _NONE
        if entities:
            self.ledger.recall(REFUSED, entities, len(HEADER) + len(data))

    def _complain(self, error: Exception) -> None:
        report(
            "udp",
            f"No daemon at {endpoint_text(self.endpoint)}; traces are dropped and counted. "
            "Start one with `xtrace collector`, or set AWS_XRAY_DAEMON_ADDRESS",
            error,
            self.url,
        )

    # -- the socket ---------------------------------------------------------------------------

    def _ready(self) -> socket.socket | None:
        """The connected socket, or None while the host name isn't resolved."""
        if self._is_name and time.monotonic() >= self._next_lookup:
            self._look_up()
        address = self._address
        return self._connect(address) if address is not None else None

    def _connect(self, address: tuple[int, Any]) -> socket.socket | None:
        with self._lock:
            if self._socket is None:
                try:
                    sock = socket.socket(address[0], socket.SOCK_DGRAM)
                    sock.setblocking(False)
                    sock.connect(address[1])
                except OSError as error:
                    self._complain(error)
                else:
                    self._socket = sock
            return self._socket

    def _disconnect(self) -> None:
        with self._lock:
            sock, self._socket = self._socket, None
        if sock is not None:
            descriptor = sock.detach()
            # If somebody closed our descriptor, its number may be another file's by now.
            try:
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    os.close(descriptor)
            except OSError:
                pass

    # -- host names ---------------------------------------------------------------------------

    def _look_up(self) -> None:
        with self._lock:
            if self._lookup is not None and self._lookup.is_alive():
                return
            self._next_lookup = time.monotonic() + SECONDS_BETWEEN_LOOKUPS
            self._lookup = Thread(target=self._resolve, name="xtrace-resolver", daemon=True)
        self._lookup.start()

    def _resolve(self) -> None:
        try:
            found = socket.getaddrinfo(*self.endpoint, type=socket.SOCK_DGRAM)
        except Exception as error:
            self._next_lookup = time.monotonic() + 5.0
            self._complain(error)
            return
        address = (int(found[0][0]), found[0][4])
        if address != self._address:
            self._address = address
            self._disconnect()
        self._send_waiting()

    def _wait(self, packed: Packed) -> None:
        """Keep a document until the host name is resolved."""
        self.ledger.record(packed[1])
        with self._lock:
            self._waiting.append(packed)
            self._waiting_bytes += len(packed[0])
            while self._waiting_bytes > MAX_WAITING_BYTES:
                oldest = self._waiting.popleft()
                self._waiting_bytes -= len(oldest[0])
                self.ledger.drop(WAITING_TOO_MANY, oldest[1])
        if self._address is not None:
            self._send_waiting()

    def _send_waiting(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    return
                packed = self._waiting.popleft()
                self._waiting_bytes -= len(packed[0])
            sock = self._connect(self._address) if self._address is not None else None
            if sock is None:
                self.ledger.drop(UNREACHABLE, packed[1])
            else:
                self.ledger.record(-packed[1])  # _send() records it again
                self._send(sock, packed)

    # -- life cycle ---------------------------------------------------------------------------

    def flush(self, timeout_seconds: float) -> None:
        """Wait for the host name, if documents wait for it; drop them if it isn't found in time."""
        lookup = self._lookup
        if lookup is not None and self._waiting:
            lookup.join(timeout_seconds)
        while self._waiting:
            packed = self._waiting.popleft()
            self.ledger.drop(UNRESOLVED, packed[1])
        self.settle()

    def settle(self) -> None:
        """Ask the socket whether the last datagram was refused."""
        sock = self._socket
        if sock is not None:
            try:
                if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED:
                    self._recall_last()
            except OSError:
                pass

    def close(self) -> None:
        """Close the socket; the next entity opens another."""
        self.settle()
        self._disconnect()

    def __del__(self) -> None:
        # A recorder that is thrown away leaves no "unclosed socket" in the application's log.
        sock = getattr(self, "_socket", None)
        if sock is not None:
            sock.close()

    def after_fork(self) -> None:
        """Forget the parent's socket, thread and waiting documents."""
        super().after_fork()
        self._lock = Lock()
        sock = self._socket
        self._begin()
        if sock is not None:
            sock.close()  # the child's copy of the descriptor


def _literal(host: str, port: int) -> tuple[int, Any] | None:
    """Family and address of an IP address, or None for a name that must be looked up."""
    if host == "localhost":
        host = "127.0.0.1"
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return int(family), (host, port)
    return None


class _TooLargeHere(Exception):
    """The system refuses datagrams of this size, and smaller ones are to be tried."""
