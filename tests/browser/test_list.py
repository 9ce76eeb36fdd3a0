"""The list of traces: asking, narrowing, grouping, sorting, and what is going on while one reads."""

from __future__ import annotations

import re
import time

from playwright.sync_api import expect

from tests.browser.conftest import settled
from tests.browser.shop_traces import Shop


def bodies(page):
    return page.locator(".trace-table tbody tr")


def filter_box(page):
    return page.get_by_role("combobox", name="Filter expression")


def test_filters_are_completed_and_errors_are_placed(console):
    page = console.open("/traces?range=all")
    page.keyboard.press("/")
    page.keyboard.type('service("ord')
    options = page.get_by_role("option")
    expect(options.first).to_contain_text("order")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(filter_box(page)).to_have_value(re.compile(r'^service\("order'))
    filter_box(page).fill('service("orderservice") { falt }')
    filter_box(page).press("Enter")
    problem = page.locator(".filter-problem")
    expect(problem).to_contain_text("did you mean fault?")
    expect(problem.locator("mark")).to_contain_text("falt")
    console.problems.clear()  # the browser notes the 400


def test_an_id_that_is_pasted_opens_its_trace(console):
    trace = console.one('service("orderservice")')
    page = console.open("/traces?range=all")
    for text in (trace, f"Root={trace};Sampled=1", trace.replace("-", "")[1:]):
        page.keyboard.press("/")
        filter_box(page).fill(text)
        filter_box(page).press("Enter")
        page.wait_for_url(f"**/traces/{trace}*")
        page.go_back()
        settled(page)


def test_grouping_by_url_shows_how_each_did_and_narrows(console):
    page = console.open("/traces?range=all")
    page.get_by_role("button", name="Group the traces").click()
    page.get_by_role("menuitemradio", name="URL", exact=True).click()
    page.wait_for_url("**by=url*")
    group = page.locator(".groups tbody tr").filter(has_text="/cart/order")
    expect(group.first).to_contain_text("ms")
    group.first.get_by_role("link").click()
    expect(filter_box(page)).to_have_value('http.url = "http://shop.example/cart/order"')
    expect(bodies(page).first).to_contain_text("/cart/order")


def test_grouping_by_an_annotation_gives_its_values(console):
    page = console.open("/traces?range=all&by=annotation.PaymentMethod")
    expect(page.locator(".groups tbody tr").first).to_be_visible()
    values = page.locator(".groups tbody th").all_inner_texts()
    assert set(values) <= {"card", "invoice", "voucher"}


def test_grouping_by_what_no_trace_has_says_so(console):
    page = console.open("/traces?range=all&by=arn")
    expect(page.locator(".groups")).to_contain_text("None of these traces has a value")


def test_refiners_add_what_is_ticked(console):
    page = console.open("/traces?range=all")
    page.keyboard.press("f")
    refiners = page.locator(".refiners")
    refiners.locator("label").filter(has_text="404").first.get_by_role("checkbox").check()
    refiners.get_by_role("button", name="Add to the filter").click()
    expect(filter_box(page)).to_have_value("http.status = 404")
    expect(bodies(page).first).to_contain_text("404")


def test_the_list_is_sorted_by_what_is_clicked(console):
    page = console.open("/traces?range=all")
    page.get_by_role("columnheader", name="Response").get_by_role("button").click()
    page.wait_for_url("**sort=-response_time*")
    expect(page.get_by_role("columnheader", name="Response")).to_have_attribute(
        "aria-sort", "descending"
    )
    settled(page)
    expect(bodies(page).first.locator("td").nth(3)).to_contain_text(re.compile(r"\d\s*s$"))
    page.go_back()
    expect(page.get_by_role("columnheader", name="When")).to_have_attribute(
        "aria-sort", "descending"
    )


def test_dragging_over_the_charts_narrows_response_time_and_time(console):
    page = console.open("/traces?range=all")
    chart = page.locator(".overview .brushable").nth(1)
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 20, steps=3)
    page.mouse.up()
    expect(filter_box(page)).to_have_value(re.compile("responsetime >= .* AND responsetime < "))
    page.go_back()
    heat = page.locator(".heatmap")
    box = heat.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] * 0.8, steps=3)
    page.mouse.up()
    page.wait_for_url(re.compile("range=.*Z"))
    expect(page.get_by_role("button", name="Go live")).to_be_visible()


def test_a_fault_below_the_root_is_hinted_at(empty_console):
    shop = Shop(1)
    while True:
        trace = shop.request("product", time.time() - 5, "timeout")
        if "fault" not in trace[0]:
            break
    empty_console.put(trace)
    page = empty_console.open("/traces?filter=fault")
    page.get_by_role("link", name="service() { fault }").click()
    expect(bodies(page)).to_have_count(1)


def test_rows_are_walked_marked_and_compared(console):
    page = console.open("/traces?range=all")
    expect(bodies(page).first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_role("link", name="Compare").click()
    settled(page)
    expect(page.locator(".compare-head")).to_have_count(2)
    page.go_back()
    settled(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".timeline-rows [role=row]")


def test_new_traces_come_to_the_top(console):
    page = console.open("/traces?range=PT15M")
    expect(page.locator(".live-live")).to_be_visible()
    [trace] = console.feed(1)
    expect(bodies(page).first.locator(f"a[href*='{trace}']")).to_be_visible()


def test_new_traces_wait_while_one_reads_and_are_counted(console):
    page = console.open("/traces?range=PT15M")
    expect(page.locator(".live-live")).to_be_visible()
    for _ in range(3):
        page.keyboard.press("j")
    current = page.locator("tr.current").inner_text()
    top = bodies(page).first.locator("a").get_attribute("href")
    console.feed(3)
    arrived = page.get_by_role("button", name="3 new traces")
    expect(arrived).to_be_visible()
    assert bodies(page).first.locator("a").get_attribute("href") == top
    assert page.locator("tr.current").inner_text().split("\t")[1:] == current.split("\t")[1:]
    arrived.click()
    expect(bodies(page).first.locator("a")).not_to_have_attribute("href", top)


def test_a_pause_holds_everything_until_it_ends(console):
    page = console.open("/traces?range=PT15M")
    expect(page.locator(".live-live")).to_be_visible()
    page.keyboard.press(".")
    expect(page.locator(".live-paused")).to_be_visible()
    console.feed(2)
    expect(page.get_by_role("button", name="2 new traces")).to_be_visible()
    page.keyboard.press(".")
    page.get_by_role("button", name="2 new traces").click()
    expect(page.locator(".arrived")).to_have_count(0)


def test_a_filter_holds_for_what_arrives(console):
    page = console.open('/traces?range=PT15M&filter=http.url ENDSWITH "/cart/order"')
    expect(page.locator(".live-live")).to_be_visible()
    console.feed(1, "home")
    [order] = console.feed(1, "order")
    expect(bodies(page).first.locator(f"a[href*='{order}']")).to_be_visible()
    assert bodies(page).filter(has_not_text="/cart/order").count() == 0


def test_a_group_is_saved_used_and_deleted(console):
    page = console.open("/traces?range=all&filter=error")
    page.get_by_role("button", name="Group: all traces").click()
    page.get_by_role("menuitem", name="Save the filter as a group").click()
    page.get_by_label("Name").fill("broken")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**group=broken*")
    expect(bodies(page).first).to_contain_text("404")
    page.get_by_role("button", name="Group: broken").click()
    page.get_by_role("menuitem", name="Delete broken").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Group: all traces")).to_be_visible()
