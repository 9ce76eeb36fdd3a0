"""Takes the tutorial's pictures of the shop and of the console, in the folder that this file is in.

python docs/tutorial/pictures/take.py      (make screenshots)

It needs playwright, Pillow and a Chromium: CHROMIUM=/usr/bin/chromium.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.append(str(ROOT / "examples" / "shop"))

import load  # noqa: E402
from chaos import Chaos  # noqa: E402
from checks import Collected  # noqa: E402
from launcher import Shop  # noqa: E402

SECONDS = 40
# Where the checkout is says nothing to a reader.
SHORTEN = """([long, short]) => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(long, short);
}"""
ROW = ".timeline-rows [role=row]"
PRODUCT = ("GET /product/{id}", "known")
ORDER = ("POST /cart/order", "ordered")


class Alone(Shop):
    """A shop whose collector gets nothing from other programs, which send to its usual port."""

    def _collector_port(self) -> int:
        return 0


@contextmanager
def visited(**options):
    """A shop that has had visitors, and what they saw last."""
    with Alone(seed=1, **options) as shop:
        totals = load.Totals()
        # Playwright has an event loop in this thread.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, load.run(shop.url, 4, SECONDS, 1, totals)).result()
        yield shop, totals.latest


def one(console: str, filter: str) -> str:
    """The address of a trace that a filter expression finds."""
    return f"{console}/traces/{Collected(console, 0).summaries(filter)[0]['Id']}"


def main() -> None:
    """Take them all, one shop after the other."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")

        def look(url: str, until: str) -> None:
            page.goto(url)
            page.locator(until).first.wait_for(state="attached")

        def click(selector: str, text: str, number: int = 0) -> None:
            page.locator(selector, has_text=text).nth(number).click()

        def take(name: str) -> None:
            page.wait_for_timeout(1500)  # what moves comes to rest
            page.evaluate(SHORTEN, [str(ROOT), "~/xtrace"])
            with Image.open(BytesIO(page.screenshot())) as picture:
                # Fewer colours, a third of the size; none that is rare and means something is lost.
                few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1)
                few.save(HERE / f"{name}.png", optimize=True)

        with visited(sample_all=True) as (shop, latest):
            console = shop.collector_url
            look(shop.url, "text=Lantern No. 3")
            take("shop")
            look(console, "text=ProductCatalog")
            take("map")
            look(f"{console}/?select=Frontend→catalogservice", ".pane")
            take("edge")
            look(f"{console}/traces?by=annotation.ProductID", "text=0000000000000")
            take("groups")
            look(f"{console}/traces/{latest[PRODUCT].trace_id}", "text=recommenderservice")
            take("product")
            look(f"{console}/traces/{latest[ORDER].trace_id}", "text=order-worker")
            click(ROW, "order-worker")
            take("order")
        with visited(sample_all=True, chaos=Chaos(kill=0, seed=1)) as (shop, _):
            console = shop.collector_url
            look(console, "text=ProductCatalog")
            take("chaos")
            look(one(console, 'service("recommenderservice") { fault }'), ROW)
            click(ROW, "recommenderservice", 1)
            click(".detail [role=tab]", "Exceptions")
            take("exception")
            look(one(console, 'edge("recommenderservice", "catalogservice") { fault }'), ROW)
            take("timeout")
        with visited() as (shop, _):
            look(f"{shop.collector_url}/sampling", "text=pictures")
            take("sampling")
        browser.close()


if __name__ == "__main__":
    main()
