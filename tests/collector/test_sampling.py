"""The collector's side of central sampling: rules, shared reservoirs, boosts, statistics."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from xtrace.collector.api.errors import ApiError
from xtrace.collector.sampling import (
    BOOST_SECONDS,
    INTERVAL_SECONDS,
    MAX_RULES,
    QUOTA_SECONDS,
    Reservoir,
    Sampling,
    rules_of_file,
)
from xtrace.collector.store import open_store

NOW = 1_800_000_000.0


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def store():
    store = open_store(":memory:")
    yield store
    store.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sampling(store, clock):
    return Sampling(store, clock)


def a_rule(name="checkout", **members):
    return {
        "RuleName": name,
        "Priority": 100,
        "FixedRate": 0.1,
        "ReservoirSize": 10,
        "ServiceName": "*",
        "ServiceType": "*",
        "Host": "*",
        "HTTPMethod": "*",
        "URLPath": "/checkout",
        "ResourceARN": "*",
        "Version": 1,
        **members,
    }


def client(number):
    return f"{number:024x}"


def statistics(name="checkout", number=0, requests=1, sampled=0, borrowed=0, at=NOW):
    return {
        "RuleName": name,
        "ClientID": client(number),
        "Timestamp": at,
        "RequestCount": requests,
        "SampledCount": sampled,
        "BorrowCount": borrowed,
    }


def refused(call, *given):
    with pytest.raises(ApiError) as caught:
        call(*given)
    assert caught.value.status == 400
    return caught.value


def names(sampling):
    return [record["SamplingRule"]["RuleName"] for record in sampling.records()]


# -- rules


def test_the_default_rule_is_always_there(sampling):
    (record,) = sampling.records()
    assert record["CreatedAt"] == 0.0
    rule = record["SamplingRule"]
    assert (rule["RuleName"], rule["Priority"], rule["Version"]) == ("Default", 10_000, 1)
    assert (rule["FixedRate"], rule["ReservoirSize"], rule["Host"]) == (0.05, 1, "*")
    assert rule["RuleARN"] == "arn:aws:xray:us-east-1:000000000000:sampling-rule/Default"


def test_rules_are_tried_by_priority_then_name(sampling):
    for name, priority in (("b", 5), ("c", 1), ("a", 5), ("d", 9999)):
        sampling.create(a_rule(name, Priority=priority))
    assert names(sampling) == ["c", "a", "b", "d", "Default"]


def test_a_rule_is_created_changed_and_deleted(sampling, clock):
    boost = {"MaxRate": 0.5, "CooldownWindowMinutes": 10}
    made = sampling.create(a_rule(SamplingRateBoost=boost, Attributes={"a": "b"}))
    assert made["CreatedAt"] == made["ModifiedAt"] == NOW
    assert made["SamplingRule"]["SamplingRateBoost"] == boost
    clock.now += 5
    changed = sampling.update({"RuleName": "checkout", "FixedRate": 0.9, "Priority": 7})
    assert (changed["CreatedAt"], changed["ModifiedAt"]) == (NOW, NOW + 5)
    assert changed["SamplingRule"] == made["SamplingRule"] | {"FixedRate": 0.9, "Priority": 7}
    assert sampling.delete({"RuleARN": made["SamplingRule"]["RuleARN"]}) == changed
    assert names(sampling) == ["Default"]


def test_every_change_is_a_modification(sampling, clock):
    def modified():
        return sampling.targets([], [])["LastRuleModification"]

    assert modified() == 0.0
    for change in (
        lambda: sampling.create(a_rule()),
        lambda: sampling.update({"RuleName": "Default", "FixedRate": 0.2}),
        lambda: sampling.delete({"RuleName": "checkout"}),
        lambda: sampling.replace([]),
    ):
        clock.now += 1
        change()
        assert modified() == clock.now


def test_rules_outlive_the_process(sampling, store):
    sampling.create(a_rule())
    sampling.update({"RuleName": "Default", "ReservoirSize": 3})
    again = Sampling(store)
    assert again.records() == sampling.records()
    assert again.targets([], []) == sampling.targets([], [])


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (a_rule("Default"), "there is a rule 'Default' already"),
        (a_rule(Version=2), "SamplingRule.Version is 2; it must be 1"),
        (a_rule(RuleARN="arn:x"), "SamplingRule.RuleARN"),
        ({**a_rule(), "RuleName": None}, "SamplingRule.RuleName is missing"),
    ],
)
def test_rules_that_cant_be_created(sampling, rule, said):
    rule = {key: value for key, value in rule.items() if value is not None}
    assert said in refused(sampling.create, rule).message
    assert names(sampling) == ["Default"]


def test_a_name_is_used_once(sampling):
    sampling.create(a_rule())
    assert "already" in refused(sampling.create, a_rule()).message


def test_there_are_only_so_many_rules(sampling):
    for number in range(MAX_RULES):
        sampling.create(a_rule(f"rule {number}"))
    assert refused(sampling.create, a_rule()).type == "RuleLimitExceededException"
    sampling.delete({"RuleName": "rule 3"})
    sampling.create(a_rule())


def test_no_more_rules_fit_when_many_are_created_at_once(sampling):
    def create(number):
        try:
            sampling.create(a_rule(f"rule {number}"))
        except ApiError as error:
            return error.type

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(create, range(60)))
    assert outcomes.count(None) == MAX_RULES
    assert set(outcomes) == {None, "RuleLimitExceededException"}
    assert len(names(sampling)) == MAX_RULES + 1


def test_clients_are_answered_when_statistics_cant_be_stored(sampling, store, caplog):
    store.close()
    assert sampling.targets([statistics("Default")], [])["SamplingTargetDocuments"]
    assert "1 clients reported is lost" in caplog.text


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"RuleName": "nobody"}, "SamplingRuleUpdate.RuleName: there is no sampling rule 'nobody'"),
        ({}, "Give SamplingRuleUpdate.RuleName or SamplingRuleUpdate.RuleARN"),
        ({"RuleName": "checkout", "RuleARN": "x"}, "not both"),
        ({"RuleName": "checkout", "FixedRate": 1.5}, "SamplingRuleUpdate.FixedRate is 1.5"),
        ({"RuleName": "checkout", "Priority": 10_000}, "SamplingRuleUpdate.Priority is 10000"),
        ({"RuleName": "checkout", "ReservoirSize": -1}, "SamplingRuleUpdate.ReservoirSize is -1"),
        ({"RuleName": "Default", "Host": "a"}, "SamplingRuleUpdate.Host: of the default rule"),
        ({"RuleName": "Default", "Priority": 5}, "SamplingRuleUpdate.Priority"),
    ],
)
def test_updates_that_cant_be(sampling, update, said):
    sampling.create(a_rule())
    before = sampling.records()
    assert said in refused(sampling.update, update).message
    assert sampling.records() == before


def test_the_default_rule_takes_what_it_has_already(sampling):
    sampling.update({"RuleName": "Default", "Host": "*", "Priority": 10_000, "FixedRate": 1.0})
    assert sampling.records()[0]["SamplingRule"]["FixedRate"] == 1.0


def test_the_default_rule_stays(sampling):
    assert "can't be deleted" in refused(sampling.delete, {"RuleName": "Default"}).message


def test_rules_from_a_file_replace_the_others(sampling):
    sampling.create(a_rule("old"))
    answer = {"SamplingRuleRecords": [*sampling.records(), {"SamplingRule": a_rule("new")}]}
    sampling.replace(rules_of_file(json.dumps(answer)))
    assert names(sampling) == ["new", "old", "Default"]
    sampling.replace(rules_of_file(json.dumps([a_rule("only")])))
    assert names(sampling) == ["only", "Default"]


def test_local_rules_become_central_ones(sampling):
    local = {
        "version": 2,
        "rules": [
            {"description": "moves", "host": "a.*", "http_method": "GET", "url_path": "/m/*"}
            | {"fixed_target": 3, "rate": 0.5},
            {"service_name": "b", "fixed_target": 0, "rate": 1},
        ],
        "default": {"fixed_target": 2, "rate": 0.25},
    }
    sampling.replace(rules_of_file(json.dumps(local)))
    first, second, default = (record["SamplingRule"] for record in sampling.records())
    assert (first["RuleName"], first["Host"], first["URLPath"]) == ("moves", "a.*", "/m/*")
    assert (first["HTTPMethod"], first["ReservoirSize"], first["FixedRate"]) == ("GET", 3, 0.5)
    assert (second["RuleName"], second["Host"], second["Priority"]) == ("rule 2", "b", 2)
    assert (default["ReservoirSize"], default["FixedRate"]) == (2, 0.25)


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '"x"', "null"])
def test_what_isnt_a_file_of_rules(text):
    with pytest.raises(ValueError, match=r"\w"):
        rules_of_file(text)


def test_a_file_with_a_bad_rule_changes_nothing(sampling):
    sampling.create(a_rule("old"))
    said = refused(sampling.replace, [a_rule("new"), a_rule("bad", FixedRate=2)]).message
    assert "SamplingRule.FixedRate is 2" in said
    assert names(sampling) == ["old", "Default"]


# -- targets


def test_what_a_client_is_told(sampling):
    sampling.create(a_rule())
    answer = sampling.targets([statistics(), statistics("Default"), statistics("nobody")], [])
    target, default = answer["SamplingTargetDocuments"]
    assert target == {
        "RuleName": "checkout",
        "FixedRate": 0.1,
        "ReservoirQuota": 10,
        "ReservoirQuotaTTL": NOW + QUOTA_SECONDS,
        "Interval": INTERVAL_SECONDS,
    }
    assert (default["RuleName"], default["ReservoirQuota"]) == ("Default", 1)
    (unprocessed,) = answer["UnprocessedStatistics"]
    assert unprocessed["RuleName"] == "nobody"
    assert "no sampling rule 'nobody'" in unprocessed["Message"]
    assert answer["UnprocessedBoostStatistics"] == []


def test_statistics_are_added_up_in_periods_of_ten_seconds(sampling, clock):
    sampling.create(a_rule())
    sampling.targets([statistics(requests=5, sampled=3, borrowed=1)], [])
    sampling.targets([statistics(number=1, requests=2, sampled=1, at=NOW + 9.9)], [])
    clock.now += 10
    sampling.targets([statistics("Default", requests=4, at=NOW + 10)], [])
    sampling.targets([statistics("Default", requests=1, at=10**10)], [])  # a wrong clock
    assert sampling.summaries() == [
        {
            "RuleName": "checkout",
            "Timestamp": NOW,
            "RequestCount": 7,
            "BorrowCount": 1,
            "SampledCount": 4,
        },
        {
            "RuleName": "Default",
            "Timestamp": NOW + 10,
            "RequestCount": 5,
            "BorrowCount": 0,
            "SampledCount": 0,
        },
    ]
    clock.now += 4000
    assert sampling.summaries() == []


class SimulatedClient:
    """A client as X-Ray's SDKs are: a quota with a lifetime, borrowing without one."""

    def __init__(self, sampling, number, clock):
        self.sampling = sampling
        self.number = number
        self.clock = clock
        self.quota = None
        self.until = 0.0
        self.second = -1
        self.taken = self.requests = self.sampled = self.borrowed = 0

    def request(self):
        """One request; whether the reservoir has it sampled."""
        if int(self.clock.now) != self.second:
            self.second, self.taken = int(self.clock.now), 0
        has_quota = self.quota is not None and self.until >= self.clock.now
        sampled = self.taken < (self.quota if has_quota else 1)
        self.requests += 1
        if sampled:
            self.taken += 1
            self.sampled += 1
            self.borrowed += not has_quota
        return sampled and has_quota

    def report(self):
        if not self.requests:
            return
        document = statistics("shared", self.number, self.requests, self.sampled, self.borrowed)
        answer = self.sampling.targets([{**document, "Timestamp": self.clock.now}], [])
        (target,) = answer["SamplingTargetDocuments"]
        self.quota, self.until = target["ReservoirQuota"], target["ReservoirQuotaTTL"]
        self.requests = self.sampled = self.borrowed = 0


