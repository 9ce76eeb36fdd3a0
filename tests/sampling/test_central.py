"""The central sampler, against a daemon of our own on the loopback."""

from __future__ import annotations

import gc
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import eventually, keeping_recorder
from tests.sampling import daemon as fake
from tests.sampling.daemon import RULES, TARGETS, answering, rule
from xtrace import faults, ids
from xtrace.errors import ConfigurationError
from xtrace.recorder import Recorder
from xtrace.sampling import central, client, documents
from xtrace.sampling.central import CentralSampler
from xtrace.sampling.documents import Unusable, read_rules
from xtrace.sampling.local import LocalSampler

ROOT = Path(__file__).parents[2]
NEVER = {"version": 2, "default": {"fixed_target": 0, "rate": 0}}
ALWAYS = {"version": 2, "default": {"fixed_target": 0, "rate": 1}}


class World:
    """Both clocks and the random fraction, all standing still."""

    def __init__(self):
        self.wall = 1_000_000.0
        self.monotonic = 50.0
        self.fraction = 0.5

    def later(self, seconds):
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def world(monkeypatch):
    world = World()
    monkeypatch.setattr(ids, "wall_clock", lambda: world.wall)
    monkeypatch.setattr(ids, "monotonic_clock", lambda: world.monotonic)
    monkeypatch.setattr(ids, "random_fraction", lambda: world.fraction)
    return world


@pytest.fixture
def daemon():
    with answering() as daemon:
        yield daemon


@pytest.fixture
def sampler(daemon, world):
    return polled_by_hand(CentralSampler(NEVER, daemon.address))


def decisions(sampler, count=1, **request):
    asked = {"service": "shop", "host": "example.com", "method": "GET", "path": "/", **request}
    return [sampler.should_trace(asked) for _ in range(count)]


def polled_by_hand(sampler):
    """Without a thread of its own: this is the one."""
    sampler._thread = threading.current_thread()
    return sampler


def report(sampler):
    """Let it report now; gives the seconds until something is due."""
    sampler._report_due = 0
    return sampler.poll()


def target(name="Default", **members):
    return {"RuleName": name, "FixedRate": 0.0, **members}


def counts(report):
    return tuple(report[key] for key in ("RequestCount", "SampledCount", "BorrowCount"))


# -- rules ---------------------------------------------------------------------------------------


def test_rules_are_asked_for_as_the_daemon_expects(daemon, sampler):
    sampler.poll()
    assert daemon.asked == [(RULES, {})]
    assert daemon.headers[0]["Content-Type"] == "application/json"
    assert "Authorization" not in daemon.headers[0]
    assert "X-Amzn-Trace-Id" not in daemon.headers[0]


def test_priority_then_name_decide_and_default_comes_last(daemon, sampler):
    daemon.rules = [
        rule(FixedRate=1.0),
        rule("late", Priority=200, FixedRate=1),
        rule("b", Priority=5, FixedRate=1.0, URLPath="/x"),
        rule("a", Priority=5, FixedRate=1.0, URLPath="/x"),
        rule("first", Priority=1, FixedRate=1.0, HTTPMethod="POST"),
    ]
    sampler.poll()
    assert decisions(sampler, path="/x") == ["a"]
    assert decisions(sampler, path="/x", method="POST") == ["first"]
    assert decisions(sampler) == ["late"]


@pytest.mark.parametrize(
    ("member", "pattern", "takes", "leaves"),
    [
        ("ServiceName", "sh?p", {"service": "SHOP"}, {"service": "shoop"}),
        ("ServiceType", "AWS::ECS::*", {"service_type": "AWS::ECS::Container"}, None),
        ("Host", "*.example.com", {"host": "a.example.com"}, {"host": "example.com"}),
        ("HTTPMethod", "post", {"method": "POST"}, {"method": "PUT"}),
        ("URLPath", "/a/*/b", {"path": "/a/1/b"}, {"path": "/a/b"}),
        ("ResourceARN", "arn:*", {"resource_arn": "arn:1"}, {}),
        ("Attributes", {"tier": "g*"}, {"attributes": {"tier": "gold"}}, {}),
        ("Attributes", {"tier": "*"}, {"attributes": {"tier": ""}}, {"attributes": {"a": "b"}}),
        ("ServiceType", "AWS::*", {}, {"service_type": "on premises"}),
    ],
)
def test_every_member_is_compared(daemon, sampler, member, pattern, takes, leaves):
    daemon.rules = [rule("it", FixedRate=1.0, **{member: pattern}), rule(FixedRate=1.0)]
    sampler.poll()
    assert decisions(sampler, **takes) == ["it"]
    if leaves is not None:
        assert decisions(sampler, **leaves) == ["Default"]


