"""What the clients' tests share: a server, and one client after the other under one face."""

from __future__ import annotations

import pytest

import xtrace
from tests.integrations.clients.facades import FACADES, PARAMETERS
from tests.integrations.clients.server import Server, serving
from xtrace.default import recorder
from xtrace.integrations import _outgoing

CLIENTS = ["aiohttp", "http_client", "httpx", "requests", "urllib", "urllib3"]


@pytest.fixture(autouse=True)
def nothing_open():
    """No test finds what another has left."""
    recorder.open.clear()
    _outgoing._abandoned.clear()
    yield
    recorder.clear_trace_entities()


@pytest.fixture
def server():
    with serving(Server()) as server:
        yield server


@pytest.fixture
def other_server():
    """One whose host is another name."""
    with serving(Server()) as server:
        yield server


@pytest.fixture(params=["alone", "with all others"])
def patching(request):
    """Which libraries are patched: the client's own, or every one, the inner ones first."""
    return request.param


@pytest.fixture(params=PARAMETERS)
def client(request, patching):
    """A client whose library is patched."""
    facade = FACADES[request.param]
    names = [facade.name] if patching == "alone" else [*CLIENTS, facade.name]
    xtrace.patch(names)
    yield facade
    xtrace.unpatch()


@pytest.fixture
def unpatched():
    """Nothing is patched afterwards."""
    yield
    xtrace.unpatch()
