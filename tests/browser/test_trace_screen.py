"""One trace on the screen: its timeline, by mouse and by keys, its details, its permalinks."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import WIDE, settled
from tests.browser.made import wide
from tests.helpers import eventually
from xtrace.collector.api.v1 import one

ROWS = "[role=row]"
ORDER = 'http.url ENDSWITH "/cart/order" AND ok'
PRODUCT = 'service("recommenderservice") { ok }'
FAILED = 'service("recommenderservice") { fault }'


def opened(console, expression):
    """The newest trace that a filter finds, on the screen."""
    return console.open(f"/traces/{console.one(expression)}")


def rows(page):
    return page.locator(f".timeline-rows {ROWS}")


def row(page, text):
    return rows(page).filter(has_text=text).first


def selected(page):
    return page.locator(".line.selected")


@pytest.fixture(scope="module")
def large(shared_console):
    """A trace of 10,000 rows."""
    start = time.time() - 200
    documents = wide(start, 10_000)
    shared_console.put(documents)
    return documents[0]["trace_id"]


def test_an_order_shows_its_services_and_the_worker_behind_the_queue(console):
    page = opened(console, ORDER)
    for name in ("Frontend", "orderservice", "cartservice", "order-worker", "INSERT INTO orders"):
        expect(row(page, name)).to_be_visible()
    expect(page.locator(".bar.inferred").first).to_be_visible()
    expect(page.locator(".callee").first).to_be_visible()


def test_a_row_tells_what_stands_behind_it(console):
    page = opened(console, FAILED)
    expect(row(page, "NoRecommendation: none of 3 products answered")).to_be_attached()
    row(page, "recommenderservice").click()
    detail = page.locator(".detail")
    expect(detail).to_contain_text("recommenderservice")
    page.get_by_role("button", name=re.compile("errors")).click()
    page.keyboard.press("e")
    page.keyboard.press("e")
    detail.locator(".failure-card").click()
    expect(detail).to_contain_text("requests.exceptions.ReadTimeout")
    expect(detail.locator(".frames .own").first).to_contain_text("recommenderservice/related.py:33")


def test_sql_is_shown_with_its_words_marked(console):
    page = opened(console, ORDER)
    row(page, "INSERT INTO").click()
    page.get_by_role("tab", name="SQL").click()
    expect(page.locator(".code .word").first).to_have_text("INSERT")


def test_the_keys_walk_collapse_find_and_let_go(console):
    page = opened(console, PRODUCT)
    page.keyboard.press("j")
    expect(selected(page)).to_have_attribute("aria-rowindex", "1")
    page.keyboard.press("j")
    expect(selected(page)).to_have_attribute("aria-rowindex", "2")
    page.keyboard.press("k")
    before = rows(page).count()
    page.keyboard.press("h")
    expect(rows(page)).to_have_count(1)
    expect(selected(page)).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("l")
    expect(rows(page)).to_have_count(before)
    page.keyboard.press("]")
    expect(rows(page)).to_have_count(1)
    page.keyboard.press("[")
    expect(rows(page)).to_have_count(before)
    page.keyboard.press("/")
    page.keyboard.type("GetItem")
    page.keyboard.press("Enter")
    expect(selected(page)).to_contain_text("GetItem")
    first = selected(page).get_attribute("aria-rowindex")
    page.keyboard.press("Tab")
    page.locator(".timeline-rows").focus()
    page.keyboard.press("n")
    assert selected(page).get_attribute("aria-rowindex") != first
    page.keyboard.press("N")
    expect(selected(page)).to_have_attribute("aria-rowindex", first)
    page.keyboard.press("Escape")
    expect(page.locator(".find input")).to_have_value("")


def test_arrow_keys_move_within_the_tree_which_is_one_stop_for_the_tab_key(console):
    page = opened(console, PRODUCT)
    tree = page.get_by_role("treegrid")
    tree.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    active = tree.get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active}")).to_have_attribute("aria-selected", "true")
    expect(page.locator(f"#{active}")).to_have_attribute("aria-level", "2")
    page.keyboard.press("ArrowLeft")  # collapses
    page.keyboard.press("ArrowLeft")  # to the parent
    expect(selected(page)).to_have_attribute("aria-rowindex", "1")
    assert tree.locator("[tabindex='0']").count() == 0


def test_a_row_has_a_permalink_and_back_goes_back(console):
    trace = console.one(PRODUCT)
    page = console.open("/traces?range=all")
    page.locator(f"a[href*='{trace}']").first.click()
    settled(page)
    row(page, "GetItem").click()
    page.wait_for_url("**row=*")
    page.keyboard.press("y")
    expect(page.locator(".pending")).to_be_visible()
    page.keyboard.press("l")
    expect(page.locator(".toast")).to_contain_text("copied")
    link = page.evaluate("navigator.clipboard.readText()")
    chosen = selected(page).inner_text()
    page.go_back()
    settled(page)
    assert page.url.endswith("/traces?range=all")
    page.goto(link)
    expect(selected(page)).to_be_visible()
    assert selected(page).inner_text() == chosen


def test_copies_say_what_the_row_is(console):
    page = opened(console, PRODUCT)

    def copied(keys):
        for key in keys:
            page.keyboard.press(key)
        expect(page.locator(".toast").last).to_be_visible()
        eventually(lambda: clipboard() != "nothing")
        return clipboard()

    def clipboard():
        return page.evaluate("navigator.clipboard.readText()")

    def forget():
        page.evaluate("navigator.clipboard.writeText('nothing')")

    row(page, "recommenderservice").click()
    forget()
    assert '"namespace": "remote"' in copied("yj")
    forget()
    assert copied("yc").startswith("curl ")
    forget()
    assert "batch_get_traces" in copied("yp")


def test_a_row_can_be_made_the_root_and_the_time_be_zoomed(console):
    page = opened(console, PRODUCT)
    everything = rows(page).count()
    row(page, "recommenderservice").click()
    page.keyboard.press("r")
    expect(page.locator(".banner.info")).to_contain_text("Only")
    assert rows(page).count() < everything
    page.keyboard.press("z")
    expect(page.get_by_role("button", name=re.compile("ms$|s$")).last).to_be_visible()
    page.keyboard.press("0")
    page.keyboard.press("Escape")  # the details
    page.keyboard.press("Escape")  # the root
    expect(rows(page)).to_have_count(everything)


def test_the_critical_path_is_drawn_and_walked(console):
    page = opened(console, PRODUCT)
    page.keyboard.press("c")
    expect(page.locator(".critical").first).to_be_attached()
    page.keyboard.press(">")
    expect(selected(page)).to_be_visible()
    page.keyboard.press("c")
    expect(page.locator(".critical")).to_have_count(0)


def test_repeated_siblings_are_one_line_until_they_are_unfolded(console):
    start = time.time() - 100
    document = wide(start, 4, number=77)[0]
    document["subsegments"] = [
        {
            "id": f"{0xF00 + number:016x}",
            "name": "retry",
            "start_time": start + number / 100,
            "end_time": start + number / 100 + 0.005,
            **({"fault": True} if number == 3 else {}),
        }
        for number in range(9)
    ]
    console.put([document])
    page = console.open(f"/traces/{document['trace_id']}")
    line = row(page, "× 9")
    expect(line).to_have_attribute("aria-expanded", "false")
    expect(line.locator(".status-fault")).to_be_visible()
    assert rows(page).count() == 2
    line.locator(".toggle").click()
    expect(rows(page)).to_have_count(11)
    # A link to one of them opens the line.
    page = console.open(f"/traces/{document['trace_id']}?row={document['subsegments'][6]['id']}")
    expect(selected(page)).to_contain_text("retry")


def test_what_lost_its_parent_is_shown_and_says_so(console):
    start = time.time() - 90
    segment = wide(start, 2, number=78)[0]
    orphan = {
        "trace_id": segment["trace_id"],
        "id": f"{0xABC:016x}",
        "parent_id": f"{0xDEF:016x}",
        "type": "subsegment",
        "name": "left alone",
        "start_time": start,
        "end_time": start + 0.1,
    }
    console.put([segment, orphan])
    page = console.open(f"/traces/{segment['trace_id']}")
    expect(row(page, "left alone")).to_contain_text("parent not received")


def test_clocks_that_differ_are_told_and_corrected_on_demand(console):
    start = time.time() - 80
    caller, callee, *_ = wide(start, 51, number=79)
    for entity in (callee, *callee["subsegments"]):
        entity["start_time"] -= 0.03
        entity["end_time"] -= 0.03
    console.put([caller, callee])
    page = console.open(f"/traces/{caller['trace_id']}")
    expect(page.locator(".warnings")).to_contain_text("clocks")
    segment = rows(page).nth(2)
    before = segment.locator(".bar").get_attribute("style")
    page.get_by_role("button", name="Correct the clocks").click()
    expect(segment.locator(".bar")).not_to_have_attribute("style", before)


def test_the_other_views_show_the_same_trace(console):
    page = opened(console, PRODUCT)
    page.get_by_role("tab", name="Statistics").click()
    expect(page.locator("table")).to_contain_text("recommenderservice")
    page.get_by_role("tab", name="Raw").click()
    expect(page.locator(".code").first).to_contain_text('"trace_id"')
    page.get_by_role("tab", name="Map").click()
    expect(page.locator(".node")).to_have_count(5)
    page.go_back()
    page.go_back()
    expect(page.locator("table")).to_contain_text("recommenderservice")


def test_ten_thousand_rows_scroll_with_few_elements(console, large):
    page = console.open(f"/traces/{large}")
    tree = page.get_by_role("treegrid")
    expect(tree).to_have_attribute("aria-rowcount", "10000")
    assert page.evaluate("document.querySelectorAll('*').length") < 500
    tree.focus()
    page.keyboard.press("End")
    expect(selected(page)).to_have_attribute("aria-rowindex", "10000")
    expect(selected(page)).to_be_in_viewport()
    for top in range(0, 200_000, 40_000):
        tree.evaluate("(element, top) => { element.scrollTop = top; }", top)
        expect(rows(page).first).to_be_attached()
        assert page.evaluate("document.querySelectorAll('*').length") < 500
    page.keyboard.press("e")
    expect(selected(page)).to_be_in_viewport()
    expect(selected(page).locator(".status-fault")).to_be_visible()


def test_a_cut_is_announced_and_the_rest_can_be_loaded(console, monkeypatch):
    monkeypatch.setattr(one, "DEFAULT_ROWS", 500)
    documents = wide(time.time() - 70, 600, number=80)
    console.put(documents)
    page = console.open(f"/traces/{documents[0]['trace_id']}")
    expect(page.locator(".banner")).to_contain_text("100 are left out")
    page.get_by_role("button", name="Load all").click()
    expect(page.get_by_role("treegrid")).to_have_attribute("aria-rowcount", "600")
    expect(page.locator(".banner")).to_have_count(0)


def test_a_trace_that_grows_keeps_the_row_that_is_looked_at(console):
    documents = wide(time.time() - 60, 120, number=81)
    console.put(documents[:2])
    page = console.open(f"/traces/{documents[0]['trace_id']}", size=WIDE)
    row(page, "step 20").click()
    chosen = selected(page).get_attribute("aria-label")
    expect(page.get_by_role("treegrid")).not_to_have_attribute("aria-rowcount", "101")
    console.put(documents[2:])
    expect(page.get_by_role("treegrid")).to_have_attribute("aria-rowcount", "101")
    expect(selected(page)).to_have_attribute("aria-label", chosen)
    expect(selected(page)).to_be_in_viewport()
