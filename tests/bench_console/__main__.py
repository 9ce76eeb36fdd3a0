"""Measures the console in a headless Chromium: python -m tests.bench_console [part ...].

Parts: load, trace, scroll, frames, list, map, live, ingest. Each says what was measured, the median of a few
rounds, and the target. Times are from the click, or the navigation, to what it shows.
"""

from __future__ import annotations

import argparse
import json
import socket
import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.browser.conftest import WIDE, launched, settled
from tests.browser.made import trace_id, wide
from tests.browser.shop_traces import Shop, encoded
from xtrace.collector import running
from xtrace.collector.console import load as load_assets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from xtrace.collector import Collector

ROUNDS = 5
LOADS = 9
CLICKED = """
async ([address, selector]) => {
    const link = document.createElement("a");
    link.href = address;
    document.body.append(link);
    const gone = new Promise((done) => setTimeout(done, 0));
    await gone;
    const start = performance.now();
    link.click();
    link.remove();
    while (!document.querySelector(selector)) await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    return performance.now() - start;
}
"""
"""From a click on a link until something is there and a frame has been drawn, in ms."""

FRAMES = """
async (steps) => {
    const rows = document.querySelector(".timeline-rows");
    const frames = [];
    let before = await new Promise(requestAnimationFrame);
    for (let step = 0; step < steps; step += 1) {
        rows.scrollTop += 311;
        const now = await new Promise(requestAnimationFrame);
        frames.push(now - before);
        before = now;
    }
    return frames;
}
"""


def report(what: str, measured: float, target: float, unit: str = "ms", note: str = "") -> None:
    mark = "ok" if measured <= target else "over"
    print(f"{what:52} {measured:9.0f} {unit:4} target {target:7.0f}  {mark}  {note}", flush=True)


@contextmanager
def opened(collector: Collector) -> Iterator[Page]:
    """A page of a collector's console."""
    with launched() as browser:
        context = browser.new_context(
            viewport={"width": WIDE[0], "height": WIDE[1]}, base_url=collector.url
        )
        yield context.new_page()
        context.close()


def put(collector: Collector, documents: list[bytes]) -> None:
    for at in range(0, len(documents), 2000):
        collector.service.ingest.take(documents[at : at + 2000])
        assert collector.flush(300)


def clicked(page: Page, address: str, selector: str, rounds: int = ROUNDS) -> float:
    """The median time from a click to what it shows."""
    times = []
    for _ in range(rounds):
        page.goto("/cost", wait_until="domcontentloaded")
        settled(page)
        times.append(page.evaluate(CLICKED, [address, selector]))
    return median(times)


SEEN = """
(selector) => {
    const observer = new MutationObserver(() => {
        if (!document.querySelector(selector)) return;
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => { window.seen = performance.now(); }));
    });
    observer.observe(document, { childList: true, subtree: true });
}
"""
"""Notes when something is there and a frame has been drawn, in ms since the navigation began."""

LIST = ".trace-table tbody tr"


def load() -> None:
    """The first load: in a renderer process of its own, with nothing kept.

    What the browser takes for any page is in it: so a page of plain text is loaded in turns with it, by the
    same server, and the same is told by the page's own clock, which begins when the process is there.
    """
    with running() as collector, launched() as browser:
        put(collector, encoded(Shop(1).traces(200, time.time() - 60, 50)))
        text = f"{load_assets().root}/vendor/LICENSE.preact.txt"
        cold, plain, own, again = [], [], [], []
        sizes = 0
        for number in range(-1, LOADS):  # the first finds a server that has answered nobody yet
            plainly, _, _ = first_load(browser, collector.url, text, "pre")
            took, seen, sizes = first_load(browser, collector.url, "/traces", LIST)
            if number >= 0:
                plain.append(plainly)
                cold.append(took)
                own.append(seen)
        context = browser.new_context(base_url=collector.url)
        page = context.new_page()
        for number in range(-1, ROUNDS):
            page.goto("about:blank")
            start = time.perf_counter()
            page.goto("/traces", wait_until="domcontentloaded")
            page.wait_for_selector(LIST)
            if number >= 0:
                again.append((time.perf_counter() - start) * 1000)
        context.close()
    note = f"best {min(cold):.0f}"
    report("first load, list usable", median(cold), 300, note=note)
    report(
        "- of it what a page of plain text takes", median(plain), 300, note=f"best {min(plain):.0f}"
    )
    report(
        "- the first load by the page's own clock", median(own), 300, note=f"best {min(own):.0f}"
    )
    report("load again", median(again), 300)
    report("transferred by a first load, without answers", sizes / 1000, 300, "kB")


