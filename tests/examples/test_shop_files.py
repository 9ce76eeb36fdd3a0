"""What the shop is made of: plain and traced services, goods, pictures, and their stand-ins."""

from __future__ import annotations

import difflib
import re

import pytest
import redis as redis_py

from tests.examples.conftest import SHOP

SERVICES = sorted(path.name for path in (SHOP / "plain").glob("*.py"))
MOST_LINES = 5


def lines_of(folder, name):
    """The lines of code; empty ones aren't counted."""
    return [line for line in (SHOP / folder / name).read_text().splitlines() if line.strip()]


@pytest.mark.parametrize("name", SERVICES)
def test_tracing_a_service_takes_at_most_five_lines(name):
    changes = list(difflib.ndiff(lines_of("plain", name), lines_of("traced", name)))
    added = [line for line in changes if line.startswith("+ ")]
    removed = [line for line in changes if line.startswith("- ")]
    assert 0 < len(added) <= MOST_LINES
    assert len(removed) <= 1  # the loop over messages
    assert all(re.search("xtrace|XRayMiddleware", line) for line in added), added


def test_there_is_a_traced_service_for_each_plain_one():
    assert [path.name for path in sorted((SHOP / "traced").glob("*.py"))] == SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_a_plain_service_knows_nothing_of_tracing(name):
    assert not re.search("xtrace|x-ray|amzn", (SHOP / "plain" / name).read_text(), re.IGNORECASE)


def test_every_product_has_a_picture():
    from goods import FEATURED, PRODUCTS, UNKNOWN

    assert len(PRODUCTS) == 9
    for product in PRODUCTS:
        assert (SHOP / "pictures" / product["picture"]).exists()
    assert any(product["id"] == FEATURED for product in PRODUCTS)
    assert not any(product["id"] == UNKNOWN for product in PRODUCTS)


@pytest.mark.parametrize("has_server", [True, False], ids=["redis-server", "fakeredis"])
def test_redis_is_the_real_server_or_a_stand_in(has_server, tmp_path, monkeypatch):
    import standins

    if not has_server:
        monkeypatch.setattr(standins.shutil, "which", lambda program: None)
    url, stop = standins.start_redis(str(tmp_path))
    try:
        with redis_py.Redis.from_url(url, decode_responses=True) as client:
            assert client.sadd("cart", "tea") == 1
            assert client.smembers("cart") == {"tea"}
            assert client.delete("cart") == 1
    finally:
        stop()


def test_the_dice_fall_the_same_for_the_same_seed_whatever_comes_between():
    from chaos import Dice

    def falls(dice, between):
        fallen = []
        for _ in range(200):
            fallen.append(bool(dice.strikes("slow", 0.2, "/tea")))
            for _ in range(between):
                dice.strikes("slow", 0.2, "/cup")
        return fallen

    first = falls(Dice(7), 0)
    assert falls(Dice(7), 3) == first
    assert falls(Dice(8), 0) != first
    assert 15 < sum(first) < 70