def test_the_service_type_is_what_the_process_runs_on(daemon, sampler):
    daemon.rules = [rule("it", FixedRate=1.0, ServiceType="AWS::ECS::*"), rule(FixedRate=1.0)]
    sampler.poll()
    for origin, name in (("AWS::EC2::Instance", "Default"), ("AWS::ECS::Container", "it")):
        sampler.direct(sampler.endpoint, origin)
        assert decisions(sampler) == [name]
    sampler.direct(sampler.endpoint, None)
    assert decisions(sampler) == ["it"], "nobody says, so it matches"


def test_where_no_rule_matches_the_local_ones_decide(daemon, sampler):
    daemon.rules = [rule("it", FixedRate=1.0, URLPath="/x")]
    sampler.poll()
    assert decisions(sampler, path="/y") == [False]
    sampler.load_local_rules(ALWAYS)
    assert decisions(sampler, path="/y") == [True]
    assert decisions(sampler, path="/x") == ["it"]


def test_all_pages_are_read(daemon, sampler):
    pages = {
        None: {"SamplingRuleRecords": fake.records(rule("a", FixedRate=1)), "NextToken": "2"},
        "2": {"SamplingRuleRecords": [], "NextToken": "3"},
        "3": {"SamplingRuleRecords": fake.records(rule("b", URLPath="/b"), rule())},
    }
    daemon.answer = lambda path, body: pages[body.get("NextToken")]
    sampler.poll()
    assert [each.name for each in sampler.rules] == ["a", "b", "Default"]


def test_pages_without_end_are_a_bad_answer(daemon, sampler, lenient_faults, caplog):
    daemon.answer = lambda path, body: {"SamplingRuleRecords": [], "NextToken": "again"}
    sampler.poll()
    assert len(daemon.asked) == central.MAX_PAGES
    assert "more than 50 pages" in str(sampler)


def test_rules_are_asked_for_every_five_minutes(daemon, sampler, world):
    assert 10 <= sampler.poll() <= 10.1, "the first report"
    world.later(301)
    sampler.poll()
    assert daemon.paths() == [RULES], "up to five seconds later, so that not all ask at once"
    daemon.rules = [rule("new"), rule()]
    world.later(2)
    sampler.poll()
    assert daemon.paths() == [RULES, RULES]
    assert [each.name for each in sampler.rules] == ["new", "Default"]


def test_a_refresh_keeps_counts_quota_and_target_of_a_rule(daemon, sampler, world):
    daemon.rules = [rule(ReservoirSize=10, FixedRate=0.1)]
    daemon.targets = lambda report: [
        target(FixedRate=0.9, ReservoirQuota=3, ReservoirQuotaTTL=world.wall + 9_000)
    ]
    sampler.poll()
    decisions(sampler)
    report(sampler)
    decisions(sampler, 2)
    world.later(306)
    sampler._report_due = float("inf")
    sampler.poll()
    assert daemon.paths() == [RULES, TARGETS, RULES]
    world.fraction = 0.95
    assert decisions(sampler, 5) == ["Default"] * 3 + [False] * 2
    world.fraction = 0.8
    assert decisions(sampler) == ["Default"]
    report(sampler)
    assert counts(daemon.reports()[-1]) == (8, 6, 0)
    daemon.rules = [rule(ReservoirSize=10, FixedRate=0.2)]
    sampler._rules_due = 0
    sampler.poll()
    assert sampler.rules[0].rate == 0.2, "a rule that changed has its own rate until the target"


# -- decisions -----------------------------------------------------------------------------------


def test_one_a_second_is_borrowed_until_there_is_a_quota(daemon, sampler, world):
    daemon.rules = [rule(ReservoirSize=50)]
    sampler.poll()
    assert decisions(sampler, 3) == ["Default", False, False]
    world.later(1)
    assert decisions(sampler, 2) == ["Default", False]
    report(sampler)
    assert counts(daemon.reports()[0]) == (5, 2, 2)


def test_nothing_is_borrowed_from_an_empty_reservoir(daemon, sampler):
    daemon.rules = [rule(ReservoirSize=0)]
    sampler.poll()
    assert decisions(sampler, 3) == [False] * 3


