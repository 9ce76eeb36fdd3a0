"""Visitors of the shop: each looks around, fills a cart, buys. Their requests are one script each,
which depends on the seed and on nothing else.

    python load.py http://frontend --users 2      until it is stopped; the launcher has its own way
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
from goods import PRODUCT_IDS, UNKNOWN

PAUSE_SECONDS = (0.2, 1.0)
PICTURE = re.compile(r'src="(/images/[^"]+)"')
ADDRESS = {
    "name": "Alejandro Rosalez",
    "email": "alejandro@example.com",
    "address": "123 Any Street",
    "address2": "",
    "country": "US",
    "state": "WA",
    "zip": "98101",
    "city": "Any Town",
}
PAYMENTS = ("card", "card", "invoice", "gift card")
TRANSPORT_ERROR = 0
"""The status of a request that nobody answered."""


@dataclass(frozen=True)
class Visit:
    """One request and its answer.

    url: path and query. kind: what it is, as in "GET /product/{id}". items: products in the cart
    when it was sent. case: what tells apart requests of one kind: "known", "unknown", "new", ...
    status: TRANSPORT_ERROR if nobody answered. location: where it was redirected to. seconds: it
    took.
    """

    user: int
    method: str
    url: str
    kind: str
    items: int
    case: str
    status: int
    location: str | None
    trace_id: str | None
    seconds: float


@dataclass
class Totals:
    """Counts of requests: all, those with a 5xx, those that nobody answered; and of orders.

    visits: each of them, if that is asked for. latest: of each kind and case the last good one.
    """

    requests: int = 0
    faults: int = 0
    unanswered: int = 0
    orders: int = 0
    visits: list[Visit] | None = field(default=None, repr=False)
    latest: dict[tuple[str, str], Visit] = field(default_factory=dict, repr=False)

    def add(self, visit: Visit) -> None:
        self.requests += 1
        self.faults += visit.status >= 500
        self.unanswered += visit.status == TRANSPORT_ERROR
        self.orders += visit.kind == "POST /cart/order" and visit.location == "/cart/order"
        if 0 < visit.status < 500:
            self.latest[visit.kind, visit.case] = visit
        if self.visits is not None:
            self.visits.append(visit)


class User:
    """One visitor, with cookies of their own."""

    def __init__(self, number: int, url: str, seed: object, totals: Totals) -> None:
        self.number = number
        self.chance = random.Random(f"{seed} {number}")
        self.totals = totals
        self.cart: set[str] = set()
        self.client = httpx.AsyncClient(base_url=url, timeout=10, trust_env=False)

    async def run(self, seconds: float) -> None:
        """Do one thing after the other for so long.

        What is done depends on the pauses alone: with a slow shop it takes longer, and is the same.
        """
        began = time.monotonic()
        now = 0.0
        tasks = (self.index, self.browse, self.view_cart, self.add_to_cart, self.check_out)
        async with self.client:
            while True:
                now += self.chance.uniform(*PAUSE_SECONDS)
                if now >= seconds:
                    return
                await asyncio.sleep(max(0.0, began + now - time.monotonic()))
                (task,) = self.chance.choices(tasks, weights=(2, 1, 1, 1, 1))
                await task()

    async def index(self) -> None:
        await self.look("/", "GET /")

    async def browse(self) -> None:
        await self.look(*self.product(self.pick()))

    async def view_cart(self) -> None:
        await self.look("/cart", "GET /cart", pictures=False)

    async def add_to_cart(self) -> None:
        product_id = self.pick()
        await self.look(*self.product(product_id), pictures=False)
        is_new = product_id not in self.cart
        case = "unknown" if product_id == UNKNOWN else "new" if is_new else "there already"
        answer = await self.send("POST", "/cart", "POST /cart", case, {"product_id": product_id})
        if answer is not None and product_id != UNKNOWN:
            self.cart.add(product_id)
        await self.follow(answer)

    async def check_out(self) -> None:
        await self.add_to_cart()
        form = {**ADDRESS, "paymentMethod": self.chance.choice(PAYMENTS)}
        kind = "/cart/checkout"
        await self.follow(await self.send("POST", kind, f"POST {kind}", "", form))
        await self.look(kind, f"GET {kind}", pictures=False)
        answer = await self.send(
            "POST", "/cart/order", "POST /cart/order", "ordered" if self.cart else "empty"
        )
        if answer is not None and answer.headers.get("location") == "/cart/order":
            self.cart.clear()
        await self.follow(answer)
        await self.look("/cart/order", "GET /cart/order", pictures=False)

    def pick(self) -> str:
        return self.chance.choice([*PRODUCT_IDS, UNKNOWN])

    def product(self, product_id: str) -> tuple[str, str, str]:
        case = "unknown" if product_id == UNKNOWN else "known"
        return f"/product/{product_id}", "GET /product/{id}", case

    async def look(self, url: str, kind: str, case: str = "", pictures: bool = True) -> None:
        """Get a page, and each picture on it."""
        answer = await self.send("GET", url, kind, case)
        if answer is None or not pictures:
            return
        for picture in dict.fromkeys(PICTURE.findall(answer.text)):
            await self.send("GET", picture.replace("&amp;", "&"), "GET /images/{name}")

    async def follow(self, answer: httpx.Response | None) -> None:
        if answer is not None and answer.has_redirect_location:
            path = urlsplit(answer.headers["location"]).path
            await self.send("GET", path, f"GET {path}")

    async def send(
        self, method: str, url: str, kind: str, case: str = "", form: dict | None = None
    ) -> httpx.Response | None:
        """Send one request and count it; None if nobody answered."""
        items = len(self.cart)
        began = time.perf_counter()
        try:
            answer = await self.client.request(method, url, data=form)
        except httpx.TransportError:
            answer = None
        trace = answer.headers.get("x-amzn-trace-id", "") if answer is not None else ""
        self.totals.add(
            Visit(
                self.number,
                method,
                url,
                kind,
                items,
                case,
                answer.status_code if answer is not None else TRANSPORT_ERROR,
                answer.headers.get("location") if answer is not None else None,
                trace.partition("Root=")[2].partition(";")[0] or None,
                time.perf_counter() - began,
            )
        )
        return answer


async def run(url: str, users: int, seconds: float, seed: object, totals: Totals) -> None:
    """Let so many visitors do things for so many seconds.

    seed: None for something else each time.
    """
    if seed is None:
        seed = random.random()
    await asyncio.gather(*(User(number, url, seed, totals).run(seconds) for number in range(users)))


async def wait_for(url: str) -> None:
    """Wait until the shop is open."""
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"{url}/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    asyncio.run(wait_for(arguments.url))
    asyncio.run(run(arguments.url, arguments.users, float("inf"), arguments.seed, Totals()))


if __name__ == "__main__":
    main()
