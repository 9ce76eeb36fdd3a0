"""What an emitter costs the application: its thread, its memory, its end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from xtrace import forks
from xtrace.recorder import Recorder

from .process import ROOT, memory_of
from .sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

LIVE = "otlp+http"
LAST_LINE = "import time; print(time.time(), flush=True)"


@contextmanager
def alternatives() -> Iterator[dict[str, str]]:
    """Emitters by name, to backends that live and to some that are dead each in its own way."""
    sinks = {mode: Sink(mode) for mode in ("take", "swallow", "dribble")}
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as closed:
            udp.bind(("127.0.0.1", 0))
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
            closed.bind(("127.0.0.1", 0))  # its port is nobody else's, and nobody listens
            ports = {mode: sink.port for mode, sink in sinks.items()}
            os.environ.setdefault("AWS_ACCESS_KEY_ID", "a")
            os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "b")
            os.environ["AWS_ENDPOINT_URL_XRAY"] = f"http://127.0.0.1:{ports['take']}"
            yield {
                "udp": f"udp://127.0.0.1:{udp.getsockname()[1]}",
                LIVE: f"otlp+http://127.0.0.1:{ports['take']}",
                "xray": "xray://eu-west-1",
                "otlp+http, refusing": f"otlp+http://127.0.0.1:{closed.getsockname()[1]}",
                "otlp+http, black hole": f"otlp+http://127.0.0.1:{ports['swallow']}",
                "otlp+http, a byte a second": f"otlp+http://127.0.0.1:{ports['dribble']}",
            }
    finally:
        for sink in sinks.values():
            sink.close()


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


def thread(rounds: int = 7, requests: int = 400, rate: float = 400.0) -> None:
    """The thread that serves: its CPU time for a request, and how long the request takes.

    Requests come at a rate, in rounds, the alternatives interleaved.
    """
    with alternatives() as urls:
        recorders = {
            name: Recorder(service="shop", sampling=False, emitter=url)
            for name, url in urls.items()
        }
        cpu: dict[str, list[float]] = {name: [] for name in urls}
        took: dict[str, list[float]] = {name: [] for name in urls}
        for number in range(rounds + 1):
            for name, recorder in recorders.items():
                used, times = _served(recorder, requests, rate)
                if number:  # the first round warms up
                    cpu[name].append(used)
                    took[name] += times
        base = median(cpu["udp"])
        for name in urls:
            times = sorted(took[name])
            p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
            print(
                f"{name:28} {median(cpu[name]) * 1e6:6.1f} µs of CPU a request, "
                f"{median(cpu[name]) / base:4.2f} of udp; took p50 {p50 * 1e6:6.1f} µs, "
                f"p99 {p99 * 1e6:7.1f} µs; {recorders[name].stats()}"
            )


def _served(recorder: Recorder, requests: int, rate: float) -> tuple[float, list[float]]:
    times = []
    waking = 0.0
    begun = time.thread_time()
    due = time.perf_counter()
    for _ in range(requests):
        at = time.perf_counter()
        request(recorder)
        times.append(time.perf_counter() - at)
        due += 1 / rate
        before = time.thread_time()
        # Requests come at a rate: there is no condition to wait for but the time.
        time.sleep(max(0.0, due - time.perf_counter()))
        waking += time.thread_time() - before
    return (time.thread_time() - begun - waking) / requests, times


def instructions(counts: tuple[int, int] = (200, 1200)) -> None:
    """Instructions of the serving thread for a request, which are the same on a busy machine.

    By valgrind; of two counts of requests the difference, so that what a process takes to begin is
    in neither. The worker's thread is kept from starting: valgrind would count it, too.
    """
    if shutil.which("valgrind") is None:
        raise SystemExit("Counting instructions needs valgrind, which isn't installed.")
    found: dict[str, float] = {}
    with alternatives() as urls:
        for name in ("udp", LIVE, "xray"):
            few, many = (_counted(urls[name], count) for count in counts)
            found[name] = (many - few) / (counts[1] - counts[0])
            print(
                f"{name:28} {found[name] / 1000:7.1f} thousand instructions a request, "
                f"{found[name] / found['udp']:4.2f} of udp"
            )


def _counted(url: str, requests: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        words = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", sys.executable]
        ran = subprocess.run(
            [*words, "-m", __spec__.name, "requests", url, str(requests)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        assert ran.returncode == 0, ran.stderr
        summary = next(line for line in out.read_text().splitlines() if line.startswith("summary:"))
    return int(summary.split()[1])


def memory(thousands: int = 60) -> None:
    """The memory of a process that records for a dead backend, after so many thousand segments."""
    with alternatives() as urls:
        for name in (LIVE, *(name for name in urls if name.startswith(f"{LIVE},"))):
            print(f"{name:28} {_said('growing', urls[name], thousands)}")


def exits(repeat: int = 7) -> None:
    """How long a program takes from its last line until it has gone, with segments that aren't sent.

    The alternatives run interleaved; "python" is a program that does nothing.
    """
    with alternatives() as urls:
        dead = {name: url for name, url in urls.items() if name.startswith(f"{LIVE},")}
        programs = {"python": ("", None), "memory:": ("memory:", None)}
        programs |= {name: (url, None) for name, url in urls.items()}
        for name, url in dead.items():
            programs[name.replace(LIVE, "xray")] = "xray://eu-west-1", url.replace(LIVE, "http")
        programs["all three of otlp+http"] = " ".join(dead.values()), None
        took: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(repeat):
            for name, (emitters, endpoint) in programs.items():
                took[name].append(_ended(emitters, endpoint))
    for name, times in took.items():
        print(f"{name:28} ends within {median(times):5.2f} s, at most {max(times):5.2f} s")


def _ended(urls: str, endpoint: str | None) -> float:
    """The seconds from a program's last line until it has gone, which it can't say itself."""
    words = ["-m", __spec__.name, "ending", urls, "100"] if urls else ["-c", LAST_LINE]
    environment = dict(os.environ)
    if endpoint is not None:
        environment["AWS_ENDPOINT_URL_XRAY"] = endpoint
    with subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=environment,
    ) as process:
        process.wait()
        gone = time.time()
        assert process.stdout is not None and process.returncode == 0
        return gone - float(process.stdout.read())


def _said(part: str, urls: str, count: int) -> str:
    words = [sys.executable, "-m", __spec__.name, part, urls, str(count)]
    ran = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def _program(part: str, urls: str, count: int) -> None:
    """What runs in a process of its own."""
    recorder = Recorder(service="shop", sampling=False, emitter=urls.split())
    if part == "requests":
        forks.may_start_threads = lambda: False
    if part == "growing":
        begun = time.perf_counter()
        sizes = []
        for _ in range(count):
            for _ in range(1000):
                request(recorder)
            sizes.append(memory_of()[0])
        seconds = time.perf_counter() - begun
        at = (0, count // 4, count // 2, count - 1)
        told = ", ".join(f"{sizes[each]} MB after {each + 1},000" for each in at)
        print(f"{told} segments in {seconds:.0f} s; {recorder.stats()}", flush=True)
        os._exit(0)
    for _ in range(count):
        request(recorder)
    if part == "requests":
        os._exit(0)
    exec(LAST_LINE)


if __name__ == "__main__":
    _program(sys.argv[1], sys.argv[2], int(sys.argv[3]))
