"""OTLP -> documents: the mapping field by field, both encodings alike, nothing raised by bad spans."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection

import jsonschema_rs
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.documents import SCHEMA
from tests.helpers import eventually
from xtrace.collector import otlp, running
from xtrace.collector.otlp import stacktraces
from xtrace.otlp.names import CLIENT, CONSUMER, INTERNAL, PRODUCER, SERVER

NOW = 1_700_000_000.0
START = 1_700_000_000_000_000_000
TRACE = "4efaaf4d1e8720b39541901950019ee5"
XRAY_TRACE = "1-4efaaf4d-1e8720b39541901950019ee5"
SPAN = "53995c3f42cd8ad8"
PARENT = "00f067aa0ba902b7"
JSON = "application/json"
PROTOBUF = "application/x-protobuf"

# Annotation keys with dots are what the service takes since 2024; our SDK doesn't send them.
with_dots = copy.deepcopy(SCHEMA)
with_dots["$defs"]["entity"]["properties"]["annotations"]["propertyNames"]["pattern"] = (
    "^[a-zA-Z0-9_.]{1,500}$"
)
validator = jsonschema_rs.validator_for(with_dots)


def value(held):
    if isinstance(held, bool):
        return {"boolValue": held}
    if isinstance(held, int):
        return {"intValue": str(held)}
    if isinstance(held, float):
        return {"doubleValue": held}
    if isinstance(held, list):
        return {"arrayValue": {"values": [value(each) for each in held]}}
    if isinstance(held, dict):
        return {"kvlistValue": {"values": pairs(held)}}
    return {"stringValue": held}


def pairs(attributes):
    return [{"key": key, "value": value(held)} for key, held in attributes.items()]


def event(name="exception", **attributes):
    return {"name": name, "attributes": pairs(attributes["attributes"])}


def span(attributes=None, kind=SERVER, **more):
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "GET /cart",
        "kind": kind,
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(START + 250_000_000),
        "attributes": pairs(attributes) if isinstance(attributes, dict) else attributes or [],
        **more,
    }


def request(*spans, resource=None):
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": pairs(resource or {})},
                "scopeSpans": [{"scope": {"name": "lib"}, "spans": list(spans)}],
            }
        ]
    }


def converted(made, now=NOW):
    return otlp.documents(json.dumps(made).encode(), JSON, now=now)


def mapped(attributes=None, kind=SERVER, resource=None, **more):
    """The only document of a span, checked against the schema."""
    made = request(span(attributes, kind, **more), resource=resource)
    done = converted(made)
    assert not done.rejected
    documents = [json.loads(each) for each in done.documents]
    for each in documents:
        validator.validate(each)
    (document,) = documents
    return document


# -- segments and subsegments ------------------------------------------------------------------


def test_a_server_span_is_a_segment():
    document = mapped(parentSpanId=PARENT, resource={"service.name": "cart"})
    assert document == {
        "trace_id": XRAY_TRACE,
        "id": SPAN,
        "parent_id": PARENT,
        "name": "cart",
        "start_time": 1_700_000_000.0,
        "end_time": 1_700_000_000.25,
        "metadata": {"default": {"otel.resource.service.name": "cart"}},
    }


@pytest.mark.parametrize("kind", [INTERNAL, CLIENT, PRODUCER, CONSUMER])
def test_what_has_a_parent_and_is_no_server_is_a_subsegment(kind):
    document = mapped(kind=kind, parentSpanId=PARENT, resource={"service.name": "cart"})
    assert (document["type"], document["parent_id"]) == ("subsegment", PARENT)
    assert document["name"] == "GET /cart"
    assert document.get("namespace") == ("remote" if kind == CLIENT else None)
    assert "metadata" not in document


@pytest.mark.parametrize("kind", [INTERNAL, CLIENT, PRODUCER, CONSUMER, 0])
@pytest.mark.parametrize("parent", ["", "0" * 16])
def test_what_has_no_parent_is_a_segment(kind, parent):
    document = mapped(kind=kind, parentSpanId=parent)
    assert "type" not in document and "namespace" not in document and "parent_id" not in document


@pytest.mark.parametrize("kind", [CLIENT, PRODUCER, CONSUMER])
def test_a_local_root_that_calls_another_service_is_two_documents(kind):
    attributes = {
        "aws.span.kind": "LOCAL_ROOT",
        "aws.local.service": "worker",
        "aws.remote.service": "mail",
    }
    made = request(span(attributes, kind, parentSpanId=PARENT, status={"code": 2}))
    service, call = (json.loads(each) for each in converted(made).documents)
    validator.validate(service)
    validator.validate(call)
    assert (service["name"], service["parent_id"]) == ("worker", PARENT)
    assert service["id"] not in (SPAN, PARENT)
    assert (call["name"], call["namespace"]) == ("mail", "remote")
    assert (call["id"], call["parent_id"], call["type"]) == (SPAN, service["id"], "subsegment")
    assert service["fault"] is call["fault"] is True


def test_an_internal_local_root_is_the_segment_of_its_service():
    attributes = {"aws.span.kind": "LOCAL_ROOT", "aws.local.service": "worker"}
    document = mapped(attributes, INTERNAL, parentSpanId=PARENT)
    assert (document["name"], document["parent_id"]) == ("worker", PARENT)
    assert "type" not in document and "metadata" not in document


def test_the_same_request_gives_the_same_ids_again():
    failed = event(attributes={"exception.type": "E"})
    local_root = span({"aws.span.kind": "LOCAL_ROOT"}, CLIENT, events=[failed, failed])
    made = request(local_root)
    assert converted(made) == converted(made)


def test_an_unfinished_span_is_in_progress():
    assert mapped(endTimeUnixNano="0")["in_progress"] is True
    document = mapped({"aws.xray.inprogress": True})
    assert document["in_progress"] is True
    assert "end_time" not in document and "metadata" not in document


# -- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "attributes", "name"),
    [
        (SERVER, {"aws.local.service": "a", "peer.service": "b"}, "a"),
        (SERVER, {"aws.remote.service": "a", "peer.service": "b"}, "b"),
        (CLIENT, {"aws.remote.service": "a", "peer.service": "b"}, "a"),
        (CLIENT, {"aws.remote.service": "AWS.SDK.S3", "rpc.system": "aws-api"}, "S3"),
        (CLIENT, {"aws.remote.service": "AWS::S3", "rpc.system": "aws-api"}, "S3"),
        (CLIENT, {"aws.remote.service": "AWS::S3"}, "AWS::S3"),
        (CLIENT, {"peer.service": "b", "aws.service": "c"}, "b"),
        (CLIENT, {"aws.service": "c", "db.name": "d"}, "c"),
        (CLIENT, {"db.name": "d", "rpc.service": "e"}, "d"),
        (CLIENT, {"db.namespace": "d", "rpc.service": "e"}, "d"),
        (CLIENT, {"db.name": "d", "db.connection_string": "jdbc:mysql://h:3306"}, "d@h"),
        (CLIENT, {"db.name": "d", "db.connection_string": "mysql://u:p@h/x"}, "d@h"),
        (CLIENT, {"db.name": "d", "db.connection_string": "http://[broken"}, "d"),
        (CLIENT, {"rpc.service": "e", "http.host": "f"}, "e"),
        (CLIENT, {"http.host": "f", "net.peer.name": "g"}, "f"),
        (CLIENT, {"net.peer.name": "g"}, "g"),
        (CLIENT, {"server.address": "g"}, "g"),
        (SERVER, {"rpc.service": "e"}, "resource"),
        (CLIENT, {"peer.service": "<>", "rpc.service": "Ünï 1"}, "Ünï 1"),
        (INTERNAL, {}, "GET /cart"),
    ],
)
def test_the_first_name_that_is_there(kind, attributes, name):
    document = mapped(attributes, kind, {"service.name": "resource"}, parentSpanId=PARENT)
    assert document["name"] == name


@pytest.mark.parametrize(
    ("name", "clean"),
    [("", "span"), ("<?>", "span"), ("a<b>c\n", "abc"), ("x" * 300, "x" * 200), ("a\\b", "ab")],
)
def test_names_are_cleaned(name, clean):
    assert mapped(kind=INTERNAL, name=name)["name"] == clean


@pytest.mark.parametrize(
    ("kind", "attributes", "namespace"),
    [
        (CLIENT, {"rpc.system": "aws-api"}, "aws"),
        (CLIENT, {"aws.service": "S3"}, "aws"),
        (CLIENT, {"aws.service": "S3", "peer.service": "x"}, "remote"),
        (CLIENT, {"rpc.system": "grpc"}, "remote"),
        (PRODUCER, {"aws.remote.service": "x"}, "remote"),
        (PRODUCER, {"peer.service": "x"}, None),
        (INTERNAL, {"peer.service": "x"}, None),
    ],
)
def test_namespaces(kind, attributes, namespace):
    assert mapped(attributes, kind, parentSpanId=PARENT).get("namespace") == namespace


# -- how it went -------------------------------------------------------------------------------


@pytest.mark.parametrize("attribute", ["http.status_code", "http.response.status_code"])
@pytest.mark.parametrize(
    ("status", "code", "flags"),
    [
        (200, 0, set()),
        (200, 2, {"fault"}),
        (404, 0, {"error"}),
        (404, 2, {"error"}),
        (429, 2, {"error", "throttle"}),
        (503, 0, {"fault"}),
        (None, 2, {"fault"}),
        (None, 1, set()),
    ],
)
def test_status(attribute, status, code, flags):
    attributes = {} if status is None else {attribute: status}
    document = mapped(attributes, status={"code": code})
    assert {flag for flag in ("error", "throttle", "fault") if flag in document} == flags


def test_a_status_message_is_the_exception_when_there_is_no_other():
    document = mapped(kind=CLIENT, status={"code": 2, "message": "no stock"})
    (entry,) = document["cause"]["exceptions"]
    assert (entry["message"], entry["remote"]) == ("no stock", True)
    document = mapped({"http.status_text": "Teapot"}, status={"code": 2})
    assert document["cause"]["exceptions"][0]["message"] == "Teapot"
    assert "cause" not in mapped(status={"code": 2})
    assert "cause" not in mapped(status={"code": 1, "message": "fine"})


def test_a_status_message_that_is_an_id_refers_to_an_exception_deeper_in_the_trace():
    assert mapped(status={"code": 2, "message": PARENT})["cause"] == PARENT


def test_exceptions_keep_the_ids_and_the_links_that_xtrace_gave_them():
    outer = {
        "exception.type": "OrderError",
        "exception.message": "can't order",
        "aws.xray.exception.id": "1" * 16,
        "aws.xray.exception.cause": "2" * 16,
        "aws.xray.exception.truncated": 3,
        "aws.xray.exception.skipped": 1,
        "exception.stacktrace": PYTHON_CHAIN,
    }
    inner = {
        "exception.type": "KeyError",
        "aws.xray.exception.id": "2" * 16,
        "aws.xray.exception.remote": True,
    }
    document = mapped(
        events=[event(attributes=outer), event(attributes=inner)],
        resource={"telemetry.sdk.language": "python"},
        status={"code": 2},
    )
    first, second = document["cause"]["exceptions"]
    assert first == {
        "id": "1" * 16,
        "type": "OrderError",
        "message": "can't order",
        "cause": "2" * 16,
        "truncated": 3,
        "skipped": 1,
        "stack": [{"path": "shop.py", "line": 9, "label": "order"}],
    }
    assert second == {"id": "2" * 16, "type": "KeyError", "remote": True}


def test_an_attempt_of_an_aws_call_that_failed_is_an_exception():
    failed = event("HTTP request failure", attributes={"http.response.status_code": 503})
    document = mapped({"rpc.system": "aws-api"}, CLIENT, parentSpanId=PARENT, events=[failed])
    (entry,) = document["cause"]["exceptions"]
    assert entry["type"] == "aws.http.error.event"
    assert entry["message"] == "http.response.status_code: 503"


# -- stack traces ------------------------------------------------------------------------------

PYTHON_CHAIN = """\
Traceback (most recent call last):
  File "stock.py", line 4, in take
    stock[name]
    ~~~~~^^^^^^
