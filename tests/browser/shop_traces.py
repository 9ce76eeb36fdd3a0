"""Traces as a shop of seven services would send them: made, not recorded, the same for the same seed.

The shop is the one of examples: a Frontend that calls a catalogue on DynamoDB, a cart on Redis, a
recommender, an image service, and orders that are stored in SQLite and queued for a worker. Twelve
nodes and sixteen edges on the map. With `trouble`, some requests fail in each of the ways there are.
"""

from __future__ import annotations

import json
import random
from typing import Any

PRODUCTS = (
    "0983976883313",
    "1051094507639",
    "3103748076140",
    "3377807835348",
    "3480077496703",
    "4618701513994",
    "5147991444866",
    "6392888360364",
    "6464865908071",
)
UNKNOWN_PRODUCT = "0000000000000"
QUEUE_URL = "https://sqs.us-west-2.amazonaws.com/123456789012/demostore-orderqueue"
VISITORS = tuple(f"visitor-{number}" for number in range(1, 13))

NODES = frozenset(
    {
        "Frontend",
        "ImageService",
        "ProductCatalog",
        "Redis",
        "cartservice",
        "catalogservice",
        "demostore-orderqueue",
        "order-worker",
        "orders",
        "orderservice",
        "recommenderservice",
    }
)
"""Besides the client's."""
EDGES = 16

# The mean duration of a service's own work, in milliseconds.
_OWN_WORK = {
    "Frontend": 9.0,
    "ImageService": 3.0,
    "cartservice": 0.6,
    "catalogservice": 1.5,
    "orderservice": 12.0,
    "recommenderservice": 4.0,
    "order-worker": 6.0,
}
_STACK = {
    "catalogservice": [
        ("venv/lib/python3.13/site-packages/botocore/client.py", 1023, "_make_api_call"),
        ("catalogservice/store.py", 41, "get_product"),
        ("catalogservice/app.py", 27, "product"),
    ],
    "recommenderservice": [
        ("venv/lib/python3.13/site-packages/requests/adapters.py", 682, "send"),
        ("recommenderservice/related.py", 33, "load"),
        ("recommenderservice/app.py", 19, "recommend"),
    ],
    "orderservice": [
        ("venv/lib/python3.13/site-packages/django/db/backends/sqlite3/base.py", 359, "execute"),
        ("orderservice/orders.py", 58, "store"),
        ("orderservice/views.py", 22, "create"),
    ],
}