def test_a_quota_holds_for_each_second_until_it_expires(daemon, sampler, world):
    daemon.rules = [rule(ReservoirSize=50)]
    daemon.targets = lambda report: [
        target(ReservoirQuota=4, ReservoirQuotaTTL=world.wall + 20, Interval=10)
    ]
    sampler.poll()
    decisions(sampler)  # borrowed: one of this second's four
    report(sampler)
    assert decisions(sampler, 6) == ["Default"] * 3 + [False] * 3
    for _ in range(20):
        world.later(1)
        assert decisions(sampler, 6) == ["Default"] * 4 + [False] * 2
    world.later(1)
    assert decisions(sampler, 6) == ["Default"] + [False] * 5, "expired: borrowed again"


def test_a_quota_of_zero_lets_nothing_through(daemon, sampler, world):
    daemon.rules = [rule(ReservoirSize=50)]
    daemon.targets = lambda report: [target(ReservoirQuota=0, ReservoirQuotaTTL=world.wall + 300)]
    sampler.poll()
    decisions(sampler)
    report(sampler)
    world.later(1)
    assert decisions(sampler, 3) == [False] * 3


def test_what_a_target_does_not_say_stays(daemon, sampler, world):
    daemon.rules = [rule(ReservoirSize=50, FixedRate=0.7)]
    first = {"ReservoirQuota": 2, "ReservoirQuotaTTL": world.wall + 9_000, "Interval": 20}
    daemon.targets = lambda report: [{"RuleName": "Default", **first}]
    sampler.poll()
    decisions(sampler)
    assert 20 <= report(sampler) <= 20.1
    assert sampler.rules[0].rate == 0.7
    daemon.targets = lambda report: [{"RuleName": "Default", "FixedRate": 0.2}]
    world.later(21)
    decisions(sampler)
    assert 20 <= report(sampler) <= 20.1, "the interval too"
    assert sampler.rules[0].rate == 0.2
    world.later(1)
    assert decisions(sampler, 3) == ["Default"] * 2 + [False]


def test_the_smallest_interval_counts(daemon, sampler):
    daemon.rules = [rule("a", URLPath="/a"), rule()]
    daemon.targets = lambda report: [target("a", Interval=30), target(Interval=15)]
    sampler.poll()
    decisions(sampler)
    assert 15 <= report(sampler) <= 15.1


@pytest.mark.parametrize("interval", [0, 0.001, -5, "10", True, None, [], 1e300])
def test_an_interval_that_is_none_keeps_the_thread_calm(daemon, sampler, interval, lenient_faults):
    daemon.targets = lambda report: [target(Interval=interval)]
    sampler.poll()
    decisions(sampler)
    assert 1 <= report(sampler) <= 306


def test_a_boost_replaces_the_rate_until_it_ends(daemon, sampler, world):
    boost = {"MaxRate": 0.6, "CooldownWindowMinutes": 10}
    daemon.rules = [rule(FixedRate=0.1, SamplingRateBoost=boost)]
    daemon.targets = lambda report: [
        target(FixedRate=0.1, SamplingBoost={"BoostRate": 0.9, "BoostRateTTL": world.wall + 60})
    ]
    sampler.poll()
    assert decisions(sampler) == [False]
    report(sampler)
    assert decisions(sampler) == ["Default"]
    world.fraction = 0.65
    assert decisions(sampler) == [False], "never above the rule's most"
    world.fraction = 0.5
    world.later(60)
    assert decisions(sampler) == ["Default"]
    world.later(0.001)
    assert decisions(sampler) == [False]


def test_a_clock_that_steps_starves_nobody(daemon, sampler, world):
    daemon.rules = [rule(ReservoirSize=1)]
    sampler.poll()
    for step in (-3600, 1, 7200, -1, 10**9, -(10**9)):
        world.wall += step
        assert decisions(sampler, 2) == ["Default", False]


