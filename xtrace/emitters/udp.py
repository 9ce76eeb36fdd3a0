"""Documents to the daemon over UDP, sent on the thread that ends the segment.

A non-blocking send of a ready datagram costs microseconds and needs no queue and no thread. Host
names are looked up off that thread; until the first answer, datagrams wait in a bounded queue.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections import deque
from threading import RLock

from .. import forks
from ..daemon import endpoint, endpoint_text
from ..faults import report
from ..interruption import let_through
from ..packing import pack
from . import MAX_DATAGRAM_BYTES, Emitter

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from typing import Any

    from ..model import Entity
    from ..packing import Packed

HEADER = b'{"format":"json","version":1}\n'
"""What stands before the document in each datagram."""

SECONDS_BETWEEN_LOOKUPS = 60.0
SECONDS_BETWEEN_ATTEMPTS = 5.0
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

    # What each datagram asks for: in the object's dict it takes longer to find.
    __slots__ = ("_is_name", "_last", "_socket", "ledger", "max_bytes")

    overhead = len(HEADER)

    def __init__(self, url: str, max_bytes: int = MAX_DATAGRAM_BYTES) -> None:
        super().__init__(url, max_bytes)
        self.endpoint = endpoint(url.partition(":")[2].rstrip("/"), url, "emitter")
        self._lock = RLock()
        self._begin()

    def _begin(self) -> None:
        self._socket: socket.socket | None = None
        self._inode = -1
        self._last: Packed = _NONE
        self._address: tuple[int, Any] | None = _literal(*self.endpoint)
        self._is_name = self._address is None
        self._next_lookup = 0.0
        self._lookup: threading.Thread | None = None
        self._waiting: deque[Packed] = deque()
        self._waiting_bytes = 0

    def send(self, batch: list[Entity]) -> None:
        """Send the entities; in smaller datagrams if the system refuses large ones."""
        packed = pack(batch, self.max_bytes - len(HEADER), self.ledger)
        try:
            if len(packed) == 1 and (sock := self._socket) is not None and not self._is_name:
                self._send(sock, packed[0])  # as it nearly always is
                return
            packed.sort(key=_size, reverse=True)  # if the largest goes out, all do
            self.send_documents(packed)
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
            let_through(error)
            another = self._recover(error, len(datagram)) if may_retry else None
            if another is not None:
                self._send(another, packed, may_retry=False)
            else:
                reason = _REASONS.get(_code(error), UNREACHABLE)
                self.ledger.drop(reason, entities, recorded=entities)
        else:
            self._last = packed
            self.ledger.send(entities, len(datagram), entities)

    def _recover(self, error: Exception, size: int) -> socket.socket | None:
        """The socket with which to try once more after a send failed, or None if that's no use."""
        code = _code(error)
        if code in (errno.EAGAIN, errno.ENOBUFS):
            return None
        # Its size, not the setting: another thread may have learned this meanwhile.
        if code == errno.EMSGSIZE and size > SMALL_DATAGRAM_BYTES:
            self.max_bytes = min(self.max_bytes, SMALL_DATAGRAM_BYTES)
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
        failed = None
        with self._lock:
            if self._socket is None:
                try:
                    self._socket = _connected(address)
                    self._inode = _inode(self._socket)
                except OSError as error:
                    failed = error
            sock = self._socket
        if failed is not None:
            self._complain(failed)
        return sock

    def _disconnect(self) -> None:
        with self._lock:
            sock, self._socket = self._socket, None
            inode = self._inode
        if sock is not None:
            # If somebody closed our descriptor, its number may be another file's or socket's.
            try:
                if _inode(sock) == inode:
                    sock.close()
                else:
                    sock.detach()
            except OSError:
                pass

    # -- host names ---------------------------------------------------------------------------

    def _look_up(self) -> None:
        if not forks.may_start_threads():
            return
        with self._lock:
            now = time.monotonic()
            if now < self._next_lookup or (self._lookup is not None and self._lookup.is_alive()):
                return
            self._next_lookup = now + SECONDS_BETWEEN_LOOKUPS
            lookup = forks.thread("xtrace-resolver", self._resolve)
        # Not under the lock: where threads are gevent's, start() lets others go first.
        try:
            lookup.start()
        except RuntimeError:  # no more threads, or the program is ending
            return
        self._lookup = lookup

    def _resolve(self) -> None:
        try:
            found = socket.getaddrinfo(*self.endpoint, type=socket.SOCK_DGRAM)
            address = (int(found[0][0]), found[0][4])
        except Exception as error:
            self._next_lookup = time.monotonic() + SECONDS_BETWEEN_ATTEMPTS
            self._complain(error)
            return
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
            self._drop_oldest(WAITING_TOO_MANY)
        if self._address is not None:
            self._send_waiting()

    def _next_waiting(self) -> Packed:
        with self._lock:
            if not self._waiting:
                return _NONE
            packed = self._waiting.popleft()
            self._waiting_bytes -= len(packed[0])
            return packed

    def _drop_oldest(self, reason: str) -> None:
        _, entities = self._next_waiting()
        if entities:
            self.ledger.drop(reason, entities)

    def _send_waiting(self) -> None:
        while (packed := self._next_waiting()) is not _NONE:
            sock = self._connect(self._address) if self._address is not None else None
            if sock is None:
                self.ledger.drop(UNREACHABLE, packed[1])
                continue
            self.ledger.record(-packed[1])  # _send() records it again
            try:
                self._send(sock, packed)
            except _TooLargeHere:  # the entities that it was made from are gone
                self.ledger.drop(TOO_LARGE_HERE, packed[1], recorded=packed[1])

    # -- life cycle ---------------------------------------------------------------------------

    def flush(self, timeout_seconds: float) -> None:
        """Wait for the host name, if documents wait for it; drop them if it isn't found in time."""
        lookup = self._lookup
        if lookup is not None and self._waiting:
            lookup.join(timeout_seconds)
        while self._waiting:
            self._drop_oldest(UNRESOLVED)
        self.settle()

    def settle(self) -> None:
        """Ask the socket whether the last datagram was refused."""
        sock = self._socket
        # Asking takes the error away, so it must not be another's socket under our old number.
        if sock is not None and _inode(sock) == self._inode:
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
        if getattr(self, "_socket", None) is not None:
            self._disconnect()

    def after_fork(self) -> None:
        """Forget the parent's socket, thread and waiting documents."""
        super().after_fork()
        self._lock = RLock()
        self._disconnect()  # closes the child's copy of the descriptor
        self._begin()


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


def _connected(address: tuple[int, Any]) -> socket.socket:
    sock = socket.socket(address[0], socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect(address[1])
    except BaseException:
        sock.close()
        raise
    return sock


def _inode(sock: socket.socket) -> int:
    try:
        return os.fstat(sock.fileno()).st_ino
    except OSError:  # it was closed, or this is Windows, where sockets aren't files
        return 0


def _code(error: Exception) -> int:
    code = getattr(error, "errno", None)
    return code if isinstance(code, int) else 0


def _size(packed: Packed) -> int:
    return len(packed[0])


class _TooLargeHere(Exception):
    """The system refuses datagrams of this size, and smaller ones are to be tried."""
