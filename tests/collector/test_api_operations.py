"""Every operation of the X-Ray API, asked by boto3 of a running collector."""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import botocore.session
import pytest
from botocore.exceptions import ClientError

from tests.collector.shop import client_of, put, shop_trace, span_id, trace_id, window
from tests.collector.store_contract import producer_and_consumers
from tests.collector.strategies import NOON
from tests.helpers import DEADLINE_SECONDS, now
from xtrace.collector import running
from xtrace.collector.api import administration, traces
from xtrace.collector.api.operations import OPERATIONS

MODEL = botocore.session.get_session().get_service_model("xray")
INSIGHT = "12345678-1234-1234-8234-123456789012"


@pytest.fixture(scope="module")
def stocked():
    """A collector with 250 traces, of which 25 have a fault; not to be changed."""
    with running() as collector:
        client = client_of(collector)
        for number in range(250):
            assert put(client, shop_trace(number, fault=number % 10 == 3)) == []
        collector.flush()
        client.close()
        yield collector


@pytest.fixture
def full(stocked):
    client = client_of(stocked)
    yield client
    client.close()


@pytest.fixture
def collector():
    with running() as collector:
        yield collector


@pytest.fixture
def client(collector):
    client = client_of(collector)
    yield client
    client.close()


@pytest.fixture
def stock(collector, client):
    """A function that puts documents and waits until they show."""

    def stock(documents):
        assert put(client, documents) == []
        collector.flush()

    return stock


def refused(call, *given, type="InvalidRequestException", **members):
    """The message of an error of this type."""
    with pytest.raises(ClientError) as caught:
        call(*given, **members)
    assert caught.value.response["Error"]["Code"] == type
    return caught.value.response["Error"]["Message"]


def ids(summaries):
    return [each["Id"] for each in summaries]


# -- traces


