"""What every test has: our own faults raised, every document checked, a recorder of its own."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests import documents, libraries, servers
from tests.documents import no_secrets
from tests.helpers import now
from tests.servers.fixtures import mariadb, memcached, postgresql, rabbitmq, redis_server
from xtrace import emitters, faults, packing
from xtrace.emitters import otlp_udp, udp, worker
from xtrace.packing import pack
from xtrace.pytest_plugin import traces
from xtrace.recorder import Recorder
from xtrace.testing import Traces

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "mariadb",
    "memcached",
    "no_secrets",
    "postgresql",
    "rabbitmq",
    "redis_server",
    "traces",
]

# How long an example takes says more about the machine than about the code.
settings.register_profile("xtrace", deadline=None)
settings.load_profile("xtrace")


@pytest.fixture(autouse=True, scope="module")
def _now() -> None:
    now.cache_clear()


def pytest_configure(config: pytest.Config) -> None:
    servers.begin_run()
    libraries.pytest_configure(config)
    config.pluginmanager.register(documents.Searched())
    # A shell that runs the tests in the background has SIGINT ignored, and what they start would
    # inherit that: programs of ours that Ctrl-C is to end.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    servers.end_run()


pytest_runtest_makereport = libraries.pytest_runtest_makereport


@pytest.fixture(autouse=True)
def strict_faults() -> Iterator[None]:
    """What fails inside xtrace fails the test; tests of the handling itself switch this off."""
    faults.strict = True
    faults.counts.clear()
    faults._quiet_until.clear()
    yield
    faults.strict = False


@pytest.fixture
def lenient_faults(strict_faults: None) -> None:
    """As in production: faults inside xtrace are counted and logged."""
    faults.strict = False


@pytest.fixture(autouse=True)
def checked_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every document that any test sends is checked, and obeys the size limit."""

    def checked_pack(batch: Any, limit: int, ledger: Any) -> Any:
        packed = pack(batch, limit, ledger)
        for data, _ in packed:
            assert len(data) <= limit
            libraries.see(documents.checked(data))
        return packed

    for module in (emitters, otlp_udp, packing, udp, worker):
        monkeypatch.setattr(module, "pack", checked_pack)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A recorder of the test's own, which keeps everything in memory."""
    recorder = Recorder(service="test", sampling=False, emitter="memory:")
    yield recorder
    recorder.clear_trace_entities()


@pytest.fixture
def sent(recorder: Recorder) -> Traces:
    """What `recorder` has sent."""
    return Traces(recorder.emitters[0])
