"""Answers HTTP requests on the loopback, always the same: python web.py

Prints its port; ends when standard input does. Connections stay open, each has a thread.
"""

from __future__ import annotations

import socket
import sys
import threading

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_accept, args=(listener,), daemon=True).start()
    sys.stdin.read()


def _accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    received = b""
    with connection:
        while part := connection.recv(65536):
            received += part
            while b"\r\n\r\n" in received:  # requests have no body
                received = received.partition(b"\r\n\r\n")[2]
                connection.sendall(ANSWER)


if __name__ == "__main__":
    main()