def test_threads_share_the_quota_and_every_request_is_counted(daemon, sampler, world):
    daemon.rules = [rule(ReservoirSize=100)]
    daemon.targets = lambda report: [target(ReservoirQuota=30, ReservoirQuotaTTL=world.wall + 300)]
    sampler.poll()
    decisions(sampler)
    report(sampler)
    found = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(5):
            world.later(1)
            threads = [
                threading.Thread(target=lambda: found.extend(decisions(sampler, 200)))
                for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                sampler._report_due = 0
                sampler.poll()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    report(sampler)
    assert found.count("Default") == 5 * 30
    reports = [counts(report) for report in daemon.reports()]
    assert tuple(map(sum, zip(*reports, strict=True))) == (5 * 8 * 200 + 1, 5 * 30 + 1, 1)
    assert all(requests >= sampled >= borrowed for requests, sampled, borrowed in reports)


def test_twenty_processes_share_a_reservoir(daemon, world):
    """The daemon splits 50 a second over those who have reported within a while."""
    clients = set()

    def targets(report):
        clients.update(each["ClientID"] for each in report["SamplingStatisticsDocuments"])
        number = sorted(clients).index(report["SamplingStatisticsDocuments"][0]["ClientID"])
        share = 50 // len(clients) + (number < 50 % len(clients))
        return [target(ReservoirQuota=share, ReservoirQuotaTTL=world.wall + 300)]

    daemon.rules = [rule(ReservoirSize=50)]
    daemon.targets = targets
    samplers = [polled_by_hand(CentralSampler(NEVER, daemon.address)) for _ in range(20)]
    for sampler in samplers:
        sampler.poll()
    for _ in range(3):
        for sampler in samplers:
            decisions(sampler)
        world.later(11)
        for sampler in samplers:
            sampler.poll()
    assert len(clients) == 20
    for _ in range(5):
        world.later(1)
        found = [decision for sampler in samplers for decision in decisions(sampler, 40)]
        assert found.count("Default") == 50


# -- statistics and targets ------------------------------------------------------------------------


def test_statistics_are_reported_every_ten_seconds_and_start_anew(daemon, sampler, world):
    daemon.rules = [rule("a", ReservoirSize=1, URLPath="/a"), rule("b", URLPath="/b"), rule()]
    sampler.poll()
    decisions(sampler, 3, path="/a")
    decisions(sampler, 2)
    assert 10 <= report(sampler) <= 10.1
    world.later(10.2)
    assert 10 <= sampler.poll() <= 10.1, "nothing to report"
    world.later(10.2)
    world.fraction = 0.0
    daemon.rules = []
    decisions(sampler, path="/a")
    report(sampler)
    assert daemon.paths() == [RULES, TARGETS, TARGETS]
    reports = daemon.reports()
    assert [report["RuleName"] for report in reports] == ["a", "Default", "a"]
    assert [counts(report) for report in reports] == [(3, 1, 1), (2, 0, 0), (1, 1, 1)]
    assert {report["ClientID"] for report in reports} == {sampler.client_id}
    assert reports[0]["Timestamp"] == 1_000_000
    int(sampler.client_id, 16)
    assert len(sampler.client_id) == 24


def test_at_most_25_statistics_go_into_one_report(daemon, sampler):
    daemon.rules = [rule(f"r{n}", URLPath=f"/{n}") for n in range(60)]
    sampler.poll()
    for number in range(60):
        decisions(sampler, path=f"/{number}")
    report(sampler)
    sizes = [
        len(body["SamplingStatisticsDocuments"]) for path, body in daemon.asked if path == TARGETS
    ]
    assert sizes == [25, 25, 10]
    assert len({report["RuleName"] for report in daemon.reports()}) == 60


@pytest.mark.parametrize("answer", [500, b"{", b'{"LastRuleModification": 1}'])
def test_statistics_that_did_not_arrive_are_reported_later(
    daemon, sampler, world, answer, lenient_faults
):
    sampler.poll()
    decisions(sampler, 3)
    daemon.answers[TARGETS] = answer
    report(sampler)
    del daemon.answers[TARGETS]
    decisions(sampler, 4)
    world.later(10.2)
    report(sampler)
    assert [counts(report)[0] for report in daemon.reports()] == [3, 7]
    assert decisions(sampler)[0] in ("Default", False), "the rules stay in use"


def test_rules_that_changed_are_fetched_at_once_and_only_once(daemon, sampler, world):
    sampler.poll()

    def ten_seconds_later():
        world.later(10.2)
        decisions(sampler)
        before = len(daemon.asked)
        sampler.poll()
        return daemon.paths()[before:]

    daemon.modified = world.wall - 5_000
    assert ten_seconds_later() == [TARGETS]
    daemon.modified = world.wall + 3_000  # its clock is ahead of ours
    assert ten_seconds_later() == [TARGETS, RULES]
    assert ten_seconds_later() == [TARGETS]
    daemon.modified += 1
    daemon.answers[RULES] = 500
    faults.strict = False
    assert ten_seconds_later() == [TARGETS, RULES]
    del daemon.answers[RULES]
    assert RULES in ten_seconds_later(), "again, until there is an answer"
    assert ten_seconds_later() == [TARGETS]


# -- a daemon that doesn't answer, or wrongly --------------------------------------------------------


def test_without_a_daemon_local_rules_decide_in_silence(world, caplog):
    caplog.set_level(logging.WARNING)
    sampler = polled_by_hand(CentralSampler(ALWAYS, "127.0.0.1:9"))
    waits = []
    for _ in range(10):
        waits.append(round(sampler.poll(), 6))
        assert decisions(sampler) == [True]
        world.later(waits[-1])
    assert waits == sorted(waits)
    assert 1 <= waits[0] <= 1.1
    assert 60 <= waits[-1] <= 66
    assert faults.counts == {}
    assert caplog.text == ""
    assert str(sampler).startswith("central, but for now local (sampling rules) (the daemon at 127")


def test_a_daemon_that_comes_later_is_found(daemon, sampler, world, lenient_faults):
    daemon.answers[RULES] = 503
    wait = sampler.poll()
    del daemon.answers[RULES]
    world.later(wait)
    sampler.poll()
    assert str(sampler) == f"central (1 rule from the daemon at {daemon.address})"


def test_rules_live_an_hour_after_the_last_answer(daemon, sampler, world, lenient_faults):
    daemon.rules = [rule(FixedRate=1.0)]
    sampler.poll()
    daemon.answers = {RULES: 500, TARGETS: 500}
    while world.monotonic < 50 + 3600:
        assert decisions(sampler) == ["Default"]
        world.later(30)
        sampler.poll()
    world.later(61)
    sampler.poll()
    assert sampler.rules == []
    assert decisions(sampler) == [False]
    daemon.answers = {}
    world.later(66)
    sampler.poll()
    assert decisions(sampler) == ["Default"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (500, "answers with status 500"),
        (404, "answers with status 404"),
        (301, "answers with status 301"),
        (b"", "isn't JSON"),
        (b"{", "isn't JSON"),
        (b"\xff\xfe", "isn't JSON"),
        (b"[" * 100_000, "isn't JSON"),
        (b"[]", "isn't an object"),
        (b"{}", "without SamplingRuleRecords"),
        (b'{"SamplingRuleRecords": {}}', "without SamplingRuleRecords"),
        (fake.half, "breaks off"),
        (fake.no_http, "doesn't answer in HTTP"),
        (fake.endless, "answers with more than"),
    ],
)
def test_a_wrong_answer_is_told_once_and_local_rules_decide(
    daemon, sampler, world, answer, why, lenient_faults, caplog
):
    daemon.answers[RULES] = answer
    for _ in range(3):
        world.later(sampler.poll())
    assert why in sampler.trouble
    assert daemon.paths() == [RULES] * 3
    assert faults.counts == {"sampling rules": 1}
    assert caplog.text.count(why) == 1
    assert sampler.rules == []
    assert why in str(sampler)
    del daemon.answers[RULES]
    sampler.poll()
    assert sampler.rules


