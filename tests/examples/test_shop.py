"""The shop as its visitors and its operators have it: header, kill, collector gone and back."""

from __future__ import annotations

import asyncio
import itertools
import time

import httpx
import pytest

from tests.helpers import eventually

PRODUCT = "1051094507639"
HEADER = "X-Amzn-Trace-Id"


def get(shop, path, **headers):
    return httpx.get(shop.url + path, headers=headers, timeout=10, trust_env=False)


def trace_of(answer):
    return answer.headers[HEADER].partition("Root=")[2].partition(";")[0]


def complete(shop, answer, segments):
    """The segments of an answer's trace, when there are so many."""
    from checks import Collected

    found = []

    def is_there():
        found[:] = next(Collected(shop.collector_url, 0).traces([trace_of(answer)]), [])
        return len(found) >= segments

    eventually(is_there)
    return found


def below(segments, name):
    """The subsegments of a service's segment, without the rendering of pages."""
    (segment,) = (each for each in segments if each["name"] == name)
    return [each for each in segment["subsegments"] if ".html" not in each["name"]]


def overlap(entities):
    return max(each["start_time"] for each in entities) < min(each["end_time"] for each in entities)


def exceptions_of(segments):
    from checks import entities

    return [
        exception["type"]
        for entity in entities(segments)
        if isinstance(entity.get("cause"), dict)
        for exception in entity["cause"]["exceptions"]
    ]


# -- what a trace shows


def product_page(shop):
    """The trace of a product page whose three related products were asked for side by side.

    They always are, but on a busy machine the first may be there before the third is asked for.
    """
    found = []

    def is_side_by_side():
        answer = get(shop, f"/product/{PRODUCT}")
        assert "Goes well with it" in answer.text
        found[:] = complete(shop, answer, 6)
        calls = below(found, "recommenderservice")
        assert len(calls) == 3
        return overlap(calls)

    eventually(is_side_by_side)
    return found


def test_a_product_page_has_three_calls_side_by_side(shop):
    catalog, recommender = below(product_page(shop), "Frontend")
    assert catalog["end_time"] <= recommender["start_time"]


def test_a_cart_asks_for_all_its_products_at_once(shop):
    from goods import PRODUCT_IDS

    with httpx.Client(base_url=shop.url, timeout=10, trust_env=False) as visitor:
        for product_id in PRODUCT_IDS[:4]:
            assert visitor.post("/cart", data={"product_id": product_id}).status_code == 302

        def is_side_by_side():
            answer = visitor.get("/cart")
            cart, *products = below(complete(shop, answer, 6), "Frontend")
            assert len(products) == 4
            assert cart["end_time"] <= min(each["start_time"] for each in products)
            return overlap(products)

        eventually(is_side_by_side)


def test_an_order_is_followed_through_the_queue_and_tells_nobody_the_address(shop):
    from load import ADDRESS

    with httpx.Client(base_url=shop.url, timeout=10, trust_env=False) as visitor:
        visitor.post("/cart", data={"product_id": PRODUCT})
        visitor.get("/cart")
        visitor.post("/cart/checkout", data={**ADDRESS, "paymentMethod": "card"})
        answer = visitor.post("/cart/order")
        assert answer.headers["location"] == "/cart/order"
        assert "$1,890.00" in visitor.get("/cart/order").text
    segments = complete(shop, answer, 6)
    (worker,) = (each for each in segments if each["name"] == "order-worker")
    (order,) = (each for each in segments if each["name"] == "orderservice")
    (front,) = (each for each in segments if each["name"] == "Frontend")
    assert worker["annotations"]["QueueAge"] >= 1
    assert worker["start_time"] > front["end_time"]
    assert (
        order["annotations"].items()
        >= {
            "OrderTotal": 1890,
            "Items": 1,
            "PaymentMethod": "card",
        }.items()
    )
    told = str(segments)
    assert not [value for key, value in ADDRESS.items() if len(value) > 4 and value in told]


def test_calls_have_the_names_of_the_services_that_they_go_to(shop):
    from checks import entities

    segments = complete(shop, get(shop, f"/product/{PRODUCT}"), 6)
    calls = {each["name"] for each in entities(segments) if each.get("namespace") == "remote"}
    assert calls == {"catalogservice", "recommenderservice"}


def test_what_visitors_do_wrong_is_no_fault(shop):
    assert get(shop, "/product/0000000000000").status_code == 404
    assert get(shop, "/no/such/page").status_code == 404
    assert get(shop, "/images/none.jpg").status_code == 404
    assert get(shop, "/images/products-fern.jpg?width=x").status_code == 400
    answer = httpx.post(f"{shop.url}/cart/order", trust_env=False)  # nothing in it, nowhere to go
    assert answer.headers["location"] == "/cart/checkout"


def test_pictures_come_in_the_size_that_is_asked_for(shop):
    from io import BytesIO

    from PIL import Image

    answer = get(shop, "/images/products-fern.jpg?width=120&height=80&filter=grey")
    with Image.open(BytesIO(answer.content)) as picture:
        assert (picture.size, picture.mode, picture.format) == ((120, 80), "L", "JPEG")
    segments = complete(shop, answer, 2)
    assert [each["name"] for each in below(segments, "ImageService")] == ["ImageResize"]


# -- headers


def test_every_page_says_which_trace_it_is(shop):
    ids = {trace_of(get(shop, path)) for path in ("/", "/product", "/cart", "/nothing")}
    assert len(ids) == 4
    assert all(len(trace_id) == 35 for trace_id in ids)


