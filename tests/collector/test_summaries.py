"""Summaries have the API's shape, and say of the trace what it says."""

from __future__ import annotations

import botocore.session
import pytest
from botocore.parsers import create_parser
from hypothesis import given

from tests.collector.strategies import NOON, TRACE_ID, minimal, traces
from xtrace.collector.documents import encode
from xtrace.collector.summaries import summary
from xtrace.collector.trace import compile_trace

MODEL = botocore.session.get_session().get_service_model("xray")


def as_a_client_reads_it(operation, reply):
    shape = MODEL.operation_model(operation).output_shape
    parser = create_parser(MODEL.metadata["protocol"])
    return parser.parse({"body": encode(reply), "headers": {}, "status_code": 200}, shape)


def test_a_summary_has_all_members_of_the_model():
    assert list(summary(compile_trace(TRACE_ID, [minimal()]))) == list(
        MODEL.shape_for("TraceSummary").members
    )


def test_empty_members_are_there():
    about = summary(compile_trace(TRACE_ID, [minimal()]))
    front = {"Name": "front", "Names": ["front"], "AccountId": None, "Type": None}
    causes = about.pop("ResponseTimeRootCauses")
    assert len(causes) == 1
    assert about == {
        "Id": TRACE_ID,
        "StartTime": NOON,
        "Duration": 1.0,
        "ResponseTime": 1.0,
        "HasFault": False,
        "HasError": False,
        "HasThrottle": False,
        "IsPartial": False,
        "Http": {},
        "Annotations": {},
        "Users": [],
        "ServiceIds": [front],
        "ResourceARNs": [],
        "InstanceIds": [],
        "AvailabilityZones": [],
        "EntryPoint": front,
        "FaultRootCauses": [],
        "ErrorRootCauses": [],
        "Revision": 1,
        "MatchedEventTime": NOON,
    }


def test_a_full_summary_as_a_client_reads_it():
    call = {
        "id": "2" * 16,
        "name": "dynamodb",
        "start_time": NOON + 0.25,
        "end_time": NOON + 0.75,
        "namespace": "aws",
        "throttle": True,
        "aws": {"table_name": "carts"},
        "annotations": {"paid": True},
    }
    document = minimal(
        error=True,
        user="ann",
        resource_arn="arn:aws:ecs:x",
        origin="AWS::EC2::Instance",
        annotations={"tenant": "acme", "size": 3},
        aws={"account_id": "12", "ec2": {"instance_id": "i-1", "availability_zone": "eu-west-1a"}},
        http={
            "request": {
                "url": "http://x/",
                "method": "GET",
                "user_agent": "curl",
                "client_ip": "10.0.0.1",
            },
            "response": {"status": 404},
        },
        subsegments=[call],
    )
    reply = {"TraceSummaries": [summary(compile_trace(TRACE_ID, [document]))]}
    (about,) = as_a_client_reads_it("GetTraceSummaries", reply)["TraceSummaries"]
    front = {
        "Name": "front",
        "Names": ["front"],
        "AccountId": "12",
        "Type": "AWS::EC2::Instance",
    }
    carts = {"Name": "carts", "Names": ["carts"], "Type": "AWS::DynamoDB::Table"}
    assert about["StartTime"].timestamp() == NOON
    assert (about["HasError"], about["HasFault"], about["HasThrottle"]) == (True, False, True)
    assert about["Http"] == {
        "HttpURL": "http://x/",
        "HttpStatus": 404,
        "HttpMethod": "GET",
        "UserAgent": "curl",
        "ClientIp": "10.0.0.1",
    }
    assert about["Annotations"] == {
        "tenant": [{"AnnotationValue": {"StringValue": "acme"}, "ServiceIds": [front]}],
        "size": [{"AnnotationValue": {"NumberValue": 3.0}, "ServiceIds": [front]}],
        "paid": [{"AnnotationValue": {"BooleanValue": True}, "ServiceIds": [front]}],
    }
    assert about["Users"] == [{"UserName": "ann", "ServiceIds": [front]}]
    assert about["ServiceIds"] == [front, carts]
    assert about["EntryPoint"] == front
    assert about["ResourceARNs"] == [{"ARN": "arn:aws:ecs:x"}]
    assert about["InstanceIds"] == [{"Id": "i-1"}]
    assert about["AvailabilityZones"] == [{"Name": "eu-west-1a"}]


def test_faults_and_errors_are_the_roots_and_throttles_anybodys():
    root = minimal(subsegments=[])
    other = minimal(
        id="3" * 16, name="back", parent_id="0" * 15 + "1", fault=True, error=True, throttle=True
    )
    about = summary(compile_trace(TRACE_ID, [root, other]))
    assert (about["HasFault"], about["HasError"], about["HasThrottle"]) == (False, False, True)


def members_are_known(value, shape, path="TraceSummary"):
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members), path
        for name, each in value.items():
            if each is not None:
                members_are_known(each, shape.members[name], f"{path}.{name}")
    elif shape.type_name in ("list", "map"):
        inner = shape.member if shape.type_name == "list" else shape.value
        for each in value if shape.type_name == "list" else value.values():
            members_are_known(each, inner, path)
    else:
        kinds = {"string": str, "boolean": bool, "integer": int, "long": int}
        assert isinstance(value, kinds.get(shape.type_name, float)), path


@given(traces())
def test_summaries_of_any_trace_fit_the_model(documents):
    about = summary(compile_trace(TRACE_ID, documents))
    members_are_known(about, MODEL.shape_for("TraceSummary"))


@pytest.mark.parametrize("operation", ["GetTraceGraph", "GetServiceGraph"])
@given(documents=traces())
def test_services_of_any_trace_fit_the_model(operation, documents):
    from xtrace.collector import graph

    services = graph.services(graph.rollups_of([compile_trace(TRACE_ID, documents)]))
    shape = MODEL.operation_model(operation).output_shape.members["Services"]
    members_are_known(services, shape, "Services")
