"""What the tests of stores' clients share."""

from __future__ import annotations

import pytest

import xtrace
from xtrace.testing import recording


@pytest.fixture
def traces():
    """What the process's recorder sends, which has a name."""
    with recording(service="shop") as traces:
        yield traces


@pytest.fixture
def unpatched():
    """Nothing is patched afterwards."""
    yield
    xtrace.unpatch()


async def result(value):
    """What a client gave, sync or async."""
    return await value if hasattr(value, "__await__") else value