def test_signed_requests_are_taken_too(collector, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    client = client_of(collector, signature_version="v4")
    assert put(client, shop_trace(1)) == []
    assert client.batch_get_traces(TraceIds=[trace_id(1)])["Traces"]
    client.close()


def test_documents_that_cant_be_taken_are_named(client):
    bad = json.dumps({"id": "f" * 16, "name": "x", "start_time": 1})
    unprocessed = put(client, [*shop_trace(1), "{", bad])
    assert [each.get("Id") for each in unprocessed] == [None, "f" * 16]
    assert all(each["ErrorCode"] and each["Message"] for each in unprocessed)
    assert len(client.batch_get_traces(TraceIds=[trace_id(1)])["Traces"]) == 1


def test_telemetry_is_kept_for_show(client, collector):
    record = {"Timestamp": now(), "SegmentsReceivedCount": 5}
    client.put_telemetry_records(TelemetryRecords=[record], Hostname="here")
    (kept,) = collector.stats()["telemetry"]
    assert (kept["SegmentsReceivedCount"], kept["Hostname"]) == (5, "here")


def test_traces_by_their_ids(full):
    unknown = trace_id(10_000)
    reply = full.batch_get_traces(TraceIds=[trace_id(3), unknown, trace_id(1), trace_id(3)])
    assert ids(reply["Traces"]) == [trace_id(3), trace_id(1)]
    assert reply["UnprocessedTraceIds"] == [unknown]
    trace = reply["Traces"][1]
    assert trace["Duration"] == pytest.approx(0.5)
    assert trace["LimitExceeded"] is False
    documents = {s["Id"]: json.loads(s["Document"]) for s in trace["Segments"]}
    assert documents.keys() >= {span_id(1, 1), span_id(1, 4)}
    assert documents[span_id(1, 1)]["subsegments"][1]["aws"]["table_name"] == "carts"
    assert [d["origin"] for d in documents.values() if d.get("inferred")] == [
        "AWS::DynamoDB::Table"
    ]


def test_more_than_a_page_of_traces_by_their_ids(full, monkeypatch):
    monkeypatch.setattr(traces, "TRACES_PER_PAGE", 30)
    asked = [trace_id(number) for number in range(100)]
    pages = list(full.get_paginator("batch_get_traces").paginate(TraceIds=[*asked, "1-x"]))
    assert [len(page["Traces"]) for page in pages] == [30, 30, 30, 10]
    assert [id for page in pages for id in ids(page["Traces"])] == asked
    assert [page["UnprocessedTraceIds"] for page in pages] == [[], [], [], ["1-x"]]


def test_a_page_of_large_traces_is_shorter(full, monkeypatch):
    monkeypatch.setattr(traces, "BYTES_PER_PAGE", 1)
    asked = [trace_id(number) for number in range(35)]
    pages = list(full.get_paginator("batch_get_traces").paginate(TraceIds=asked))
    assert [len(page["Traces"]) for page in pages] == [10, 10, 10, 5]


def test_summaries_of_all_traces_in_a_window(full):
    pages = list(full.get_paginator("get_trace_summaries").paginate(**window()))
    assert len(pages) > 1
    found = [id for page in pages for id in ids(page["TraceSummaries"])]
    assert Counter(found) == Counter(trace_id(number) for number in range(250))
    assert sum(page["TracesProcessedCount"] for page in pages) == 250
    for page in pages:
        assert page["ApproximateTime"] <= datetime.fromtimestamp(now() + 60, timezone.utc)


def test_what_a_summary_says(full):
    reply = full.get_trace_summaries(**window(), FilterExpression="annotation.number = 13")
    (summary,) = reply["TraceSummaries"]
    assert (summary["Id"], summary["HasFault"], summary["HasError"]) == (trace_id(13), True, False)
    assert summary["Duration"] == summary["ResponseTime"] == pytest.approx(0.5)
    assert summary["Http"]["HttpURL"] == "http://shop/buy/13"
    assert summary["EntryPoint"]["Name"] == "shop"
    assert summary["Annotations"]["number"][0]["AnnotationValue"] == {"NumberValue": 13.0}
    assert summary["Users"][0]["UserName"] == "ann"
    assert {each["Name"] for each in summary["ServiceIds"]} >= {"shop", "prices", "carts"}
    assert reply["TracesProcessedCount"] >= 1


@pytest.mark.parametrize(
    ("range_type", "expected"),
    [
        ("TraceId", [True, False, False]),
        ("Event", [False, True, True]),
        ("Service", [False, False, True]),
    ],
)
def test_the_three_kinds_of_window(client, stock, range_type, expected):
    segment = json.loads(shop_trace(0)[0])
    times = {"start_time": now() + 30, "end_time": now() + 30.5, "subsegments": []}
    stock([json.dumps({**segment, **times})])

    def found(start, end):
        window = {"StartTime": now() + start, "EndTime": now() + end}
        page = client.get_trace_summaries(**window, TimeRangeType=range_type)
        return bool(page["TraceSummaries"])

    # Around the time in its id, around its start, around its end.
    assert [found(-10, 10), found(29, 30.2), found(30.3, 32)] == expected
    assert not found(-40, -30)
    assert not found(40, 50)


def test_a_sample_of_the_traces(full):
    def found(**sampling):
        pages = full.get_paginator("get_trace_summaries").paginate(**window(), **sampling)
        return [id for page in pages for id in ids(page["TraceSummaries"])]

    half = found(Sampling=True, SamplingStrategy={"Name": "FixedRate", "Value": 0.5})
    assert 70 < len(half) < 180
    assert half == found(Sampling=True, SamplingStrategy={"Name": "FixedRate", "Value": 0.5})
    assert len(found(SamplingStrategy={"Name": "FixedRate", "Value": 1})) == 250
    assert found(SamplingStrategy={"Name": "FixedRate", "Value": 0}) == []
    assert len(found(Sampling=True)) == 250
    for strategy, said in (
        ({"Name": "FixedRate"}, "SamplingStrategy.Value is missing"),
        ({"Name": "FixedRate", "Value": 1.5}, "SamplingStrategy.Value is 1.5"),
    ):
        assert said in refused(full.get_trace_summaries, **window(), SamplingStrategy=strategy)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("faul", "line 1, column 1"),
        ("fault AND\n  AND", "line 2, column 3"),
        ('group.name = "nobody"', "there is no group 'nobody'"),
        ("(" * 1000, "FilterExpression: "),
        ("\x00", "FilterExpression: "),
        ("x" * 100_000, "FilterExpression: "),
    ],
)
def test_an_expression_that_cant_be_read_says_where(full, expression, said):
    message = refused(full.get_trace_summaries, **window(), FilterExpression=expression)
    assert message.startswith("FilterExpression: ")
    assert said in message
    assert len(message) < 500


def test_an_expression_may_name_a_group(client, stock):
    stock([*shop_trace(0), *shop_trace(1, fault=True)])
    client.create_group(GroupName="broken", FilterExpression="service() { fault }")
    page = client.get_trace_summaries(
        **window(), FilterExpression='group.name = "broken" AND responsetime > 0.1'
    )
    assert ids(page["TraceSummaries"]) == [trace_id(1)]


def test_pages_survive_new_arrivals(client, stock):
    stock([document for number in range(0, 300, 2) for document in shop_trace(number)])
    first = client.get_trace_summaries(**window())
    token = first["NextToken"]
    stock([document for number in range(1, 300, 2) for document in shop_trace(number)])
    found = ids(first["TraceSummaries"])
    while token:
        page = client.get_trace_summaries(**window(), NextToken=token)
        found += ids(page["TraceSummaries"])
        token = page.get("NextToken")
    assert max(Counter(found).values()) == 1
    assert set(found) >= {trace_id(number) for number in range(0, 300, 2)}


