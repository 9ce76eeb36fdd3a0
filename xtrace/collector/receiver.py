"""Documents from UDP: a thread that does nothing but drain the socket, so that the kernel drops little."""

from __future__ import annotations

import json
import socket
import struct
from selectors import EVENT_READ, DefaultSelector
from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = b'{"format":"json","version":1}\n'
"""What most SDKs write before the document; any JSON object that says the same is accepted."""

RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024
"""Asked of the kernel, which gives less (net.core.rmem_max) to a process without privileges."""

_SO_RCVBUFFORCE = 33  # Linux; no name in the socket module before Python 3.14
_SO_MEMINFO = 55  # Linux; no name in the socket module
_MEMINFO = struct.Struct("9I")
_MEMINFO_DROPS = 8

MAX_BATCH = 500
"""Documents handed on at once."""


class Receiver:
    """Receives datagrams of the X-Ray daemon's protocol and hands on their documents in batches.

    endpoint: host and port to listen on; port 0 takes a free one, see `endpoint` then.
    take: is given each batch, on the receiver's thread. It must be quick.
    refuse: is given datagrams that are not of the protocol, likewise.
    Raises OSError if the endpoint can't be had.
    """

    def __init__(
        self,
        endpoint: tuple[str, int],
        take: Callable[[list[bytes]], None],
        refuse: Callable[[bytes], None] | None = None,
    ) -> None:
        host, port = endpoint
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._enlarge_buffer()
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self._socket.setblocking(False)
        self._woken, self._waker = socket.socketpair()
        self.endpoint: tuple[str, int] = self._socket.getsockname()[:2]
        # What the kernel gave; Linux counts its own overhead in it.
        self.buffer_bytes: int = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self.received = 0
        self.rejected = 0
        self._take = take
        self._refuse = refuse
        self._final_drops = 0
        self._stopping = False
        self._thread = Thread(target=self._run, name="xtrace-receiver", daemon=True)

    def _enlarge_buffer(self) -> None:
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER_BYTES)
            except OSError:
                continue
            return

    def start(self) -> None:
        """Begin to receive."""
        self._thread.start()

    def stop(self) -> None:
        """Receive what has arrived already, hand it on, and end. May be called again."""
        if self._stopping:
            return
        self._stopping = True
        if self._thread.ident is not None:
            self._waker.send(b"\0")
            self._thread.join()
        self._waker.close()
        self._woken.close()
        self._final_drops = self.kernel_drops
        self._socket.close()

    @property
    def kernel_drops(self) -> int:
        """Datagrams that the kernel had no room for; 0 where it doesn't tell (not on Linux).

        Asked for when someone wants to know: it costs nothing while receiving.
        """
        if self._socket.fileno() < 0:
            return self._final_drops
        try:
            told = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            return int(_MEMINFO.unpack(told)[_MEMINFO_DROPS])
        except (OSError, struct.error):
            return 0

    def _run(self) -> None:
        buffer = bytearray(65536)
        view = memoryview(buffer)
        with DefaultSelector() as selector:
            selector.register(self._socket, EVENT_READ)
            selector.register(self._woken, EVENT_READ)
            while not self._stopping:
                selector.select()
                self._drain(buffer, view)
        self._drain(buffer, view)

    def _drain(self, buffer: bytearray, view: memoryview) -> None:
        """Read until the socket is empty, handing on whenever a batch is full."""
        datagrams: list[bytes] = []
        try:
            while True:
                if len(datagrams) >= MAX_BATCH:
                    self._hand_on(datagrams)
                    datagrams = []
                datagrams.append(bytes(view[: self._socket.recv_into(buffer)]))
        except BlockingIOError:
            pass
        if datagrams:
            self._hand_on(datagrams)

    def _hand_on(self, datagrams: list[bytes]) -> None:
        self.received += len(datagrams)
        documents = []
        for datagram in datagrams:
            document = body(datagram)
            if document is None:
                self.rejected += 1
                if self._refuse is not None:
                    self._refuse(datagram)
            else:
                documents.append(document)
        if documents:
            self._take(documents)


def body(datagram: bytes) -> bytes | None:
    """The document in a datagram, or None if it isn't of the daemon's protocol.

    A JSON object on the first line must say "format": "json" (in any case) and "version": 1; the
    document is what follows.
    """
    if datagram.startswith(HEADER):
        return datagram[len(HEADER) :] or None
    line, newline, document = datagram.partition(b"\n")
    if not newline or not document:
        return None
    try:
        header = json.loads(line)
        if str(header["format"]).lower() == "json" and header["version"] == 1:
            return document
    except (ValueError, KeyError, TypeError):
        pass
    return None
