"""Central sampling with both of its sides: the SDK's sampler and the collector that has the rules."""

from __future__ import annotations

import pytest

from tests.collector.shop import client_of
from tests.helpers import keeping_recorder
from xtrace import ids
from xtrace.cli import main
from xtrace.collector import running
from xtrace.collector.sampling import Sampling
from xtrace.collector.store import open_store
from xtrace.sampling import central
from xtrace.sampling.central import CentralSampler

RESERVOIR = 50
CLIENTS = 20


def rule(name, **members):
    return {
        "RuleName": name,
        "Priority": 10,
        "Version": 1,
        "FixedRate": 0.0,
        "ReservoirSize": 0,
        **dict.fromkeys(("ServiceName", "ServiceType", "Host", "HTTPMethod", "URLPath"), "*"),
        "ResourceARN": "*",
        **members,
    }


@pytest.fixture
def collector():
    with running() as collector:
        yield collector


def explained(capsys, collector, path):
    assert main(["sampling", "explain", "GET", "shop", path, "--daemon", collector.address]) == 0
    return capsys.readouterr().out


def deciding(explanation):
    """The rule of the line with the mark."""
    (line,) = [line for line in explanation.splitlines() if line.startswith("*")]
    return line


def test_a_rule_that_is_changed_through_the_api_decides_within_one_poll(collector, capsys):
    api = client_of(collector)
    api.create_sampling_rule(SamplingRule=rule("carts", URLPath="/cart/*", FixedRate=1.0))
    recorder = keeping_recorder(
        sampler=CentralSampler(daemon_address=collector.address), sampling=True
    )
    recorder.sampler.poll()
    request = {"service": "shop", "host": "shop", "method": "GET", "path": "/cart/7"}
    assert recorder.sampler.should_trace(request) == "carts"
    assert "carts" in deciding(explained(capsys, collector, "/cart/7"))
    assert "Default" in deciding(explained(capsys, collector, "/other"))

    api.update_sampling_rule(SamplingRuleUpdate={"RuleName": "carts", "URLPath": "/basket/*"})
    api.create_sampling_rule(SamplingRule=rule("nothing", Priority=20))
    # The report of what was decided is answered with when the rules were modified last.
    recorder.sampler._report_due = float("-inf")
    recorder.sampler.poll()
    assert recorder.sampler.should_trace(request) is False
    assert recorder.sampler.should_trace({**request, "path": "/basket/7"}) == "carts"
    assert "nothing" in deciding(explained(capsys, collector, "/cart/7"))
    assert "carts" in deciding(explained(capsys, collector, "/basket/7"))


def test_segments_name_the_rule_and_the_collector_counts_what_was_decided(collector):
    api = client_of(collector)
    api.create_sampling_rule(SamplingRule=rule("all", FixedRate=1.0))
    sampler = CentralSampler(daemon_address=collector.address)
    recorder = keeping_recorder(sampler=sampler, sampling=True)
    sampler.poll()
    for _ in range(7):
        with recorder.in_segment("shop") as segment:
            assert segment.aws["xray"]["sampling_rule_name"] == "all"
    sampler._report_due = float("-inf")
    sampler.poll()
    (counted,) = api.get_sampling_statistic_summaries()["SamplingStatisticSummaries"]
    assert (counted["RuleName"], counted["RequestCount"], counted["SampledCount"]) == ("all", 7, 7)


def test_clients_share_a_reservoir(monkeypatch):
    now = 1_800_000_000.0
    monkeypatch.setattr(ids, "wall_clock", lambda: now)
    monkeypatch.setattr(ids, "monotonic_clock", lambda: now)
    store = open_store(":memory:")
    server = Sampling(store, lambda: now)
    server.create(rule("shared", ReservoirSize=RESERVOIR))

    def ask(endpoint, path, question):
        if path == "/GetSamplingRules":
            return {"SamplingRuleRecords": server.records()}
        return server.targets(question["SamplingStatisticsDocuments"], [])

    monkeypatch.setattr(central, "ask", ask)
    samplers = [CentralSampler(daemon_address="127.0.0.1:9") for _ in range(CLIENTS)]
    taken = []
    for second in range(60):
        now += 1.0
        for sampler in samplers:
            sampler.poll()
        decisions = [bool(sampler.should_trace({})) for sampler in samplers for _ in range(10)]
        taken.append(sum(decisions))
        if second > 25:  # all have reported, and have a share instead of borrowing
            assert taken[-1] <= RESERVOIR
    assert sum(taken[30:]) >= 0.8 * RESERVOIR * len(taken[30:])
    store.close()
