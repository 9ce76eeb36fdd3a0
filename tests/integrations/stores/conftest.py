"""What the tests of stores' clients share."""

from __future__ import annotations

import pytest

import xtrace
from tests.servers import redis, redis_cluster
from xtrace.testing import recording

SECRET = "s3cr3t-marked"
"""What no document may have in it."""
PASSWORDS = (redis.PASSWORD, redis_cluster.PASSWORD)


@pytest.fixture
def traces():
    """What the process's recorder sends, which has a name. Nothing of it has the secret."""
    with recording(service="shop") as traces:
        yield traces
        sent = str(traces.documents)
        if xtrace.recorder.redact:
            assert SECRET not in sent
        assert not [each for each in PASSWORDS if each in sent]


@pytest.fixture
def unpatched():
    """Nothing is patched afterwards."""
    yield
    xtrace.unpatch()


async def result(value):
    """What a client gave, sync or async."""
    return await value if hasattr(value, "__await__") else value