def test_an_answer_that_trickles_in_is_given_up(daemon, sampler, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.3)
    daemon.answers[RULES] = fake.trickle
    begin = time.monotonic()
    sampler.poll()
    assert 0.3 <= time.monotonic() - begin < 5
    assert "timed out" in sampler.trouble


def test_a_daemon_that_accepts_and_says_nothing_is_given_up(monkeypatch, world):
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        sampler = CentralSampler(ALWAYS, f"127.0.0.1:{mute.getsockname()[1]}")
        sampler.poll()
    assert "timed out" in sampler.trouble


@pytest.mark.parametrize("host", ["no such host", "a" * 300, "\N{SNOWMAN}" * 80, "x..y"])
def test_a_host_that_is_none_is_no_daemon(host, lenient_faults):
    with pytest.raises((client.NoDaemon, client.BadAnswer)):
        client.ask((host, 2000), RULES, {})


WRONG = [
    None,
    7,
    "rule",
    [],
    {},
    rule(RuleName=None),
    rule(RuleName=""),
    rule(RuleName=["a"]),
    rule("x", Version=2),
    rule("x", Version=None),
    rule("x", Priority="1"),
    rule("x", Priority=True),
    rule("x", Priority=None),
    rule("x", FixedRate=1.5),
    rule("x", FixedRate=-0.1),
    rule("x", FixedRate="0.5"),
    rule("x", FixedRate=float("nan")),
    rule("x", ReservoirSize=-1),
    rule("x", ReservoirSize=None),
    rule("x", ReservoirSize=10**400),
    rule("x", ReservoirSize=float("inf")),
    rule("x", Host=None),
    rule("x", URLPath=7),
    rule("x", URLPath="x" * 501),
    rule("x", ServiceName=["*"]),
    rule("x", ResourceARN=7),
    rule("x", Attributes=["a"]),
    rule("x", Attributes={"a": 1}),
    rule("x", SamplingRateBoost=1),
    rule("x", SamplingRateBoost={"MaxRate": 2}),
    rule("Default"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: json.dumps(wrong)[:40])
def test_a_rule_of_wrong_type_is_left_out_and_told_once(
    daemon, sampler, world, wrong, lenient_faults
):
    daemon.rules = [rule(FixedRate=1.0), wrong, rule("fine", Priority=7, FixedRate=1.0)]
    for _ in range(3):
        sampler.poll()
        world.later(306)
    assert [each.name for each in sampler.rules] == ["fine", "Default"]
    assert faults.counts == {"sampling rules": 1}
    assert "1 left out" in str(sampler)
    assert decisions(sampler) == ["fine"]


def test_a_rule_may_lack_what_the_api_lets_it_lack(daemon, sampler):
    lean = rule("lean", FixedRate=1.0)
    for member in ("ResourceARN", "Attributes", "RuleARN", "Version"):
        del lean[member]
    daemon.rules = [lean, {**rule(), "Host": None, "FixedRate": 1.0}]
    sampler.poll()
    assert [each.name for each in sampler.rules] == ["lean", "Default"]
    assert decisions(sampler) == ["lean"]


def test_too_many_rules_are_cut(daemon, sampler, monkeypatch, lenient_faults):
    monkeypatch.setattr(documents, "MAX_RULES", 10)
    daemon.rules = [rule(f"r{n}", Priority=100 - n) for n in range(20)]
    sampler.poll()
    assert [each.priority for each in sampler.rules] == list(range(81, 91))


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        7,
        {},
        {"RuleName": 7},
        {"RuleName": "gone", "FixedRate": 0.5},
        target(FixedRate="1"),
        target(FixedRate=2),
        target(ReservoirQuota=-1),
        target(ReservoirQuotaTTL="soon"),
        target(SamplingBoost=1),
        target(SamplingBoost={"BoostRate": 1}),
        target(SamplingBoost={"BoostRate": 3, "BoostRateTTL": 1}),
    ],
)
def test_a_wrong_target_changes_nothing(daemon, sampler, wrong, lenient_faults):
    daemon.rules = [rule("a", Priority=1, FixedRate=0.6, URLPath="/a"), rule(FixedRate=0.6)]
    daemon.targets = lambda report: [wrong, target("a", FixedRate=0.7)]
    sampler.poll()
    decisions(sampler, path="/a")
    decisions(sampler)
    report(sampler)
    assert [each.rate for each in sampler.rules] == [0.7, 0.6]


