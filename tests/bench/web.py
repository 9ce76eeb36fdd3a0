"""Answers HTTP requests on the loopback, GET and POST always the same: python web.py

Prints its port; ends when standard input does. Connections stay open, each has a thread.
"""

from __future__ import annotations

import re
import socket
import sys
import threading

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

# What DynamoDB answers to GetItem.
ITEM = b'{"Item":{"id":{"S":"o-17"},"total":{"N":"58.95"}}}'
ITEM_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
    b"x-amzn-RequestId: 5C2RH0UO07MM8O0LDGNN51SGQFVV4KQNSO5AEMVJF66Q9ASUAAJG\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(ITEM), ITEM)
)


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
            while b"\r\n\r\n" in received:
                head, _, rest = received.partition(b"\r\n\r\n")
                body = _body_length(head)
                if len(rest) < body:
                    break
                received = rest[body:]
                connection.sendall(ITEM_ANSWER if head.startswith(b"POST") else ANSWER)


def _body_length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    main()