def test_a_token_is_good_for_its_own_request_only(full):
    token = full.get_trace_summaries(**window())["NextToken"]
    ask = full.get_trace_summaries
    assert ask(**window(), NextToken=token)["TraceSummaries"]
    for members in (
        {**window(), "EndTime": now() + 61, "NextToken": token},
        {**window(), "FilterExpression": "fault", "NextToken": token},
        {**window(), "NextToken": token[:-2]},
        {**window(), "NextToken": "a" + token[1:]},
        {**window(), "NextToken": "nonsense"},
        {**window(), "NextToken": "ü"},
    ):
        assert "NextToken" in refused(ask, **members)
    assert "NextToken" in refused(full.get_service_graph, **window(), NextToken=token)


def test_an_end_before_the_start(full):
    for call in (
        full.get_trace_summaries,
        full.get_service_graph,
        full.get_time_series_service_statistics,
    ):
        assert "EndTime" in refused(call, StartTime=now(), EndTime=now() - 1)
    assert full.get_trace_summaries(StartTime=now(), EndTime=now())["TraceSummaries"] == []


HOSTILE = {
    "200 levels": "[" * 200 + "]" * 200,
    "1000 levels": "[" * 1000 + "]" * 1000,
    "5 MB": '"' + "x" * 5_000_000 + '"',
    "an integer of 71 bits": str(2**70),
    "a zero": r'"\u0000"',
}


@pytest.mark.parametrize("metadata", HOSTILE.values(), ids=HOSTILE)
def test_documents_that_json_libraries_fear(client, stock, metadata):
    segment = json.loads(shop_trace(0)[0])
    document = json.dumps({**segment, "metadata": {"a": {"b": "?"}}}).replace('"?"', metadata)
    stock([document])
    (trace,) = client.batch_get_traces(TraceIds=[trace_id(0)])["Traces"]
    (kept,) = [s["Document"] for s in trace["Segments"] if s["Id"] == span_id(0, 1)]
    # No parser of Python's reads 1000 levels; of 71 bits a double keeps what this number needs.
    assert metadata in kept or json.loads(kept)["metadata"] == {"a": {"b": 2**70}}
    assert len(client.get_trace_summaries(**window())["TraceSummaries"]) == 1
    assert client.get_trace_graph(TraceIds=[trace_id(0)])["Services"]


@pytest.mark.parametrize(
    ("start", "end"), [(253_402_300_799, 253_402_300_799.5), (0, 253_402_300_799), (5e8, 4e8)]
)
def test_times_at_the_edges(client, stock, start, end):
    segment = json.loads(shop_trace(0)[0])
    stock([json.dumps({**segment, "start_time": start, "end_time": end})])
    ever = {"StartTime": 0, "EndTime": 253_402_300_799}
    client.get_service_graph(**ever)
    client.get_time_series_service_statistics(**ever)
    for range_type in ("TraceId", "Event", "Service"):
        client.get_trace_summaries(**ever, TimeRangeType=range_type)
    assert client.batch_get_traces(TraceIds=[trace_id(0)])["Traces"]


# -- graphs and statistics


def graph_of(services):
    """The graph as {name: targets}, clients marked."""
    names = {s["ReferenceId"]: (s["Name"], s.get("Type")) for s in services}
    return {
        names[s["ReferenceId"]]: sorted(names[edge["ReferenceId"]][0] for edge in s["Edges"])
        for s in services
    }


SHOP_GRAPH = {
    ("shop", "client"): ["shop"],
    ("shop", None): ["carts", "prices"],
    ("prices", None): [],
    ("carts", "AWS::DynamoDB::Table"): [],
}


def test_the_graph_of_some_traces(full):
    services = full.get_trace_graph(TraceIds=[trace_id(3), trace_id(4), trace_id(3)])["Services"]
    assert graph_of(services) == SHOP_GRAPH
    shop = next(s for s in services if (s["Name"], s.get("Type")) == ("shop", None))
    assert shop["SummaryStatistics"]["TotalCount"] == 2
    assert shop["SummaryStatistics"]["FaultStatistics"]["TotalCount"] == 1
    (page,) = full.get_paginator("get_trace_graph").paginate(TraceIds=[trace_id(1)])
    assert graph_of(page["Services"]) == SHOP_GRAPH
    assert full.get_trace_graph(TraceIds=[])["Services"] == []
    many = [trace_id(number) for number in range(1001)]
    assert "TraceIds has 1001 items" in refused(full.get_trace_graph, TraceIds=many)


def test_the_graph_of_a_window(full):
    (page,) = full.get_paginator("get_service_graph").paginate(**window())
    assert graph_of(page["Services"]) == SHOP_GRAPH
    assert page["ContainsOldGroupVersions"] is False
    assert page["StartTime"].timestamp() == window()["StartTime"]
    shop = next(s for s in page["Services"] if (s["Name"], s.get("Type")) == ("shop", None))
    statistics = shop["SummaryStatistics"]
    assert (statistics["TotalCount"], statistics["OkCount"]) == (250, 225)
    assert statistics["TotalResponseTime"] == pytest.approx(125)
    assert sum(each["Count"] for each in shop["ResponseTimeHistogram"]) == 250
    assert (shop["Root"], shop["State"]) == (True, "active")
    later = {"StartTime": now() + 3600, "EndTime": now() + 7200}
    assert full.get_service_graph(**later)["Services"] == []