@pytest.mark.parametrize("size", [1, 7, 50])
def test_twenty_clients_share_a_reservoir(sampling, clock, size):
    sampling.create(a_rule("shared", ReservoirSize=size, FixedRate=0))
    chance = random.Random(size)
    clients = [SimulatedClient(sampling, number, clock) for number in range(20)]
    due = {each: NOW + chance.uniform(0, INTERVAL_SECONDS) for each in clients}
    requests = 0
    for second in range(60):
        clock.now = NOW + second
        within_quota = sum(each.request() for each in clients for _ in range(size))
        requests += len(clients) * size
        assert within_quota <= size
        if second > 2 * INTERVAL_SECONDS:  # every client has been told of all the others
            assert within_quota == size
        for each in sorted(clients, key=due.get):
            if due[each] <= clock.now:
                each.report()
                due[each] += INTERVAL_SECONDS
    for each in clients:
        each.report()
    assert sum(each["RequestCount"] for each in sampling.summaries()) == requests


def test_a_client_that_goes_silent_gives_its_share_back(sampling, clock):
    sampling.create(a_rule())

    def quota(number):
        answer = sampling.targets([statistics(number=number)], [])
        return answer["SamplingTargetDocuments"][0]["ReservoirQuota"]

    assert (quota(0), quota(1)) == (10, 0)
    clock.now += INTERVAL_SECONDS
    assert (quota(0), quota(1)) == (5, 5)
    clock.now += QUOTA_SECONDS + 1
    assert quota(1) == 10


