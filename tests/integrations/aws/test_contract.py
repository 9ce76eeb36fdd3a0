"""What holds for boto3 and aioboto3 alike."""

from __future__ import annotations

from uuid import uuid4

import pytest

import xtrace
from tests.helpers import free_port
from tests.integrations.aws.stub import is_signed_right
from tests.marks import SECRET
from xtrace import recorder

GET_ITEM = {"TableName": "orders", "Key": {"id": {"S": "o-17"}}}


@pytest.fixture
def no_delays(monkeypatch):
    """Retries come at once."""
    from botocore.retries import standard

    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda *args: 0)


def only_call(traces):
    """The one subsegment."""
    (call,) = traces.subsegments
    return call


def test_a_call_is_one_subsegment_of_the_service(api, stub, traces):
    stub.answers = [(200, {"ConsumedCapacity": {"TableName": "orders", "CapacityUnits": 0.5}})]
    client = api.client("dynamodb", stub.url)
    with xtrace.in_segment():
        api.call(client, "get_item", **GET_ITEM, ConsistentRead=True)
    call = only_call(traces)
    assert call["name"] == "dynamodb"
    assert call["namespace"] == "aws"
    assert call["aws"] == {
        "operation": "GetItem",
        "region": "eu-west-1",
        "table_name": "orders",
        "consistent_read": True,
        "consumed_capacity": {"TableName": "orders", "CapacityUnits": 0.5},
        "request_id": "request-1",
    }
    assert call["http"] == {"response": {"status": 200}}
    assert not call.keys() & {"error", "fault", "throttle", "cause", "metadata"}


def test_the_request_carries_the_call_and_its_signature_is_right(api, stub, traces):
    client = api.client("dynamodb", stub.url)
    with xtrace.in_segment() as segment:
        api.call(client, "get_item", **GET_ITEM)
    ((_, _, headers, _),) = stub.seen
    expected = f"Root={segment.trace_id};Parent={only_call(traces)['id']};Sampled=1"
    assert headers.get_all("X-Amzn-Trace-Id") == [expected]
    assert is_signed_right(stub.seen[0])


def test_signatures_of_s3_are_right(api, stub, traces):
    stub.answers = [(200, b"")]
    client = api.client("s3", stub.url, s3={"addressing_style": "path"})
    with xtrace.in_segment():
        api.call(client, "put_object", Bucket="bucket", Key="a b/c", Body=b"secret body")
    assert is_signed_right(stub.seen[0])
    aws = only_call(traces)["aws"]
    assert (aws["bucket_name"], aws["key"]) == ("bucket", "a b/c")
    assert (aws["request_id"], aws["id_2"]) == ("request-1", "second id")


def test_a_changed_request_has_another_signature(api, stub, traces):
    client = api.client("dynamodb", stub.url)
    api.call(client, "get_item", **GET_ITEM)
    method, path, headers, body = stub.seen[0]
    assert not is_signed_right((method, path, headers, body + b" "))


def test_unsampled_work_sends_the_decision(api, stub, traces):
    client = api.client("dynamodb", stub.url)
    root = "1-5759e988-bd862e3fe1be46a994272793"
    with xtrace.in_segment(trace_id=root, sampling=False):
        api.call(client, "get_item", **GET_ITEM)
    ((_, _, headers, _),) = stub.seen
    assert headers.get_all("X-Amzn-Trace-Id") == [f"Root={root};Sampled=0"]
    assert traces.documents == []


def test_outside_of_segments_nothing_happens(api, stub, traces):
    client = api.client("dynamodb", stub.url)
    api.call(client, "get_item", **GET_ITEM)
    ((_, _, headers, _),) = stub.seen
    assert "X-Amzn-Trace-Id" not in headers
    assert traces.documents == []


def test_the_header_goes_to_its_targets_only(api, stub, traces):
    client = api.client("dynamodb", stub.url)
    change_back = recorder.override(trace_header_targets=["*.example.com"])
    try:
        with xtrace.in_segment():
            api.call(client, "get_item", **GET_ITEM)
    finally:
        change_back()
    ((_, _, headers, _),) = stub.seen
    assert "X-Amzn-Trace-Id" not in headers
    assert only_call(traces)["name"] == "dynamodb"