def test_links_are_edges_of_the_graph_with_ages_whichever_trace_comes_first(client, stock):
    sender, receivers = producer_and_consumers(2)
    for contents in (receivers[:1], [sender], receivers[1:]):
        stock([json.dumps(each) for each in contents])
    window = {"StartTime": NOON - 60, "EndTime": NOON + 60}
    ids = [each["trace_id"] for each in (sender, *receivers)]
    for services in (
        client.get_service_graph(**window)["Services"],
        client.get_trace_graph(TraceIds=ids)["Services"],
    ):
        numbers = {each["Name"]: each["ReferenceId"] for each in services}
        (jobs,) = [each for each in services if each["Name"] == "jobs"]
        (edge,) = jobs["Edges"]
        assert edge["ReferenceId"] == numbers["worker"]
        assert edge["EdgeType"] == "link"
        ages = [(age["Value"], age["Count"]) for age in edge["ReceivedEventAgeHistogram"]]
        assert ages == [(2.5, 1), (3.5, 1)]
        assert edge["ResponseTimeHistogram"] == []
        assert edge["SummaryStatistics"]["OkCount"] == 2
        assert [each["Name"] for each in services if each.get("Type") == "client"] == ["shop"]


def test_the_graph_of_a_group(client, stock):
    stock([*shop_trace(0), *shop_trace(1, fault=True)])
    broken = client.create_group(GroupName="broken", FilterExpression="fault")["Group"]
    for named in ({"GroupName": "broken"}, {"GroupARN": broken["GroupARN"]}):
        services = client.get_service_graph(**window(), **named)["Services"]
        shop = next(s for s in services if (s["Name"], s.get("Type")) == ("shop", None))
        assert shop["SummaryStatistics"]["TotalCount"] == 1
    everything = client.get_service_graph(**window(), GroupName="Default")["Services"]
    shop = next(s for s in everything if (s["Name"], s.get("Type")) == ("shop", None))
    assert shop["SummaryStatistics"]["TotalCount"] == 2
    assert "GroupName" in refused(client.get_service_graph, **window(), GroupName="nobody")


def series(client, **members):
    pages = client.get_paginator("get_time_series_service_statistics").paginate(
        **window(), **members
    )
    return [each for page in pages for each in page["TimeSeriesServiceStatistics"]]


def total(series, member):
    return sum(each[member]["TotalCount"] for each in series)


def test_the_course_of_edges(full):
    everything = series(full)
    # Of each trace: client to shop, shop to prices, shop to carts.
    assert total(everything, "EdgeSummaryStatistics") == 750
    assert all("ServiceSummaryStatistics" not in each for each in everything)
    assert all(each["Timestamp"].timestamp() % 60 == 0 for each in everything)
    prices = series(full, EntitySelectorExpression='edge("shop", "prices")')
    assert total(prices, "EdgeSummaryStatistics") == 250
    faults = sum(e["EdgeSummaryStatistics"]["FaultStatistics"]["TotalCount"] for e in prices)
    assert faults == 25


@pytest.mark.parametrize(
    ("selector", "count"),
    [
        ('service("shop")', 250),
        ('service(id(name: "carts", type: "AWS::DynamoDB::Table"))', 250),
        ('id(name: "prices")', 250),
        ('service("nobody")', 0),
        ("service()", 750),
    ],
)
def test_the_course_of_services(full, selector, count):
    found = series(full, EntitySelectorExpression=selector, Period=60)
    assert total(found, "ServiceSummaryStatistics") == count


def test_periods(full):
    for period in (60, 300, 180):
        found = series(full, Period=period)
        assert total(found, "EdgeSummaryStatistics") >= 750
        assert all(each["Timestamp"].timestamp() % period == 0 for each in found)
    ask = full.get_time_series_service_statistics
    for period in (0, -60, 61, 1):
        assert f"Period is {period}" in refused(ask, **window(), Period=period)


def test_the_course_of_a_group(client, stock):
    stock([*shop_trace(0), *shop_trace(1, fault=True)])
    client.create_group(GroupName="broken", FilterExpression="fault")
    found = series(client, GroupName="broken", EntitySelectorExpression='service("shop")')
    assert total(found, "ServiceSummaryStatistics") == 1


@pytest.mark.parametrize("selector", ["fault", 'service("a") { fault }', "id(", "nonsense", '"a"'])
def test_selectors_that_cant_be_used(full, selector):
    ask = full.get_time_series_service_statistics
    message = refused(ask, **window(), EntitySelectorExpression=selector)
    assert message.startswith("EntitySelectorExpression: ")


def test_forecasts_need_a_service(full):
    ask = full.get_time_series_service_statistics
    assert "ForecastStatistics" in refused(ask, **window(), ForecastStatistics=True)
    selector = {"EntitySelectorExpression": 'id(name: "shop")'}
    assert ask(**window(), **selector, ForecastStatistics=True)["TimeSeriesServiceStatistics"]


# -- groups and sampling rules