def first_load(
    browser: Browser, url: str, address: str, selector: str
) -> tuple[float, float, float]:
    """How long until something is seen, in ms; the same by the page's clock; bytes transferred, without answers."""
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]}, base_url=url)
    page = context.new_page()
    page.add_init_script(f"({SEEN})({json.dumps(selector)})")
    start = time.perf_counter()
    page.goto(address, wait_until="domcontentloaded")
    page.wait_for_selector(selector)
    took = (time.perf_counter() - start) * 1000
    page.wait_for_function("window.seen")
    seen, size = page.evaluate(
        """[window.seen, performance.getEntriesByType("resource")
            .concat(performance.getEntriesByType("navigation"))
            .filter((each) => !each.name.includes("/api/"))
            .reduce((sum, each) => sum + each.transferSize, 0)]"""
    )
    context.close()
    return took, seen, size


def trace() -> None:
    """Traces of 100 to 100,000 rows."""
    with running() as collector, opened(collector) as page:
        for number, (rows, target) in enumerate(((100, 150), (10_000, 1000), (100_000, 4000)), 1):
            documents = wide(time.time() - 60, rows, number)
            put(collector, encoded([documents]))
            address = f"/traces/{documents[0]['trace_id']}"
            rounds = ROUNDS if rows < 100_000 else 3
            took = clicked(page, address, ".timeline-rows [role=row]", rounds)
            elements = page.evaluate("document.querySelectorAll('*').length")
            report(f"trace of {rows:,} rows", took, target, note=f"{elements} elements")


def scroll() -> None:
    """Frames while a trace of 10,000 rows scrolls."""
    with running() as collector, opened(collector) as page:
        documents = wide(time.time() - 60, 10_000)
        put(collector, encoded([documents]))
        page.goto(f"/traces/{documents[0]['trace_id']}")
        page.wait_for_selector(".timeline-rows [role=row]")
        frames = sorted(page.evaluate(FRAMES, 120))
        worst = frames[int(len(frames) * 0.98)]
        report(
            "scrolling 10,000 rows, 98 % of the frames",
            worst,
            33,
            note=f"median {median(frames):.0f}",
        )


KEYS_FRAMES = """
async (keys) => {
    const frames = [];
    let before = await new Promise(requestAnimationFrame);
    for (const key of keys) {
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
        for (let n = 0; n < 2; n += 1) {
            const now = await new Promise(requestAnimationFrame);
            frames.push(now - before);
            before = now;
        }
    }
    return frames;
}
"""
"""How long the frames take in which keys are answered."""

WHEEL_FRAMES = """
async (steps) => {
    const rows = document.querySelector(".timeline-rows");
    const { left, top, width } = rows.getBoundingClientRect();
    const said = () => document.querySelector(".minimap").getAttribute("aria-label");
    const first = said();
    const frames = [];
    let before = await new Promise(requestAnimationFrame);
    for (let step = 0; step < steps; step += 1) {
        const deltaY = step < steps / 2 ? -60 : 60;
        rows.dispatchEvent(new WheelEvent("wheel", {
            ctrlKey: true, deltaY, bubbles: true, cancelable: true, clientX: left + width * 0.7, clientY: top + 50,
        }));
        const now = await new Promise(requestAnimationFrame);
        frames.push(now - before);
        before = now;
        if (step === Math.floor(steps / 4) && said() === first) throw new Error("nothing was zoomed");
    }
    return frames;
}
"""
"""The same while the wheel zooms in and out."""

FRAME_MS = 1000 / 30
"""Two of a screen that draws sixty a second."""


def frames() -> None:
    """Frames while a trace of 10,000 rows is zoomed into, collapsed and expanded."""
    with running() as collector, opened(collector) as page:
        documents = wide(time.time() - 60, 10_000)
        put(collector, encoded([documents]))
        page.goto(f"/traces/{documents[0]['trace_id']}")
        page.wait_for_selector(".timeline-rows [role=row]")
        page.get_by_role("treegrid").focus()
        for what, script, argument in (
            (
                "zooming to rows and back, of 10,000 rows",
                KEYS_FRAMES,
                ["j", "z", "j", "z", "0"] * 6,
            ),
            ("zooming by the wheel", WHEEL_FRAMES, 60),
            ("collapsing and expanding all", KEYS_FRAMES, ["]", "["] * 12),
            ("collapsing and expanding one", KEYS_FRAMES, ["j", "h", "l"] * 8),
        ):
            times = sorted(page.evaluate(script, argument))
            worst = times[int(len(times) * 0.95)]
            note = f"median {median(times):.0f}, worst {times[-1]:.0f}"
            report(f"{what}, 95 % of the frames", worst, FRAME_MS + 0.1, note=note)