def test_excluded_hosts_are_left_alone(api, stub, traces):
    client = api.client("dynamodb", stub.url)
    change_back = recorder.override(excluded_urls=["127.0.0.1"])
    try:
        with xtrace.in_segment():
            api.call(client, "get_item", **GET_ITEM)
    finally:
        change_back()
    ((_, _, headers, _),) = stub.seen
    assert "X-Amzn-Trace-Id" not in headers
    assert traces.subsegments == []


@pytest.mark.parametrize(
    ("status", "code", "flags"),
    [
        (400, "ValidationException", {"error"}),
        (404, "ResourceNotFoundException", {"error"}),
        (400, "ProvisionedThroughputExceededException", {"error", "throttle"}),
        (400, "ThrottlingException", {"error", "throttle"}),
        (429, "SomethingElse", {"error", "throttle"}),
        (503, "SlowDown", {"error", "throttle"}),
        (500, "InternalServerError", {"fault"}),
        (503, "ServiceUnavailable", {"fault"}),
    ],
)
def test_refused_calls_have_flags_and_cause(api, stub, traces, status, code, flags):
    from botocore.exceptions import ClientError

    stub.answers = [stub.error(status, code)]
    client = api.client("dynamodb", stub.url)
    with xtrace.in_segment(), pytest.raises(ClientError):
        api.call(client, "get_item", **GET_ITEM)
    call = only_call(traces)
    assert call.keys() & {"error", "fault", "throttle"} == flags
    assert call["http"]["response"]["status"] == status
    assert call["aws"]["error_code"] == code
    assert call["aws"]["request_id"] == "request-1"
    (exception,) = call["cause"]["exceptions"]
    assert exception["remote"] is True
    assert code in exception["message"]


def test_not_modified_is_no_error(api, stub, traces):
    from botocore.exceptions import ClientError

    stub.answers = [(304, b"")]
    client = api.client("s3", stub.url, s3={"addressing_style": "path"})
    with xtrace.in_segment(), pytest.raises(ClientError):
        api.call(client, "get_object", Bucket="bucket", Key="a", IfNoneMatch="etag")
    call = only_call(traces)
    assert call["http"]["response"]["status"] == 304
    assert not call.keys() & {"error", "fault", "throttle", "cause"}


def test_retries_are_parts_of_one_call(api, stub, traces, no_delays):
    stub.answers = [stub.error(500, "InternalServerError"), (200, {})]
    client = api.client("dynamodb", stub.url, retries={"mode": "standard", "total_max_attempts": 3})
    with xtrace.in_segment():
        api.call(client, "get_item", **GET_ITEM)
    call = only_call(traces)
    assert call["aws"]["retries"] == 1
    assert not call.keys() & {"error", "fault"}
    parents = [headers["X-Amzn-Trace-Id"].split(";")[1] for _, _, headers, _ in stub.seen]
    assert parents == [f"Parent={call['id']}"] * 2
    assert all(map(is_signed_right, stub.seen))


