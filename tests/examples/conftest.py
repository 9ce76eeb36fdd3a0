"""The shop's own modules can be imported; a shop that serves, for the tests of a file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SHOP = Path(__file__).parents[2] / "examples" / "shop"
sys.path.append(str(SHOP))


@pytest.fixture(scope="module")
def shop():
    """The traced shop, every request recorded."""
    from launcher import Shop

    with Shop(free_ports=True, sample_all=True, seed=1) as shop:
        yield shop
