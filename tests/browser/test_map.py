"""The service map: what stands on it, what a node or a call says, and how one gets to its traces."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import NARROW, settled
from tests.browser.shop_traces import EDGES, NODES


def node(page, name):
    """Of a service, or else of a resource that has a type besides."""
    return page.locator(f".node[data-key='{name}'], .node[data-key^='{name}|']:not(.node-client)")


def test_the_shop_is_twelve_nodes_and_sixteen_calls_that_do_not_overlap(console):
    page = console.open("/?range=all")
    # A service that timed out stands where the service stands otherwise.
    expect(page.locator(".node")).to_have_count(len(NODES) + 1)
    expect(page.locator(".edge")).to_have_count(EDGES)
    names = set(page.locator(".node .node-name").all_text_contents())
    assert names == NODES | {"Clients"}
    boxes = [each.bounding_box() for each in page.locator(".node").all()]
    for at, one in enumerate(boxes):
        assert one["x"] >= 0
        assert one["x"] + one["width"] <= 1280
        assert one["y"] + one["height"] <= 800
        for other in boxes[at + 1 :]:
            assert (
                one["x"] + one["width"] <= other["x"]
                or other["x"] + other["width"] <= one["x"]
                or one["y"] + one["height"] <= other["y"]
                or other["y"] + other["height"] <= one["y"]
            )


def test_every_service_says_how_fast_and_how_often(console):
    page = console.open("/?range=all")
    for name in NODES:
        label = node(page, name).get_attribute("aria-label")
        assert re.match(rf"{name}, [\d.]+\s\S*s average, [\d.,]+ per minute", label), label


def test_a_node_leads_to_its_traces_by_a_filter_that_is_seen(console):
    page = console.open("/?range=all")
    node(page, "orderservice").click()
    pane = page.locator(".pane")
    expect(pane).to_contain_text("Response time")
    expect(pane.locator(".calls").first).to_contain_text("Frontend")
    pane.get_by_role("checkbox", name="Faults").check()
    expect(pane.locator(".expression")).to_have_text('service("orderservice") { fault }')
    pane.get_by_role("link", name="View traces").click()
    settled(page)
    expect(page.get_by_role("combobox", name="Filter expression")).to_have_value(
        'service("orderservice") { fault }'
    )
    expect(page.locator(".trace-table tbody tr").first).to_contain_text("database is locked")
    page.go_back()
    expect(pane).to_be_visible()
    page.go_back()
    expect(pane).to_have_count(0)


def test_a_range_that_is_dragged_over_a_histogram_narrows_the_traces(console):
    page = console.open("/?range=all&select=Frontend")
    chart = page.locator(".pane .brushable").first
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 30, steps=4)
    page.mouse.up()
    expect(page.locator(".pane .expression")).to_contain_text(
        re.compile(r"responsetime >= [\d.]+ AND responsetime < [\d.]+")
    )


def test_a_call_has_numbers_of_its_own(console):
    page = console.open("/?range=all")
    page.locator(".edge[data-key='Frontend→catalogservice']").focus()
    page.keyboard.press("Enter")
    pane = page.locator(".pane")
    expect(pane.locator("h2")).to_have_text("Frontend → catalogservice")
    expect(pane.locator(".expression")).to_have_text('edge("Frontend", "catalogservice")')
    pane.get_by_role("link", name="View traces").click()
    settled(page)
    expect(page.locator(".trace-table tbody tr").first).to_be_visible()


def test_the_keys_go_from_node_to_node(console):
    page = console.open("/?range=all")
    page.locator(".node[tabindex='0']").focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".node:focus")).to_have_attribute("aria-label", re.compile("Frontend, "))
    page.keyboard.press("Enter")
    expect(page.locator(".pane h2")).to_have_text("Frontend")
    page.keyboard.press("Escape")
    expect(page.locator(".pane")).to_have_count(0)


def test_a_neighbourhood_can_be_looked_at_alone(console):
    page = console.open("/?range=all&select=cartservice")
    page.get_by_role("button", name="Neighbours").click()
    expect(page.locator(".node")).to_have_count(5)
    page.get_by_role("button", name="2 hops").click()
    expect(page.locator(".node")).not_to_have_count(5)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(".node")).to_have_count(len(NODES) + 1)


def test_the_map_is_a_table_too(console):
    page = console.open("/?range=all")
    page.keyboard.press("v")
    expect(page.locator(".map-tables tbody").first.locator("tr")).to_have_count(len(NODES) + 1)
    page.get_by_role("button", name="orderservice → cartservice").click()
    expect(page.locator(".pane h2")).to_have_text("orderservice → cartservice")


def test_a_narrow_map_runs_from_top_to_bottom(console):
    page = console.open("/?range=all", size=NARROW)
    first = node(page, "Frontend").bounding_box()
    last = node(page, "ProductCatalog").bounding_box()
    assert last["y"] > first["y"] + 200


def test_a_map_keeps_its_places_while_numbers_change(console):
    page = console.open("/?range=all")
    places = [each.get_attribute("transform") for each in page.locator(".node").all()]
    before = page.locator(".map-notes").inner_text()
    numbers = node(page, "Frontend").get_attribute("aria-label")
    console.feed(30)
    expect(node(page, "Frontend")).not_to_have_attribute("aria-label", numbers)
    assert [each.get_attribute("transform") for each in page.locator(".node").all()] == places
    assert page.locator(".map-notes").inner_text() != before
