"""An emitter from a URL, from an object or from a list of these, or an error that says what to type."""

from __future__ import annotations

import pytest

from tests.helpers import Keeper, ended
from xtrace.emitters import SCHEMES, CustomEmitter, Emitter, arranged, flat, make
from xtrace.emitters.memory import MemoryEmitter
from xtrace.emitters.otlp import OtlpEmitter
from xtrace.emitters.otlp_udp import OtlpUdpEmitter
from xtrace.emitters.stream import ConsoleEmitter, FileEmitter
from xtrace.emitters.udp import UdpEmitter
from xtrace.errors import ConfigurationError, InvalidAddress
from xtrace.ledger import EmitterStats
from xtrace.recorder import Recorder


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("udp://127.0.0.1:2000", UdpEmitter),
        ("udp:127.0.0.1:2000", UdpEmitter),
        ("UDP://[::1]:2000/", UdpEmitter),
        ("file:traces.jsonl", FileEmitter),
        ("console:", ConsoleEmitter),
        ("otlp+http://127.0.0.1:4318", OtlpEmitter),
        ("otlp+https://example.com/otlp", OtlpEmitter),
        ("otlp+udp://127.0.0.1:2000", OtlpUdpEmitter),
        ("memory:", MemoryEmitter),
        ("memory", MemoryEmitter),
    ],
)
def test_a_url_names_the_emitter(url, kind):
    emitter = make(url, 5000)
    assert type(emitter) is kind
    assert (emitter.url, emitter.max_bytes) == (url, 5000)
    assert repr(emitter) == f"<{kind.__name__} {url}>"


def test_an_emitter_stays_what_it_is():
    emitter = MemoryEmitter()
    assert make(emitter) is emitter


@pytest.mark.parametrize(
    "url", ["", "udpx://a:1", "https://a", "traces.jsonl", ":", "127.0.0.1:2000"]
)
def test_an_unknown_url_is_an_error_with_those_that_are_known(url):
    with pytest.raises(InvalidAddress) as raised:
        make(url)
    assert repr(url) in str(raised.value)
    assert all(f"{scheme}:" in str(raised.value) for scheme in SCHEMES)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://localhost:4318", "Did you mean 'otlp+http://localhost:4318'?"),
        ("https://example.com", "Did you mean 'otlp+https://example.com'?"),
        ("otlp+grpc://localhost:4317", "write 'otlp+http://host:4318'"),
        ("localhost:2000", "Did you mean 'udp://localhost:2000'?"),
        ("x-ray://eu-west-1", "Did you mean 'xray://eu-west-1'?"),
    ],
)
def test_an_unknown_url_is_an_error_that_guesses_what_was_meant(url, hint):
    with pytest.raises(InvalidAddress) as raised:
        make(url)
    assert hint in str(raised.value)


class Callable:
    send_entity = "no function"


@pytest.mark.parametrize("target", [None, 7, object(), {}, b"udp://a:1", Callable()])
def test_what_is_no_emitter_is_an_error_that_says_what_to_give(target):
    with pytest.raises(ConfigurationError, match="send_entity") as raised:
        make(target)
    assert "udp://127.0.0.1:2000" in str(raised.value)


@pytest.mark.parametrize("target", ["nowhere:", 7, ["memory:", "nowhere:"], ["memory:", 7]])
def test_configure_says_the_same_and_changes_nothing(target):
    recorder = Recorder(service="test", emitter="memory:")
    before = recorder.emitters
    with pytest.raises(ConfigurationError, match=r"memory|send_entity"):
        recorder.configure(emitter=target)
    assert recorder.emitters == before


def test_urls_with_commas_between_are_several_emitters(monkeypatch):
    monkeypatch.setenv("XTRACE_EMITTER", "memory:, udp://127.0.0.1:1,file:a,b.jsonl")
    emitters = Recorder(service="test").emitters
    assert [emitter.url for emitter in emitters] == [
        "memory:",
        "udp://127.0.0.1:1",
        "file:a,b.jsonl",
    ]


