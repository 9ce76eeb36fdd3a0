"""Every screen, in both themes and at two widths: it is drawn, fits, and can be used by everybody."""

from __future__ import annotations

import pytest

from tests.browser.conftest import NARROW, WIDE, violations

SCREENS = {
    "map": "/?range=all",
    "map-table": "/?range=all",
    "map-pane": "/?range=all&select=catalogservice",
    "traces": "/traces?range=all",
    "traces-grouped": "/traces?range=all&by=url",
    "errors": "/errors?range=all",
    "analytics": "/analytics?range=all&a=fault&b=ok",
    "sampling": "/sampling",
    "alarms": "/alarms",
    "cost": "/cost?range=all",
    "about": "/about",
    "compare": "/compare?a={order}&b={product}",
    "compare-choose": "/compare",
    "trace": "/traces/{order}",
    "trace-detail": "/traces/{failed}?row={row}",
    "trace-map": "/traces/{order}?view=map",
    "trace-statistics": "/traces/{order}?view=statistics",
    "trace-logs": "/traces/{order}?view=logs",
    "trace-raw": "/traces/{order}?view=raw",
    "nowhere": "/traces/1-00000000-000000000000000000000000",
}
SIZES = {"wide": WIDE, "narrow": NARROW}


@pytest.fixture(scope="module")
def places(shared_console):
    """Addresses of screens, with traces that are there."""
    store = shared_console.collector.store

    def one(expression):
        return shared_console.one(expression)

    order = one('http.url ENDSWITH "/cart/order" AND ok')
    product = one('service("recommenderservice") { ok }')
    failed = one('service("recommenderservice") { fault }')
    row = next(
        part.id for part in store.traces([failed])[0].parts if part.name == "recommenderservice"
    )
    return {
        name: address.format(order=order, product=product, failed=failed, row=row)
        for name, address in SCREENS.items()
    }


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_drawn_fits_and_can_be_used_by_everybody(console, places, name, theme, width):
    page = console.open(places[name], theme, SIZES[width])
    if name == "map-table":
        page.keyboard.press("v")
        page.wait_for_selector(".map-tables table")
    if name == "nowhere":
        console.problems.clear()  # the browser itself notes the 404
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "failed" not in page.locator("h1").first.inner_text()
    if (theme, width) != (
        "dark",
        "narrow",
    ):  # it has the colours of the one and the shape of the other
        assert violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_empty_store_teaches_the_first_trace(empty_console, theme):
    page = empty_console.open("/", theme)
    assert "AWS_XRAY_DAEMON_ADDRESS" in page.locator("main").inner_text()
    assert empty_console.collector.address in page.locator("main").inner_text()
    assert violations(page) == []
    page.get_by_role("button", name="Send a test trace").click()
    page.wait_for_selector(".timeline-rows [role=row]")
