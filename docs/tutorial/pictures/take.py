"""Takes the tutorial's pictures of the shop and of the console, in the folder that this file is in.

python docs/tutorial/pictures/take.py      needs playwright and a Chromium: CHROMIUM=/usr/bin/chromium
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[2] / "examples" / "shop"))

import load  # noqa: E402
from chaos import Chaos  # noqa: E402
from checks import Collected  # noqa: E402
from launcher import Shop  # noqa: E402

SECONDS = 40
PRODUCT = ("GET /product/{id}", "known")
ORDER = ("POST /cart/order", "ordered")


@contextmanager
def visited(**options):
    """A shop that has had visitors, and what they saw last."""
    with Shop(seed=1, **options) as shop:
        totals = load.Totals()
        # Playwright has an event loop in this thread.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, load.run(shop.url, 4, SECONDS, 1, totals)).result()
        yield shop, totals.latest


def main() -> None:
    """Take them all, one shop after the other."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})

        def take(name: str, url: str, until: str) -> None:
            page.goto(url)
            page.locator(until).first.wait_for(state="attached")
            page.wait_for_timeout(1500)  # what moves comes to rest
            page.screenshot(path=HERE / f"{name}.png")

        with visited(sample_all=True) as (shop, latest):
            console = shop.collector_url
            take("shop", shop.url, "text=Lantern No. 3")
            take("map", console, "text=ProductCatalog")
            take(
                "product", f"{console}/traces/{latest[PRODUCT].trace_id}", "text=recommenderservice"
            )
            take("order", f"{console}/traces/{latest[ORDER].trace_id}", "text=order-worker")
        with visited(sample_all=True, chaos=Chaos(kill=0, seed=1)) as (shop, _):
            console = shop.collector_url
            take("chaos", console, "text=ProductCatalog")
            given_up = 'edge("recommenderservice", "catalogservice") { fault }'
            summary = Collected(console, 0).summaries(given_up)[0]
            take("timeout", f"{console}/traces/{summary['Id']}", "text=recommenderservice")
        with visited() as (shop, _):
            take("sampling", f"{shop.collector_url}/sampling", "text=pictures")
        browser.close()


if __name__ == "__main__":
    main()
