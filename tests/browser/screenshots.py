"""Pictures of every screen, of a console that shows a real run: `make screenshots`.

    python tests/browser/screenshots.py                        the shop of examples, for a minute
    python tests/browser/screenshots.py URL                    a collector that is running

They go to docs/screenshots, light and dark.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

# Only now, because the root had to be put on the path before.
from tests.browser.conftest import NARROW, WIDE, launched, settled  # noqa: E402
from tests.helpers import eventually  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

FOLDER = ROOT / "docs" / "screenshots"
SECONDS_OF_SHOPPING = 75
SECONDS_UNTIL_ALARMS = 150
THRESHOLDS = {
    "nodes": [
        {"name": "Frontend", "response_time": 0.05, "statistic": "p90"},
        {"name": "catalogservice", "throttle_percent": 1, "response_time": 1},
        {"name": "order*", "fault_percent": 20, "response_time": 1},
        {"name": "redis*", "response_time": 0.1, "minimum_requests": 1_000_000},
    ],
    "default": {},
}
"""Of which some are passed, some are not, and one is of too few requests."""

SCREENS = {
    "map": "/",
    "map-node": "/?select=catalogservice",
    "traces": "/traces?range=PT5M",
    "traces-grouped": "/traces?range=PT5M&by=url",
    "trace": "/traces/{product}",
    "trace-order": "/traces/{order}",
    "trace-error": "/traces/{failed}",
    "trace-map": "/traces/{order}?view=map",
    "errors": "/errors",
    "analytics": "/analytics?a=responsetime > 0.1&b=responsetime <= 0.1",
    "compare": "/compare?a={order}&b={other}",
    "sampling": "/sampling",
    "alarms": "/alarms",
    "cost": "/cost",
    "about": "/about",
}
ALSO_NARROW = ("map", "traces", "trace")


@contextmanager
def shop() -> Iterator[str]:
    """The shop with its visitors; gives the console's address once there is something to see."""
    command = [sys.executable, "examples/shop", "--free-ports", "--chaos", "--seed", "3"]
    program = subprocess.Popen(
        [*command, "--duration", "600"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert program.stdout is not None
    try:
        for line in program.stdout:
            print(line, end="")
            found = re.search(r"its traces\s+(http://\S+)", line)
            if found:
                break
        else:
            raise SystemExit("the shop did not say where its traces are")
        requests.put(f"{found[1]}/api/v1/alarms", json=THRESHOLDS, timeout=30).raise_for_status()
        time.sleep(SECONDS_OF_SHOPPING)
        wait_for_alarms(found[1])
        yield found[1]
    finally:
        program.terminate()
        program.wait(timeout=30)


def wait_for_alarms(url: str) -> None:
    """Wait until there are alarms in every state: a period has to be over."""

    def states() -> set[str]:
        alarms = requests.get(f"{url}/api/v1/alarms", timeout=30).json()["alarms"]
        return {each["state"] for each in alarms}

    eventually(lambda: states() == {"ALARM", "OK", "INSUFFICIENT_DATA"}, SECONDS_UNTIL_ALARMS)


def one(url: str, filter: str, nth: int = 0) -> str:
    """The id of a trace that a filter finds."""
    answer = requests.get(f"{url}/api/v1/traces", params={"filter": filter}, timeout=30).json()
    rows = answer["rows"]
    if not rows:
        raise SystemExit(f"no trace for {filter}; let the shop run longer")
    id: str = rows[min(nth, len(rows) - 1)][0]
    return id


def prepared(page: Page, name: str) -> None:
    """What a picture shows besides what its address says."""
    if name == "trace-error":
        page.keyboard.press("e")
        page.keyboard.press("e")
        page.keyboard.press("e")
        page.wait_for_selector(".detail .facts")
    if name == "trace":
        page.keyboard.press("c")
    if name == "errors":
        page.locator(".error-head").first.click()
        page.wait_for_selector(".exception")
    page.wait_for_timeout(700)  # for what comes late: charts, counts


def main(url: str) -> None:
    """Take them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    order = 'http.url ENDSWITH "/cart/order" AND service("order-worker")'
    ids = {
        "product": one(url, 'service("recommenderservice") { ok } AND ok'),
        "order": one(url, order),
        "other": one(url, order, 1),
        "failed": one(url, "service() { fault }"),
    }
    with launched() as browser:
        for theme in ("light", "dark"):
            for size, suffix in ((WIDE, ""), (NARROW, "-narrow")):
                page = browser.new_page(
                    viewport={"width": size[0], "height": size[1]},
                    color_scheme="dark" if theme == "dark" else "light",
                    reduced_motion="reduce",
                )
                for name, address in SCREENS.items():
                    if suffix and name not in ALSO_NARROW:
                        continue
                    page.goto(url + address.format(**ids), wait_until="domcontentloaded")
                    settled(page)
                    prepared(page, name)
                    page.screenshot(path=FOLDER / f"{name}{suffix}-{theme}.png")
                    page.evaluate("localStorage.clear()")
                page.close()
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}")


if __name__ == "__main__":
    if sys.argv[1:]:
        main(sys.argv[1])
    else:
        with shop() as address:
            main(address)
