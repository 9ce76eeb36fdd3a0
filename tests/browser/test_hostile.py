"""A trace that wants to do harm is text, and nothing else, on every screen."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import WIDE
from tests.browser.made import SCRIPT, hostile

SHOWN_AS_TEXT = "<img src=x"


@pytest.fixture
def hostile_console(empty_console):
    documents = hostile(time.time() - 30)
    empty_console.put_documents(documents)
    empty_console.trace = empty_console.collector.store.find(
        empty_console.all_time, limit=1
    ).summaries[0]["Id"]
    return empty_console


def unharmed(page):
    assert page.evaluate("window.harmed === undefined")
    assert page.locator("main img, main script, main iframe").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0


@pytest.mark.parametrize(
    "address",
    [
        "/?range=all",
        "/traces?range=all",
        "/traces?range=all&by=url",
        "/traces?range=all&by=annotation.plain",
        "/errors?range=all",
        "/analytics?range=all",
        "/compare?a={trace}&b={trace}",
        "/traces/{trace}",
        "/traces/{trace}?view=map",
        "/traces/{trace}?view=statistics",
        "/traces/{trace}?view=logs",
        "/traces/{trace}?view=raw",
        "/traces?range=all&filter=" + SCRIPT.replace("<", "%3C").replace(">", "%3E"),
        "/traces/" + SCRIPT.replace("<", "%3C").replace(">", "%3E").replace("/", "%2F"),
    ],
)
def test_every_screen_takes_it_for_text(hostile_console, address):
    page = hostile_console.open(address.format(trace=hostile_console.trace))
    expect(page.locator("main")).to_contain_text(
        re.compile(r"<img src=x|isn't stored|can't be read")
    )
    unharmed(page)
    hostile_console.problems[:] = [
        problem for problem in hostile_console.problems if "status of 40" not in problem
    ]


def test_every_detail_takes_it_for_text(hostile_console):
    page = hostile_console.open(f"/traces/{hostile_console.trace}", size=WIDE)
    page.locator(".line").filter(has_text=SHOWN_AS_TEXT).first.click()
    detail = page.locator(".detail")
    for tab in ("Exceptions", "Logs", "Annotations", "Resources", "Metadata", "Raw"):
        detail.get_by_role("tab", name=tab).click()
        expect(detail.locator("[role=tabpanel]")).to_contain_text(SHOWN_AS_TEXT)
        unharmed(page)
    detail.get_by_role("tab", name="Metadata").click()
    expect(detail).to_contain_text("more characters")  # of five million
    for level in range(30):  # of two hundred
        more = detail.get_by_role("button", name=f"level {199 - level}:", exact=False)
        if more.get_attribute("aria-expanded") == "false":
            more.click()
    unharmed(page)
    assert page.evaluate("document.querySelectorAll('*').length") < 2000
    page.keyboard.press("Escape")
    page.locator(".line").filter(has_text="SELECT").click()
    detail.get_by_role("tab", name="SQL").click()
    unharmed(page)


def test_a_time_far_away_stops_nothing(hostile_console):
    page = hostile_console.open(f"/traces/{hostile_console.trace}")
    page.locator(".line").filter(has_text="far").first.click()
    expect(page.locator(".detail")).to_contain_text(re.compile("9999|10000"))
    page.keyboard.press("z")
    page.keyboard.press("0")
    unharmed(page)
