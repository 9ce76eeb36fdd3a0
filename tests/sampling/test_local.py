"""The local sampler: the rule's reservoir, then its rate."""

from __future__ import annotations

import threading
from collections import UserDict

import pytest

from xtrace import ids
from xtrace.errors import InvalidSamplingRules
from xtrace.recorder import Recorder
from xtrace.sampling.local import LocalSampler

RULES = {
    "version": 2,
    "rules": [
        {
            "description": name,
            "host": "*",
            "http_method": "*",
            "url_path": f"/{name}",
            "fixed_target": target,
            "rate": rate,
        }
        for name, target, rate in [("never", 0, 0), ("always", 0, 1), ("two", 2, 0)]
    ],
    "default": {"fixed_target": 1, "rate": 0.25},
}


@pytest.fixture
def world(monkeypatch):
    """The wall clock and the next random fraction."""
    now = {"time": 1000.0, "fraction": 0.9}
    monkeypatch.setattr(ids, "wall_clock", lambda: now["time"])
    monkeypatch.setattr(ids, "random_fraction", lambda: now["fraction"])
    return now


def decisions(sampler, path, count=4):
    return [
        sampler.should_trace({"path": path, "method": "GET", "host": "a"}) for _ in range(count)
    ]


def test_each_rule_has_its_reservoir_and_its_rate(world):
    sampler = LocalSampler(RULES)
    assert decisions(sampler, "/never") == [False] * 4
    assert decisions(sampler, "/always") == [True] * 4
    assert decisions(sampler, "/two") == [True, True, False, False]
    assert decisions(sampler, "/x") == [True, False, False, False]
    assert decisions(sampler, "/y") == [False] * 4, "the same reservoir"
    world["fraction"] = 0.2499
    assert decisions(sampler, "/y") == [True] * 4
    world["fraction"] = 0.25
    assert decisions(sampler, "/y") == [False] * 4
    world["time"] += 1
    assert decisions(sampler, "/x") == [True, False, False, False]
    assert decisions(sampler, "/two", 2) == [True, True]


def test_without_rules_one_a_second_and_five_percent(world):
    sampler = LocalSampler()
    assert [sampler.should_trace() for _ in range(3)] == [True, False, False]
    world["fraction"] = 0.0499
    assert sampler.should_trace({})
    world["fraction"] = 0.05
    assert not sampler.should_trace({"path": "/"})
    assert str(sampler) == "local (built-in default)"


@pytest.mark.parametrize("request_", [None, {}, {"service": "shop"}, {"path": None}])
def test_what_says_nothing_falls_under_the_first_rule(request_, world):
    assert LocalSampler(RULES).should_trace(request_) is False
    always = {**RULES, "rules": RULES["rules"][1:]}
    assert LocalSampler(always).should_trace(request_) is True


@pytest.mark.parametrize("path", [b"/always", 7, ["/always"], object()])
def test_what_is_no_text_raises_nothing(path, world):
    decided = LocalSampler(RULES).should_trace({"path": path, "method": b"GET", "host": 1})
    assert decided is True  # by the reservoir, where not by its rule


def test_any_mapping_will_do(world):
    assert LocalSampler(RULES).should_trace(UserDict(path="/always", method="GET")) is True


def test_rules_are_replaced_as_a_whole_or_not_at_all(world, tmp_path):
    sampler = LocalSampler(RULES)
    with pytest.raises(InvalidSamplingRules):
        sampler.load_local_rules({"version": 9})
    assert decisions(sampler, "/always", 1) == [True]
    path = tmp_path / "rules.json"
    path.write_text('{"version": 1, "default": {"fixed_target": 0, "rate": 0}}')
    sampler.load_local_rules(path)
    assert decisions(sampler, "/always", 1) == [False]
    assert str(sampler) == f"local (sampling rules {str(path)!r})"
    sampler.load_local_rules()
    assert decisions(sampler, "/always", 2) == [True, False]


def test_threads_share_the_quota_of_a_second_exactly(world):
    rules = {"version": 2, "default": {"fixed_target": 30, "rate": 0}}
    sampler = LocalSampler(rules)
    for _ in range(5):
        world["time"] += 1
        found = []
        together = threading.Barrier(8)

        def work(found=found, together=together):
            together.wait()
            found.extend(decisions(sampler, "/", 100))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found.count(True) == 30


def test_a_recorder_samples_by_the_rules_it_is_given(world):
    recorder = Recorder(service="shop", emitter="memory:", sampling_rules=RULES)
    for path, sampled in (("/never", False), ("/always", True)):
        with recorder.in_segment(request={"path": path}) as segment:
            assert segment.sampled is sampled
            assert "xray" not in segment.aws or not sampled
