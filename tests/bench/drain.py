"""Receives datagrams on the loopback and forgets them: python drain.py

Prints its port; then answers each line on standard input with how many datagrams came so far.

It empties the socket and sleeps a millisecond, over and over: a receiver that waits in recv()
would be woken by each datagram, at the cost of whoever sent it.
"""

from __future__ import annotations

import select
import socket
import sys

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
SECONDS_BETWEEN_BATCHES = 0.001


def main() -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    print(sock.getsockname()[1], flush=True)
    buffer = bytearray(65536)
    received = 0
    while True:
        asked, _, _ = select.select([sys.stdin], [], [], SECONDS_BETWEEN_BATCHES)
        try:
            while True:
                sock.recv_into(buffer)
                received += 1
        except BlockingIOError:
            pass
        if asked:
            if not sys.stdin.readline():
                return
            print(received, flush=True)


if __name__ == "__main__":
    main()