def test_a_refused_connection_is_a_fault(api, traces, no_delays):
    from botocore.exceptions import EndpointConnectionError

    client = api.client(
        "dynamodb",
        f"http://127.0.0.1:{free_port()}",
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    with xtrace.in_segment(), pytest.raises(EndpointConnectionError):
        api.call(client, "get_item", **GET_ITEM)
    call = only_call(traces)
    assert call["fault"] is True
    assert "error" not in call
    assert call["aws"]["retries"] == 2
    assert call["cause"]["exceptions"][0]["type"] == "EndpointConnectionError"


@pytest.mark.parametrize("answer", ["reset", "hang"])
def test_a_broken_connection_is_a_fault(api, stub, traces, answer):
    from botocore.exceptions import BotoCoreError

    stub.answers = [answer]
    client = api.client("dynamodb", stub.url, read_timeout=0.2)
    with xtrace.in_segment(), pytest.raises(BotoCoreError) as raised:
        api.call(client, "get_item", **GET_ITEM)
    call = only_call(traces)
    assert call["fault"] is True
    assert call["cause"]["exceptions"][0]["type"] == type(raised.value).__name__


def test_wrong_parameters_are_told_without_their_values(api, stub, traces):
    from botocore.exceptions import ParamValidationError

    client = api.client("dynamodb", stub.url)
    with xtrace.in_segment(), pytest.raises(ParamValidationError, match=SECRET):
        api.call(
            client, "get_item", TableName="orders", Key=f"{SECRET},\n value: {SECRET}", Bogus=1
        )
    call = only_call(traces)
    (exception,) = call["cause"]["exceptions"]
    assert "Key" in exception["message"]
    assert "Bogus" in exception["message"]
    assert call["fault"] is True
    assert stub.seen == []


def test_of_batches_and_transactions_the_tables_are_recorded(api, stub, traces):
    client = api.client("dynamodb", stub.url)
    keys = {"Keys": [{"id": {"S": SECRET}}]}
    put = {"Put": {"TableName": "a", "Item": {"id": {"S": SECRET}}}}
    delete = {"Delete": {"TableName": "b", "Key": {"id": {"S": SECRET}}}}
    with xtrace.in_segment():
        api.call(client, "batch_get_item", RequestItems={"a": keys, "b": keys})
        api.call(client, "transact_write_items", TransactItems=[put, delete])
    assert [call["aws"]["table_names"] for call in traces.subsegments] == [["a", "b"]] * 2


def test_the_account_is_told_by_what_names_the_resource(api, stub, traces):
    queue = f"{stub.url}/123456789012/orders"
    client = api.client("sqs", stub.url)
    table = "arn:aws:dynamodb:eu-west-1:210987654321:table/orders"
    with xtrace.in_segment():
        api.call(client, "delete_message", QueueUrl=queue, ReceiptHandle=SECRET)
        api.call(api.client("dynamodb", stub.url), "describe_table", TableName=table)
    accounts = [call["aws"]["account_id"] for call in traces.subsegments]
    assert accounts == ["123456789012", "210987654321"]


def test_bodies_are_left_to_the_application(api, moto, traces):
    client = api.client("s3", moto)
    bucket = f"streams-{uuid4()}"
    where = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    api.call(client, "create_bucket", Bucket=bucket, **where)
    api.call(client, "put_object", Bucket=bucket, Key="a", Body=b"12345" * 50_000)
    with xtrace.in_segment():
        assert api.read(client, "get_object", Bucket=bucket, Key="a") == b"12345" * 50_000
    assert only_call(traces)["aws"]["operation"] == "GetObject"


def test_what_tracing_itself_calls_is_not_recorded(api, stub, traces):
    client = api.client("xray", stub.url)
    with xtrace.in_segment():
        api.call(client, "put_trace_segments", TraceSegmentDocuments=["{}"])
    assert traces.subsegments == []
    assert len(stub.seen) == 1


def test_parameters_that_are_asked_for_are_recorded_too(api, stub, traces, monkeypatch):
    from xtrace.integrations import _aws
    from xtrace.integrations.botocore import record_parameters

    monkeypatch.setattr(_aws, "_added", {})
    stub.answers = [(200, {"Item": {"id": {"S": "o"}}})]
    client = api.client("dynamodb", stub.url)
    with xtrace.in_segment():
        api.call(client, "get_item", **GET_ITEM)
        record_parameters("dynamodb", "GetItem", ["keys(Key)=key_names"], "count(Item)=attributes")
        api.call(client, "get_item", **GET_ITEM)
    _aws._services["dynamodb"].plans.clear()
    first, second = traces.subsegments
    assert "key_names" not in first["aws"]
    assert second["aws"]["key_names"] == ["id"]
    assert second["aws"]["attributes"] == 1
    with pytest.raises(ValueError, match="no parameter to record"):
        record_parameters("dynamodb", "GetItem", ["values(Key)"])
    with pytest.raises(ValueError, match="no parameter to record"):
        record_parameters("dynamodb", "GetItem", ["count(Key"])


def test_unpatched_it_is_as_before(facade, stub, traces):
    xtrace.patch(facade.patches)
    xtrace.unpatch(facade.patches)
    client = facade.client("dynamodb", stub.url)
    with xtrace.in_segment():
        facade.call(client, "get_item", **GET_ITEM)
    facade.close(client)
    ((_, _, headers, _),) = stub.seen
    assert "X-Amzn-Trace-Id" not in headers
    assert traces.subsegments == []