class Sharing(RuleBasedStateMachine):
    """Clients come, report, fall silent; what they hold together is never too much."""

    def __init__(self):
        super().__init__()
        self.reservoir = Reservoir()
        self.now = NOW
        self.held = {}

    size = 13

    @rule(number=st.integers(0, 30))
    def report(self, number):
        self.held[number] = self.reservoir.lend(client(number), self.size, self.now)

    @rule(seconds=st.floats(0, QUOTA_SECONDS))
    def wait(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.held)
    @rule()
    def everyone_reports_twice(self):
        live = [number for number, (_, until) in self.held.items() if until >= self.now]
        for number in live * 2:
            self.report(number)
        if live:
            quotas = sorted(self.held[number][0] for number in live)
            assert sum(quotas) == self.size
            assert quotas[-1] - quotas[0] <= 1

    @invariant()
    def never_too_much(self):
        live = [quota for quota, until in self.held.values() if until >= self.now]
        assert sum(live) <= self.size
        assert sum(live) == self.reservoir.lent(self.now)
        assert all(quota >= 0 for quota in live)


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.integers(0, 100), st.integers(1, 30))
def test_a_reservoir_that_shrinks_is_taken_back_as_clients_report(size, clients):
    reservoir = Reservoir()
    for _ in range(2):
        for number in range(clients):
            reservoir.lend(client(number), 100, NOW)
    assert reservoir.lent(NOW) == 100
    for number in range(clients):
        reservoir.lend(client(number), size, NOW)
    assert reservoir.lent(NOW) <= max(size, 0)