KeyError: 'tea'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "shop.py", line 9, in order
    take(name)
OrderError: can't order
because there is none
"""

JAVA_CHAIN = """\
shop.OrderException: can't order
\tat app//shop.Cart.order(Cart.java:12)
\tat java.base/java.lang.Thread.run(Thread.java)
\tat jdk.internal.Native.call(Native Method)
\tSuppressed: java.io.IOException: aside
\t\tat shop.Aside.close(Aside.java:1)
Caused by: java.lang.IllegalStateException: no stock: tea
\tat shop.Stock.take(Stock.java:40)
\t... 2 more
"""

NODE_CHAIN = """\
OrderError: can't order
    at order (/srv/shop.js:12:7)
    at async Promise.all (index 0)
    at new Cart (file:///srv/cart.mjs:3:1)
    at C:\\srv\\main.js:7:2
    at <anonymous> {
  [cause]: Error: no stock
      at take (/srv/stock.js:40:9)
}
"""

FIREFOX = "order@https://shop.example/shop.js:12:7\n@https://shop.example/:3:1\n"

DOTNET_CHAIN = """\
Shop.OrderException: can't order
 ---> System.InvalidOperationException: no stock
   at Shop.Stock.Take(String name) in /src/Stock.cs:line 40
   --- End of inner exception stack trace ---
   at Shop.Cart.Order(String name) in C:\\src\\Cart.cs:line 12
   at System.Threading.Thread.Start()
"""


def frame(path, line, label):
    found = {"path": path, "line": line, "label": label}
    return {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("language", "text", "chain"),
    [
        (
            "python",
            PYTHON_CHAIN,
            [
                (
                    "OrderError",
                    "can't order\nbecause there is none",
                    [frame("shop.py", 9, "order")],
                ),
                ("KeyError", "'tea'", [frame("stock.py", 4, "take")]),
            ],
        ),
        (
            "java",
            JAVA_CHAIN,
            [
                (
                    "shop.OrderException",
                    "can't order",
                    [
                        frame("Cart.java", 12, "app//shop.Cart.order"),
                        frame("Thread.java", None, "java.base/java.lang.Thread.run"),
                        frame(None, None, "jdk.internal.Native.call"),
                    ],
                ),
                (
                    "java.lang.IllegalStateException",
                    "no stock: tea",
                    [frame("Stock.java", 40, "shop.Stock.take")],
                ),
            ],
        ),
        (
            "nodejs",
            NODE_CHAIN,
            [
                (
                    "OrderError",
                    "can't order",
                    [
                        frame("/srv/shop.js", 12, "order"),
                        frame("index 0", None, "Promise.all"),
                        frame("file:///srv/cart.mjs", 3, "Cart"),
                        frame("C:\\srv\\main.js", 7, None),
                        frame("<anonymous>", None, None),
                    ],
                ),
                ("Error", "no stock", [frame("/srv/stock.js", 40, "take")]),
            ],
        ),
        (
            "webjs",
            FIREFOX,
            [
                (
                    None,
                    None,
                    [
                        frame("https://shop.example/shop.js", 12, "order"),
                        frame("https://shop.example/", 3, None),
                    ],
                )
            ],
        ),
        (
            "dotnet",
            DOTNET_CHAIN,
            [
                (
                    "Shop.OrderException",
                    "can't order",
                    [
                        frame("C:\\src\\Cart.cs", 12, "Shop.Cart.Order(String name)"),
                        frame(None, None, "System.Threading.Thread.Start()"),
                    ],
                ),
                (
                    "System.InvalidOperationException",
                    "no stock",
                    [frame("/src/Stock.cs", 40, "Shop.Stock.Take(String name)")],
                ),
            ],
        ),
        (
            "an unknown one",
            "shop.E: e\n\tat add(cart.py: 12)\n",
            [("shop.E", "e", [frame("cart.py", 12, "add")])],
        ),
        ("python", "nothing of the kind", [("nothing of the kind", None, [])]),
        ("java", "", [(None, None, [])]),
    ],
    ids=["python", "java", "nodejs", "webjs", "dotnet", "unknown", "no trace", "empty"],
)
def test_stack_traces(language, text, chain):
    assert [thrown[:3] for thrown in stacktraces.parse(text, language)] == chain


def test_what_java_left_out_is_counted():
    assert stacktraces.parse(JAVA_CHAIN, "java")[1].truncated == 2


def test_pythons_own_traceback_is_read_innermost_first():
    import traceback

    def deep(levels):
        return 1 // levels if not levels else deep(levels - 1)

    try:
        deep(60)
    except ZeroDivisionError:
        text = traceback.format_exc()
    (thrown,) = stacktraces.parse(text, "python")
    assert (thrown.type, thrown.message) == (
        "ZeroDivisionError",
        "integer division or modulo by zero",
    )
    assert [each["label"] for each in thrown.stack[:2]] == ["deep", "deep"]
    assert thrown.stack[-1]["label"] == "test_pythons_own_traceback_is_read_innermost_first"
    assert len(thrown.stack) + thrown.truncated == 62


@pytest.mark.parametrize("limit", [stacktraces.MAX_FRAMES])
def test_the_chain_and_its_frames_have_limits(limit):
    frames = "\n".join(f"\tat f(F.java:{number})" for number in range(limit + 5))
    (thrown,) = stacktraces.parse(f"E: e\n{frames}", "java")
    assert (len(thrown.stack), thrown.truncated) == (limit, 5)
    chain = stacktraces.parse("E: e\n" + "Caused by: E: e\n" * 40, "java")
    assert (len(chain), chain[-1].skipped) == (16, 25)


@given(
    st.text(alphabet='at (Ff:.1@\n\t-+| >,"lineCausdby[]{}é٣'),
    st.sampled_from([*stacktraces._LANGUAGES, ""]),
)
def test_any_text_is_a_stack_trace_of_some_kind(text, language):
    for thrown in stacktraces.parse(text, language):
        assert all(set(each) <= {"path", "line", "label"} for each in thrown.stack)


def test_causes_in_the_text_are_exceptions_of_their_own():
    attributes = {"exception.type": "shop.OrderException", "exception.stacktrace": JAVA_CHAIN}
    document = mapped(
        events=[event(attributes=attributes)], resource={"telemetry.sdk.language": "java"}
    )
    outer, inner = document["cause"]["exceptions"]
    assert outer["cause"] == inner["id"]
    assert inner["type"] == "java.lang.IllegalStateException"
    assert inner["truncated"] == 2


def test_a_stack_trace_that_is_not_understood_is_kept_as_it_is():
    document = mapped(events=[event(attributes={"exception.stacktrace": "goroutine 1:\n\tmain"})])
    assert document["metadata"]["default"]["exception.stacktrace"] == ["goroutine 1:\n\tmain"]


# -- fields ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "http.method": "GET",
            "http.url": "https://shop/cart?x=1",
            "http.user_agent": "curl",
            "http.client_ip": "10.0.0.1",
            "http.status_code": 200,
            "http.response_content_length": 12,
        },
        {
            "http.request.method": "GET",
            "url.full": "https://shop/cart?x=1",
            "user_agent.original": "curl",
            "client.address": "10.0.0.1",
            "http.response.status_code": 200,
            "http.response.body.size": 12,
        },
    ],
    ids=["old names", "new names"],
)
def test_http(attributes):
    document = mapped(attributes)
    assert document["http"] == {
        "request": {
            "method": "GET",
            "url": "https://shop/cart?x=1",
            "user_agent": "curl",
            "client_ip": "10.0.0.1",
            "x_forwarded_for": True,
        },
        "response": {"status": 200, "content_length": 12},
    }
    assert "metadata" not in document


@pytest.mark.parametrize(
    ("attributes", "url"),
    [
        ({"http.scheme": "https", "http.host": "shop", "http.target": "/c?x=1"}, "https://shop/c?x=1"),
        ({"http.host": "shop:81", "net.host.port": 81, "http.target": "/c"}, "http://shop:81/c"),
        (
            {"url.scheme": "http", "server.address": "shop", "server.port": 8080, "url.path": "/c"},
            "http://shop:8080/c",
        ),
        (
            {"url.scheme": "https", "server.address": "shop", "server.port": 443, "url.path": "/c", "url.query": "x"},
            "https://shop/c?x",
        ),
        ({"net.host.name": "::1", "net.host.port": 81, "http.target": "/c"}, "http://[::1]:81/c"),
        ({"http.target": "/c"}, "/c"),
    ],
)  # fmt: skip
def test_a_url_in_pieces_is_put_together(attributes, url):
    document = mapped({"http.method": "GET", **attributes})
    assert document["http"]["request"]["url"] == url
    assert "metadata" not in document


def test_a_url_that_is_cut_stays_whole_in_the_metadata():
    url = "http://shop/" + "x" * 300
    document = mapped({"http.url": url})
    assert document["http"]["request"]["url"] == url[:250]
    assert document["metadata"]["default"] == {"http.url": url}
    document = mapped({"http.target": "/" + "x" * 300})
    assert document["metadata"]["default"] == {"http.target": "/" + "x" * 300}


def test_the_client_is_the_peer_of_a_server_and_not_of_a_call():
    attributes = {"http.method": "GET", "network.peer.address": "10.0.0.1"}
    assert mapped(attributes)["http"]["request"] == {"method": "GET", "client_ip": "10.0.0.1"}
    document = mapped(attributes, CLIENT)
    assert document["http"]["request"] == {"method": "GET"}
    assert document["metadata"]["default"] == {"network.peer.address": "10.0.0.1"}


@pytest.mark.parametrize("place", ["attributes", "events"])
def test_the_length_of_a_message_that_was_received(place):
    attributes = {"message.type": "RECEIVED", "messaging.message_payload_size_bytes": 7}
    if place == "attributes":
        document = mapped(attributes)
    else:
        document = mapped(events=[event("message", attributes=attributes)])
    assert document["http"]["response"] == {"content_length": 7}


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "db.system": "postgresql",
            "db.name": "shop",
            "db.statement": "SELECT 1",
            "db.user": "app",
        },
        {
            "db.system.name": "postgresql",
            "db.namespace": "shop",
            "db.query.text": "SELECT 1",
            "user.name": "app",
        },
    ],
    ids=["old names", "new names"],
)
def test_sql(attributes):
    document = mapped(attributes, CLIENT, parentSpanId=PARENT, name="SELECT shop")
    assert document["sql"] == {
        "url": "SELECT shop",
        "connection_string": "localhost/shop",
        "database_type": "postgresql",
        "sanitized_query": "SELECT 1",
        "user": "app",
    }
    assert "metadata" not in document


def test_other_databases_have_no_sql():
    document = mapped({"db.system": "redis", "db.statement": "GET x"}, CLIENT)
    assert "sql" not in document
    assert document["metadata"]["default"] == {"db.system": "redis", "db.statement": "GET x"}


AWS_CALL = {
    "rpc.system": "aws-api",
    "rpc.method": "GetItem",
    "aws.service": "DynamoDB",
    "aws.region": "eu-west-1",
    "aws.account_id": "123456789012",
    "aws.requestId": "r",
    "aws.queue.url": "https://q",
    "aws.table.name": "cart",
    "aws.xray.retries": 2,
}


def test_aws_calls():
    document = mapped(AWS_CALL, CLIENT, parentSpanId=PARENT)
    assert document["aws"] == {
        "operation": "GetItem",
        "region": "eu-west-1",
        "account_id": "123456789012",
        "request_id": "r",
        "queue_url": "https://q",
        "table_name": "cart",
        "retries": 2,
    }
    assert (document["name"], document["namespace"]) == ("DynamoDB", "aws")
    assert "metadata" not in document
    for tables, expected in (
        (["a"], {"table_name": "a"}),
        (["a", "b"], {"table_names": ["a", "b"]}),
    ):
        document = mapped({"aws.dynamodb.table_names": tables}, CLIENT)
        assert document["aws"] == expected


def test_another_cloud_has_no_aws():
    document = mapped(AWS_CALL, CLIENT, {"cloud.provider": "gcp"}, parentSpanId=PARENT)
    assert "aws" not in document
    assert document["metadata"]["default"]["aws.region"] == "eu-west-1"


@pytest.mark.parametrize(
    ("resource", "origin", "aws"),
    [
        (
            {"cloud.platform": "aws_ec2", "host.id": "i-1", "host.type": "t3", "host.image.id": "ami",
             "cloud.availability_zone": "eu-west-1a"},
            "AWS::EC2::Instance",
            {"ec2": {"instance_id": "i-1", "instance_size": "t3", "ami_id": "ami",
                     "availability_zone": "eu-west-1a"}},
        ),
        (
            {"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "FARGATE", "container.name": "c",
             "aws.ecs.task.arn": "t"},
            "AWS::ECS::Fargate",
            {"ecs": {"container": "c", "task_arn": "t", "launch_type": "FARGATE"}},
        ),
        ({"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "ec2"}, "AWS::ECS::EC2",
         {"ecs": {"launch_type": "ec2"}}),
        ({"cloud.platform": "aws_ecs"}, "AWS::ECS::Container", None),
        (
            {"cloud.platform": "aws_elastic_beanstalk", "service.namespace": "env",
             "service.version": "v1", "service.instance.id": "32"},
            "AWS::ElasticBeanstalk::Environment",
            {"elastic_beanstalk": {"environment_name": "env", "version_label": "v1",
                                   "deployment_id": 32}},
        ),
        ({"cloud.platform": "aws_eks", "k8s.cluster.name": "k", "k8s.pod.name": "p"},
         "AWS::EKS::Container", {"eks": {"cluster_name": "k", "pod": "p"}}),
        ({"cloud.platform": "aws_app_runner"}, "AWS::AppRunner::Service", None),
        ({"cloud.platform": "aws_lambda"}, None, None),
        ({"cloud.account.id": "1"}, None, {"account_id": "1"}),
        (
            {"telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "python",
             "telemetry.sdk.version": "1.30", "telemetry.auto.version": "0.50"},
            None,
            {"xray": {"sdk": "opentelemetry for python", "sdk_version": "1.30",
                      "auto_instrumentation": True}},
        ),
        ({"telemetry.sdk.name": "xtrace for Python", "telemetry.sdk.language": "python"}, None,
         {"xray": {"sdk": "xtrace for Python"}}),
        ({"aws.log.group.arns": ["arn:aws:logs:r:1:log-group:/a/b:*"], "aws.log.group.names": "x"},
         None, {"cloudwatch_logs": [{"log_group": "/a/b", "arn": "arn:aws:logs:r:1:log-group:/a/b:*"}]}),
        ({"aws.log.group.names": "a&b"}, None,
         {"cloudwatch_logs": [{"log_group": "a"}, {"log_group": "b"}]}),
    ],
)  # fmt: skip
def test_where_it_ran(resource, origin, aws):
    document = mapped(resource=resource)
    assert document.get("origin") == origin
    assert document.get("aws") == aws
    kept = document["metadata"]["default"]
    assert kept == {f"otel.resource.{key}": held for key, held in resource.items()}


def test_version_and_user_are_the_segments():
    document = mapped({"enduser.id": "u"}, resource={"container.image.tag": "v2"})
    assert (document["service"], document["user"]) == ({"version": "v2"}, "u")
    document = mapped({"enduser.id": "u"}, CLIENT, {"service.version": "v2"}, parentSpanId=PARENT)
    assert document["metadata"] == {"default": {"enduser.id": "u"}}


def test_what_xtrace_says_of_a_span_is_restored():
    document = mapped(
        {
            "aws.xray.annotations": ["items", "tier", "vip", "list"],
            "items": 3,
            "tier": "gold",
            "vip": True,
            "list": [1],
            "other": 1.5,
            "aws.xray.metadata.default": '{"cart":{"a":[1,null]}}',
            "aws.xray.metadata.debug": '{"sql":"x"}',
            "aws.xray.metadata.broken": "{",
            "aws.xray.metadata.AWS.x": "{}",
            "aws.xray.resource_arn": "arn:x",
            "aws.xray.traced": True,
        },
        CLIENT,
        parentSpanId=PARENT,
    )
    assert document["annotations"] == {"items": 3, "tier": "gold", "vip": True}
    assert document["metadata"] == {
        "debug": {"sql": "x"},
        "default": {
            "cart": {"a": [1, None]},
            "list": [1],
            "other": 1.5,
            "aws.xray.metadata.broken": "{",
            "aws.xray.metadata.AWS.x": "{}",
        },
    }
    assert document["resource_arn"] == "arn:x"
    assert document["http"] == {"request": {"traced": True}}


def test_annotations_are_cut_to_what_x_ray_takes():
    attributes = {f"k-{number}": number for number in range(60)}
    attributes |= {"aws.xray.annotations": ["long", "k.1", "a-b", "a_b", *attributes]}
    attributes |= {"long": "x" * 2000, "k.1": 1, "a-b": 1, "a_b": 2}
    document = mapped(attributes)
    annotations = document["annotations"]
    assert len(annotations) == 50
    assert (annotations["long"], annotations["k.1"], annotations["a_b"]) == ("x" * 1000, 1, 1)
    kept = document["metadata"]["default"]
    assert kept["long"] == "x" * 2000
    assert kept["k-59"] == 59
    assert kept["a_b"] == 2


def test_metadata_of_the_same_name_does_not_vanish():
    document = mapped({"a": 1, "aws.xray.metadata.default": '{"a":2}'})
    assert document["metadata"] == {"default": {"a": 2, "otel.a": 1}}


def test_metadata_that_is_too_deep_to_be_written_stays_text():
    text = '{"a":' * 240 + "1" + "}" * 240
    document = mapped({"aws.xray.metadata.deep": text})
    assert document["metadata"] == {"default": {"aws.xray.metadata.deep": text}}


def test_links():
    good = {"traceId": TRACE, "spanId": SPAN, "attributes": pairs({"a": 1})}
    bad = {"traceId": "", "spanId": SPAN}
    document = mapped(kind=CONSUMER, links=[good, bad])
    assert document["links"] == [{"trace_id": XRAY_TRACE, "id": SPAN, "attributes": {"a": 1}}]
    unmapped = {"trace_id": "", "span_id": SPAN, "attributes": {}}
    assert document["metadata"] == {"default": {"otel.links": [unmapped]}}
    document = mapped(kind=CONSUMER, links=[good], parentSpanId=PARENT)
    kept = {"trace_id": TRACE, "span_id": SPAN, "attributes": {"a": 1}}
    assert document["metadata"] == {"default": {"otel.links": [kept]}}
    assert len(mapped(links=[good] * 30)["links"]) == 20


# -- requests ----------------------------------------------------------------------------------


WRONG_SPANS = [
    5,
    {},
    span(traceId="x" * 32),
    span(traceId="0" * 32),
    span(traceId=5),
    span(spanId="12"),
    span(parentSpanId="12"),
    span(startTimeUnixNano=None),
    span(startTimeUnixNano="-1"),
    span(startTimeUnixNano="1_0"),
    span(startTimeUnixNano=True),
    span(startTimeUnixNano=2**64),
    span(endTimeUnixNano="1"),
    span(kind="SOMETHING"),
    span(name=7),
    span(attributes="a"),
    span(attributes=[7]),
    span(attributes=[{"key": "a", "value": {"intValue": "x"}}]),
    span(attributes=[{"key": "a", "value": {"doubleValue": "x"}}]),
    span(attributes=[{"key": "a", "value": {"boolValue": 1}}]),
    span(attributes=[{"key": "a", "value": {"bytesValue": "é"}}]),
    span(attributes=[{"key": "a", "value": {"arrayValue": []}}]),
    span(events=[1]),
    span(links={}),
    span(status=1),
    span(attributes=pairs({"a": "x" * 210_000})),
    span(startTimeUnixNano=str(int((NOW + 7300) * 10**9)), endTimeUnixNano="0"),
]


@pytest.mark.parametrize("wrong", WRONG_SPANS, ids=range(len(WRONG_SPANS)))
def test_a_wrong_span_is_rejected_and_the_others_are_kept(wrong):
    done = converted(request(span(), wrong, span(spanId=PARENT)))
    assert [json.loads(each)["id"] for each in done.documents] == [SPAN, PARENT]
    (rejected,) = done.rejected
    assert rejected.reason and done.message == f"1 × {rejected.reason}"


@pytest.mark.parametrize(
    "group",
    [
        5,
        {"resource": 5, "scopeSpans": [{"spans": [span()]}]},
        {"resource": {"attributes": [5]}, "scopeSpans": [{"spans": [span()]}]},
        {"scopeSpans": 5},
        {"scopeSpans": [5]},
        {"scopeSpans": [{"scope": [], "spans": [span()]}]},
        {"scopeSpans": [{"spans": {}}]},
    ],
)
def test_what_is_around_spans_may_be_wrong_too(group):
    made = request(span())
    made["resourceSpans"].append(group)
    done = converted(made)
    assert (len(done.documents), len(done.rejected)) == (1, 1)


def test_old_spans_are_rejected():
    done = converted(request(span()), now=NOW + 15 * 86_400)
    assert "14 days" in done.message and not done.documents
    assert converted(request(span()), now=NOW + 13 * 86_400).documents


def test_a_span_of_another_age_does_not_refuse_the_others():
    done = converted(request(span(), span(startTimeUnixNano="1", endTimeUnixNano="2")))
    assert (len(done.documents), len(done.rejected)) == (1, 1)


def test_the_time_is_the_clocks_unless_told():
    now = int(time.time() * 1e9)
    body = json.dumps(request(span(startTimeUnixNano=now, endTimeUnixNano=now))).encode()
    assert otlp.documents(body, JSON).documents
    assert otlp.documents(json.dumps(request(span())).encode(), JSON).rejected


@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "status"),
    [
        (b"{", JSON, "", 400),
        (b"[]", JSON, "", 400),
        (b'{"resourceSpans":{}}', JSON, "", 400),
        (b"\xff", JSON, "", 400),
        (b"[" * 100_000, JSON, "", 400),
        (b"\xff\xff", PROTOBUF, "", 400),
        (b"{}", "text/plain", "", 415),
        (b"{}", JSON, "br", 415),
        (b"{}", JSON, "gzip", 400),
        (gzip.compress(b"{}")[:-9], JSON, "gzip", 400),
        (gzip.compress(b" " * 6_000_000), JSON, "gzip", 413),
        (b" " * 6_000_000, JSON, "", 413),
        (json.dumps(request(*[span()] * 10_001)).encode(), JSON, "", 400),
        (json.dumps(request(span(), resource={"a": "x" * 17_000})).encode(), JSON, "", 400),
        (
            json.dumps(
                request(span(), span(startTimeUnixNano=START - 90_000_000_000_000))
            ).encode(),
            JSON,
            "",
            400,
        ),
    ],
    ids=range(15),
)
def test_whole_requests_that_are_refused(body, content_type, encoding, status):
    with pytest.raises(otlp.OtlpError) as caught:
        otlp.documents(body, content_type, encoding, now=NOW)
    assert caught.value.status == status
    assert json.loads(otlp.failure(caught.value, JSON)) == {
        "code": 3,
        "message": str(caught.value),
    }


def test_gzip_and_content_types_with_parameters():
    body = gzip.compress(json.dumps(request(span())).encode())
    assert otlp.documents(body, "Application/JSON; charset=utf-8", "gzip", now=NOW).documents
    assert otlp.documents(b"{}", JSON).documents == []
    assert otlp.documents(b"", PROTOBUF).documents == []


def test_replies_say_what_was_rejected():
    good, bad = converted(request(span())), converted(request({}, {}))
    assert otlp.reply(good, JSON) == b"{}"
    assert otlp.reply(good, PROTOBUF) == b""
    partial = json.loads(otlp.reply(bad, JSON))["partialSuccess"]
    assert partial == {"rejectedSpans": "2", "errorMessage": bad.message}
    response = ExportTraceServiceResponse.FromString(otlp.reply(bad, PROTOBUF))
    assert response.partial_success.rejected_spans == 2
    assert response.partial_success.error_message == bad.message


def test_the_protobuf_form_of_an_error():
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    described = descriptor_pb2.FileDescriptorProto(name="status.proto", syntax="proto3")
    message = described.message_type.add(name="Status")
    message.field.add(name="code", number=1, type=5, label=1)
    message.field.add(name="message", number=2, type=9, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(described)
    status = message_factory.GetMessageClass(pool.FindMessageTypeByName("Status"))
    for text in ("no", "x" * 127, "ü" * 200, "x" * 20_000):
        read = status.FromString(otlp.failure(otlp.OtlpError(text), PROTOBUF))
        assert (read.code, read.message) == (3, text)


def test_half_a_surrogate_pair_is_replaced():
    body = json.dumps(request(span({"a": "x\ud800"}, name="\udfff"))).encode()
    (document,) = otlp.documents(body, JSON, now=NOW).documents
    assert json.loads(document)["metadata"]["default"]["a"] == "x\ufffd"


def test_importing_it_imports_no_protobuf():
    code = (
        "import sys, xtrace.collector.otlp\n"
        "assert not [name for name in sys.modules if 'protobuf' in name or 'opentelemetry' in name]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- both encodings ----------------------------------------------------------------------------

NAMES = [
    "http.method", "http.url", "http.status_code", "http.response.status_code", "url.path",
    "url.query", "server.address", "server.port", "http.client_ip", "net.peer.ip",
    "http.user_agent", "db.system", "db.name", "db.connection_string", "db.statement",
    "aws.span.kind", "aws.service", "aws.remote.service", "aws.local.service", "rpc.system",
    "rpc.service", "rpc.method", "peer.service", "enduser.id", "aws.xray.annotations",
    "aws.xray.metadata.default", "aws.xray.metadata.x", "aws.xray.inprogress", "aws.xray.traced",
    "aws.xray.retries", "aws.dynamodb.table_names", "cloud.provider", "cloud.platform",
    "service.name", "service.version", "telemetry.sdk.language", "telemetry.sdk.name", "host.id",
    "aws.log.group.names", "aws.log.group.arns", "exception.type", "exception.message",
    "exception.stacktrace", "aws.xray.exception.id", "aws.xray.exception.cause",
    "aws.xray.exception.remote", "aws.xray.exception.truncated", "message.type", "k8s.pod.name",
]  # fmt: skip
TEXTS = [
    "aws-api", "LOCAL_ROOT", "postgresql", "python", "java", "GET", "aws_ecs", "aws", "gcp", "",
    "http://shop/x", "{}", '{"a":[1,2.5,null]}', "1111111111111111", "a&b", "500", PYTHON_CHAIN,
    JAVA_CHAIN, "RECEIVED", "AWS.SDK.S3", "x" * 1500,
]  # fmt: skip
texts = st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=20)
integers = st.integers(-(2**63), 2**63 - 1) | st.integers(100, 600)
values = st.recursive(
    st.builds(lambda v: {"string_value": v}, texts)
    | st.builds(lambda v: {"bool_value": v}, st.booleans())
    | st.builds(lambda v: {"int_value": v}, integers)
    | st.builds(lambda v: {"double_value": v}, st.floats())
    | st.builds(lambda v: {"bytes_value": v}, st.binary(max_size=9))
    | st.just({}),
    lambda inner: (
        st.builds(lambda v: {"array_value": {"values": v}}, st.lists(inner, max_size=3))
        | st.builds(
            lambda v: {"kvlist_value": {"values": [{"key": k, "value": w} for k, w in v]}},
            st.lists(st.tuples(texts, inner), max_size=3),
        )
    ),
    max_leaves=3,
)
listed = st.builds(
    lambda names: {"array_value": {"values": [{"string_value": name} for name in names]}},
    st.lists(st.sampled_from(NAMES) | texts, max_size=5),
)
attribute = st.builds(
    lambda key, held: {"key": key, "value": held}, st.sampled_from(NAMES) | texts, values
) | st.builds(lambda held: {"key": "aws.xray.annotations", "value": held}, listed)
attributes = st.lists(attribute, max_size=8)
few_attributes = st.lists(attribute, max_size=2)
span_ids = st.sampled_from([b"", bytes(8), b"\x01" * 8, b"\x02" * 8, b"short"])
trace_ids = st.sampled_from([b"\x05" * 16, b"\x06" * 16]) | st.binary(max_size=16)
times = st.integers(START - 10**12, START + 10**12) | st.sampled_from([0, 2**64 - 1])
links = st.builds(
    lambda t, s, a: {"trace_id": t, "span_id": s, "attributes": a},
    trace_ids,
    span_ids,
    few_attributes,
)
events = st.builds(
    lambda name, a: {"name": name, "attributes": a},
    st.sampled_from(["exception", "HTTP request failure", "message"]),
    few_attributes,
)
spans = st.fixed_dictionaries(
    {
        "trace_id": trace_ids,
        "span_id": span_ids,
        "parent_span_id": span_ids,
        "name": texts,
        "kind": st.integers(0, 5),
        "start_time_unix_nano": times,
        "end_time_unix_nano": times,
        "attributes": attributes,
        "events": st.lists(events, max_size=2),
        "links": st.lists(links, max_size=1),
        "status": st.fixed_dictionaries({"code": st.integers(0, 2), "message": texts}),
    }
)
requests = st.builds(
    lambda groups: ExportTraceServiceRequest(
        resource_spans=[
            {"resource": {"attributes": a}, "scope_spans": [{"spans": s}]} for a, s in groups
        ]
    ),
    st.lists(st.tuples(attributes, st.lists(spans, max_size=3)), max_size=2),
)


def as_json(made):
    """The request in OTLP/JSON: as protobuf's own JSON, but with ids in hex and enums as numbers."""

    def with_hex_ids(held):
        if isinstance(held, list):
            return [with_hex_ids(each) for each in held]
        if not isinstance(held, dict):
            return held
        return {
            key: base64.b64decode(each).hex()
            if key in ("traceId", "spanId", "parentSpanId")
            else with_hex_ids(each)
            for key, each in held.items()
        }

    plain = json_format.MessageToDict(made, use_integers_for_enums=True)
    return json.dumps(with_hex_ids(plain)).encode()


@settings(max_examples=300, deadline=None)
@given(requests)
def test_both_encodings_give_the_same_valid_documents(made):
    from_protobuf = otlp.documents(made.SerializeToString(), PROTOBUF, now=NOW)
    from_json = otlp.documents(as_json(made), JSON, now=NOW)
    assert from_protobuf.documents == from_json.documents
    assert [each.reason for each in from_protobuf.rejected] == [
        each.reason for each in from_json.rejected
    ]
    for document in from_protobuf.documents:
        validator.validate(json.loads(document))
    count = sum(len(s.spans) for r in made.resource_spans for s in r.scope_spans)
    ids = {(d["trace_id"], d["id"]) for d in map(json.loads, from_protobuf.documents)}
    assert len(ids) <= len(from_protobuf.documents) <= 2 * (count - len(from_protobuf.rejected))
    assert count - len(from_protobuf.rejected) <= len(from_protobuf.documents)


def both(attribute):
    """The metadata that an attribute's AnyValue becomes in either encoding, which is the same."""
    made = ExportTraceServiceRequest(
        resource_spans=[
            {
                "scope_spans": [
                    {
                        "spans": [
                            {
                                "trace_id": bytes.fromhex(TRACE),
                                "span_id": bytes.fromhex(SPAN),
                                "start_time_unix_nano": START,
                                "attributes": [{"key": "a", "value": attribute}],
                            }
                        ]
                    }
                ]
            }
        ]
    )
    (document,) = otlp.documents(made.SerializeToString(), PROTOBUF, now=NOW).documents
    assert otlp.documents(as_json(made), JSON, now=NOW).documents == [document]
    return json.loads(document)["metadata"]["default"]["a"]


@pytest.mark.parametrize(
    ("attribute", "kept"),
    [
        ({"double_value": float("nan")}, "NaN"),
        ({"double_value": float("inf")}, "Infinity"),
        ({"double_value": float("-inf")}, "-Infinity"),
        ({"double_value": 1.0}, 1.0),
        ({"int_value": -(2**63)}, -(2**63)),
        ({"bytes_value": b"\xff\xfe"}, "//4="),
        ({"bool_value": False}, False),
        ({}, None),
        ({"kvlist_value": {"values": [{"key": "k", "value": {"int_value": 1}}]}}, {"k": 1}),
    ],
)
def test_values(attribute, kept):
    assert repr(both(attribute)) == repr(kept)


@pytest.mark.parametrize("levels", [31, 32, 33, 40])
def test_values_that_nest_too_deep_end_in_a_mark(levels):
    attribute = {"int_value": 1}
    for _ in range(levels):
        attribute = {"array_value": {"values": [attribute]}}
    found = both(attribute)
    depth = 0
    while isinstance(found, list):
        (found,) = found
        depth += 1
    assert (depth, found) == ((levels, 1) if levels <= 32 else (32, "[nested too deep]"))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
PLACES = [
    ("resourceSpans",), ("resourceSpans", 0), ("resourceSpans", 0, "resource"),
    ("resourceSpans", 0, "scopeSpans"), ("resourceSpans", 0, "scopeSpans", 0),
    *(("resourceSpans", 0, "scopeSpans", 0, "spans", 0, name) for name in span(
        events=[], links=[], status={}, parentSpanId="")),
    ("resourceSpans", 0, "scopeSpans", 0, "spans", 0, "attributes", 0),
    ("resourceSpans", 0, "scopeSpans", 0, "spans", 0, "attributes", 0, "value"),
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLACES), anything)
def test_anything_anywhere_gives_valid_documents_or_a_refusal(place, wrong):
    made = request(span({"a": 1}), span(spanId=PARENT))
    owner = made
    for step in place[:-1]:
        owner = owner[step]
    owner[place[-1]] = wrong
    try:
        done = otlp.documents(json.dumps(made).encode(), JSON, now=NOW)
    except otlp.OtlpError:
        return
    for document in done.documents:
        validator.validate(json.loads(document))


