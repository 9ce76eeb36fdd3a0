"""Measures what HTTP emitters and forwarding cost: python -m tests.bench_backends [part ...].

Parts: emitters (the CPU time of the thread that ends segments, alternatives interleaved, also with a
backend that refuses, swallows or dribbles), forward (5,000 segments a second, with an outage),
daemon (memory and CPU of `xtrace daemon`), clickhouse (what storing there takes).
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from xtrace.recorder import Recorder

ROOT = Path(__file__).parents[2]

SINK = """
import socket, sys, threading, time
mode = sys.argv[1]
answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: 29\\r\\n\\r\\n" + b'{"UnprocessedTraceSegments":1'
answer = answer[:-1] + b" "
down = threading.Event()
taken = [0]
def serve(connection):
    reader = connection.makefile("rb")
    try:
        while True:
            head = b""
            size = 0
            while (line := reader.readline()) not in (b"\\r\\n", b""):
                if line.lower().startswith(b"content-length:"):
                    size = int(line.split(b":")[1])
            if not line:
                return
            body = reader.read(size)
            if mode == "swallow":
                time.sleep(3600)
            if mode == "dribble":
                for byte in answer:
                    connection.sendall(bytes((byte,))); time.sleep(1)
            if down.is_set():
                connection.sendall(b"HTTP/1.1 503 X\\r\\nContent-Length: 0\\r\\n\\r\\n")
                continue
            taken[0] += body.count(b'\\\\"trace_id\\\\"')
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    except OSError:
        pass
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def told():
    for line in sys.stdin:
        if line == "down\\n": down.set()
        if line == "up\\n": down.clear()
        if line == "taken\\n": print(taken[0], flush=True)
threading.Thread(target=told, daemon=True).start()
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
"""


class Sink:
    """A backend in a process of its own: takes everything, or swallows, or dribbles."""

    def __init__(self, mode: str = "take") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SINK, mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def taken(self) -> int:
        self.tell("taken")
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def request(recorder: Recorder) -> None:
    """A segment as a web request leaves it, with a call and a query."""
    with recorder.in_segment() as segment:
        segment.put_http_meta("method", "GET")
        segment.put_http_meta("url", "http://shop.example.com/items/7")
        segment.put_annotation("tier", "gold")
        with recorder.in_subsegment("stock.example.com", namespace="remote") as call:
            call.put_http_meta("url", "http://stock.example.com/7")
            call.put_http_meta("status", 200)
        with recorder.in_subsegment("shop@db", namespace="remote") as call:
            call.set_sql({"database_type": "postgresql", "sanitized_query": "select ?"})
        segment.put_http_meta("status", 200)


def emitters(rounds: int = 7, requests: int = 400, rate: float = 400.0) -> None:
    """Requests one after another at a rate, in rounds, alternatives interleaved."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    sinks = {mode: Sink(mode) for mode in ("take", "swallow", "dribble")}
    with socket.create_server(("127.0.0.1", 0)) as closed:
        free = closed.getsockname()[1]
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "a")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "b")
    os.environ["AWS_ENDPOINT_URL_XRAY"] = f"http://127.0.0.1:{sinks['take'].port}"
    urls = {
        "udp": f"udp://127.0.0.1:{udp.getsockname()[1]}",
        "otlp+http": f"otlp+http://127.0.0.1:{sinks['take'].port}",
        "xray": "xray://eu-west-1",
        "otlp+http, refusing": f"otlp+http://127.0.0.1:{free}",
        "otlp+http, black hole": f"otlp+http://127.0.0.1:{sinks['swallow'].port}",
        "otlp+http, a byte a second": f"otlp+http://127.0.0.1:{sinks['dribble'].port}",
    }
    recorders = {
        name: Recorder(service="shop", sampling=False, emitter=url) for name, url in urls.items()
    }
    cpu: dict[str, list[float]] = {name: [] for name in urls}
    took: dict[str, list[float]] = {name: [] for name in urls}
    for number in range(rounds + 1):
        for name, recorder in recorders.items():
            begun = time.thread_time()
            due = time.perf_counter()
            for _ in range(requests):
                at = time.perf_counter()
                request(recorder)
                if number:  # the first round warms up
                    took[name].append(time.perf_counter() - at)
                due += 1 / rate
                time.sleep(max(0.0, due - time.perf_counter()))
            if number:
                cpu[name].append((time.thread_time() - begun) / requests)
    base = median(cpu["udp"])
    for name in urls:
        times = sorted(took[name])
        print(
            f"{name:28} {median(cpu[name]) * 1e6:6.1f} µs of CPU a request, "
            f"{median(cpu[name]) / base:4.2f} of udp; "
            f"took p50 {times[len(times) // 2] * 1e6:6.1f} µs, p99 {times[len(times) * 99 // 100] * 1e6:7.1f} µs; "
            f"{recorders[name].stats()}"
        )
    for each in sinks.values():
        each.close()


SEGMENTS = 5
"""Of a trace."""


