"""The collector as a whole, with our own SDK in front of it."""

from __future__ import annotations

import pytest

from tests.helpers import eventually
from xtrace.collector import Collector, running
from xtrace.recorder import Recorder


def test_what_the_sdk_sends_is_stored():
    with running() as collector:
        recorder = Recorder(service="shop", sampling=False, daemon_address=collector.address)
        for number in range(1, 501):
            with recorder.in_segment(), recorder.in_subsegment("work"):
                pass
            if number % 50 == 0:  # no burst: a busy machine's kernel would drop some
                eventually(lambda number=number: collector.stored == number)
        assert collector.store.size().documents == 500
        assert collector.received == 500
        assert recorder.stats().sent == 1000


def test_what_has_arrived_is_stored_before_it_stops(tmp_path):
    path = str(tmp_path / "traces.db")
    with running(path=path) as collector:
        recorder = Recorder(service="shop", sampling=False, daemon_address=collector.address)
        with recorder.in_segment():
            pass
    assert collector.stored == 1
    assert "received 1, stored 1, malformed 0, dropped 0" in collector.summary()


def test_malformed_documents_are_counted():
    with running() as collector:
        recorder = Recorder(sampling=False, daemon_address=collector.address)
        emitter = recorder.emitters[0]
        emitter.send_documents([(b"nonsense", 1), (b"{}", 1)])
        eventually(lambda: collector.malformed == 2)
        assert collector.received == 2


def test_it_listens_on_ipv6_too():
    with running(("::1", 0)) as collector:
        assert collector.address.startswith("[::1]:")
        recorder = Recorder(service="shop", sampling=False, daemon_address=collector.address)
        with recorder.in_segment():
            pass
        eventually(lambda: collector.stored == 1)


def test_a_taken_port_gives_up_the_database_too(tmp_path):
    with running() as collector, pytest.raises(OSError, match="in use"):
        Collector(collector.endpoint, str(tmp_path / "traces.db"))