# -- datagrams ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("mark", "sampled"), [(b"T1S", True), (b"T1U", False)])
def test_datagrams(mark, sampled):
    made = ExportTraceServiceRequest(
        resource_spans=[
            {
                "scope_spans": [
                    {
                        "spans": [
                            {
                                "trace_id": bytes.fromhex(TRACE),
                                "span_id": bytes.fromhex(SPAN),
                                "name": "old",
                                "start_time_unix_nano": 10**9,
                                "end_time_unix_nano": 2 * 10**9,
                            }
                        ]
                    }
                ]
            }
        ]
    )
    body = mark + base64.b64encode(made.SerializeToString())
    assert otlp.is_datagram(body)
    done = otlp.from_datagram(body)
    (document,) = map(json.loads, done.documents)
    validator.validate(document)
    assert (document["name"], done.sampled) == ("old", sampled)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"T1S*", b"T1Sabc", b"T1S" + base64.b64encode(b"\xff")]
)
def test_datagrams_that_are_something_else(body):
    assert otlp.is_datagram(body) == body.startswith(b"T1")
    with pytest.raises(otlp.OtlpError):
        otlp.from_datagram(body)


# -- through a collector -----------------------------------------------------------------------


def test_a_collector_takes_it_over_http_and_udp():
    now = int(time.time() * 1e9)
    times = {"startTimeUnixNano": str(now - 10**8), "endTimeUnixNano": str(now)}
    as_dict = request(span(**times), span(spanId=""), resource={"service.name": "cart"})
    call = span({"peer.service": "mail"}, CLIENT, spanId=PARENT, parentSpanId=SPAN, **times)
    message = ExportTraceServiceRequest()
    good = request(call)
    for each in good["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId", "parentSpanId"):
            each[name] = base64.b64encode(bytes.fromhex(each[name])).decode()
    json_format.ParseDict(good, message)
    with running() as collector:

        def post(body, **headers):
            connection = HTTPConnection(*collector.http_endpoint)
            connection.request("POST", "/v1/traces", body, headers)
            response = connection.getresponse()
            found = response.status, response.headers["Content-Type"], response.read()
            connection.close()
            return found

        status, media_type, body = post(json.dumps(as_dict).encode(), **{"Content-Type": JSON})
        assert (status, media_type) == (200, JSON)
        assert json.loads(body)["partialSuccess"]["rejectedSpans"] == "1"
        packed = gzip.compress(message.SerializeToString())
        headers = {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}
        assert post(packed, **headers) == (200, PROTOBUF, b"")
        assert post(b"{", **{"Content-Type": JSON})[0] == 400
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            datagram = b'{"format":"json","version":1}\nT1S' + base64.b64encode(
                message.SerializeToString().replace(bytes.fromhex(PARENT), b"\x07" * 8)
            )
            sender.sendto(datagram, collector.endpoint)
        eventually(lambda: collector.stored == 3)
        collector.flush()
        (trace,) = collector.store.traces([XRAY_TRACE])
    assert {part.name for part in trace.parts} == {"cart", "mail"}
