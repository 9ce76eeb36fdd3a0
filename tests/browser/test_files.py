"""Traces go out into files and come back the same."""

from __future__ import annotations

import gzip
import json
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import settled
from tests.browser.shop_traces import Shop, encoded

TRACES = 12


@pytest.fixture
def filled(empty_console):
    shop = Shop(5, trouble=0.2)
    traces = shop.traces(TRACES - 1, time.time() - 60, 50)
    traces.append(shop.request("order", time.time() - 8))
    empty_console.documents = encoded(traces)
    empty_console.put_documents(empty_console.documents)
    return empty_console


def saved(page, click):
    with page.expect_download() as waiting:
        click()
    download = waiting.value
    return download.suggested_filename, Path(download.path()).read_bytes()


def more(page, name):
    page.locator(".toolbar").get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name=name).click()


def stored(console):
    store = console.collector.store
    ids = [each["Id"] for each in store.find(console.all_time, limit=1000).summaries]
    return sorted(document for id in ids for document in store.raw(id))


def test_saved_removed_and_opened_again_the_documents_are_the_same(filled):
    before = stored(filled)
    assert before == sorted(filled.documents)
    page = filled.open("/traces?range=all")
    more(page, "Save these traces")
    name, content = saved(page, lambda: page.get_by_role("link", name="Save", exact=True).click())
    assert name.endswith(".xtrace.json")
    assert len(json.loads(content)["traces"]) == TRACES
    more(page, "Remove all traces")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("main")).to_contain_text("Waiting for the first trace")
    assert stored(filled) == []
    for file in (
        {"name": "traces.xtrace.json", "mimeType": "application/json", "buffer": content},
        {"name": "again.gz", "mimeType": "application/gzip", "buffer": gzip.compress(content)},
    ):
        with page.expect_file_chooser() as waiting:
            page.keyboard.press("o")
        waiting.value.set_files(file)
        page.get_by_role("button", name="Open", exact=True).click()
        expect(page.locator(".toast").last).to_contain_text(f"{TRACES} traces opened")
        settled(page)
        expect(page.locator(".trace-table tbody tr")).to_have_count(TRACES)
    assert filled.collector.flush()
    assert stored(filled) == before


def test_a_file_that_is_dropped_is_opened(filled):
    page = filled.open("/sampling")
    page.evaluate(
        """(text) => {
            const data = new DataTransfer();
            data.items.add(new File([text], "dropped.json"));
            for (const type of ["dragover", "drop"]) {
                document.body.dispatchEvent(
                    new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
            }
        }""",
        "\n".join(document.decode() for document in filled.documents),
    )
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.locator(".toast").last).to_contain_text("known already")


def test_what_cannot_be_read_says_why(filled):
    page = filled.open("/about")
    with page.expect_file_chooser() as waiting:
        page.keyboard.press("o")
    waiting.value.set_files({"name": "x.json", "mimeType": "text/plain", "buffer": b"no traces"})
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.locator("dialog .text-fault")).not_to_have_text("")
    filled.problems.clear()  # the browser notes a 400


def test_a_saved_file_leaves_out_what_is_asked(filled):
    page = filled.open("/traces?range=all")
    more(page, "Save these traces")
    page.get_by_label("Users").check()
    page.get_by_label("Addresses of clients").check()
    _, content = saved(page, lambda: page.get_by_role("link", name="Save", exact=True).click())
    assert b'\\"user\\"' not in content
    assert b"198.51.100" not in content


def test_a_report_of_one_trace_opens_by_itself(filled, browser, tmp_path):
    trace = filled.one('http.url ENDSWITH "/cart/order"')
    page = filled.open(f"/traces/{trace}")
    page.get_by_role("button", name="Save").click()
    page.get_by_label(re.compile("Report")).check()
    name, content = saved(page, lambda: page.get_by_role("link", name="Save", exact=True).click())
    assert name.endswith(".html")
    report = tmp_path / name
    report.write_bytes(content)
    context = browser.new_context(offline=True)
    alone = context.new_page()
    asked = []
    alone.on("request", lambda request: asked.append(request.url))
    alone.goto(report.as_uri())
    assert "orderservice" in alone.locator("body").inner_text()
    assert asked == [report.as_uri()]
    context.close()


def test_the_rows_of_a_list_go_into_a_spreadsheet(filled):
    page = filled.open("/traces?range=all")
    more(page, "Save these traces")
    page.get_by_label(re.compile("^CSV")).check()
    name, content = saved(page, lambda: page.get_by_role("link", name="Save", exact=True).click())
    assert name.endswith(".csv")
    lines = content.decode().split("\r\n")
    assert len([line for line in lines if line]) == TRACES + 1
