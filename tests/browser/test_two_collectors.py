"""Two collectors on one ClickHouse: whichever console one opens, it shows what either has received."""

from __future__ import annotations

import os
import time

from playwright.sync_api import expect

from tests.browser.conftest import Console
from tests.browser.shop_traces import Shop
from tests.servers.clickhouse import clickhouse_server
from xtrace.collector import running


def test_the_console_of_either_collector_shows_the_traces_of_both(browser, tmp_path):
    shop = Shop(3)
    with clickhouse_server(tmp_path) as server:
        database = f"{server}/browser_{os.getpid()}"
        with running(path=database) as one, running(path=database) as other:
            consoles = [Console(one, browser), Console(other, browser)]
            traces = [shop.request("product", time.time() - 9), shop.request("home", time.time())]
            # A trace of which each has received a part is one, and whole.
            split = shop.request("order", time.time() - 5)
            consoles[0].put(traces[0], split[::2])
            consoles[1].put(traces[1], split[1::2])
            for console in consoles:
                page = console.open("/traces?range=all")
                expect(page.locator(".trace-table tbody tr")).to_have_count(3)
                names = {document["name"] for trace in (*traces, split) for document in trace}
                page = console.open("/?range=all")
                for name in names:
                    expect(page.locator(f'.node[aria-label*="{name}"]').first).to_be_attached()
                page = console.open(f"/traces/{split[0]['trace_id']}")
                for document in split[:4]:  # more of the rows are drawn when they are scrolled to
                    expect(page.locator("#main")).to_contain_text(document["name"])
                assert len(console.collector.store.raw(split[0]["trace_id"])) == len(split)
                console.close()
                assert not console.problems