def list_() -> None:
    """A list of 1,000 out of 100,000 traces, with a filter."""
    now = time.time()
    with running() as collector, opened(collector) as page:
        documents = [
            json.dumps(
                {
                    "trace_id": trace_id(now - 300, number),
                    "id": f"{number + 1:016x}",
                    "name": f"service-{number % 20}",
                    "start_time": now - 300 + number / 1000,
                    "end_time": now - 300 + number / 1000 + (number % 500) / 1000,
                    "http": {
                        "request": {"method": "GET", "url": f"http://shop/{number % 100}"},
                        "response": {"status": 200},
                    },
                }
            ).encode()
            for number in range(100_000)
        ]
        put(collector, documents)
        page.goto("/cost")
        asked = []
        for _ in range(ROUNDS):
            asked.append(
                page.evaluate(
                    """async () => {
                        const start = performance.now();
                        const answer = await fetch("/api/v1/traces?limit=1000&filter=responsetime > 0.2");
                        const { rows } = await answer.json();
                        return [performance.now() - start, rows.length];
                    }"""
                )
            )
        took = median(each[0] for each in asked)
        report("1,000 summaries of 100,000 traces, filtered", took, 300, note=f"{asked[0][1]} rows")
        report(
            "the same list, first 100 drawn",
            clicked(page, "/traces?filter=responsetime > 0.2", ".trace-table tbody tr"),
            600,
        )


def map_() -> None:
    """Maps of 50 and 500 nodes."""
    for nodes, target in ((50, 200), (500, 1000)):
        now = time.time()
        documents = []
        for node in range(nodes):
            parent = (node - 1) // 3
            documents.append(
                {
                    "trace_id": trace_id(now - 30, 1),
                    "id": f"{node * 16 + 1:016x}",
                    "name": f"service-{node}",
                    "start_time": now - 30 + node / 1000,
                    "end_time": now - 29,
                    **({"parent_id": f"{parent * 16 + 2 + (node - 1) % 3:016x}"} if node else {}),
                    "subsegments": [
                        {
                            "id": f"{node * 16 + 2 + child:016x}",
                            "name": f"service-{node * 3 + 1 + child}",
                            "namespace": "remote",
                            "start_time": now - 30 + node / 1000,
                            "end_time": now - 29,
                        }
                        for child in range(3)
                        if node * 3 + 1 + child < nodes
                    ],
                }
            )
        with running() as collector, opened(collector) as page:
            put(collector, encoded([documents]))
            report(f"map of {nodes} nodes", clicked(page, "/", ".node", 3), target)


def live() -> None:
    """From a packet to its row."""
    with running() as collector, opened(collector) as page:
        shop = Shop(3)
        put(collector, encoded(shop.traces(50, time.time() - 60, 50)))
        page.goto("/traces")
        page.wait_for_selector(".live-live")
        times = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(ROUNDS):
                document = shop.request("checkout", time.time())[0]
                start = time.perf_counter()
                data = b'{"format": "json", "version": 1}\n' + json.dumps(document).encode()
                sender.sendto(data, collector.endpoint)
                page.wait_for_selector(f"a[href*='{document['trace_id']}']")
                times.append((time.perf_counter() - start) * 1000)
        report("packet received to visible", median(times), 1000)


def ingest() -> None:
    """Documents a second while a page is open."""
    with running() as collector, opened(collector) as page:
        page.goto("/traces")
        page.wait_for_selector(".live-live, .first-trace")
        documents = encoded(Shop(4).traces(4000, time.time() - 60, 50))
        start = time.perf_counter()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number, document in enumerate(documents):
                sender.sendto(b'{"format": "json", "version": 1}\n' + document, collector.endpoint)
                ahead = number / 6000 - (time.perf_counter() - start)
                if ahead > 0.002:
                    time.sleep(ahead)
        sent = time.perf_counter() - start
        assert collector.flush(60)
        lost = len(documents) - collector.stored
        note = f"{len(documents) / sent:.0f} documents/s sent, {len(documents)} in all"
        report("lost of what came while a page was open", lost, 0, "docs", note)


PARTS: dict[str, Callable[[], Any]] = {
    "load": load,
    "trace": trace,
    "scroll": scroll,
    "frames": frames,
    "list": list_,
    "map": map_,
    "live": live,
    "ingest": ingest,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="default: all")
    for name in parser.parse_args().part or PARTS:
        PARTS[name]()
