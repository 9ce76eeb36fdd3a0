"""Services as moto has them, over HTTP: what is recorded of real parameters and real answers."""

from __future__ import annotations

import io
import json
import zipfile
from uuid import uuid4

import pytest

import xtrace

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{{}}"
ARN = f"arn:aws:{{}}:eu-west-1:{ACCOUNT}:{{}}"


def dynamodb(call, name, **_):
    call(
        "create_table",
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    asked = {"TableName": name, "Item": {"id": {"S": "a"}}, "ReturnConsumedCapacity": "TOTAL"}
    said = {"table_name": name, "consumed_capacity": {"TableName": name, "CapacityUnits": 1.0}}
    return "put_item", asked, said


def sqs(call, name, **_):
    url = call("create_queue", QueueName=name)["QueueUrl"]
    attributes = {"color": {"DataType": "String", "StringValue": "blue"}}
    asked = {"QueueUrl": url, "MessageBody": "b", "MessageAttributes": attributes}
    said = {"queue_url": url, "account_id": ACCOUNT, "message_attribute_names": ["color"]}
    return "send_message", asked, said


def sns(call, name, **_):
    arn = call("create_topic", Name=name)["TopicArn"]
    said = {"topic_arn": ARN.format("sns", name), "account_id": ACCOUNT}
    return "publish", {"TopicArn": arn, "Message": "m"}, said


def s3(call, name, **_):
    where = {"LocationConstraint": "eu-west-1"}
    call("create_bucket", Bucket=name, CreateBucketConfiguration=where)
    said = {"bucket_name": name, "key": "a/b"}
    return "put_object", {"Bucket": name, "Key": "a/b", "Body": b"c"}, said


def kinesis(call, name, **_):
    call("create_stream", StreamName=name, ShardCount=1)
    records = [{"Data": b"d", "PartitionKey": "k"}] * 2
    said = {"stream_name": name, "record_count": 2, "failed_record_count": 0}
    return "put_records", {"StreamName": name, "Records": records}, said


def events(call, name, **_):
    call("create_event_bus", Name=name)
    entry = {"Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": name}
    return "put_events", {"Entries": [entry]}, {"event_count": 1, "failed_entry_count": 0}


def stepfunctions(call, name, **_):
    states = {"StartAt": "a", "States": {"a": {"Type": "Succeed"}}}
    arn = call(
        "create_state_machine",
        name=name,
        roleArn=ROLE.format("any"),
        definition=json.dumps(states),
    )["stateMachineArn"]
    said = {"state_machine_arn": ARN.format("states", f"stateMachine:{name}")}
    return "start_execution", {"stateMachineArn": arn}, {**said, "account_id": ACCOUNT}


def lambda_(call, name, iam):
    trusts = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    iam("create_role", RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trusts]}))
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("f.py", "def handler(event, context): pass")
    call(
        "create_function",
        FunctionName=name,
        Runtime="python3.12",
        Handler="f.handler",
        Role=ROLE.format(name),
        Code={"ZipFile": code.getvalue()},
    )
    arn = ARN.format("lambda", f"function:{name}")
    return "get_function", {"FunctionName": arn}, {"function_name": arn, "account_id": ACCOUNT}


NAMES = {"stepfunctions": "states", "lambda_": "lambda"}


def caller(client):
    return lambda method, **parameters: getattr(client, method)(**parameters)


@pytest.mark.parametrize(
    "service", [dynamodb, sqs, sns, s3, kinesis, events, stepfunctions, lambda_]
)
def test_what_is_asked_and_answered_is_recorded(boto, moto, traces, service):
    call, iam = (caller(boto(each, moto)) for each in (service.__name__.rstrip("_"), "iam"))
    method, asked, said = service(call, f"n-{uuid4()}", iam=iam)
    with xtrace.in_segment():
        answer = call(method, **asked)
    (made,) = traces.subsegments
    assert made["name"] == NAMES.get(service.__name__, service.__name__)
    aws = made["aws"]
    assert {"region": "eu-west-1", **said}.items() <= aws.items()
    assert aws["operation"] == method.title().replace("_", "")
    assert made["http"]["response"]["status"] == answer["ResponseMetadata"]["HTTPStatusCode"]
    assert aws.get("request_id") == answer["ResponseMetadata"].get("RequestId")
    assert not made.keys() & {"error", "fault", "throttle", "cause"}
