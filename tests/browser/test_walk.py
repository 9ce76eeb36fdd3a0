"""One walk through the whole console with nothing but keys, from the map to a row and back to it."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import settled


def tab_to(page, selector, most=80):
    """Press Tab until the focus is there."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} can't be reached by the Tab key")


def test_map_node_traces_trace_error_link_and_the_same_row(console):
    page = console.open("/?range=all")
    tab_to(page, ".node")
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    while "recommenderservice" not in page.evaluate("document.activeElement.dataset.key"):
        before = page.evaluate("document.activeElement.dataset.key")
        page.keyboard.press("ArrowRight")
        if page.evaluate("document.activeElement.dataset.key") == before:
            page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator(".pane h2")).to_have_text("recommenderservice")
    tab_to(page, ".pane a.button:not(.primary)")  # with faults
    page.keyboard.press("Enter")
    settled(page)
    page.wait_for_url(re.compile("/traces[?].*filter="))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".timeline-rows [role=row]")
    page.keyboard.press("e")
    expect(page.locator(".line.selected")).to_be_visible()
    page.keyboard.press("e")
    page.keyboard.press("Enter")
    expect(page.locator(".detail")).to_be_visible()
    row = page.locator(".line.selected").get_attribute("aria-label")
    page.keyboard.press("y")
    page.keyboard.press("l")
    expect(page.locator(".toast")).to_contain_text("copied")
    link = page.evaluate("navigator.clipboard.readText()")
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_selector(".node")
    page.goto(link)
    expect(page.locator(".line.selected")).to_have_attribute("aria-label", row)
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_selector(".rules")
    tab_to(page, ".page-head .button.primary")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("document.activeElement.matches('.page-head .button.primary')")


def test_everything_that_can_be_clicked_can_be_reached(console):
    for address in ("/traces?range=all", "/errors?range=all", "/about"):
        page = console.open(address)
        wanted = page.locator(
            "main button:visible, main a[href]:visible, .topbar button:visible, .querybar button:visible"
        ).count()
        reached = set()
        for _ in range(wanted * 2 + 40):
            page.keyboard.press("Tab")
            place = page.evaluate(
                """() => {
                    const all = [...document.querySelectorAll('button, a[href]')];
                    return all.indexOf(document.activeElement);
                }"""
            )
            if place >= 0:
                reached.add(place)
            if len(reached) >= wanted:
                break
        assert len(reached) >= wanted, address
