"""A Redis server on the loopback for as long as standard input is open: python redis_server.py

Prints its port. It keeps nothing, and is the machine's own redis-server.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert server.poll() is None, "redis-server doesn't start"
                time.sleep(0.01)
        print(port, flush=True)
        sys.stdin.read()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
