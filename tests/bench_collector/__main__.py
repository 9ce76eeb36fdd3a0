"""Measures the collector: python -m tests.bench_collector [--quick] [part ...].

Parts: sustained, full, burst, visible (documents over UDP from a process of its own) and stored (what a
large store answers, and how fast).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench_collector.console import console
from tests.bench_collector.load import SEGMENTS_PER_TRACE, renumbered, trace
from xtrace.collector import filters
from xtrace.collector.graph import services
from xtrace.collector.ingest import Ingest
from xtrace.collector.receiver import Receiver
from xtrace.collector.store import Store, Window, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
FILTERS = (
    'annotation.tenant = "tenant-3"',
    'service("service-10") { fault }',
    "responsetime > 0.2",
    'http.url ENDSWITH "/42" AND !fault',
    "rootcause.fault.service",
)


@contextmanager
def collecting(path: str, max_bytes: int | None = None) -> Iterator[tuple[Receiver, Ingest, Store]]:
    """A collector without its HTTP side, in this process."""
    store = open_store(path, max_bytes=max_bytes)
    ingest = Ingest(store)
    receiver = Receiver(("127.0.0.1", 0), ingest.take, ingest.refuse)
    receiver.start()
    try:
        yield receiver, ingest, store
    finally:
        receiver.stop()
        ingest.stop()
        store.close()


def client(receiver: Receiver, rate: int, seconds: float, seed: int = 0) -> subprocess.Popen[str]:
    """A process that sends."""
    port = str(receiver.endpoint[1])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench_collector.load", port, str(rate), str(seconds),
         "--seed", str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )  # fmt: skip


def ingest_over_udp(
    title: str, path: str, rate: int, seconds: float, max_bytes: int | None = None
) -> None:
    """Send at a rate for a time; say what was lost."""
    with collecting(path, max_bytes) as (receiver, ingest, store):
        cpu, begun = time.process_time(), time.monotonic()
        sender = client(receiver, rate, seconds)
        most_stale = most_waiting = 0
        while sender.poll() is None:
            time.sleep(0.25)
            most_stale = max(most_stale, store.counts().stale)
            most_waiting = max(most_waiting, ingest.counts().waiting)
        told = json.loads(sender.communicate()[0])
        ended = time.monotonic()
        receiver.stop()
        ingest.flush()
        stored_after = time.monotonic() - ended
        store.flush()
        after = time.monotonic() - ended
        counts = ingest.counts()
        used = time.process_time() - cpu
        print(
            f"{title}: sent {told['sent']} in {told['seconds']:.2f} s "
            f"({told['sent'] / told['seconds']:.0f}/s), stored {counts.stored}, "
            f"lost by the kernel {receiver.kernel_drops}, dropped {counts.dropped}, "
            f"lost {told['sent'] - counts.stored}\n"
            f"  receive buffer {receiver.buffer_bytes >> 10} KB; most waiting {most_waiting} "
            f"documents, most uncompiled {most_stale} traces; all stored {stored_after:.2f} s "
            f"and compiled {after:.2f} s after the last was sent\n"
            f"  CPU {used:.1f} s of {ended - begun + after:.1f} s, "
            f"{used / max(1, counts.stored) * 1e6:.0f} µs a document; "
            f"memory {memory_mb():.0f} MB; file {store.size().bytes >> 20} MB, "
            f"{counts_trimmed(store)}"
        )


def counts_trimmed(store: Store) -> str:
    """How much went to make room."""
    counts = store.counts()
    return f"{counts.trimmed_traces} traces of {counts.trimmed_documents} documents trimmed"


def sustained(path: str, quick: bool) -> None:
    """8,000 segments a second for a minute."""
    ingest_over_udp("sustained", path, 8000, 15 if quick else 60)


def full(path: str, quick: bool) -> None:
    """The same into a store that is full, so that as much goes as comes."""
    ingest_over_udp("full", path, 8000, 15 if quick else 60, 60_000_000)


def burst(path: str, quick: bool) -> None:
    """20,000 segments in one second."""
    for _ in range(1 if quick else 3):
        ingest_over_udp("burst", path, 20_000, 1)
        for name in (path, path + "-wal", path + "-shm"):
            Path(name).unlink(missing_ok=True)


def visible(path: str, quick: bool) -> None:
    """From a trace's last datagram to its summary, idle and under load."""
    for rate in (0, 1000, 4000):
        with collecting(path) as (receiver, _, store):
            sender = client(receiver, rate, 4 if quick else 15, 7) if rate else None
            time.sleep(1.0)
            took = []
            chance = random.Random(1)
            for number in range(1, 6 if quick else 21):
                now = time.time()
                for data in renumbered(trace(number, 1_000_000_000.0, chance), number, now):
                    probe = data.replace(b'"user-%d"' % number, b'"probe-%d"' % number)
                    send(receiver.endpoint, probe)
                sent = time.perf_counter()
                asked = filters.parse(f'user = "probe-{number}"')
                while not shows(store, asked, now):
                    time.sleep(0.005)
                took.append(time.perf_counter() - sent)
            if sender is not None:
                sender.communicate()
            print(
                f"visible at {rate}/s: median {median(took) * 1000:.0f} ms, "
                f"worst {max(took) * 1000:.0f} ms"
            )


