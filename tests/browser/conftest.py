"""A collector, its console in a real browser, and traces to look at."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from tests.browser.shop_traces import Shop, encoded
from xtrace.collector import running
from xtrace.collector.filters import parse
from xtrace.collector.store import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from xtrace.collector import Collector

WIDE = (1280, 800)
NARROW = (480, 800)
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DEADLINE_MS = 15_000
ALL_TIME = Window(0.0, 1e12)
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    },
    "resultTypes": ["violations"],  # nobody reads where what is right stands
}

expect.set_options(timeout=DEADLINE_MS)


def chromium() -> str:
    """The system's browser."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    assert found, "these tests need Chromium: apt-get install chromium"
    return found


@contextmanager
def launched() -> Iterator[Browser]:
    """The browser, for the time of a `with` block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=SWITCHES)
        try:
            yield browser
        finally:
            browser.close()


# Of a module, not of the session: while it is open, asyncio takes its loop for running in this thread,
# and the tests of other modules couldn't run theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


class Console:
    """A collector and pages that show it. Whatever goes wrong in a page fails the test.

    problems: what the pages complained of.
    """

    all_time = ALL_TIME

    def __init__(self, collector: Collector, browser: Browser) -> None:
        self.collector = collector
        self.problems: list[str] = []
        self.shop = Shop(2)
        self._browser = browser
        self._contexts: dict[tuple[Any, ...], BrowserContext] = {}
        self._pages: dict[tuple[Any, ...], Page] = {}

    def put(self, *traces: list[dict[str, Any]]) -> None:
        """Store traces, and wait until they show."""
        self.put_documents(encoded(list(traces)))

    def put_documents(self, documents: list[bytes]) -> None:
        """Store documents, and wait until they show."""
        self.collector.service.ingest.take(documents)
        assert self.collector.flush()

    def feed(self, count: int, kind: str = "home") -> list[str]:
        """Store so many traces of a kind that begin now; gives their ids."""
        traces = [self.shop.request(kind, time.time() - 0.2) for _ in range(count)]
        self.put(*traces)
        return [trace[0]["trace_id"] for trace in traces]

    def one(self, expression: str) -> str:
        """The id of the newest trace that a filter finds."""
        found = self.collector.store.find(ALL_TIME, filter=parse(expression), limit=1)
        assert found.summaries, expression
        id: str = found.summaries[0]["Id"]
        return id

    def page(self, theme: str = "light", size: tuple[int, int] = WIDE) -> Page:
        """A page, the same one for the same theme and size."""
        key = (theme, size)
        if key not in self._pages:
            context = self._browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="dark" if theme == "dark" else "light",
                reduced_motion="reduce",
                base_url=self.collector.url,
                accept_downloads=True,
                permissions=["clipboard-read", "clipboard-write"],
            )
            context.set_default_timeout(DEADLINE_MS)
            self._contexts[key] = context
            self._pages[key] = self._watched(context.new_page())
        return self._pages[key]

    def _watched(self, page: Page) -> Page:
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("console", self._said)
        page.on("request", self._asked)
        # Else the first chooser could open before Playwright has asked for being told of it.
        page.on("filechooser", lambda chooser: None)
        return page

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.page.url}: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.collector.url, "blob:", "data:")):
            self.problems.append(f"asked for {request.url}")

    def open(self, address: str, theme: str = "light", size: tuple[int, int] = WIDE) -> Page:
        """A page at an address, drawn."""
        page = self.page(theme, size)
        page.goto(address, wait_until="domcontentloaded")
        settled(page)
        return page

    def fresh(self) -> None:
        """Forget what the pages have kept: settings, marks."""
        for page in self._pages.values():
            if page.url.startswith(self.collector.url):
                page.evaluate("localStorage.clear(); sessionStorage.clear()")
            page.goto("about:blank")

    def close(self) -> None:
        for context in self._contexts.values():
            context.close()


def settled(page: Page) -> None:
    """Wait until a screen has what it shows."""
    page.wait_for_selector("#main > *")
    expect(page.locator("#main .loading, #main .placeholder")).to_have_count(0)


def violations(page: Page) -> list[str]:
    """What an automatic check of accessibility finds. Of long tables only the first rows are looked at:
    the newest traces, which are of every kind.
    """
    context = {"exclude": [["tbody tr:nth-child(n + 13)"]]}
    found = Axe().run(page, context, RULES).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['target']} {node.get('failureSummary', '')}"
        for each in found
        for node in each["nodes"]
    ]


@pytest.fixture(scope="module")
def shared_console(browser: Browser) -> Iterator[Console]:
    """A console of a shop with 64 traces, some of which have failed."""
    with ExitStack() as stack:
        collector = stack.enter_context(running())
        console = Console(collector, browser)
        stack.callback(console.close)
        now = time.time()
        shop = Shop(1, trouble=0.15)
        console.put(
            *shop.traces(60, now - 420, 400),
            shop.request("product", now - 15, "timeout"),
            shop.request("order", now - 12, "locked"),
            shop.request("product", now - 9, "throttled"),
            shop.request("order", now - 6),
        )
        yield console


@pytest.fixture
def console(shared_console: Console) -> Iterator[Console]:
    """The same, whose pages must have nothing to complain of during a test."""
    shared_console.problems.clear()
    yield shared_console
    problems = list(shared_console.problems)
    shared_console.fresh()
    assert not problems


@pytest.fixture
def empty_console(browser: Browser) -> Iterator[Console]:
    """A console of a collector that has received nothing."""
    with running() as collector:
        console = Console(collector, browser)
        yield console
        console.close()
        assert not console.problems