def test_groups(client):
    made = client.create_group(GroupName="slow", FilterExpression="responsetime > 5")["Group"]
    assert client.get_group(GroupName="slow")["Group"] == made
    assert client.get_group(GroupARN=made["GroupARN"])["Group"] == made
    changed = client.update_group(GroupName="slow", FilterExpression="responsetime > 6")["Group"]
    assert changed["FilterExpression"] == "responsetime > 6"
    (page,) = client.get_paginator("get_groups").paginate()
    assert [group["GroupName"] for group in page["Groups"]] == ["Default", "slow"]
    client.delete_group(GroupName="slow")
    assert "GroupName" in refused(client.get_group, GroupName="slow")
    said = refused(client.create_group, GroupName="x", FilterExpression="fault AND")
    assert said.startswith("FilterExpression: ")


RULE = {
    "RuleName": "checkout",
    "Priority": 10,
    "FixedRate": 0.5,
    "ReservoirSize": 20,
    "ServiceName": "*",
    "ServiceType": "*",
    "Host": "*",
    "HTTPMethod": "*",
    "URLPath": "/checkout",
    "ResourceARN": "*",
    "Version": 1,
    "Attributes": {"tier": "gold"},
    "SamplingRateBoost": {"MaxRate": 0.9, "CooldownWindowMinutes": 10},
}


def statistics(name="checkout", client="0" * 24):
    counts = {"RequestCount": 10, "SampledCount": 4, "BorrowCount": 1}
    return {"RuleName": name, "ClientID": client, "Timestamp": time.time(), **counts}


def test_sampling_rules(client):
    made = client.create_sampling_rule(SamplingRule=RULE)["SamplingRuleRecord"]
    assert made["SamplingRule"].items() >= RULE.items()
    assert made["CreatedAt"] == made["ModifiedAt"]
    update = {"RuleName": "checkout", "FixedRate": 0.25}
    changed = client.update_sampling_rule(SamplingRuleUpdate=update)["SamplingRuleRecord"]
    assert changed["SamplingRule"]["FixedRate"] == 0.25
    (page,) = client.get_paginator("get_sampling_rules").paginate()
    names = [each["SamplingRule"]["RuleName"] for each in page["SamplingRuleRecords"]]
    assert names == ["checkout", "Default"]
    gone = client.delete_sampling_rule(RuleARN=made["SamplingRule"]["RuleARN"])
    assert gone["SamplingRuleRecord"] == changed
    for members, said in (
        ({**RULE, "FixedRate": 1.5}, "SamplingRule.FixedRate is 1.5"),
        ({**RULE, "Priority": 10_000}, "SamplingRule.Priority is 10000"),
        ({**RULE, "ReservoirSize": 2**31}, "SamplingRule.ReservoirSize is 2147483648"),
        ({**RULE, "Host": "h" * 65}, "SamplingRule.Host has 65 characters"),
        ({**RULE, "Attributes": {str(n): "x" for n in range(6)}}, "SamplingRule.Attributes has 6"),
    ):
        assert said in refused(client.create_sampling_rule, SamplingRule=members)


def test_there_are_only_so_many_sampling_rules(client):
    for number in range(25):
        client.create_sampling_rule(SamplingRule={**RULE, "RuleName": f"rule {number}"})
    refused(client.create_sampling_rule, SamplingRule=RULE, type="RuleLimitExceededException")


def test_sampling_targets(client):
    client.create_sampling_rule(SamplingRule=RULE)
    boost = {"RuleName": "checkout", "ServiceName": "shop", "Timestamp": time.time()}
    boost |= {"AnomalyCount": 2, "TotalCount": 100, "SampledAnomalyCount": 0}
    reply = client.get_sampling_targets(
        SamplingStatisticsDocuments=[statistics(), statistics("nobody")],
        SamplingBoostStatisticsDocuments=[boost, {**boost, "RuleName": "nobody"}],
    )
    (target,) = reply["SamplingTargetDocuments"]
    assert (target["RuleName"], target["FixedRate"], target["ReservoirQuota"]) == (
        "checkout",
        0.5,
        20,
    )
    assert target["Interval"] == 10
    assert target["ReservoirQuotaTTL"] > datetime.now(timezone.utc)
    assert 0.5 < target["SamplingBoost"]["BoostRate"] <= 0.9
    assert [each["RuleName"] for each in reply["UnprocessedStatistics"]] == ["nobody"]
    assert [each["RuleName"] for each in reply["UnprocessedBoostStatistics"]] == ["nobody"]
    assert reply["LastRuleModification"] <= datetime.now(timezone.utc)


