"""The console's API, on a real server: each path, what it answers, and what it refuses."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest

from tests.collector.console_client import ConsoleClient
from tests.collector.shop import shop_trace, span_id, trace_id
from tests.helpers import now
from xtrace.collector import running
from xtrace.collector.api.v1 import administration
from xtrace.collector.api.v1.endpoints import ENDPOINTS, EVENTS

ROOT = Path(__file__).parents[2]
COUNT = 30

EXCEPTION = {
    "working_directory": "/srv",
    "exceptions": [
        {
            "id": "e" * 16,
            "type": "LookupError",
            "message": "no price of 17",
            "cause": "f" * 16,
            "stack": [
                {"path": "/x/site-packages/db.py", "line": 7, "label": "get"},
                {"path": "prices/app.py", "line": 12, "label": "price"},
            ],
        },
        {"id": "f" * 16, "type": "KeyError", "message": "17"},
    ],
}


def deep_fault():
    """A trace whose root is ok, and a service behind it at fault; with SQL and log lines."""
    shop, prices = (json.loads(each) for each in shop_trace(900))
    prices["fault"] = True
    prices["cause"] = EXCEPTION
    prices["metadata"] = {
        "xtrace": {
            "logs": [{"time": now() + 0.2, "level": "INFO", "message": "looking", "logger": "p"}]
        }
    }
    prices["subsegments"] = [
        {
            "id": span_id(900, 9),
            "name": "prices@db",
            "namespace": "remote",
            "start_time": now() + 1.06,
            "end_time": now() + 1.07,
            "sql": {"sanitized_query": "select price from prices where id = ?", "user": "app"},
            "cause": "e" * 16,
            "fault": True,
        }
    ]
    return [shop, prices]


@pytest.fixture(scope="module")
def client():
    with running() as collector:
        made = ConsoleClient(collector)
        for number in range(COUNT):
            made.put(*shop_trace(number, fault=number % 10 == 0))
        made.put(*deep_fault())
        yield made


@pytest.fixture
def fresh():
    with running() as collector:
        yield ConsoleClient(collector)


# -- lists ---------------------------------------------------------------------------------------


def test_traces_are_listed_newest_first(client):
    rows = client.table("/traces", limit=5)
    assert [row["id"] for row in rows] == [trace_id(n) for n in (900, 29, 28, 27, 26)]
    row = rows[1]
    assert row == {
        "id": trace_id(29),
        "start": pytest.approx(now() + 0.029),
        "response_time": 0.5,
        "duration": 0.5,
        "status": "ok",
        "partial": False,
        "http_status": 200,
        "method": "GET",
        "url": "http://shop/buy/29",
        "service": "shop",
        "type": None,
        "user": "ann",
        "client_ip": None,
        "annotations": 1,
        "services": 3,
        "error": None,
    }
    faulty = client.table("/traces", filter='http.url = "http://shop/buy/20"')[0]
    assert (faulty["status"], faulty["http_status"]) == ("fault", 500)


def test_pages_follow_each_other(client):
    seen, cursor = [], {}
    while True:
        told = client.get("/traces", limit=7, **cursor)
        seen += [row[0] for row in told["rows"]]
        assert told["complete"] == (told["cursor"] is None)
        if told["cursor"] is None:
            break
        cursor = {"cursor": told["cursor"]}
    assert len(seen) == len(set(seen)) == COUNT + 1
    assert client.refused("/traces", cursor="x")["parameter"] == "cursor"
    assert client.refused("/traces", cursor="x", sort="url")["parameter"] == "cursor"


@pytest.mark.parametrize("sort", ["start", "response_time", "url", "http_status", "method"])
def test_traces_are_sorted(client, sort):
    for order, reverse in ((sort, False), (f"-{sort}", True)):
        values = [row[sort] for row in client.table("/traces", sort=order, limit=100)]
        assert values == sorted(values, reverse=reverse)
        assert len(values) == COUNT + 1


def test_annotations_become_columns(client):
    row = client.table("/traces", limit=1, annotations="number,nothing")[0]
    assert (row["annotation.number"], row["annotation.nothing"]) == (900, None)


def test_traces_are_found_by_filter_group_and_range(client):
    assert len(client.table("/traces", filter="fault", limit=100)) == 3
    client.collector.service.groups.create({"GroupName": "bad", "FilterExpression": "fault"})
    try:
        assert len(client.table("/traces", group="bad")) == 3
        both = client.table("/traces", group="bad", filter="annotation.number > 5")
        assert [row["id"] for row in both] == [trace_id(20), trace_id(10)]
        assert len(client.table("/traces", filter='group.name = "bad"')) == 3
    finally:
        client.collector.service.groups.delete({"GroupName": "bad"})
    assert len(client.table("/traces", range="all", limit=100)) == COUNT + 1
    assert client.table("/traces", range=f"{now() - 60}~{now()}") == []
    iso = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now() + n)) for n in (0, 1)]
    assert len(client.table("/traces", range="~".join(iso), limit=100)) == COUNT + 1
    assert client.table("/traces", range="PT1S") == []


@pytest.mark.parametrize(
    ("parameters", "parameter", "words"),
    [
        ({"filter": "fault AND"}, "filter", "the expression ends here"),
        ({"filter": 'group.name = "none"'}, "filter", "no group"),
        ({"group": "none"}, "group", "no group"),
        ({"run": "none"}, "run", "no run"),
        ({"range": "15 minutes"}, "range", "PT15M"),
        ({"range": "PT"}, "range", "PT15M"),
        ({"range": "5~3"}, "range", "earlier first"),
        ({"range": "x~y"}, "range", "2026-01-31"),
        ({"range": "P99999D"}, "range", "PT15M"),
        ({"limit": "many"}, "limit", "whole number"),
        ({"limit": 0}, "limit", "at least 1"),
        ({"limit": 10_001}, "limit", "at most 10000"),
        ({"sort": "age"}, "sort", "-start"),
        ({"filtr": "ok"}, "filtr", "Known: annotations, cursor, filter"),
        ({"limit": ["1", "2"]}, "limit", "more than once"),
    ],
)
def test_what_is_wrong_with_a_parameter_is_said(client, parameters, parameter, words):
    told = client.refused("/traces", **parameters)
    assert told["parameter"] == parameter
    assert words in told["message"]
    assert ("position" in told) == (parameter == "filter")


def test_where_a_filter_goes_wrong_is_said(client):
    told = client.refused("/traces", filter="ok AND\nfalt")
    assert (told["position"], told["line"], told["column"]) == (7, 2, 1)
    assert "did you mean fault" in told["message"]


def test_a_filter_that_asks_about_the_root_alone_is_answered_with_a_hint(client):
    chosen = "fault AND annotation.number = 900"
    told = client.get("/traces", filter=chosen)
    assert told["rows"] == []
    assert told["hint"]["example"] == trace_id(900)
    assert told["hint"]["filter"] == "service() { fault } AND annotation.number = 900"
    assert len(client.table("/traces", filter=told["hint"]["filter"])) == 1
    assert client.get("/traces", filter="fault")["hint"] is None
    assert client.get("/traces", filter="!ok AND !fault")["hint"] is None


# -- together ------------------------------------------------------------------------------------


def test_traces_are_distributed_over_time_and_response_time(client):
    told = client.get("/distribution", steps=10)
    assert (told["count"], told["open"], told["complete"]) == (COUNT + 1, 0, True)
    assert told["bounds"] == [0.5, 0.6]
    assert told["histogram"] == [[COUNT - 2, 0, 0, 3]]
    assert sum(map(sum, told["series"])) == COUNT + 1
    assert (told["average"], told["p50"], told["max"]) == (0.5, 0.5, 0.5)
    place = int((now() - told["starts"][0]) // told["step"])
    assert told["heatmap"] == [[place, 0, COUNT - 2, 0, 0, 3]]
    assert client.get("/distribution", filter="fault")["count"] == 3
    assert client.get("/distribution", range="all")["starts"][0] <= now()


def test_traces_are_grouped(client):
    (facet,) = client.get("/facets", by="url", limit=3)["facets"]
    assert (facet["values"], len(facet["rows"])) == (COUNT + 1, 3)
    (facet,) = client.get("/facets", by="service")["facets"]
    assert [row[:2] for row in facet["rows"]] == [
        ["carts", COUNT + 1],
        ["prices", COUNT + 1],
        ["shop", COUNT + 1],
        ["prices@db", 1],
    ]
    told = client.get("/facets")
    assert told["count"] == COUNT + 1
    assert {"url", "user", "status", "annotation.number"} <= {f["by"] for f in told["facets"]}
    for path in ("/facets", "/analytics"):
        assert client.refused(path, by="colour")["parameter"] == "by"


def test_the_filter_of_a_value_finds_its_traces(client):
    for facet in client.get("/facets", limit=40)["facets"]:
        for row in facet["rows"]:
            value = dict(zip(facet["columns"], row, strict=True))
            found = client.get("/traces", filter=value["filter"], limit=100)["rows"]
            assert len(found) == value["count"], (facet["by"], value)
            counts = {
                status: sum(each[4] == status for each in found)
                for status in ("ok", "error", "throttle", "fault")
            }
            assert counts == {status: value[status] for status in counts}
            assert value["share"] == pytest.approx(value["count"] / (COUNT + 1), abs=1e-6)


def test_words_are_completed(client):
    def words(text, **more):
        told = client.get("/completions", text=text, **more)
        return [item["text"] for item in told["items"]], told["error"]

    assert "service(" in words("ser")[0]
    offered, error = words('service("pri')
    assert offered == ['"prices"', '"prices@db"']
    assert error["position"] == 8
    assert "annotation.number" in words("annot")[0]
    assert words("user = ")[0][:1] == ['"ann"']
    assert words("fault AND ok")[1] is None
    assert words("fa AND ok", position=2)[0] == ["fault"]
    assert client.refused("/completions")["message"] == "text is missing."


@pytest.mark.parametrize("form", ["{}", "Root={};Parent=53995c3f42cd8ad8;Sampled=1", ' "{}" '])
def test_a_pasted_id_is_found(client, form):
    told = client.get("/find", text=form.format(trace_id(3)))
    assert (told["trace_id"], told["stored"]) == (trace_id(3), True)
    assert told["entity"] == ("53995c3f42cd8ad8" if "Parent" in form else None)


def test_other_forms_of_ids_are_found(client):
    plain = trace_id(3)[2:].replace("-", "")
    assert client.get("/find", text=plain.upper())["trace_id"] == trace_id(3)
    told = client.get("/find", text=f"traceparent: 00-{plain}-53995c3f42cd8ad8-01")
    assert told == {"trace_id": trace_id(3), "entity": "53995c3f42cd8ad8", "stored": True}
    assert client.get("/find", text="1-5759e988-bd862e3fe1be46a994272793")["stored"] is False
    nothing = {"trace_id": None, "entity": None, "stored": False}
    assert client.get("/find", text="fault AND ok") == nothing
    client.put({**json.loads(shop_trace(5)[0]), "trace_id": "of my/own"})
    assert client.get("/find", text="of my/own")["stored"]
    assert client.get("/traces/of%20my%2Fown")["id"] == "of my/own"
    assert client.get("/traces/of%20my%2Fown/raw")["id"] == "of my/own"
    client.collector.store.put_in_run("odd", ["of my/own"])
    client.send("DELETE", "/runs/odd")


# -- one trace -----------------------------------------------------------------------------------


def test_a_trace_is_told_as_rows(client):
    told = client.get(f"/traces/{trace_id(900)}")
    rows = [dict(zip(told["columns"], row, strict=True)) for row in told["rows"]]
    assert [(row["name"], row["depth"], row["label"]) for row in rows] == [
        ("shop", 0, "GET /buy/900"),
        ("prices", 1, None),
        ("prices", 2, None),
        ("prices@db", 3, "select price from prices where id = ?"),
        ("prices@db", 4, None),
        ("DynamoDB", 1, "GetItem: carts"),
        ("DynamoDB", 2, "GetItem: carts"),
    ]
    assert [told["services"][row["service"]]["name"] for row in rows][4] == "prices@db"
    assert [each["kind"] for each in told["services"]] == ["service", "service", "database", "aws"]
    assert (told["status"], told["root"], told["total"], told["cut"]) == ("ok", 0, 7, 0)
    assert told["documents"] == 2
    assert told["bytes"] == sum(len(d) for d in client.collector.store.raw(trace_id(900)))
    assert told["gaps"]["rows"] == [[1, 2, 0.05, 0.05]]
    assert sum(row[2] for row in told["critical_path"]["rows"]) == pytest.approx(0.5)
    assert told["links"] == {"before": [], "after": []}
    columns = told["exceptions"]["columns"]
    exceptions = [dict(zip(columns, row, strict=True)) for row in told["exceptions"]["rows"]]
    assert [(each["row"], each["type"], each["behind"]) for each in exceptions] == [
        (2, "LookupError", False),
        (2, "KeyError", True),
    ]
    assert [frame["label"] for frame in exceptions[0]["frames"]] == ["get", "price"]
    cut = client.get(f"/traces/{trace_id(900)}", limit=2)
    assert (len(cut["rows"]), cut["total"], cut["cut"]) == (2, 7, 5)
    assert cut["warnings"][-1]["code"] == "row_limit"
    assert all(max(row[:1]) < 2 for row in cut["critical_path"]["rows"])
    assert cut["exceptions"]["rows"] == []


def test_what_stands_behind_a_row(client):
    told = client.get(f"/traces/{trace_id(900)}/entities/{span_id(900, 9)}")
    assert told["document"]["sql"]["user"] == "app"
    assert "subsegments" not in told["document"]
    assert told["sql"]["formatted"] == "SELECT price\nFROM prices\nWHERE id = ?"
    assert [each["type"] for each in told["exceptions"]] == ["LookupError", "KeyError"]
    first = told["exceptions"][0]
    assert (first["cause"], told["exceptions"][1]["cause"]) == (1, None)
    assert [frame["own"] for frame in first["stack"]] == [False, True]
    assert told["service"] == {"name": "prices", "type": None}
    segment = client.get(f"/traces/{trace_id(900)}/entities/{told['segment']}")
    assert segment["logs"] == [
        {"time": now() + 0.2, "level": "INFO", "message": "looking", "logger": "p"}
    ]
    root = client.get(f"/traces/{trace_id(900)}/entities/{span_id(900, 1)}")
    assert root["copy"]["curl"] == (
        f"curl -H 'X-Amzn-Trace-Id: Root={trace_id(900)};Sampled=1' http://shop/buy/900"
    )
    call = client.get(f"/traces/{trace_id(900)}/entities/{span_id(900, 3)}")
    assert call["copy"]["aws"] == "aws dynamodb get-item --table-name carts"
    client.refused(f"/traces/{trace_id(900)}/entities/none", 404)


def test_documents_are_given_as_they_came(client):
    told = client.get(f"/traces/{trace_id(3)}/raw")
    assert told == {"id": trace_id(3), "documents": shop_trace(3)}


def test_the_map_statistics_and_logs_of_a_trace(client):
    told = client.get(f"/traces/{trace_id(900)}/map")
    assert [node["name"] for node in told["nodes"]] == [
        *("shop", "carts", "prices", "prices@db", "shop")
    ]
    assert all(node["requests"] <= 1 for node in told["nodes"])
    rows = client.table(f"/traces/{trace_id(900)}/statistics")
    assert {(row["service"], row["name"]): row["count"] for row in rows} == {
        ("shop", "shop"): 1,
        ("shop", "prices"): 1,
        ("prices", "prices"): 1,
        ("prices", "prices@db"): 1,
        ("shop", "DynamoDB"): 1,
    }
    (line,) = client.table(f"/traces/{trace_id(900)}/logs")
    assert (line["message"], line["row"]) == ("looking", 2)
    assert client.get(f"/traces/{trace_id(900)}/verdicts")["documents"] == 2


@pytest.mark.parametrize(
    "what", ["", "/raw", "/map", "/statistics", "/logs", "/verdicts", "/export", "/entities/x"]
)
def test_a_trace_that_isnt_stored(client, what):
    told = client.refused(f"/traces/1-00000000-nothing{what}", 404)
    assert told["ResourceName"] == "1-00000000-nothing"


def test_links_lead_both_ways(fresh):
    sender = json.loads(shop_trace(1)[0])
    receiver = {
        **json.loads(shop_trace(2)[0]),
        "name": "worker",
        "links": [
            {"trace_id": trace_id(1), "id": span_id(1, 3)},
            {"trace_id": "gone", "id": "f" * 16},
        ],
    }
    fresh.put(sender, receiver)
    before = fresh.get(f"/traces/{trace_id(2)}")["links"]
    assert [(each["trace_id"], each["stored"]) for each in before["before"]] == [
        (trace_id(1), True),
        ("gone", False),
    ]
    after = fresh.get(f"/traces/{trace_id(1)}")["links"]["after"]
    assert after == [{"trace_id": trace_id(2), "id": span_id(1, 3), "row": 3}]


def test_two_traces_are_compared(client):
    told = client.get("/compare", a=trace_id(3), b=trace_id(900))
    rows = [dict(zip(told["columns"], row, strict=True)) for row in told["rows"]]
    assert (told["a"]["id"], told["b"]["id"]) == (trace_id(3), trace_id(900))
    assert (told["only_a"], told["only_b"]) == (0, 2)
    assert [row["name"] for row in rows if row["a"] is None] == ["prices@db", "prices@db"]
    assert rows[0]["difference"] == pytest.approx(0.0)
    assert client.refused("/compare", a=trace_id(3))["message"] == "b is missing."
    client.refused("/compare", 404, a=trace_id(3), b="nothing")


# -- the map -------------------------------------------------------------------------------------


def test_the_map_has_numbers_for_nodes_and_edges(client):
    told = client.get("/map")
    nodes = {(node["name"], node["kind"]): node for node in told["nodes"]}
    assert set(nodes) == {
        ("shop", "client"),
        ("shop", "service"),
        ("prices", "service"),
        ("carts", "aws"),
        ("prices@db", "database"),
    }
    shop = nodes["shop", "service"]
    assert (shop["requests"], shop["ok"], shop["fault"]) == (COUNT + 1, COUNT - 2, 3)
    assert shop["average"] == 0.5
    assert shop["histogram"] == [[0.5, COUNT + 1]]
    assert shop["per_minute"] == pytest.approx(60 * (COUNT + 1) / told["seconds"], rel=1e-3)
    assert 119 < told["seconds"] < 900
    ids = {node["id"]: node["name"] for node in told["nodes"]}
    edges = {(ids[edge["source"]], ids[edge["target"]]): edge for edge in told["edges"]}
    assert set(edges) == {
        ("shop", "shop"),
        ("shop", "prices"),
        ("shop", "carts"),
        ("prices", "prices@db"),
    }
    assert edges["shop", "prices"]["average"] == pytest.approx(0.3)
    for subject in (*told["nodes"], *told["edges"]):
        found = client.get("/traces", filter=subject["filter"], limit=100)["rows"]
        expected = COUNT + 1 if subject.get("kind") == "client" else subject["requests"]
        assert len(found) == expected, subject["filter"]
    assert client.get("/map", filter="fault")["nodes"][-1]["requests"] == 3


def test_the_course_of_a_node_or_an_edge(client):
    (row,) = client.table("/map/series", node="shop")
    assert (row["requests"], row["fault"], row["average"]) == (COUNT + 1, 3, 0.5)
    (row,) = client.table("/map/series", source="shop", target="prices", period=300)
    assert row["average"] == pytest.approx(0.3)
    assert client.table("/map/series", node="nobody") == []
    assert client.refused("/map/series", node="shop", period=90)["parameter"] == "period"
    assert client.refused("/map/series")["parameter"] == "node"
    assert client.refused("/map/series", node="a", source="b")["parameter"] == "node"
    assert client.refused("/map/series", node="shop", range="P999D")["parameter"] == "period"


# -- errors, analytics ---------------------------------------------------------------------------


def test_errors_that_are_the_same_are_together(client):
    told = client.get("/errors", sort="-last")
    assert told["groups"] == len(told["errors"]) == 2
    groups = {group["type"]: group for group in told["errors"]}
    lookup = groups["LookupError"]
    assert (lookup["message"], lookup["count"]) == ("no price of <n>", 1)
    assert lookup["frame"] == {"path": "prices/app.py", "line": 12, "label": "price"}
    assert lookup["services"] == [{"name": "prices", "type": None}]
    assert groups["fault"]["count"] == sum(groups["fault"]["series"]) == 3
    assert [each["trace_id"] for each in groups["fault"]["samples"]] == [
        trace_id(n) for n in (20, 10, 0)
    ]
    assert len(client.get("/errors", limit=1)["errors"]) == 1
    one = client.get(f"/errors/{lookup['id']}")
    assert one["exceptions"][0]["type"] == "LookupError"
    assert one["samples"][0]["entity"] in (span_id(900, 4), span_id(900, 9))
    client.refused("/errors/none", 404)


def test_two_sets_are_compared(client):
    told = client.get("/analytics", a="fault", b="ok", limit=5)
    assert (told["all"]["count"], told["a"]["count"], told["b"]["count"]) == (31, 3, 28)
    assert told["a"]["bounds"] == told["b"]["bounds"]
    facets = {facet["by"]: facet for facet in told["facets"]}
    columns = facets["http_status"]["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in facets["http_status"]["rows"]]
    assert {row["value"]: (row["a"], row["b"], row["delta"]) for row in rows} == {
        200: (0, 28, -1.0),
        500: (3, 0, 1.0),
    }
    alone = client.get("/analytics", a="fault", by="user")
    assert (alone["b"], alone["facets"][0]["rows"][0][:3]) == (None, ["ann", 3, 1.0])
    assert client.refused("/analytics", a="fault AND")["parameter"] == "a"
    other = client.get("/analytics", a="ok", range_b="PT1S")
    assert other["b"]["count"] == 0


@pytest.mark.parametrize(
    ("rate", "reservoir", "sampled", "told"),
    [
        (0.1, 5, 60 + 94, (60, 94)),  # a reservoir of 1/s for a minute of 1,000 requests
        (0.0, 5, 60, (60, 0)),
        (0.1, 0, 103, (0, 103)),
        (0.1, 5, 90, (0, 90)),  # chance gave the rate a little less
        (1.0, 5, 1000, (None, None)),
        (1.0, 0, 1000, (0, 1000)),
    ],
)
def test_what_the_reservoir_took_is_reckoned_from_the_rate(rate, reservoir, sampled, told):
    rule = {"FixedRate": rate, "ReservoirSize": reservoir}
    counts = administration.counts_of_rule(
        rule, {"matched": [400, 600], "sampled": [sampled], "borrowed": [0]}
    )
    assert (counts["by_reservoir"], counts["by_rate"]) == told


# -- sampling, groups, alarms, cost, runs --------------------------------------------------------

RULE = {
    "RuleName": "admin",
    "Priority": 10,
    "FixedRate": 0.5,
    "ReservoirSize": 2,
    "ServiceName": "*",
    "ServiceType": "*",
    "Host": "*.shop",
    "HTTPMethod": "*",
    "URLPath": "/admin/*",
    "ResourceARN": "*",
    "Version": 1,
}


def test_sampling_rules_and_what_they_did(fresh):
    service = fresh.collector.service
    service.sampling.create(RULE)
    statistics = {
        "RuleName": "admin",
        "ClientID": "c" * 24,
        "Timestamp": time.time(),
        "RequestCount": 20,
        "SampledCount": 6,
        "BorrowCount": 1,
    }
    service.sampling.targets([statistics], [])
    told = fresh.get("/sampling", minutes=2)
    admin, default = told["rules"]
    assert admin["rule"]["URLPath"] == "/admin/*"
    assert (admin["matched"], admin["sampled"], admin["borrowed"]) == (20, 6, 1)
    assert (admin["by_reservoir"], admin["by_rate"]) == (1, 5)  # what was borrowed, at least
    assert sum(admin["series"]["matched"]) == 20
    assert len(told["starts"]) == len(admin["series"]["matched"]) == 12
    assert default["matched"] == 0


def test_which_rule_decides(fresh):
    fresh.collector.service.sampling.create(RULE)
    told = fresh.get("/sampling/decision", host="www.shop", path="/admin/users", method="GET")
    assert (told["rule"], told["rate"], told["reservoir"]) == ("admin", 0.5, 2)
    told = fresh.get("/sampling/decision", host="www.shop", path="/cart")
    assert (told["rule"], told["rate"]) == ("Default", 0.05)
    assert told["rules"][0] == {
        "rule": "admin",
        "matches": False,
        "decides": False,
        "because": ["URLPath /admin/* doesn't fit /cart"],
    }
    assert told["rules"][1]["decides"]


def test_groups_say_what_is_wrong_with_them(fresh):
    groups = fresh.collector.service.groups
    groups.create({"GroupName": "a", "FilterExpression": "fault"})
    groups.create({"GroupName": "b", "FilterExpression": 'group.name = "a"'})
    groups.delete({"GroupName": "a"})
    told = {each["name"]: each for each in fresh.get("/groups")["groups"]}
    assert told["Default"] == {**told["Default"], "filter": "", "error": None}
    assert "there is no group 'a'" in told["b"]["error"]
    assert fresh.refused("/traces", group="b")["parameter"] == "group"


def test_what_it_would_cost(client):
    told = client.get("/cost", range="all", rate=0.5)
    assert told["recorded"] == COUNT + 1
    month = told["month"]
    assert month["recorded"] == pytest.approx((COUNT + 1) * 30 * 86_400 / told["seconds"], rel=0.01)
    assert told["at_rate"]["recorded"] == pytest.approx(month["recorded"] / 2, abs=1)
    dollars = max(0, month["recorded"] - 100_000) * 5e-6
    assert month["recorded_dollars"] == pytest.approx(dollars, abs=0.01)
    before = told["scanned"]
    client.get("/traces")
    assert client.get("/cost")["scanned"] > before
    assert client.refused("/cost", rate=2)["parameter"] == "rate"


def test_runs_are_kept_apart(fresh):
    assert fresh.get("/runs") == {"current": None, "runs": []}
    fresh.send("POST", "/runs", {"name": "before it"})
    fresh.put(*shop_trace(1))
    told = fresh.send("POST", "/runs", {"name": "after"})
    assert told["current"] == "after"
    fresh.put(*shop_trace(2))
    assert [row["id"] for row in fresh.table("/traces", run="before it")] == [trace_id(1)]
    assert fresh.get(f"/traces/{trace_id(1)}")["run"] == "before it"
    assert fresh.get("/map", run="after")["nodes"][-1]["requests"] == 1
    assert fresh.get("/status")["run"] == "after"
    fresh.send("PATCH", "/runs/before%20it", {"pinned": True})
    assert fresh.get("/runs")["runs"][0]["pinned"]
    assert fresh.send("DELETE", "/traces") == {"traces": 1, "documents": 2, "kept": 1}
    assert fresh.send("DELETE", "/runs/before%20it")["traces"] == 1
    assert fresh.send("POST", "/runs", {"name": None})["current"] is None
    for content in ({}, [], {"name": ""}, {"name": "a/b"}, {"name": "\x00"}, {"name": "x" * 101}):
        fresh.refused("/runs", method="POST", body=json.dumps(content))
    fresh.refused("/runs/after", method="PATCH", body="{}")
    fresh.refused("/runs/none", 404, method="PATCH", body='{"pinned": true}')
    fresh.refused("/runs/none", 404, method="DELETE")


def test_all_can_be_cleared(fresh):
    fresh.put(*shop_trace(1))
    assert fresh.send("DELETE", "/traces") == {"traces": 1, "documents": 2, "kept": 0}
    assert fresh.get("/traces", range="all")["rows"] == []
    assert fresh.get("/map")["nodes"] == []
    assert fresh.get("/facets", by="service")["facets"][0]["rows"] == []
    assert fresh.get("/status")["store"]["first"] is None


# -- what it is ----------------------------------------------------------------------------------


def test_the_status_says_what_this_is(client):
    told = client.get("/status")
    assert told["program"] == "xtrace collector"
    assert told["url"] == client.collector.url
    assert told["store"]["traces"] == COUNT + 1
    assert told["store"]["name"] == ":memory:"
    assert told["store"]["first"] == pytest.approx(now())
    assert told["documents"]["stored"] >= 2 * COUNT
    assert told["change"] == client.collector.store.last_change()


def test_a_test_trace_shows(fresh):
    made = fresh.send("POST", "/test-trace")["trace_id"]
    fresh.collector.flush()
    (row,) = fresh.table("/traces")
    assert (row["id"], row["services"]) == (made, 3)
    assert fresh.get(f"/traces/{made}")["warnings"] == []
    assert fresh.get(f"/traces/{made}/verdicts")["verdicts"] == []


def test_answers_are_compressed_for_those_who_can_read_it(client):
    headers = {"Accept-Encoding": "br, gzip"}
    _, told, body = client.ask("/traces", headers=headers, limit=30)
    assert told["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(body))["rows"]
    assert told["cache-control"] == "no-store"
    _, told, _ = client.ask("/runs", headers=headers)
    assert "content-encoding" not in told  # it is too small


def test_paths_and_methods_that_there_arent(client):
    assert client.refused("/nothing", 404)["__type"] == "UnknownOperationException"
    client.refused("/traces", 405, method="POST")
    client.refused("/status", 405, method="PUT")
    assert client.ask("/status", method="HEAD")[0] == 200


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_pages_of_other_sites_get_nothing(client, endpoint):
    path = endpoint.path.format(trace_id=trace_id(3), entity_id="x", error_id="x", name="x")
    status, _, body = client.ask(path, endpoint.method, headers={"Host": "evil.example"})
    assert (status, b"AccessDenied" in body) == (403, True)
    if endpoint.method != "GET":
        for headers in (
            {"Origin": "http://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": "null"},
        ):
            assert client.ask(path, endpoint.method, headers=headers)[0] == 403
    _, headers, _ = client.ask(path, "HEAD")
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


def test_every_endpoint_and_parameter_is_documented():
    page = (ROOT / "docs" / "api.md").read_text()
    for endpoint in ENDPOINTS:
        path = "/api/v1" + endpoint.path.format(
            trace_id="TRACE_ID", entity_id="ENTITY_ID", error_id="ERROR_ID", name="NAME"
        )
        assert f"{endpoint.method} {path}" in page or f"{endpoint.method} `{path}`" in page, path
        for parameter in endpoint.parameters:
            assert f"`{parameter}`" in page or f"`{parameter}=" in page, (path, parameter)
    for parameter in EVENTS:
        assert f"`{parameter}`" in page or f"`{parameter}=" in page, parameter


# -- hostile traces ------------------------------------------------------------------------------


def hostile_documents():
    """Names and texts of any kind, 5 MB of metadata, 200 levels, times at the ends of calendars."""
    bad = "</script>\u202e\x00\x1b[2J'\"<img src=x onerror=alert(1)>"
    deep = bottom = {}
    for _ in range(200):
        bottom["x"] = {}
        bottom = bottom["x"]
    document = {
        "trace_id": "hostile",
        "id": "a",
        "name": bad,
        "start_time": 253402300799.0,
        "end_time": 1e300,
        "user": bad,
        "http": {
            "request": {"url": bad, "method": bad, "client_ip": bad},
            "response": {"status": -1},
        },
        "annotations": {bad: bad, "n": 1e300, "i": 2**70},
        "metadata": {bad: {"deep": deep, "large": "x" * 5_000_000, "logs": [{"message": bad}, 5]}},
        "sql": {"sanitized_query": "((((" * 2000 + bad},
        "aws": {"operation": bad, "table_name": 5, "queue_url": "/"},
        "namespace": "aws",
        "fault": True,
        "cause": {
            "exceptions": [{"id": bad, "type": bad, "message": bad, "stack": [{"path": bad}, 5]}]
        },
        "subsegments": [
            {"id": "b", "name": 5, "start_time": "x", "namespace": "remote", "cause": bad},
            {"id": "b", "namespace": "aws", "start_time": -1e12, "end_time": 0, "aws": []},
            7,
        ],
        "links": [{"trace_id": bad, "id": bad}, 5],
    }
    return [
        json.dumps(document),
        json.dumps({**document, "id": "c", "parent_id": "b", "end_time": 1}),
    ]


def test_a_hostile_trace_can_be_looked_at_in_every_way(fresh):
    fresh.put(*hostile_documents())
    assert fresh.get("/status")["store"]["failed_traces"] == 0
    for path in (
        *("/traces", "/distribution", "/facets", "/map", "/errors"),
        *("/analytics", "/cost"),
        *(f"/traces/hostile{what}" for what in ("", "/raw", "/map", "/statistics", "/logs")),
        *("/traces/hostile/verdicts", "/traces/hostile/entities/a", "/traces/hostile/entities/b"),
    ):
        ranged = {} if path.startswith("/traces/") else {"range": "all"}
        assert fresh.get(path, **ranged), path
    assert fresh.get("/compare", a="hostile", b="hostile")["only_a"] == 0
    for form in ("json", "ndjson", "csv", "html"):
        status, _, body = fresh.ask("/traces/hostile/export", format=form, redact="sql")
        assert (status, b"<img src" in body) == (200, form in ("json", "ndjson", "csv")), form
        body.decode()
    error = fresh.get("/errors", range="all")["errors"][0]
    assert fresh.get(f"/errors/{error['id']}")["exceptions"]
    for facet in fresh.get("/facets", range="all")["facets"]:
        for row in facet["rows"]:
            fresh.get("/traces", range="all", filter=row[-1])
