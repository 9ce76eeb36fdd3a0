"""A backend for the benchmarks, in a process of its own: python sink.py MODE

It prints its port, and does as the lines on standard input say: "down" (answer with status 503), "up",
"taken" (print how many documents came). MODE: take; swallow (never answer); dribble (a byte a second).
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from typing import BinaryIO

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
UNAVAILABLE = b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n"
TRACE_ID = b'\\"trace_id\\"'
"""Of a document, as it stands in a request to X-Ray: once in each."""


class Sink:
    """Starts the program, and tells it what to do."""

    def __init__(self, mode: str = "take") -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def tell(self, word: str) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def taken(self) -> int:
        """How many documents it has got."""
        self.tell("taken")
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class _Server:
    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._is_down = False
        self._taken = 0

    def obey(self) -> None:
        for line in sys.stdin:
            word = line.strip()
            if word == "taken":
                print(self._taken, flush=True)
            else:
                self._is_down = word == "down"

    def serve(self, connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        try:
            while (size := _size_of(reader)) is not None:
                body = reader.read(size)
                if self._mode == "swallow":
                    connection.recv(1)  # until the other side has enough of it
                    return
                if self._mode == "dribble":
                    for byte in ANSWER:
                        connection.sendall(bytes((byte,)))
                        time.sleep(1)  # that is what is measured: a byte a second
                elif self._is_down:
                    connection.sendall(UNAVAILABLE)
                else:
                    self._taken += body.count(TRACE_ID)
                    connection.sendall(ANSWER)
        except OSError:
            pass


def _size_of(reader: BinaryIO) -> int | None:
    """Of the next request's body, whose headers are read."""
    size = 0
    while (line := reader.readline()) != b"\r\n":
        if not line:
            return None
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
    return size


def main() -> None:
    """Serve until killed."""
    server = _Server(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=server.obey, daemon=True).start()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=server.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