def test_statistics_of_sampling(client, monkeypatch):
    client.create_sampling_rule(SamplingRule=RULE)
    client.get_sampling_targets(SamplingStatisticsDocuments=[statistics(), statistics("Default")])
    client.get_sampling_targets(SamplingStatisticsDocuments=[statistics(client="1" * 24)])
    monkeypatch.setattr(administration, "STATISTICS_PER_PAGE", 1)
    pages = list(client.get_paginator("get_sampling_statistic_summaries").paginate())
    found = [each for page in pages for each in page["SamplingStatisticSummaries"]]
    assert len(pages) == len(found) >= 2
    counts = Counter()
    for each in found:
        counts[each["RuleName"]] += each["RequestCount"]
        assert each["Timestamp"].timestamp() % 10 == 0
    assert counts == {"checkout": 20, "Default": 10}


# -- the rest


def test_tags(client):
    tags = [{"Key": "team", "Value": "web"}]
    made = client.create_group(GroupName="slow", Tags=tags)["Group"]["GroupARN"]
    rule = client.create_sampling_rule(SamplingRule=RULE, Tags=tags)["SamplingRuleRecord"]
    for arn in (made, rule["SamplingRule"]["RuleARN"]):
        client.tag_resource(ResourceARN=arn, Tags=[{"Key": "stage", "Value": "test"}])
        (page,) = client.get_paginator("list_tags_for_resource").paginate(ResourceARN=arn)
        assert {tag["Key"]: tag["Value"] for tag in page["Tags"]} == {
            "team": "web",
            "stage": "test",
        }
        client.untag_resource(ResourceARN=arn, TagKeys=["team", "other"])
        assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [
            {"Key": "stage", "Value": "test"}
        ]
    many = [{"Key": str(number), "Value": ""} for number in range(51)]
    refused(client.tag_resource, ResourceARN=made, Tags=many, type="TooManyTagsException")
    refused(client.create_group, GroupName="x", Tags=many, type="TooManyTagsException")
    assert "Tags[0].Key" in refused(
        client.tag_resource, ResourceARN=made, Tags=[{"Key": "aws:x", "Value": ""}]
    )
    client.delete_group(GroupName="slow")
    for call, members in (
        (client.list_tags_for_resource, {}),
        (client.tag_resource, {"Tags": tags}),
        (client.untag_resource, {"TagKeys": ["stage"]}),
    ):
        refused(call, ResourceARN=made, **members, type="ResourceNotFoundException")
    again = client.create_group(GroupName="slow")["Group"]["GroupARN"]
    assert client.list_tags_for_resource(ResourceARN=again)["Tags"] == []


def test_policies(client):
    policy = {"PolicyName": "p", "PolicyDocument": '{"Version": "2012-10-17"}'}
    kept = client.put_resource_policy(**policy)["ResourcePolicy"]
    assert kept.items() >= policy.items()
    (page,) = client.get_paginator("list_resource_policies").paginate()
    assert page["ResourcePolicies"] == [kept]
    second = client.put_resource_policy(**policy, PolicyRevisionId=kept["PolicyRevisionId"])
    assert second["ResourcePolicy"]["PolicyRevisionId"] != kept["PolicyRevisionId"]
    put = client.put_resource_policy
    for members, type in (
        ({**policy, "PolicyRevisionId": "77"}, "InvalidPolicyRevisionIdException"),
        ({**policy, "PolicyDocument": "{"}, "MalformedPolicyDocumentException"),
        ({**policy, "PolicyDocument": "[" * 100_000}, "MalformedPolicyDocumentException"),
        (
            {**policy, "PolicyDocument": json.dumps({"x": "x" * 5200})},
            "PolicySizeLimitExceededException",
        ),
    ):
        refused(put, **members, type=type)
    for number in range(4):
        put(**{**policy, "PolicyName": f"p{number}"})
    refused(put, **{**policy, "PolicyName": "more"}, type="PolicyCountLimitExceededException")
    client.delete_resource_policy(PolicyName="p")
    client.delete_resource_policy(PolicyName="p")
    assert len(client.list_resource_policies()["ResourcePolicies"]) == 4


def test_what_has_no_meaning_here(client):
    config = {"Type": "NONE", "Status": "ACTIVE"}
    assert client.get_encryption_config()["EncryptionConfig"] == config
    assert client.put_encryption_config(Type="NONE")["EncryptionConfig"] == config
    assert "Type" in refused(client.put_encryption_config, Type="KMS", KeyId="alias/x")
    destination = client.get_trace_segment_destination()
    assert (destination["Destination"], destination["Status"]) == ("XRay", "ACTIVE")
    client.update_trace_segment_destination(Destination="XRay")
    refused(client.update_trace_segment_destination, Destination="CloudWatchLogs")
    refused(client.get_insight, InsightId=INSIGHT)
    assert client.get_insight_events(InsightId=INSIGHT)["InsightEvents"] == []
    assert client.get_insight_impact_graph(InsightId=INSIGHT, **window())["Services"] == []
    assert client.get_insight_summaries(**window())["InsightSummaries"] == []


