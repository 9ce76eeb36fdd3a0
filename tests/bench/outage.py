"""What requests of the shop take while the collector runs, and while it is stopped.

    python tests/bench/outage.py            about two minutes; needs what the examples need

Rounds of the same requests, with the collector and without it in turn, so that whatever else the
machine does hits both alike. Every request is recorded.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from statistics import quantiles

import httpx

SHOP = Path(__file__).parents[2] / "examples" / "shop"
sys.path.append(str(SHOP))

# After the path: the shop is a folder of programs, no package.
from goods import PRODUCT_IDS  # noqa: E402
from launcher import Shop  # noqa: E402

PATHS = ("/", f"/product/{PRODUCT_IDS[1]}", "/cart", "/product", "/images/products-fern.jpg")
UP, DOWN = "with the collector", "without it"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="of each (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=200, help="a round (default: %(default)s)")
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {UP: [], DOWN: []}
    with Shop(free_ports=True, sample_all=True, seed=1) as shop:
        list(visit(shop, arguments.requests))  # the first of each kind loads and connects
        for number in range(2 * arguments.rounds):
            # Up, down, down, up: neither is always the later one.
            state = (UP, DOWN, DOWN, UP)[number % 4]
            is_up = shop.programs["collector"].process.poll() is None
            if is_up and state is DOWN:
                shop.end("collector")
            elif state is UP and not is_up:
                shop.start("collector")
            times[state] += visit(shop, arguments.requests)
    print(f"{'':20}{'requests':>10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}")
    for state, seconds in times.items():
        percent = quantiles(seconds, n=100)
        row = "".join(f"{percent[each - 1] * 1000:9.2f}" for each in (50, 95, 99))
        print(f"{state:20}{len(seconds):10,}{row}")
    with_it, without = (quantiles(times[state], n=100)[94] for state in (UP, DOWN))
    print(f"p95 without it: {(without / with_it - 1) * 100:+.1f} %")


def visit(shop: Shop, requests: int) -> list[float]:
    """Seconds that each of some requests took."""
    found = []
    with httpx.Client(base_url=shop.url, timeout=30, trust_env=False) as client:
        for path in islice(cycle(PATHS), requests):
            began = time.perf_counter()
            client.get(path).raise_for_status()
            found.append(time.perf_counter() - began)
    return found


if __name__ == "__main__":
    main()