def test_refused_statistics_are_told(daemon, sampler, lenient_faults, caplog):
    answer = {
        "SamplingTargetDocuments": [],
        "LastRuleModification": 0,
        "UnprocessedStatistics": [{"RuleName": "Default", "ErrorCode": "Why", "Message": "not"}],
    }
    sampler.poll()
    decisions(sampler)
    daemon.answers[TARGETS] = json.dumps(answer).encode()
    report(sampler)
    assert "statistics are refused" in caplog.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
rule_members = st.dictionaries(st.sampled_from(sorted(rule())), json_values, max_size=3)


@given(st.lists(st.builds(lambda members: {**rule("x"), **members}, rule_members) | json_values))
def test_whatever_is_sent_as_rules_either_decides_or_is_left_out(rules):
    usable, complaints = read_rules(fake.records(*rules))
    assert len(usable) + len(complaints) == len(rules)
    priorities = [(each.priority, each.name) for each in usable]
    assert priorities == sorted(priorities)
    for each in usable:
        assert 0 <= each.rate <= 1
        assert str(each)


@given(
    st.dictionaries(
        st.sampled_from(["FixedRate", "ReservoirQuota", "ReservoirQuotaTTL", "SamplingBoost"]),
        json_values
        | st.fixed_dictionaries({"BoostRate": json_values, "BoostRateTTL": json_values}),
    )
)
def test_whatever_is_sent_as_a_target_is_taken_whole_or_not(members):
    (each,), _ = read_rules(fake.records(rule("x", FixedRate=0.25)))
    try:
        each.aim({"RuleName": "x", **members})
    except Unusable:
        assert (each.rate, each.boost_until, each.reservoir._quota) == (0.25, 0.0, None)
    assert 0 <= each.rate <= 1
    assert 0 <= each.boost_rate <= 1
    each.reservoir.draw()


