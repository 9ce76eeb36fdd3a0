"""Traces out into files and in again: byte for byte, in every form, and what is left out on request."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collector.console_client import ConsoleClient
from tests.collector.shop import client_of, shop_trace, span_id, trace_id
from tests.collector.strategies import odd_documents
from tests.helpers import now
from xtrace.collector import files, running
from xtrace.collector.api.v1 import transfer
from xtrace.collector.files import Contents, Unreadable, list_csv, redacted, trace_file
from xtrace.collector.ingest import Document
from xtrace.collector.store import Window

HOSTILE = "</script><script>alert(1)</script>\"'<img src=x onerror=alert(1)>"
SECRETS = {
    "user": "secret-user",
    "client_ip": "203.0.113.77",
    "metadata": "secret-metadata",
    "sql": "select secret_column",
}


def odd_trace():
    """Documents that must come back as they are: spaces, escapes, numbers, order, duplicates."""
    return [
        '{ "trace_id" : "odd", "id":"b", "name":"\\u00e9x",  "start_time":1.50e9, "end_time":1500000001}',
        '{"trace_id":"odd","id":"a","name":"é","start_time":1500000000.000,"metadata":{"n":1E400}}'.replace(
            "1E400", "1e300"
        ),
        '{"trace_id":"odd","id":"a","name":"é","start_time":1500000000.000,"x":[0.1000, 1]}\n',
        '{"trace_id":"odd","parent_id":"a","type":"subsegment","id":"c","name":"y","start_time":1}',
    ]


@pytest.fixture
def client():
    with running() as collector:
        yield ConsoleClient(collector)


def everything(client):
    """All documents by trace."""
    found = client.collector.store.find(Window(0, 1e12), limit=1000, seconds=30).summaries
    return {each["Id"]: client.collector.store.raw(each["Id"]) for each in found}


def exported(client, path="/export", **parameters):
    status, headers, body = client.ask(path, **{"range": "all", **parameters})
    assert status == 200, body
    return headers, body


def filled(client):
    for number in range(12):
        client.put(*shop_trace(number, fault=number == 3))
    client.put(*odd_trace())
    return everything(client)


# -- out, clear, in ------------------------------------------------------------------------------


@pytest.mark.parametrize("gzipped", ["false", "true"])
def test_what_is_exported_and_imported_is_the_same_to_the_byte(client, gzipped):
    before = filled(client)
    _, body = exported(client, gzip=gzipped)
    client.send("DELETE", "/traces")
    assert everything(client) == {}
    told = client.send("POST", "/import", body)
    assert everything(client) == before
    assert (told["format"], told["traces"], told["malformed"]) == ("xtrace", 13, 0)
    assert told["documents"] == told["stored"] == sum(map(len, before.values()))
    assert (told["first"], told["last"]) == (1, pytest.approx(now() + 0.161))
    again = client.send("POST", "/import", body)
    assert (again["stored"], again["known"]) == (0, told["stored"])
    assert everything(client) == before


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(odd_documents(), max_size=5))
def test_any_documents_survive_a_file(contents):
    sent = {}
    for number, content in enumerate(contents):
        if isinstance(content, dict):
            data = json.dumps({**content, "trace_id": f"t{number % 2}"}, ensure_ascii=number % 2)
            try:
                found = [
                    each for each in files.documents(data.encode()) if isinstance(each, Document)
                ]
            except UnicodeEncodeError:
                continue
            for each in found:
                sent.setdefault(each.trace_id, []).append(each.data)
    traces = [Contents(id, 0.0, datas) for id, datas in sent.items()]
    form, found = files.read(b"".join(trace_file(traces, 0.0)))
    back = {}
    for each in found:
        back.setdefault(each.trace_id, []).append(each.data)
    assert (form, back) == ("xtrace", sent)


def test_a_trace_file_is_what_batch_get_traces_answers(client):
    filled(client)
    content = json.loads(exported(client)[1])
    assert (content["version"], content["redacted"]) == (1, [])
    assert content["program"].startswith("xtrace ")
    by_id = {trace["Id"]: trace for trace in content["traces"]}
    (real,) = client_of(client.collector).batch_get_traces(TraceIds=[trace_id(1)])["Traces"]
    ours = by_id[trace_id(1)]
    assert ours["Duration"] == real["Duration"]
    texts = {segment["Id"]: json.loads(segment["Document"]) for segment in ours["Segments"]}
    for segment in real["Segments"]:
        document = json.loads(segment["Document"])
        if not document.get("inferred"):
            assert texts[segment["Id"]] == document


def test_a_file_of_some_traces(client):
    filled(client)
    ids = [trace_id(2), trace_id(5)]
    content = json.loads(exported(client, id=ids)[1])
    assert [trace["Id"] for trace in content["traces"]] == ids
    content = json.loads(exported(client, filter="fault")[1])
    assert [trace["Id"] for trace in content["traces"]] == [trace_id(3)]
    headers, body = exported(client, limit=5)
    assert len(json.loads(body)["traces"]) == 5
    assert headers["x-xtrace-left-out"] == "8"
    assert exported(client)[0]["x-xtrace-left-out"] == "0"
    client.refused("/export", 404, id="nothing")


def test_files_have_names(client):
    client.put(*odd_trace(), json.dumps({**json.loads(odd_trace()[0]), "trace_id": 'a"/../b'}))
    pattern = r'attachment; filename="(.*)"'
    name = re.fullmatch(pattern, exported(client)[0]["content-disposition"])[1]
    assert re.fullmatch(r"traces-\d{8}-\d{6}\.xtrace\.json", name)
    headers, _ = exported(client, "/traces/a%22%2F..%2Fb/export", range=[], gzip="true")
    assert (
        re.fullmatch(pattern, headers["content-disposition"])[1] == "trace-a__.._b.xtrace.json.gz"
    )
    assert headers["content-type"] == "application/gzip"


# -- in, in other forms --------------------------------------------------------------------------


def test_output_of_batch_get_traces_can_be_imported(client):
    client.put(*shop_trace(1))
    traces = client_of(client.collector).batch_get_traces(TraceIds=[trace_id(1)])["Traces"]
    client.send("DELETE", "/traces")
    for content in ({"Traces": traces, "UnprocessedTraceIds": []}, traces, traces[0]):
        told = client.send("POST", "/import", content)
        assert (told["format"], told["traces"]) == ("batch-get-traces", 1)
    rows = client.table(f"/traces/{trace_id(1)}")
    assert [row["name"] for row in rows if row["kind"] != 2] == [
        "shop",
        "prices",
        "prices",
        "DynamoDB",
    ]


def test_documents_on_lines_can_be_imported(client):
    one, other = shop_trace(1)
    lines = ['{"format": "json", "version": 1}', one, "", "no json", other, '{"id": "x"}']
    told = client.send("POST", "/import", "\r\n".join(lines).encode())
    assert (told["format"], told["stored"], told["malformed"]) == ("documents", 2, 2)
    assert [each["message"][:13] for each in told["problems"]] == ["It is no JSON", "trace_id is m"]
    assert everything(client) == {trace_id(1): [one.encode(), other.encode()]}
    assert client.send("POST", "/import", one.encode())["known"] == 1
    array = f"[{one}, {other}]".encode()
    assert client.send("POST", "/import", array)["format"] == "documents"


def test_lines_that_were_exported_can_be_imported(client):
    before = filled(client)
    _, body = exported(client, format="ndjson")
    assert body.count(b"\n") == sum(map(len, before.values()))
    client.send("DELETE", "/traces")
    assert client.send("POST", "/import", body)["malformed"] == 0
    after = everything(client)
    assert {id: [json.loads(d) for d in datas] for id, datas in after.items()} == {
        id: [json.loads(d) for d in datas] for id, datas in before.items()
    }


def test_otlp_can_be_imported_however_old_it_is(client):
    span = {
        "traceId": "5759e988bd862e3fe1be46a994272793",
        "spanId": "53995c3f42cd8ad8",
        "name": "GET /",
        "kind": 2,
        "startTimeUnixNano": "1465510280000000000",
        "endTimeUnixNano": "1465510281000000000",
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "old"}}]}
    content = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    one_line = json.dumps(content)
    for body in (one_line, json.dumps(content, indent=1), f"{one_line}\n{one_line}\n"):
        told = client.send("POST", "/import", body.encode())
        assert (told["format"], told["traces"], told["malformed"]) == ("otlp", 1, 0)
    (row,) = client.table("/traces", range="all")
    assert (row["service"], row["start"]) == ("old", 1465510280.0)


def test_a_file_can_be_put_under_a_run(client):
    client.send("POST", "/import", shop_trace(1)[0].encode(), run="before")
    client.put(*shop_trace(2))
    assert [row["id"] for row in client.table("/traces", run="before")] == [trace_id(1)]
    assert client.get("/runs")["current"] is None
    assert client.refused("/import", method="POST", body="{}", run="a/b")["parameter"] == "run"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"   ", "empty"),
        (b"hello", "no JSON"),
        (b'{"a": 1}', "no traces are in it"),
        (b"17", "no traces are in it"),
        (b'{"version": 2, "traces": []}', "version 2"),
        (b"<html></html>", "no report"),
        (b"\x1f\x8bnonsense", "gzip"),
        (gzip.compress(b"{}" * 100, mtime=0)[:-9], "middle of the gzip"),
        (b'{"resourceSpans": 5}', "OTLP"),
    ],
)
def test_what_cant_be_imported_is_said(client, body, words):
    told = client.refused("/import", method="POST", body=body)
    assert words in told["message"]
    assert everything(client) == {}


def test_files_that_are_too_large_are_refused(client, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 1000)
    with pytest.raises(Unreadable, match="MB can be read"):
        files.unpacked(b"x" * 1001)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 1 << 30)
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 1_000_000)
    bomb = gzip.compress(b"[" + b" " * 5_000_000 + b"]")
    assert "Unpacked" in client.refused("/import", method="POST", body=bomb)["message"]
    assert files.unpacked(gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"


def test_an_import_without_room_says_how_far_it_came(client, monkeypatch):
    monkeypatch.setattr(transfer, "DOCUMENTS_AT_ONCE", 1)
    taken = []

    def take(found):
        taken.append(found)
        return len(taken) < 2

    monkeypatch.setattr(client.collector.service.ingest, "take_documents", take)
    body = "\n".join(shop_trace(1))
    told = client.refused("/import", 503, method="POST", body=body)
    assert "1 documents of it are stored" in told["message"]


# -- what is left out ----------------------------------------------------------------------------


def secret_document():
    return json.dumps(
        {
            "trace_id": "secret",
            "id": "a",
            "name": "shop",
            "start_time": now(),
            "end_time": now() + 1,
            "user": SECRETS["user"],
            "http": {"request": {"url": "http://x/", "client_ip": SECRETS["client_ip"]}},
            "subsegments": [
                {
                    "id": "b",
                    "name": "db",
                    "start_time": now(),
                    "end_time": now() + 1,
                    "metadata": {"default": {"x": SECRETS["metadata"]}},
                    "sql": {"sanitized_query": SECRETS["sql"], "user": SECRETS["user"]},
                }
            ],
        }
    )


@pytest.fixture(scope="module")
def secretive():
    with running() as collector:
        client = ConsoleClient(collector)
        client.put(secret_document())
        yield client


@pytest.mark.parametrize("form", ["json", "ndjson", "html", "csv"])
@pytest.mark.parametrize("without", [[], *([each] for each in SECRETS), list(SECRETS)])
def test_what_is_to_be_left_out_is_in_no_file(secretive, form, without):
    client = secretive
    paths = ["/traces/secret/export", *(["/export"] if form != "html" else [])]
    for path in paths:
        parameters = {"range": "all"} if path == "/export" else {"range": []}
        redact = {"redact": ",".join(without)} if without else {}
        body = exported(client, path, format=form, **redact, **parameters)[1].decode()
        for name, secret in SECRETS.items():
            if name in without:
                assert secret not in body
            elif form in ("json", "ndjson"):
                assert secret in body
    if form == "json" and without:
        assert json.loads(body)["redacted"] == without


def test_nothing_is_changed_where_nothing_is_left_out():
    data = odd_trace()[0].encode()
    assert redacted(data, []) is data
    assert json.loads(redacted(data, ["user"])) == json.loads(data)


# -- tables --------------------------------------------------------------------------------------


def test_a_list_is_a_table(client):
    filled(client)
    headers, body = exported(client, format="csv", annotations="number", limit=3)
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert body.count(b"\r\n") == 4
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert [row["id"] for row in rows] == [trace_id(n) for n in (11, 10, 9)]
    assert rows[0]["annotation.number"] == "11.0"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.011Z", rows[0]["start"])
    assert (rows[0]["partial"], rows[0]["error"]) == ("false", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_calculate_is_quoted(client, text):
    client.put({**json.loads(shop_trace(1)[0]), "user": text, "name": 'a,"b"\n'})
    (row,) = csv.DictReader(io.StringIO(exported(client, format="csv")[1].decode(), newline=""))
    assert row["user"] == f"'{text}"
    assert row["service"] == 'a,"b"\n'


def test_times_that_no_calendar_has():
    summary = json.loads(json.dumps({"Id": "x", "StartTime": 1e15, "ResponseTime": None}))
    summary |= {"Duration": 0, "HasFault": False, "HasError": False, "HasThrottle": False}
    summary |= {"IsPartial": True, "Http": {}, "EntryPoint": {}, "Users": [], "Annotations": {}}
    summary |= {"ServiceIds": [], "FaultRootCauses": [], "ErrorRootCauses": []}
    assert b"1000000000000000.0" in list(list_csv([summary]))[1]


def test_a_trace_is_a_table(client):
    client.put(*shop_trace(1))
    _, body = exported(client, f"/traces/{trace_id(1)}/export", format="csv", range=[])
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert [row["service"] for row in rows] == ["shop", "shop", "prices", "shop", "carts"]
    assert rows[3]["label"] == "GetItem: carts"


# -- reports -------------------------------------------------------------------------------------


def hostile_trace():
    shop, prices = (json.loads(each) for each in shop_trace(1))
    shop |= {"name": HOSTILE, "user": HOSTILE, "metadata": {HOSTILE: {HOSTILE: HOSTILE}}}
    shop["http"]["request"] = {"method": HOSTILE, "url": HOSTILE}
    exception = {"id": "e", "type": HOSTILE, "message": HOSTILE}
    exception["stack"] = [{"path": HOSTILE, "line": 1, "label": HOSTILE}]
    shop["cause"] = {"exceptions": [exception]}
    shop["subsegments"][0]["sql"] = {"sanitized_query": HOSTILE}
    return [shop, prices]


def test_a_report_is_one_file_without_script_that_can_be_imported(client):
    client.put(*hostile_trace())
    before = everything(client)
    headers, body = exported(client, id=trace_id(1), format="html")
    text = body.decode()
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert HOSTILE not in text
    assert "<img" not in text
    assert re.findall(r"<script[^>]*>", text) == ['<script type="application/json" id="trace">']
    assert text.count("</script>") == 1
    assert not re.search(
        r'(?:src|href|url)\s*[=(]\s*["\']?(?:https?:)?//', text.split("<script")[0]
    )
    assert "Content-Security-Policy" in text
    client.send("DELETE", "/traces")
    assert client.send("POST", "/import", body)["format"] == "xtrace"
    assert everything(client) == before
    assert client.refused("/export", format="html")["parameter"] == "format"


def test_a_report_shows_what_is_known(client):
    shop, prices = (json.loads(each) for each in shop_trace(1, fault=True))
    prices["subsegments"] = [
        {
            "id": span_id(1, 8),
            "name": "db",
            "start_time": now() + 0.2,
            "sql": {"sanitized_query": "select a from b"},
            "fault": True,
            "cause": {"exceptions": [{"id": "x", "type": "ValueError", "message": "no"}]},
        }
    ]
    client.put(shop, prices)
    text = exported(client, f"/traces/{trace_id(1)}/export", format="html", range=[])[1].decode()
    for words in (
        *("GET http://shop/buy/1", "GetItem: carts", "ValueError: no", "db is in progress."),
        *("SELECT a\nFROM b", "inferred: it sent nothing itself", "<title>", "500 fault"),
    ):
        assert words in text, words