def send(endpoint: tuple[str, int], data: bytes) -> None:
    """One datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b'{"format":"json","version":1}\n' + data, endpoint)


def shows(store: Store, asked: filters.Filter, now: float) -> bool:
    """Whether a trace is in the summaries, whole."""
    found = store.find(Window(int(now) - 1, int(now) + 5), filter=asked).summaries
    return any(summary["Revision"] == SEGMENTS_PER_TRACE for summary in found)


def stored(path: str, quick: bool) -> None:
    """What a store of a million segments over an hour answers."""
    segments = 80_000 if quick else 1_000_000
    traces = segments // SEGMENTS_PER_TRACE
    now = time.time()
    cpu, begun = time.process_time(), time.monotonic()
    with collecting(path) as (_, ingest, store):
        chance = random.Random(1)
        templates = [trace(number, 1_000_000_000.0, chance) for number in range(200)]
        for number in range(traces):
            at = now - 3600 * (1 - number / traces)
            ingest.take(renumbered(templates[number % 200], number, at))
            if number % 200 == 0:
                ingest.flush()
        ingest.flush()
        store.flush()
        took = time.monotonic() - begun
        print(
            f"stored: {store.counts().stored} segments in {took:.1f} s "
            f"({(time.process_time() - cpu) / segments * 1e6:.0f} µs of CPU each), "
            f"{store.size().bytes >> 20} MB, memory {memory_mb():.0f} MB"
        )
    begun = time.monotonic()
    with collecting(path) as (_, _, store):
        print(f"  opened again in {(time.monotonic() - begun) * 1000:.0f} ms")
        window = Window(now - 300, now + 1)
        rounds = 5 if quick else 20
        for text in ("", *FILTERS):
            chosen = filters.parse(text) if text else None
            page = store.find(window, filter=chosen)
            timed(
                f"find {text or 'without a filter'}: {len(page.summaries)} found, "
                f"{page.scanned} scanned",
                lambda chosen=chosen: store.find(window, filter=chosen),
                rounds,
            )
        rare = filters.parse('annotation.tenant = "nobody"')
        timed("find nothing in an hour", lambda: everything(store, now, rare), 3)
        ids = [s["Id"] for s in store.find(window, limit=500, seconds=5.0).summaries[::20]]
        chance = random.Random(2)
        timed("five traces by id", lambda: store.traces(chance.sample(ids, 5)), rounds)
        hour = Window(now - 3600, now)
        made = services(store.graph(hour))
        edges = sum(len(service["Edges"]) for service in made)
        timed(
            f"graph of {len(made)} nodes, {edges} edges over an hour",
            lambda: services(store.graph(hour)),
            rounds,
        )
        timed(
            "series of a node over an hour",
            lambda: store.series(hour, 60, subjects=lambda subject: subject[0] == "service-10"),
            3,
        )
        group = filters.parse('service("service-10") { fault }')
        timed("graph of a group over an hour", lambda: services(store.graph(hour, group)), 3)
        print(f"  memory {memory_mb():.0f} MB")


def everything(store: Store, now: float, chosen: filters.Filter) -> int:
    """All pages."""
    scanned, cursor = 0, None
    while True:
        page = store.find(Window(now - 3600, now + 1), filter=chosen, cursor=cursor)
        scanned += page.scanned
        cursor = page.cursor
        if cursor is None:
            return scanned


def timed(what: str, question: Callable[[], Any], rounds: int) -> None:
    """Ask some times; say the median and the worst."""
    took = []
    for _ in range(rounds):
        begun = time.perf_counter()
        question()
        took.append(time.perf_counter() - begun)
    print(f"  {what}: median {median(took) * 1000:.1f} ms, worst {max(took) * 1000:.1f} ms")


def memory_mb() -> float:
    """The most this process has used so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


PARTS = {
    "sustained": sustained,
    "full": full,
    "burst": burst,
    "visible": visible,
    "stored": stored,
    "console": console,
}


def main() -> None:
    """Run the parts asked for, each in a process of its own, so that memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--quick", action="store_true", help="small numbers")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.alone:
        for part in arguments.parts or PARTS:
            load = " ".join(f"{each:.2f}" for each in os.getloadavg())
            print(f"-- {part} (load of the machine before: {load})", flush=True)
            words = [part, "--alone", *(["--quick"] if arguments.quick else [])]
            subprocess.run([sys.executable, "-m", "tests.bench_collector", *words], cwd=ROOT)
        return
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    with tempfile.TemporaryDirectory() as folder:
        PARTS[arguments.parts[0]](os.path.join(folder, "bench.db"), arguments.quick)


if __name__ == "__main__":
    main()
