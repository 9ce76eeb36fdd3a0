"""The other screens do what they are for."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, settled

IMAGE = 'service("ImageService")'


def test_the_same_errors_are_one_with_examples(console):
    page = console.open("/errors?range=all")
    group = page.locator(".error-group").filter(has_text="database is locked")
    expect(group).to_contain_text("orderservice/orders.py:58")
    group.get_by_role("button").first.click()
    expect(group.locator(".exception")).to_contain_text("sqlite3.OperationalError")
    group.locator(".samples a").first.click()
    settled(page)
    expect(page.locator(".line.selected")).to_contain_text("orders")


def test_two_traces_are_compared_row_by_row(console):
    a, b = (
        console.one('http.url ENDSWITH "/cart/order" AND ok'),
        console.one('http.url ENDSWITH "/cart/order" AND fault'),
    )
    page = console.open(f"/compare?a={a}&b={b}")
    expect(page.locator(".compare-table tbody tr").first).to_contain_text("Frontend")
    page.get_by_role("button", name="In one only").click()
    expect(page.locator(".compare-table")).to_contain_text("only in")
    page.get_by_role("button", name="Swap").click()
    page.wait_for_url(f"**a={b}**")
    page.locator(".compare-table td a").first.click()
    expect(page.locator(".line.selected")).to_be_visible()


def test_a_sampling_rule_is_added_tried_changed_and_deleted(console):
    page = console.open("/sampling")
    page.get_by_role("button", name="Add a rule").click()
    page.get_by_label("Name", exact=True).fill("orders")
    page.get_by_label("Path").last.fill("/cart/order")
    page.get_by_label("Rate (0 to 1)").fill("2")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("dialog")).to_be_visible()  # the browser says what is wrong with 2
    page.get_by_label("Rate (0 to 1)").fill("0.5")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".rules tbody tr").first).to_contain_text("orders")
    trial = page.locator(".try")
    trial.get_by_label("Path").fill("/cart/order")
    expect(trial.locator(".decision")).to_contain_text("orders decides")
    trial.get_by_label("Path").fill("/")
    expect(trial.locator(".decision")).to_contain_text("Default decides")
    page.get_by_role("button", name="Change orders").click()
    page.get_by_label("Reservoir (a second)").fill("7")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".rules tbody tr").first).to_contain_text("7/s")
    page.get_by_role("button", name="Delete orders").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".rules tbody tr")).to_have_count(1)


def test_a_path_is_left_out_from_its_trace(console):
    page = console.open(f"/traces/{console.one(IMAGE)}")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Don't record this path").click()
    expect(page.get_by_label("Path").last).to_have_value(re.compile("^/images/products-"))
    expect(page.get_by_label("Rate (0 to 1)")).to_have_value("0")


def test_two_sets_are_told_apart_by_their_deltas(console):
    page = console.open("/analytics?range=all")
    page.locator(".facet").filter(has_text="Outcome").get_by_role("button", name="error").click()
    page.wait_for_url("**a=*")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("columnheader", name="Delta").first).to_be_visible()
    page.get_by_role("button", name="Clear set B").click()
    status = page.locator(".facet").filter(has_text="Status code")
    expect(status.locator("tbody tr").filter(has_text="404")).to_contain_text("+")


def test_a_run_is_set_against_another(console):
    console.collector.store.begin_run("mended")
    console.feed(3)
    console.collector.store.begin_run(None)
    page = console.open("/analytics?range=all&a=ok&b=ok")
    sizes = page.locator(".set .chart-note")
    expect(sizes.nth(2)).to_contain_text("%")
    page.get_by_role("button", name="Run of set B: all").click()
    page.get_by_role("menuitemradio", name="mended").click()
    expect(sizes.nth(2)).to_contain_text("3 traces · median")
    expect(sizes.first).not_to_contain_text(re.compile("^3 traces"))
    page.locator(".set-b").get_by_role("link", name="View").click()
    expect(page.locator(".trace-table tbody tr")).to_have_count(3)


def test_what_cannot_be_told_live_is_not_called_offline(console):
    page = console.open("/traces?filter=responsetime >")
    expect(page.locator(".live-waiting")).to_be_visible()
    page.get_by_role("button", name="Clear the filter").first.click()
    expect(page.locator(".live-live")).to_be_visible()
    console.problems.clear()  # the browser notes each 400


def test_rules_and_thresholds_fit_a_narrow_screen(console):
    for place in ("/sampling", "/alarms"):
        page = console.open(place, size=NARROW)
        widths = page.locator(".stacks").evaluate_all(
            "(tables) => tables.map((each) => each.parentElement.scrollWidth - each.parentElement.clientWidth)"
        )
        assert widths
        assert set(widths) == {0}


def test_the_cost_follows_the_share_that_is_recorded(console):
    page = console.open("/cost?range=all")
    expect(page.locator(".cost-figure").first).to_contain_text("$")
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    expect(page.locator(".cost-card").nth(1)).to_contain_text(re.compile("Sampled at 1\\s%"))


def test_what_came_and_what_was_lost_is_said(console):
    console.collector.service.ingest.refuse(b"no document")
    page = console.open("/about")
    expect(page.locator("main")).to_contain_text(console.collector.address)
    expect(page.locator("main")).to_contain_text("no document")


def test_a_run_is_begun_chosen_and_ended(console):
    page = console.open("/about")
    page.get_by_role("button", name="Begin a run").click()
    page.get_by_label("Name").fill("after")
    page.get_by_role("button", name="Begin", exact=True).click()
    expect(page.locator("main")).to_contain_text("now: after")
    [trace] = console.feed(1)
    page = console.open("/traces?range=all")
    page.get_by_role("button", name="Run: all").click()
    page.get_by_role("menuitemradio", name="after").click()
    expect(page.locator(".trace-table tbody tr")).to_have_count(1)
    expect(page.locator(f"a[href*='{trace}']")).to_be_visible()
    page = console.open("/about")
    page.get_by_role("button", name="End it").click()
    expect(page.locator("main")).not_to_contain_text("now: after")


def test_a_theme_is_chosen_and_kept(console):
    page = console.open("/about")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("t")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_keys_are_listed_and_can_be_switched_off(console):
    page = console.open("/about")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("Traces")
    dialog.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.locator(".about")).to_be_visible()
    page.get_by_role("button", name="Keys").click()
    dialog.get_by_role("checkbox").check()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/traces")


def test_a_key_in_an_input_is_a_letter(console):
    page = console.open("/traces?range=all")
    page.keyboard.press("/")
    page.keyboard.type("gt?.x")
    expect(page.get_by_role("combobox")).to_have_value("gt?.x")
    assert page.url.endswith("/traces?range=all")


@pytest.mark.parametrize("size", [(1280, 800), (480, 800)])
def test_text_at_twice_the_size_fits(console, size):
    page = console.page("light", size)
    page.goto("/traces?range=all")
    settled(page)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in ("Refine", "Group the traces"):
        expect(page.get_by_role("button", name=name)).to_be_visible()


def test_a_collector_that_goes_away_is_noticed_and_taken_up_again(empty_console):
    page = empty_console.open("/about")
    page = empty_console.open("/")
    expect(page.locator(".live-live")).to_be_visible()
    page.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".live-offline")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator(".live-live")).to_be_visible()
    empty_console.problems.clear()  # the browser notes what it couldn't reach


@pytest.mark.parametrize("place", ["/?range=all", "/traces?range=all&sort=-duration", "/traces/{}"])
def test_a_first_load_takes_few_requests_and_asks_for_nothing_twice(console, place):
    place = place.format(console.one("ok"))
    page = console.page()
    asked = []

    def take(request):
        asked.append(request.url)

    page.on("request", take)
    console.open(place)
    page.wait_for_load_state("load")
    page.remove_listener("request", take)
    assert len({*asked}) == len(asked)
    assert sum("/assets/" in url for url in asked) <= 4
    assert sum("/api/" in url for url in asked) <= 6


@pytest.mark.parametrize("place", ["/?range=all", "/traces?range=all&sort=-duration", "/traces/{}"])
def test_what_the_browser_is_told_to_ask_for_early_is_what_the_scripts_ask_for(console, place):
    place = place.format(console.one("ok"))
    page = console.page()
    early, asked = [], []

    def without_a_word(route):
        response = route.fetch()
        headers = dict(response.headers)
        early.append(headers.pop("link"))
        route.fulfill(response=response, headers=headers)

    def take(request):
        asked.append(request.url.removeprefix(console.collector.url))

    page.route(console.collector.url + place, without_a_word)
    page.on("request", take)
    try:
        console.open(place)
    finally:
        page.remove_listener("request", take)
        page.unroute_all()
    (told,) = early
    assert told[1 : told.index(">")] in asked


def test_thresholds_are_added_changed_ordered_and_deleted(console):
    page = console.open("/alarms")
    table = page.locator(".thresholds")
    expect(table.locator("tbody tr")).to_have_count(1)
    for name in ("cart*", "shop"):
        page.get_by_role("button", name="Add thresholds").click()
        page.get_by_label("Node", exact=True).fill(name)
        page.get_by_label("Faults in %").fill("500" if name == "shop" else "5")
        page.get_by_role("button", name="Save").click()
        if name == "shop":
            expect(page.get_by_role("alert")).to_contain_text("a percentage from 0 to 100")
            console.problems.clear()  # the browser itself notes the 400
            page.get_by_label("Faults in %").fill("off")
            page.get_by_label("Response time in seconds").fill("0.25")
            page.get_by_role("button", name="Save").click()
        expect(table).to_contain_text(name)
    page.get_by_role("button", name="Try shop earlier").click()
    expect(table.locator("tbody tr").first).to_contain_text("250")
    expect(table.locator("tbody tr").first).to_contain_text("off")
    page.get_by_role("button", name="Change every other node").click()
    page.get_by_label("Periods looked at").fill("3")
    page.get_by_role("button", name="Save").click()
    expect(table.locator("tbody tr").last).to_contain_text("3 of 3 × 60 s")
    for name in ("shop", "cart*"):
        page.get_by_role("button", name=f"Delete {name}").click()
        page.get_by_role("button", name="Delete", exact=True).click()
        expect(table).not_to_contain_text(name)
    assert console.collector.alarm_states()["thresholds"] == {
        "default": {"periods": 3},
        "nodes": [],
    }