def test_an_unsampled_request_leaves_no_segment_anywhere(shop):
    from checks import Collected

    trace_id = f"1-{int(time.time()):08x}-{1:024x}"
    path = f"/product/{PRODUCT}"
    get(shop, path, **{HEADER: f"Root={trace_id};Sampled=0"})
    # What comes later is there, so this would be, too.
    complete(shop, get(shop, path), 6)
    assert list(Collected(shop.collector_url, 0).traces([trace_id])) == []


# -- when something breaks


def test_a_killed_service_shows_in_its_callers_and_nowhere_when_it_is_back(shop):
    from checks import EDGES, NODES, Collected, edges_of

    began = time.time()
    shop.kill("catalogservice")
    try:
        page = get(shop, f"/product/{PRODUCT}")
        home = get(shop, "/")
        added = httpx.post(f"{shop.url}/cart", data={"product_id": PRODUCT}, trust_env=False)
    finally:
        shop.start("catalogservice")
    assert (page.status_code, home.status_code, added.status_code) == (503, 200, 302)
    assert "ConnectError" in exceptions_of(complete(shop, page, 1))
    assert "ConnectError" in exceptions_of(complete(shop, home, 1))  # which hides it well
    assert "ConnectionError" in exceptions_of(complete(shop, added, 2))
    # It is on the map as itself, not as the address that nobody answers at.
    services = Collected(shop.collector_url, began).graph()
    assert edges_of(services) <= EDGES
    (away,) = (each for each in services if each.get("Type") == "remote")
    assert away["Name"] == "catalogservice" in NODES
    assert away["SummaryStatistics"]["FaultStatistics"]["TotalCount"] == 3
    after = get(shop, f"/product/{PRODUCT}")
    assert after.status_code == 200
    assert exceptions_of(complete(shop, after, 6)) == []


def test_the_shop_serves_without_a_collector_and_is_traced_again_when_it_is_back(shop):
    logs = {name: program.log.stat().st_size for name, program in shop.programs.items()}
    shop.end("collector")
    try:
        paths = ["/", f"/product/{PRODUCT}", "/cart", "/images/products-fern.jpg"]
        statuses = [
            get(shop, path).status_code for path in itertools.islice(itertools.cycle(paths), 40)
        ]
    finally:
        shop.start("collector")
    assert statuses == [200] * 40
    for name, before in logs.items():
        if name not in {"collector", "standins"}:
            said = shop.programs[name].log.read_text()[before:]
            warnings = [line for line in said.splitlines() if "WARNING" in line or "ERROR" in line]
            assert len(warnings) <= 1, said
            assert "Traceback" not in said

    def is_traced():
        from checks import Collected

        return next(Collected(shop.collector_url, 0).traces([trace_of(get(shop, "/"))]), None)

    eventually(is_traced)


# -- written for the official SDK


def test_a_service_that_was_written_for_the_official_sdk_runs_unchanged():
    from checks import Count, count
    from launcher import Shop

    with Shop(compat=True, free_ports=True, sample_all=True, seed=1) as shop:
        assert count(product_page(shop)) == Count(6, 9)
        log = shop.programs["recommenderservice"].log.read_text()
        assert "Traceback" not in log
        assert "ERROR" not in log


# -- chaos


@pytest.fixture(scope="module")
def disturbed():
    """Twice the same visits of the same visitor, who is in a hurry, with the same chaos."""
    import load
    from chaos import Chaos
    from launcher import Shop

    chaos = Chaos(0.1, 0.2, 0.4, 0.02, kill=0, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "PAUSE_SECONDS", (0.02, 0.1))
        with Shop(free_ports=True, sample_all=True, seed=1, chaos=chaos) as shop:
            runs = [disturbed_run(shop)]
            for service in ("catalogservice", "recommenderservice"):  # in which chaos strikes
                shop.end(service)
                shop.start(service)
            runs.append(disturbed_run(shop))
    return runs


def disturbed_run(shop):
    import load
    from checks import Collected

    totals = load.Totals(visits=[])
    collected = Collected(shop.collector_url, time.time())
    asyncio.run(load.run(shop.url, 1, 1.2, 1, totals))
    ids = [visit.trace_id for visit in totals.visits]
    eventually(lambda: len(list(collected.traces(ids))) == len(ids))
    expressions = (
        "fault",
        'service("recommenderservice") { fault }',
        "annotation.throttled = true",
    )
    found = {each: len(collected.summaries(each)) for each in expressions}
    segments = [segment for trace in collected.traces(ids) for segment in trace]
    return totals.visits, found, segments


def test_chaos_with_the_same_seed_is_the_same(disturbed):
    first, second = ([(v.method, v.url, v.status) for v in visits] for visits, _, _ in disturbed)
    assert first == second
    assert {status for _, _, status in first} > {200, 302}


def test_chaos_shows_where_it_struck(disturbed):
    from checks import entities

    _, found, segments = disturbed[0]
    everything = list(entities(segments))
    assert any(each["name"] == "## simulate slow query" for each in everything)
    assert found['service("recommenderservice") { fault }'] > 0
    assert found["annotation.throttled = true"] > 0
    assert "Broken" in exceptions_of(segments)
    throttled = [each for each in everything if each.get("throttle")]
    assert {each["name"] for each in throttled} >= {"dynamodb", "catalogservice"}
    assert not any(each.get("fault") for each in throttled)
