"""What a collector takes that forwards: documents a second, processor time, memory, and what is lost."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .process import ROOT, cpu_of, memory_of
from .sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

SEGMENTS = 5
"""Of a trace."""

FILLING = b"y" * 900
BODY = (
    b'{"format":"json","version":1}\n{"trace_id":"1-%08x-%024x","id":"%016x","name":"service-%d",'
    b'"start_time":%.6f,"end_time":%.6f,"http":{"request":{"method":"GET","url":"http://shop/items"},'
    b'"response":{"status":200}},"annotations":{"tenant":"t-%d"},"metadata":{"default":{"x":"%b"}}}'
)

SECONDS_TO_CATCH_UP = 120.0


def send(rate: int, seconds: float, port: int) -> tuple[int, float]:
    """Send documents at a rate; gives how many, and how late the latest was."""
    now = int(time.time())
    sent = 0
    latest = 0.0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        begun = time.perf_counter()
        while (elapsed := time.perf_counter() - begun) < seconds:
            due = int(elapsed * rate)
            latest = max(latest, elapsed - sent / rate)
            # Not more at once than a sender that was held up would meet a network with: the rate
            # is what is measured, not how much fits into the kernel's buffer.
            for number in range(sent + 1, min(due, sent + rate // 50) + 1):
                at = now + number / rate
                sender.send(
                    BODY
                    % (now, number // SEGMENTS, number, number % 20, at, at, number % 50, FILLING)
                )
                sent = number
            time.sleep(0.002)  # the clock decides what is due, not this
    return sent, latest


@contextmanager
def forwarder(mode: str, sink: Sink, buffer_mb: int = 16) -> Iterator[tuple[int, int]]:
    """The process id and the UDP port of a collector ("store") or of `xtrace daemon` ("daemon")."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_XRAY": f"http://127.0.0.1:{sink.port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }
    with tempfile.TemporaryDirectory() as folder:
        words = {
            "store": ["collector", "--listen", "127.0.0.1:0", "--db", f"{folder}/traces.db"],
            "daemon": ["daemon", "-b", "127.0.0.1:0", "-t", "127.0.0.1:0", "-m", str(buffer_mb)],
        }[mode]
        process = subprocess.Popen(
            [sys.executable, "-m", "xtrace", *words, "--forward", "xray://eu-west-1"],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            cwd=ROOT,
        )
        try:
            assert process.stdout is not None
            udp = re.search(r"udp 127.0.0.1:(\d+)", process.stdout.readline())
            assert udp is not None  # it says so when it listens
            yield process.pid, int(udp[1])
        finally:
            process.terminate()
            out, _ = process.communicate(timeout=120)
            print("   ", out.splitlines()[-1] if out else "")
            sink.close()


def down(rate: int, seconds: float = 15.0) -> None:
    """The memory of `xtrace daemon` whose backend is down, by the size of its buffer."""
    for buffer_mb in (3, 16, 64):
        sink = Sink()
        sink.tell("down")
        with forwarder("daemon", sink, buffer_mb) as (pid, port):
            sent, _ = send(rate, seconds, port)
            print(
                f"daemon -m {buffer_mb}, backend down: {memory_of(pid)[1]} MB after {sent} segments"
            )


def forwarding(mode: str, rate: int, seconds: float, outage: float = 0.0) -> None:
    """A collector or a daemon forwards to X-Ray what this process sends.

    outage: seconds for which the backend is down, from a quarter of the time on.
    """
    sink = Sink()
    with forwarder(mode, sink) as (pid, port):
        _load(mode, pid, port, sink, rate, seconds, outage)


def _load(
    mode: str, pid: int, port: int, sink: Sink, rate: int, seconds: float, outage: float
) -> None:
    began_with = memory_of(pid)[0]
    before, mine = cpu_of(pid), time.process_time()
    ended_at = 0.0

    def end() -> None:
        nonlocal ended_at
        sink.tell("up")
        ended_at = time.monotonic()

    if outage:
        threading.Timer(seconds / 4, sink.tell, ["down"]).start()
        threading.Timer(seconds / 4 + outage, end).start()
    sent, latest = send(rate, seconds, port)
    stopped = time.monotonic()
    while (taken := sink.taken()) < sent and time.monotonic() - stopped < SECONDS_TO_CATCH_UP:
        time.sleep(0.1)  # between questions
    caught_up = time.monotonic()
    used = cpu_of(pid) - before
    now, most = memory_of(pid)
    told = (
        f"outage {outage:.0f} s, caught up {caught_up - ended_at:.1f} s after its end, "
        if outage
        else f"all there {caught_up - stopped:.1f} s after the last, "
    )
    print(
        f"{mode}: sent {sent} in {seconds:.0f} s, {sent / seconds:.0f} a second (asked for {rate}; "
        f"the sender was {latest:.2f} s late at most), taken by the backend {taken}, lost "
        f"{sent - taken}; {told}{used / sent * 1e4:.2f} s of CPU for 10,000 segments (the sender "
        f"took {(time.process_time() - mine) / sent * 1e4:.2f}), memory {began_with} MB at the "
        f"start, {now} MB now, {most} MB at most"
    )
