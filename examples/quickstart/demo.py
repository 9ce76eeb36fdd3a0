"""The demo: two services, a collector, twenty requests, and their traces drawn.

Starts `shop` and `prices` as processes of their own and the collector as a third, sends twenty
requests of which one fails, draws what the collector has stored, and checks that nothing is
missing. Everything is stopped and removed at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from xtrace.collector.store import Store, Window, open_to_read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

HERE = Path(__file__).parent
REQUESTS = 20
PRODUCTS = ("tea", "cup", "kettle")
UNKNOWN_PRODUCT = "samovar"
DOCUMENTS_PER_REQUEST = 2  # a segment of the shop and one of the prices service
DEADLINE_SECONDS = 20


@contextmanager
def process(*command: str, **environment: str) -> Iterator[str]:
    """A program for the time of a `with` block; gives the first line that it prints."""
    program = subprocess.Popen(
        [sys.executable, "-u", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        line = program.stdout.readline().strip()
        if not line:
            raise SystemExit(f"{' '.join(command)} didn't start")
        yield line
    finally:
        program.terminate()
        program.communicate(timeout=10)


def drive(shop: str) -> list[int]:
    """Send the requests; gives their status codes."""
    statuses = []
    for number in range(REQUESTS):
        product = UNKNOWN_PRODUCT if number == 7 else PRODUCTS[number % len(PRODUCTS)]
        statuses.append(requests.get(f"{shop}/buy/{product}", timeout=10).status_code)
    return statuses


def wait_for(store: Store, documents: int, traces: int) -> int:
    """Wait until so much is stored, or the time is up; gives how many documents there are."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (
        store.size().documents < documents or len(newest(store)) < traces
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    return store.size().documents


def newest(store: Store) -> list[dict[str, Any]]:
    """Summaries of the traces of the demo, the newest first."""
    now = time.time()
    return store.find(Window(now - 3600, now + 60), limit=REQUESTS + 1).summaries


def main() -> int:
    """Run the demo; gives the exit status."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        database = os.path.join(folder, "traces.db")
        said = stack.enter_context(
            process("-m", "xtrace", "collector", "--listen", "127.0.0.1:0", "--db", database)
        )
        address = said.partition("udp ")[2].partition(",")[0]
        tracing = {"AWS_XRAY_DAEMON_ADDRESS": address}
        prices = stack.enter_context(
            process(str(HERE / "prices.py"), PRICES_DB=os.path.join(folder, "prices.db"), **tracing)
        )
        shop = stack.enter_context(
            process(str(HERE / "shop.py"), PRICES_URL=f"http://127.0.0.1:{prices}", **tracing)
        )
        print(f"collector on udp {address}, shop on port {shop}, prices on port {prices}")
        statuses = drive(f"http://127.0.0.1:{shop}")
        store = open_to_read(database)
        stack.callback(store.close)
        stored = wait_for(store, REQUESTS * DOCUMENTS_PER_REQUEST, REQUESTS)
        subprocess.run(
            [sys.executable, "-m", "xtrace", "show", "--last", str(REQUESTS), "--db", database],
            check=True,
        )
        subprocess.run([sys.executable, "-m", "xtrace", "show", "--db", database], check=True)
        traces = newest(store)
    return report(statuses, stored, len(traces), sum(trace["HasFault"] for trace in traces))


def report(statuses: list[int], stored: int, traces: int, faults: int) -> int:
    """Compare what was asked for with what was stored."""
    failed = sum(status >= 500 for status in statuses)
    print(f"{len(statuses)} requests sent, {failed} failed with a 500")
    print(f"{stored} segments stored in {traces} traces, {faults} with a fault")
    good = (
        len(statuses) == traces == REQUESTS
        and stored == REQUESTS * DOCUMENTS_PER_REQUEST
        and failed == faults == 1
    )
    print("Nothing is missing." if good else "Something is missing!")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