def test_indexing_rules(client):
    (rule,) = client.get_indexing_rules()["IndexingRules"]
    assert (rule["Name"], rule["Rule"]["Probabilistic"]["ActualSamplingPercentage"]) == (
        "Default",
        100,
    )
    wanted = {"Probabilistic": {"DesiredSamplingPercentage": 7.5}}
    client.update_indexing_rule(Name="Default", Rule=wanted)
    (rule,) = client.get_indexing_rules()["IndexingRules"]
    assert rule["Rule"]["Probabilistic"]["DesiredSamplingPercentage"] == 7.5
    update = client.update_indexing_rule
    refused(update, Name="x", Rule=wanted, type="ResourceNotFoundException")
    wanted = {"Probabilistic": {"DesiredSamplingPercentage": 101}}
    assert "DesiredSamplingPercentage is 101" in refused(update, Name="Default", Rule=wanted)


def test_retrieval_of_traces(full):
    asked = [trace_id(number) for number in range(12)]
    token = full.start_trace_retrieval(TraceIds=[*asked, "1-x"], **window())["RetrievalToken"]
    found, page = [], {"NextToken": None}
    while "NextToken" in page:
        more = {"NextToken": page["NextToken"]} if page["NextToken"] else {}
        page = full.list_retrieved_traces(RetrievalToken=token, **more)
        assert (page["RetrievalStatus"], page["TraceFormat"]) == ("COMPLETE", "XRAY")
        assert len(page["Traces"]) <= 5
        found += page["Traces"]
    assert ids(found) == asked
    assert all(json.loads(span["Document"])["id"] == span["Id"] for span in found[0]["Spans"])
    graph = full.get_retrieved_traces_graph(RetrievalToken=token)
    assert graph_of([each["Service"] for each in graph["Services"]]) == SHOP_GRAPH
    refused(full.list_retrieved_traces, RetrievalToken=token, TraceFormat="OTEL")
    full.cancel_trace_retrieval(RetrievalToken=token)
    page = full.list_retrieved_traces(RetrievalToken=token)
    assert (page["RetrievalStatus"], page["Traces"]) == ("CANCELLED", [])
    unknown = {"RetrievalToken": "x", "type": "ResourceNotFoundException"}
    refused(full.list_retrieved_traces, **unknown)
    refused(full.get_retrieved_traces_graph, **unknown)
    refused(full.cancel_trace_retrieval, **unknown)


def test_a_trace_of_many_spans_is_retrieved_in_pieces(client, stock):
    root, *_ = shop_trace(1)
    parts = [
        {
            "trace_id": trace_id(1),
            "id": span_id(1, 100 + number),
            "parent_id": span_id(1, 2),
            "name": f"part {number}",
            "start_time": now(),
            "end_time": now() + 1,
        }
        for number in range(250)
    ]
    stock([root, *map(json.dumps, parts)])
    token = client.start_trace_retrieval(TraceIds=[trace_id(1)], **window())["RetrievalToken"]
    found = client.list_retrieved_traces(RetrievalToken=token)["Traces"]
    assert [len(each["Spans"]) for each in found[:2]] == [100, 100]
    spans = [span["Id"] for each in found for span in each["Spans"]]
    assert len(spans) == len(set(spans)) >= 251


# -- clients other than boto3


def ask_plainly(collector, path, body):
    """What a client without a model gets for these bytes."""
    connection = http.client.HTTPConnection(*collector.http_endpoint, timeout=DEADLINE_SECONDS)
    connection.request("POST", path, body)
    reply = connection.getresponse()
    said = json.loads(reply.read())
    connection.close()
    return reply.status, said


def test_what_samplers_of_opentelemetry_send(collector):
    status, said = ask_plainly(collector, "/GetSamplingRules", None)
    assert (status, said["SamplingRuleRecords"][0]["CreatedAt"]) == (200, 0.0)
    document = {
        "RuleName": "Default",
        "ClientID": "0" * 24,
        "Timestamp": "2026-01-31T12:00:00Z",
        "RequestCount": 3,
        "SampleCount": 2,
        "BorrowCount": 1,
        "Another": [],
    }
    boost = {"RuleName": "Default", "ServiceName": "shop", "ClientID": "0" * 24}
    boost |= {"Timestamp": now(), "AnomalyCount": 0, "TotalCount": 1, "SampledAnomalyCount": 0}
    content = {
        "SamplingStatisticsDocuments": [document],
        "SamplingBoostStatisticsDocuments": [boost],
    }
    status, said = ask_plainly(collector, "/SamplingTargets", json.dumps(content))
    assert status == 200
    assert said.keys() >= {"SamplingTargetDocuments", "LastRuleModification"}
    assert said["UnprocessedBoostStatistics"] == []
    (summary,) = collector.service.sampling.summaries()
    assert (summary["RequestCount"], summary["SampledCount"]) == (3, 2)