def test_without_a_host_udp_is_the_daemon_wherever_it_is(monkeypatch):
    monkeypatch.setenv("XTRACE_EMITTER", "udp:,memory:,otlp+udp://")
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "tcp:127.0.0.1:1 udp:[::1]:2")
    recorder = Recorder(service="test")
    urls = [emitter.url for emitter in recorder.emitters]
    assert urls == ["udp://[::1]:2", "memory:", "otlp+udp://[::1]:2"]
    for name in ("XTRACE_EMITTER", "AWS_XRAY_DAEMON_ADDRESS"):
        monkeypatch.delenv(name)
    (emitter,) = Recorder(service="test", emitter="udp:").emitters
    assert emitter.url == "udp://127.0.0.1:2000"


def test_a_list_is_several_emitters():
    mine = Keeper()
    recorder = Recorder(service="test", sampling=False, emitter=["memory:", MemoryEmitter(), mine])
    with recorder.in_segment("a"):
        pass
    memory, other, custom = recorder.emitters
    assert len(memory.documents) == len(other.documents) == 1
    assert isinstance(custom, CustomEmitter)
    assert [entity.name for entity in mine.kept] == ["a"]


# -- objects of the application's --------------------------------------------------------------


def test_an_object_gets_each_entity_with_its_subsegments():
    mine = Keeper()
    emitter = make(mine)
    segment, *parts = ended("a", parts=3)
    emitter.send([segment, *reversed(parts)])
    assert mine.kept == [segment]
    assert segment.subsegments == parts
    assert emitter.url.endswith("Keeper")
    stats = EmitterStats(emitter.url, emitter.ledger)
    assert (stats.recorded, stats.sent, stats.datagrams) == (4, 4, 1)


def test_subsegments_without_their_segment_come_by_themselves():
    mine = Keeper()
    _, *parts = ended("a", parts=2)
    make(mine).send(parts)
    assert mine.kept == parts


class Broken:
    def __init__(self, *names):
        self.names = names

    def send_entity(self, entity):
        if entity.name in self.names:
            raise ValueError(entity.name)


def test_an_object_that_raises_loses_what_it_was_given_and_no_more(lenient_faults, caplog):
    emitter = make(Broken("part 0"))
    _, *parts = ended("a", parts=3)
    emitter.send(parts)
    emitter.send(ended("b", parts=1))
    stats = EmitterStats(emitter.url, emitter.ledger)
    assert (stats.recorded, stats.sent, stats.dropped) == (5, 4, {"emitter failed": 1})
    assert "Broken.send_entity failed" in caplog.text


def test_arranged_and_flat_are_each_other_s_way_back():
    batch = ended("a", parts=5)
    (segment,) = arranged(batch[::-1])
    assert flat(segment) == batch


def test_emitters_take_an_entity_as_those_of_the_official_sdk_do():
    emitter = MemoryEmitter()
    (segment,) = arranged(ended("a", parts=2))
    emitter.send_entity(segment)
    assert len(emitter.documents[0]["subsegments"]) == 2


def test_an_emitter_says_how_documents_leave():
    emitter = Emitter("mine:")
    with pytest.raises(NotImplementedError):
        emitter.send_documents([])
    emitter.flush(0)
    emitter.settle()
    emitter.close()


def test_room_is_left_for_what_an_emitter_adds():
    class Wordy(MemoryEmitter):
        overhead = 500

    emitter = Wordy(max_bytes=2000)
    emitter.send(ended("a", parts=30))
    assert max(map(len, emitter.data)) <= 1500


def test_a_forked_child_begins_with_empty_counts():
    emitter = MemoryEmitter()
    emitter.send(ended("a"))
    emitter.after_fork()
    assert EmitterStats(emitter.url, emitter.ledger).recorded == 0