class Shop:
    """Makes traces. trouble: the share of requests that something goes wrong in."""

    def __init__(self, seed: int = 1, trouble: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.trouble = trouble

    def trace(self, start: float) -> list[dict[str, Any]]:
        """The documents of one trace that begins at a time."""
        kind = self.random.choices(
            ("home", "products", "product", "missing", "image", "cart", "add", "checkout", "order"),
            (14, 8, 26, 2, 22, 12, 8, 4, 6),
        )[0]
        return self.request(kind, start)

    def request(self, kind: str, start: float, wrong: str = "") -> list[dict[str, Any]]:
        """The documents of one trace of a kind: home, products, product, missing, image, cart, add,
        checkout or order. wrong: what is to go wrong for sure: throttled, slow, timeout or locked.
        """
        request = _Request(self, start)
        request.wrong = wrong or request.wrong
        return request.play(kind)

    def traces(self, count: int, start: float, seconds: float) -> list[list[dict[str, Any]]]:
        """So many traces, spread over a time."""
        begins = sorted(self.random.uniform(0, seconds) for _ in range(count))
        return [self.trace(start + begin) for begin in begins]


class Failed(Exception):
    """A call that came back with a status of 4xx or 5xx."""

    def __init__(self, status: int) -> None:
        self.status = status


class _Request:
    """One trace in the making. now: where its clock stands."""

    def __init__(self, shop: Shop, start: float) -> None:
        self.random = shop.random
        self.now = start
        self.trace_id = f"1-{int(start):08x}-{self.random.getrandbits(96):024x}"
        self.documents: list[dict[str, Any]] = []
        self.wrong = ""
        if self.random.random() < shop.trouble:
            self.wrong = self.random.choice(("throttled", "slow", "timeout", "locked", "slow"))

    def id(self) -> str:
        return f"{self.random.getrandbits(64):016x}"

    def spend(self, milliseconds: float) -> None:
        self.now += self.random.lognormvariate(0, 0.35) * milliseconds / 1000

    def play(self, kind: str) -> list[dict[str, Any]]:
        user = self.random.choice(VISITORS)
        product = self.random.choice(PRODUCTS)
        method, path = {
            "home": ("GET", "/"),
            "products": ("GET", "/product"),
            "product": ("GET", f"/product/{product}"),
            "missing": ("GET", f"/product/{UNKNOWN_PRODUCT}"),
            "image": ("GET", f"/images/products-{product}.jpg"),
            "cart": ("GET", "/cart"),
            "add": ("POST", "/cart"),
            "checkout": ("GET", "/cart/checkout"),
            "order": ("POST", "/cart/order"),
        }[kind]
        front = self.segment("Frontend", None, method, f"http://shop.example{path}")
        front["user"] = user
        front["http"]["request"] |= {
            "client_ip": f"198.51.100.{self.random.randrange(1, 60)}",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/142.0",
        }
        front["annotations"] = {"UserID": user}
        if kind in ("product", "missing"):
            front["annotations"]["ProductID"] = product if kind == "product" else UNKNOWN_PRODUCT
        self.work(front)
        status = 200
        try:
            getattr(self, f"_{kind}", lambda *_: None)(front, product, user)
        except Failed as failure:
            status = 404 if kind == "missing" else failure.status
        if kind == "order" and status == 200:
            status = 302
        self.work(front)
        self.end(front, status)
        return self.documents

    # -- the pages

    def _home(self, front: dict[str, Any], product: str, user: str) -> None:
        try:
            self.catalog(front, PRODUCTS[-1])
        except Failed:
            pass  # a teaser is shown instead

    def _products(self, front: dict[str, Any], product: str, user: str) -> None:
        self.catalog(front, None)

    def _product(self, front: dict[str, Any], product: str, user: str) -> None:
        self.catalog(front, product)
        try:
            self.recommend(front, product)
        except Failed:
            pass  # the page goes without

    def _missing(self, front: dict[str, Any], product: str, user: str) -> None:
        self.catalog(front, UNKNOWN_PRODUCT)

    def _image(self, front: dict[str, Any], product: str, user: str) -> None:
        call, image = self.call(front, "ImageService", "GET", f"/products-{product}.jpg?width=400")
        self.spend(3)
        resize = self.subsegment(image, "ImageResize")
        resize["metadata"] = {"default": {"width": 400, "height": 400, "bytes": 48_213}}
        self.spend(120)
        self.end(resize)
        self.answered(call, image, 200)

    def _cart(self, front: dict[str, Any], product: str, user: str) -> None:
        call, cart = self.call(front, "cartservice", "GET", f"/api/v1/cart/{user}")
        self.redis(cart, "SMEMBERS")
        self.answered(call, cart, 200)
        self.side_by_side(
            lambda product=product: self.catalog(front, product)
            for product in self.random.sample(PRODUCTS, self.random.randrange(1, 5))
        )

    def _add(self, front: dict[str, Any], product: str, user: str) -> None:
        call, cart = self.call(front, "cartservice", "POST", "/api/v1/cart")
        self.catalog(cart, product)
        self.redis(cart, "SISMEMBER")
        self.redis(cart, "SADD")
        self.answered(call, cart, 200)

    def _order(self, front: dict[str, Any], product: str, user: str) -> None:
        call, order = self.call(front, "orderservice", "POST", "/api/v1/order")
        items = self.random.randrange(1, 5)
        order["annotations"] = {
            "OrderTotal": round(self.random.uniform(20, 9000), 2),
            "Items": items,
            "PaymentMethod": self.random.choice(("card", "invoice", "voucher")),
        }
        order["metadata"] = {
            "default": {"order": {"items": self.random.sample(PRODUCTS, items), "gift": False}}
        }
        inner, cart = self.call(order, "cartservice", "GET", f"/api/v1/cart/{user}")
        self.redis(cart, "SMEMBERS")
        self.answered(inner, cart, 200)
        for item in self.random.sample(PRODUCTS, items):
            self.catalog(order, item)
        try:
            self.sql(
                order,
                "INSERT INTO orders (id, visitor, total, items, created) VALUES (?, ?, ?, ?, ?)",
                40,
                self.wrong == "locked",
            )
        except Failed:
            self.answered(call, order, 500)
        queue = self.subsegment(order, "SQS", "aws")
        queue["aws"] = {
            "operation": "SendMessage",
            "queue_url": QUEUE_URL,
            "region": "us-west-2",
            "request_id": self.id(),
            "message_id": self.id(),
        }
        self.spend(44)
        self.end(queue, 200)
        queued = self.now
        self.answered(call, order, 200)
        call, cart = self.call(front, "cartservice", "DELETE", f"/api/v1/cart/{user}")
        self.redis(cart, "DEL")
        self.answered(call, cart, 200)
        self.worker(queue, queued)

    def worker(self, queue: dict[str, Any], queued: float) -> None:
        """Takes the order off the queue, a while later."""
        here, self.now = self.now, queued + self.random.uniform(0.6, 1.4)
        worker = self.segment("order-worker", None)
        worker["links"] = [{"trace_id": self.trace_id, "id": queue["id"]}]
        worker["annotations"] = {"QueueAge": round(self.now - queued, 3)}
        self.spend(2)
        self.sql(worker, "UPDATE orders SET state = ?, handled = ? WHERE id = ?", 14)
        self.work(worker)
        self.end(worker)
        self.now = here

    # -- what the services do for each other

    def catalog(self, caller: dict[str, Any], product: str | None) -> None:
        path = "/api/v1/products" if product is None else f"/api/v1/product/{product}"
        call, catalog = self.call(caller, "catalogservice", "GET", path)
        self.work(catalog)
        table = self.subsegment(catalog, "DynamoDB", "aws")
        table["aws"] = {
            "operation": "Scan" if product is None else "GetItem",
            "table_name": "ProductCatalog",
            "region": "us-west-2",
            "request_id": self.id().upper() * 2,
            "retries": 0,
        }
        if self.wrong == "throttled" and self.random.random() < 0.7:
            self.spend(60)
            table["aws"]["retries"] = 3
            table |= {"throttle": True, "error": True}
            self.fail(
                table,
                "ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded.",
                "catalogservice",
            )
            self.end(table, 400)
            catalog["annotations"] = {"throttled": True}
            self.answered(call, catalog, 429)
        self.spend(900 if self.wrong == "slow" and self.random.random() < 0.5 else 7)
        self.end(table, 200)
        self.work(catalog)
        self.answered(call, catalog, 404 if product == UNKNOWN_PRODUCT else 200)

    def recommend(self, caller: dict[str, Any], product: str) -> None:
        call, recommender = self.call(
            caller, "recommenderservice", "GET", f"/api/v1/recommender/{product}"
        )
        self.work(recommender)
        if self.wrong == "timeout":
            lost = self.subsegment(recommender, "catalogservice", "remote")
            lost["http"] = self.request_of("GET", "http://catalogservice/api/v1/product/" + product)
            self.now += 1.0
            self.fail(
                lost,
                "requests.exceptions.ReadTimeout",
                "HTTPConnectionPool(host='catalogservice', port=80): Read timed out. (read timeout=1)",
                "recommenderservice",
            )
            lost["fault"] = True
            self.end(lost)
            self.fail(
                recommender,
                "NoRecommendation",
                f"none of 3 products answered for {product}",
                "recommenderservice",
                lost["cause"]["exceptions"][0]["id"],
            )
            self.answered(call, recommender, 500)
        self.side_by_side(
            lambda related=related: self.catalog(recommender, related)
            for related in self.random.sample(PRODUCTS, 3)
        )
        self.work(recommender)
        self.answered(call, recommender, 200)

    def redis(self, caller: dict[str, Any], command: str) -> None:
        part = self.subsegment(caller, "Redis", "remote")
        part["sql"] = {"database_type": "Redis", "sanitized_query": f"{command} ?"}
        self.spend(0.4)
        self.end(part)

    def sql(
        self, caller: dict[str, Any], statement: str, milliseconds: float, locked: bool = False
    ) -> None:
        part = self.subsegment(caller, "orders", "remote")
        part["sql"] = {
            "sanitized_query": statement,
            "database_type": "SQLite",
            "database_version": "3.46.1",
            "driver_version": "2.6.0",
            "user": "shop",
        }
        self.spend(milliseconds)
        if locked:
            self.now += 0.2
            part["fault"] = True
            self.fail(part, "sqlite3.OperationalError", "database is locked", "orderservice")
            self.end(part)
            raise Failed(500)
        self.end(part)

    def side_by_side(self, calls: Any) -> None:
        """Several calls that begin together."""
        start = end = self.now
        failure = None
        for number, call in enumerate(calls):
            self.now = start + number * 0.0008
            try:
                call()
            except Failed as error:
                failure = error
            end = max(end, self.now)
        self.now = end
        if failure is not None:
            raise failure

    # -- entities

    def segment(
        self, name: str, parent: str | None, method: str = "", url: str = ""
    ) -> dict[str, Any]:
        document: dict[str, Any] = {
            "name": name,
            "id": self.id(),
            "trace_id": self.trace_id,
            "start_time": round(self.now, 6),
            "aws": {"xray": {"sdk": "xtrace", "sdk_version": "0.1"}},
            "service": {"version": "1.4.2", "runtime": "CPython", "runtime_version": "3.13.1"},
        }
        if parent is not None:
            document["parent_id"] = parent
        if method:
            document["http"] = self.request_of(method, url)
        self.documents.append(document)
        return document

    def subsegment(
        self, parent: dict[str, Any], name: str, namespace: str | None = None
    ) -> dict[str, Any]:
        part: dict[str, Any] = {"name": name, "id": self.id(), "start_time": round(self.now, 6)}
        if namespace is not None:
            part["namespace"] = namespace
        parent.setdefault("subsegments", []).append(part)
        return part

    def request_of(self, method: str, url: str) -> dict[str, Any]:
        return {"request": {"method": method, "url": url}}

    def call(
        self, caller: dict[str, Any], name: str, method: str, path: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A call of another service: the caller's subsegment, and the service's segment."""
        call = self.subsegment(caller, name, "remote")
        call["http"] = self.request_of(method, f"http://{name}{path}")
        self.spend(1.2 if name != "cartservice" else 6)
        return call, self.segment(name, call["id"], method, f"http://{name}{path}")

    def answered(self, call: dict[str, Any], segment: dict[str, Any], status: int) -> None:
        """Both ends of a call are over. Raises Failed for a status of 4xx or 5xx."""
        self.work(segment)
        self.end(segment, status)
        self.spend(0.9)
        self.end(call, status)
        if status >= 400:
            raise Failed(500 if status == 429 else status)

    def work(self, segment: dict[str, Any]) -> None:
        self.spend(_OWN_WORK[segment["name"]] / 2)

    def end(self, entity: dict[str, Any], status: int | None = None) -> None:
        entity["end_time"] = round(self.now, 6)
        if status is not None:
            entity.setdefault("http", {})["response"] = {"status": status}
            if status >= 500:
                entity["fault"] = True
            elif status >= 400:
                entity["error"] = True
            if status == 429:
                entity["throttle"] = True

    def fail(
        self, entity: dict[str, Any], kind: str, message: str, service: str, cause: str = ""
    ) -> None:
        exception = {
            "id": self.id(),
            "type": kind,
            "message": message,
            "remote": "botocore" in kind or kind.startswith("Provisioned"),
            "stack": [
                {"path": f"/srv/{path}", "line": line, "label": label}
                for path, line, label in _STACK[service]
            ],
        }
        if cause:
            exception["cause"] = cause
        entity["cause"] = {"working_directory": f"/srv/{service}", "exceptions": [exception]}


def encoded(traces: list[list[dict[str, Any]]]) -> list[bytes]:
    """The documents of traces as they would be sent."""
    return [json.dumps(document).encode() for trace in traces for document in trace]