def test_many_clients_at_once(collector):
    def work(client):
        for number in range(10):
            documents = shop_trace(100 * client + number)
            put = {"TraceSegmentDocuments": documents}
            yield ask_plainly(collector, "/TraceSegments", json.dumps(put))
            rule = json.dumps({"SamplingRule": {**RULE, "RuleName": f"{client} {number}"}})
            status, _ = ask_plainly(collector, "/CreateSamplingRule", rule)
            assert status in (200, 400)
            yield ask_plainly(collector, "/TraceSummaries", json.dumps(window()))
            yield ask_plainly(collector, "/ServiceGraph", json.dumps(window()))
            asked = {"TraceIds": [trace_id(100 * client + number)]}
            status, said = ask_plainly(collector, "/Traces", json.dumps(asked))
            assert len(said["Traces"]) == 1  # what was put is there at once
            yield status, said

    with ThreadPoolExecutor(12) as pool:
        answers = [status for done in pool.map(list, map(work, range(12))) for status, _ in done]
    assert set(answers) == {200}
    assert len(answers) == 480
    collector.flush()
    assert collector.counts()[:4] == (240, 240, 0, 0)
    assert len(collector.service.sampling.records()) == 26


# -- all of them


def fits(shape, value):
    """Whether a value of a reply is what the model says, without members it doesn't know."""
    kind = shape.type_name
    if value is None:
        return True
    if kind == "structure":
        return isinstance(value, dict) and all(
            name in shape.members and fits(shape.members[name], held)
            for name, held in value.items()
        )
    if kind == "list":
        return isinstance(value, list) and all(fits(shape.member, each) for each in value)
    if kind == "map":
        return isinstance(value, dict) and all(fits(shape.value, each) for each in value.values())
    if kind == "string":
        return isinstance(value, str) and (not shape.enum or value in shape.enum)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("integer", "long"):
        return type(value) is int
    assert kind in ("double", "timestamp")
    return type(value) in (int, float)


EXAMPLES = {
    "PutTraceSegments": {"TraceSegmentDocuments": shop_trace(0)},
    "PutTelemetryRecords": {"TelemetryRecords": [{"Timestamp": now()}]},
    "BatchGetTraces": {"TraceIds": [trace_id(3)]},
    "GetTraceSummaries": window(),
    "GetTraceGraph": {"TraceIds": [trace_id(3)]},
    "GetServiceGraph": window(),
    "GetTimeSeriesServiceStatistics": window(),
    "CreateGroup": {"GroupName": "example"},
    "GetGroup": {"GroupName": "Default"},
    "UpdateGroup": {"GroupName": "Default", "InsightsConfiguration": {"InsightsEnabled": True}},
    "DeleteGroup": {"GroupName": "example"},
    "CreateSamplingRule": {"SamplingRule": RULE},
    "UpdateSamplingRule": {"SamplingRuleUpdate": {"RuleName": "Default", "FixedRate": 0.1}},
    "DeleteSamplingRule": {"RuleName": "checkout"},
    "GetSamplingTargets": {"SamplingStatisticsDocuments": [statistics("Default")]},
    "ListTagsForResource": {
        "ResourceARN": "arn:aws:xray:us-east-1:000000000000:group/Default",
    },
    "TagResource": {
        "ResourceARN": "arn:aws:xray:us-east-1:000000000000:group/Default",
        "Tags": [{"Key": "a", "Value": "b"}],
    },
    "UntagResource": {
        "ResourceARN": "arn:aws:xray:us-east-1:000000000000:group/Default",
        "TagKeys": ["a"],
    },
    "PutResourcePolicy": {"PolicyName": "p", "PolicyDocument": "{}"},
    "DeleteResourcePolicy": {"PolicyName": "p"},
    "PutEncryptionConfig": {"Type": "NONE"},
    "UpdateIndexingRule": {
        "Name": "Default",
        "Rule": {"Probabilistic": {"DesiredSamplingPercentage": 5.0}},
    },
    "StartTraceRetrieval": {"TraceIds": [trace_id(3)], **window()},
    "GetInsight": {"InsightId": INSIGHT},
    "GetInsightEvents": {"InsightId": INSIGHT},
    "GetInsightImpactGraph": {"InsightId": INSIGHT, **window()},
    "GetInsightSummaries": window(),
}
RETRIEVALS = {"ListRetrievedTraces", "GetRetrievedTracesGraph", "CancelTraceRetrieval"}


def test_every_reply_is_in_the_models_shape_and_has_all_its_lists():
    with running() as collector:
        connection = http.client.HTTPConnection(*collector.http_endpoint, timeout=DEADLINE_SECONDS)

        def ask(name, members):
            connection.request("POST", OPERATIONS[name].path, json.dumps(members))
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())

        token = None
        for name in sorted(OPERATIONS, key=lambda n: (n in RETRIEVALS, list(OPERATIONS).index(n))):
            members = {"RetrievalToken": token} if name in RETRIEVALS else EXAMPLES.get(name, {})
            status, said = ask(name, members)
            if name == "GetInsight":
                assert (status, said["__type"]) == (400, "InvalidRequestException")
                continue
            assert status == 200, (name, said)
            token = said.get("RetrievalToken", token)
            shape = MODEL.operation_model(name).output_shape
            assert fits(shape, said), (name, said)
            missing = shape.members.keys() - said.keys() if shape else set()
            assert missing <= {"NextToken"}, (name, missing)
        connection.close()