def numbered(rate: int, seconds: float, port: int) -> int:
    """Send documents at a rate from this process; gives how many."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", port))
    now = time.time()
    body = (
        b'{"format":"json","version":1}\n{"trace_id":"1-%08x-%024x","id":"%016x","name":"service-%d",'
        b'"start_time":%.6f,"end_time":%.6f,"http":{"request":{"method":"GET","url":"http://shop/items"},'
        b'"response":{"status":200}},"annotations":{"tenant":"t-%d"},"metadata":{"default":{"x":"%b"}}}'
    )
    filling = b"y" * 900
    begun = time.perf_counter()
    sent = 0
    while (elapsed := time.perf_counter() - begun) < seconds:
        while sent < elapsed * rate:
            sent += 1
            sender.send(
                body
                % (int(now), sent // SEGMENTS, sent, sent % 20, now, now + 0.1, sent % 50, filling)
            )
        time.sleep(0.002)
    return sent


def forwarding(mode: str, rate: int, seconds: float, outage: float) -> None:
    """A collector in a process of its own forwards what this one sends."""
    sink = Sink()
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_XRAY": f"http://127.0.0.1:{sink.port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }
    database = f"/tmp/bench-forward-{os.getpid()}.db"
    words = {
        "store": ["collector", "--listen", "127.0.0.1:0", "--db", database],
        "daemon": ["daemon", "-b", "127.0.0.1:0", "-t", "127.0.0.1:0", "-m", "16"],
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
        assert udp is not None
        time.sleep(0.5)
        before = cpu_of(process.pid)
        if outage:
            threading.Timer(seconds / 4, sink.tell, ["down"]).start()
            threading.Timer(seconds / 4 + outage, sink.tell, ["up"]).start()
        sent = numbered(rate, seconds, int(udp[1]))
        ended = time.monotonic()
        while sink.taken() < sent and time.monotonic() - ended < 90:
            time.sleep(0.1)
        caught_up = time.monotonic() - ended
        used = cpu_of(process.pid) - before
        print(
            f"{mode}: sent {sent} in {seconds:.0f} s ({rate}/s), outage {outage:.0f} s, taken by the "
            f"backend {sink.taken()}, caught up {caught_up:.1f} s after the last was sent; "
            f"{used / sent * 1e4:.2f} s of CPU for 10,000 segments, memory {memory_of(process.pid)} MB"
        )
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=120)
        print("   ", out.splitlines()[-1] if out else "")
        sink.close()
        for ending in ("", "-wal", "-shm", ".lock"):
            Path(database + ending).unlink(missing_ok=True)


def clickhouse(seconds: float = 10.0) -> None:
    """How fast one collector stores on ClickHouse, which is chdb in another process."""
    from tests.collector.store_contract import parsed
    from xtrace.collector.store import open_store

    program = ROOT / "tests" / "servers" / "clickhouse_by_chdb.py"
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [sys.executable, program, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        store = open_store(f"clickhouse://127.0.0.1:{server.stdout.readline().strip()}/bench")
        before, own = cpu_of(server.pid), time.process_time()
        begun = time.monotonic()
        number = 0
        while time.monotonic() - begun < seconds:
            now = time.time()
            documents = []
            for _ in range(500):
                number += 1
                documents.append(
                    {
                        "trace_id": f"1-{int(now):08x}-{number // SEGMENTS:024x}",
                        "id": f"{number:016x}",
                        "name": f"service-{number % 20}",
                        "start_time": now,
                        "end_time": now + 0.1,
                        "http": {"response": {"status": 200}},
                        "metadata": {"default": {"x": os.urandom(450).hex()}},
                    }
                )
            store.write(parsed(*documents), 60.0)
        store.flush(120)
        took = time.monotonic() - begun
        size = sum(each.stat().st_size for each in Path(folder).rglob("*") if each.is_file())
        print(
            f"clickhouse: {number} documents in {took:.1f} s ({number / took:.0f}/s); a document takes "
            f"{(time.process_time() - own) / number * 1e6:.0f} µs of the collector's CPU (making it "
            f"included) and {(cpu_of(server.pid) - before) / number * 1e6:.0f} µs of ClickHouse's; "
            f"{size / number:.0f} bytes on its disk, of which 450 can't be compressed"
        )
        store.close()
        server.communicate(timeout=20)


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> str:
    found = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return "/".join(str(int(found[name].split()[0]) >> 10) for name in ("VmRSS", "VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["emitters", "forward", "daemon", "clickhouse"])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--outage", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=5000)
    arguments = parser.parse_args()
    print(
        f"load before: {os.getloadavg()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}"
    )
    if "emitters" in arguments.parts:
        emitters()
    if "forward" in arguments.parts:
        forwarding("store", arguments.rate, arguments.seconds, 0)
        forwarding("store", arguments.rate, arguments.seconds + arguments.outage, arguments.outage)
    if "clickhouse" in arguments.parts:
        clickhouse()
    if "daemon" in arguments.parts:
        forwarding("daemon", arguments.rate, arguments.seconds, 0)


if __name__ == "__main__":
    main()