# -- boost

BOOSTED = {"SamplingRateBoost": {"MaxRate": 0.8, "CooldownWindowMinutes": 10}, "FixedRate": 0.01}
START_OF_A_WINDOW = 1_800_000_000.0  # divisible by 600


def boost_statistics(anomalies=1, sampled=0, name="checkout"):
    return {
        "RuleName": name,
        "ServiceName": "shop",
        "Timestamp": NOW,
        "AnomalyCount": anomalies,
        "TotalCount": 1000,
        "SampledAnomalyCount": sampled,
    }


def boost(sampling, *reports):
    answer = sampling.targets([statistics()], list(reports))
    return answer["SamplingTargetDocuments"][0].get("SamplingBoost")


def test_anomalies_that_nobody_sampled_boost_the_rate(sampling, clock):
    sampling.create(a_rule(**BOOSTED))
    assert boost(sampling) is None
    assert boost(sampling, boost_statistics(0)) is None
    begun = boost(sampling, boost_statistics(10))
    # Ten anomalies a minute are all missed at this rate once in twenty minutes.
    assert (1 - begun["BoostRate"]) ** 10 == pytest.approx(0.05)
    assert begun["BoostRateTTL"] == NOW + BOOST_SECONDS
    clock.now += 30
    assert boost(sampling) == begun
    clock.now += 31
    assert boost(sampling) is None


def test_a_boost_stays_below_its_limit(sampling):
    sampling.create(a_rule(**BOOSTED))
    assert boost(sampling, boost_statistics(1))["BoostRate"] == 0.8


def test_anomalies_that_were_sampled_need_no_boost(sampling):
    sampling.create(a_rule(**BOOSTED))
    assert boost(sampling, boost_statistics(10, sampled=1)) is None


def test_there_is_one_boost_in_a_window(sampling, clock):
    clock.now = START_OF_A_WINDOW + 100
    sampling.create(a_rule(**BOOSTED))
    assert boost(sampling, boost_statistics(10))
    clock.now = START_OF_A_WINDOW + 300
    assert boost(sampling, boost_statistics(10)) is None
    clock.now = START_OF_A_WINDOW + 601
    assert boost(sampling, boost_statistics(10))["BoostRateTTL"] == clock.now + BOOST_SECONDS


def test_a_rate_that_is_enough_is_not_boosted(sampling):
    sampling.create(a_rule(**{**BOOSTED, "FixedRate": 0.5}))
    assert boost(sampling, boost_statistics(10)) is None


def test_a_rule_without_a_boost_has_none(sampling):
    sampling.create(a_rule())
    assert boost(sampling, boost_statistics(10)) is None
    answer = sampling.targets([], [boost_statistics(name="nobody")])
    assert [each["RuleName"] for each in answer["UnprocessedBoostStatistics"]] == ["nobody"]
