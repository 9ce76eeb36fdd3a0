"""Stand-ins for what the shop needs and a laptop hasn't: DynamoDB and SQS by moto, and Redis.

Prints one line of JSON when they are ready: {"aws": URL, "redis": URL}.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SECONDS_FOR_REDIS = 10


def main(host: str = "127.0.0.1", port: int = 0) -> None:
    """Run until SIGTERM. host, port: of AWS's; Redis is there unless REDIS_ENDPOINT names one."""
    # What is loaded later takes a while, and may be told to stop meanwhile.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with tempfile.TemporaryDirectory() as folder:
        redis, stop = os.environ.get("REDIS_ENDPOINT"), lambda: None
        if redis is None:
            redis, stop = start_redis(folder)
        try:
            aws = start_aws(host, port)
            os.environ["AWS_ENDPOINT_URL"] = aws
            from goods import import_goods

            import_goods()
            print(json.dumps({"aws": aws, "redis": redis}), flush=True)
            while True:
                time.sleep(3600)
        finally:
            stop()


def start_aws(host: str, port: int) -> str:
    """DynamoDB and SQS in this process; gives their URL. moto needs no account for them."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=host, port=port, verbose=False)
    server.start()
    return f"http://127.0.0.1:{server.get_host_and_port()[1]}"


def start_redis(folder: str):
    """Redis: the real server if there is one, else fakeredis. Gives its URL, and what stops it."""
    program = shutil.which("redis-server")
    if program is None:
        from fakeredis import TcpFakeServer

        server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def close() -> None:
            server.shutdown()
            server.server_close()

        return f"redis://127.0.0.1:{server.server_address[1]}/0", close
    with socket.create_server(("127.0.0.1", int(os.environ.get("REDIS_PORT", 0)))) as taken:
        port = taken.getsockname()[1]
    options = {"bind": "127.0.0.1", "port": port, "dir": folder, "save": "", "appendonly": "no"}
    redis = subprocess.Popen(
        [program, *(word for key, value in options.items() for word in (f"--{key}", str(value)))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + SECONDS_FOR_REDIS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            if redis.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{program} didn't start") from None
            time.sleep(0.02)

    def stop() -> None:
        redis.terminate()
        redis.wait()

    return f"redis://127.0.0.1:{port}/0", stop