# -- thread, fork, life ------------------------------------------------------------------------------


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "xtrace-sampling"]


def test_the_thread_starts_at_the_first_decision(daemon):
    daemon.rules = [rule(FixedRate=1.0)]
    before = set(threads())
    sampler = CentralSampler(NEVER, daemon.address)
    assert set(threads()) == before
    assert decisions(sampler) in ([False], ["Default"])  # the daemon may be faster
    (thread,) = set(threads()) - before
    assert thread.daemon
    eventually(lambda: decisions(sampler) == ["Default"])
    assert set(threads()) - before == {thread}
    reference = weakref.ref(sampler)
    sampler = None
    gc.collect()
    thread.join(15)
    assert not thread.is_alive()
    assert reference() is None


def test_a_request_never_waits_for_the_daemon(daemon, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 1.0)
    daemon.answers[RULES] = fake.trickle
    sampler = CentralSampler(ALWAYS, daemon.address)
    begin = time.monotonic()
    assert decisions(sampler, 100) == [True] * 100
    assert time.monotonic() - begin < 0.9
    eventually(lambda: daemon.asked)


def test_where_no_thread_can_start_local_rules_decide(monkeypatch, world):
    def start(self):
        starts.append(1)
        raise RuntimeError("can't start new thread")

    starts = []
    monkeypatch.setattr(threading.Thread, "start", start)
    sampler = CentralSampler(ALWAYS, "127.0.0.1:9")
    assert decisions(sampler, 5) == [True] * 5
    assert len(starts) == 1
    assert "can't start new thread" in str(sampler)
    world.later(61)
    decisions(sampler, 5)
    assert len(starts) == 2


def test_a_failure_of_our_own_is_reported_and_the_thread_goes_on(
    daemon, monkeypatch, lenient_faults
):
    def poll(self):
        polls.append(1)
        if len(polls) == 1:
            raise ZeroDivisionError
        return 60.0

    polls = []
    monkeypatch.setattr(CentralSampler, "poll", poll)
    monkeypatch.setattr(central, "LAST_RETRY_SECONDS", 0.01)
    sampler = CentralSampler(ALWAYS, daemon.address)
    decisions(sampler)
    eventually(lambda: len(polls) == 2)
    assert faults.counts == {"sampling": 1}


def test_another_daemon_is_asked_as_soon_as_it_is_named(daemon, monkeypatch):
    daemon.rules = [rule("first", FixedRate=1.0)]
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", daemon.address)
    sampler = CentralSampler(NEVER)
    eventually(lambda: decisions(sampler) == ["first"])
    with answering() as other:
        other.rules = [rule("second", FixedRate=1.0)]
        host, _, port = other.address.rpartition(":")
        sampler.direct((host, int(port)), None)
        # At once, not when the next report is due.
        eventually(lambda: decisions(sampler) == ["second"], seconds=5)


def test_a_sampler_that_was_given_a_daemon_keeps_it():
    sampler = CentralSampler(NEVER, "127.0.0.1:9")
    keeping_recorder(sampler=sampler, daemon_address="127.0.0.1:2000")
    assert sampler.endpoint == ("127.0.0.1", 9)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_an_identity_statistics_and_a_thread_of_its_own(daemon):
    daemon.rules = [rule(FixedRate=1.0, ReservoirSize=5)]
    daemon.targets = lambda report: [target(FixedRate=1.0, Interval=1)]
    # In a program of its own, because threads of the tests' would be forked too.
    program = f"""
import os, threading, time
from xtrace.sampling.central import CentralSampler

def until(condition):
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

def decide():
    return sampler.should_trace({{"service": "shop", "path": "/"}})

sampler = CentralSampler(None, {daemon.address!r})
until(lambda: decide() == "Default")
for _ in range(100):
    decide()
parent = sampler.client_id
pid = os.fork()
if pid == 0:
    assert threading.active_count() == 1, "none is started by the fork"
    assert sampler.client_id != parent
    assert decide() == "Default", "the parent's rules are still good"
    assert threading.active_count() == 2
    first = sampler._thread
    decide()
    assert sampler._thread is first
    until(lambda: sampler.rules[0].statistics._reported[0] == 2)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert sampler.client_id == parent
"""
    subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    by_client = {}
    for report in daemon.reports():
        by_client.setdefault(report["ClientID"], []).append(report["RequestCount"])
    assert [2] in by_client.values()
    assert len(by_client) in (1, 2)  # the parent may end before it reports


def test_what_it_asks_is_nobodys_subsegment(daemon):
    """Not even of the segment in which the thread starts."""
    recorder = keeping_recorder(sampling=True, sampler=CentralSampler(ALWAYS, daemon.address))
    seen = []
    daemon.answers[RULES] = lambda handler: handler.give(b"{}", 200)
    poll = CentralSampler.poll

    def watched(self):
        seen.append(recorder.get_trace_entity())
        return poll(self)

    faults.strict = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CentralSampler, "poll", watched)
        with recorder.in_segment(sampling=True):
            recorder.sampler.should_trace({})
            eventually(lambda: seen)
    assert seen[0] is None


# -- settings --------------------------------------------------------------------------------------


def test_it_is_chosen_by_its_name(daemon):
    daemon.rules = [rule("orders", FixedRate=1.0)]
    recorder = keeping_recorder(sampling=True, sampling_rules=NEVER)
    before = set(threads())
    recorder.configure(sampler="central", daemon_address=f"tcp:{daemon.address} udp:127.0.0.1:9")
    assert set(threads()) == before, "not before the first decision"
    assert recorder.sampler.local.rules.rules[0].rate == 0, "the rules it had are kept for then"

    def rule_of_a_segment():
        with recorder.in_segment() as segment:
            return segment.sampled and segment.aws.get("xray", {}).get("sampling_rule_name")

    eventually(lambda: rule_of_a_segment() == "orders")
    assert recorder.stats().sampling == f"central (1 rule from the daemon at {daemon.address})"
    recorder.configure(sampling_rules=ALWAYS)
    assert isinstance(recorder.sampler, CentralSampler)
    assert recorder.sampler.local.rules.rules[0].rate == 1
    assert recorder.sampler.endpoint[1] == int(daemon.address.rpartition(":")[2])
    recorder.configure(sampler=" LOCAL ")
    assert type(recorder.sampler) is LocalSampler
    assert recorder.sampler.rules.rules[0].rate == 1


def test_the_default_is_local_and_starts_nothing():
    recorder = Recorder(service="shop", emitter="memory:")
    before = set(threading.enumerate())
    with recorder.in_segment():
        pass
    assert set(threading.enumerate()) == before
    assert recorder.stats().sampling == "local (built-in default)"


def test_the_environment_may_choose(monkeypatch, tmp_path):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(ALWAYS))
    monkeypatch.setenv("XTRACE_SAMPLER", "central")
    monkeypatch.setenv("XTRACE_SAMPLING_RULES", str(path))
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "tcp:127.0.0.1:7 udp:127.0.0.1:8")
    recorder = Recorder(service="shop", emitter="memory:")
    assert recorder.sampler.endpoint == ("127.0.0.1", 7)
    assert recorder.sampler.local.rules.rules[0].rate == 1
    recorder.configure(sampler="local")
    assert isinstance(recorder.sampler, CentralSampler), "who runs a program overrules its writer"


@pytest.mark.parametrize("word", ["Central sampler", "remote", ""])
def test_another_word_is_an_error_that_says_what_to_write(word):
    with pytest.raises(ConfigurationError, match="Write 'local' or 'central'"):
        Recorder(sampler=word)


def test_a_wrong_daemon_address_changes_nothing():
    recorder = Recorder(service="shop", emitter="memory:")
    before = recorder.sampler
    with pytest.raises(ConfigurationError):
        recorder.configure(sampler="central", daemon_address="nowhere")
    assert recorder.sampler is before


def test_where_the_process_runs_is_told_to_the_sampler():
    recorder = Recorder(service="shop", emitter="memory:", sampler="central")
    recorder._is_on(recorder._places, {}, "AWS::EC2::Instance")
    assert recorder.sampler.process == {"service_type": "AWS::EC2::Instance"}
    recorder.configure(sampling_rules=ALWAYS)
    assert recorder.sampler.process == {"service_type": "AWS::EC2::Instance"}
    recorder._is_on(recorder._places, {}, None)
    assert recorder.sampler.process == {}


def test_who_polls_for_nobody_any_more_stops():
    """As a greenlet of gevent's must, which a fork copies into the child."""
    sampler = CentralSampler()
    own = threading.Lock()
    sampler._wake = own
    sampler.after_fork()
    central._poll_on(weakref.ref(sampler), own)
    assert "isn't asked yet" in str(sampler)
