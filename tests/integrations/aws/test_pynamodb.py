"""pynamodb: one subsegment for each operation, with botocore's integration or without."""

from __future__ import annotations

import pytest

import xtrace
from tests.integrations.aws.stub import KEY, SECRET, is_signed_right

pytestmark = pytest.mark.library("pynamodb", "sync")


@pytest.fixture(params=[["pynamodb"], ["pynamodb", "botocore"], ["botocore", "pynamodb"]])
def connection(request, stub):
    """A connection to the stub."""
    from pynamodb.connection import Connection

    xtrace.patch(request.param)
    made = (
        Connection(
            region="eu-west-1",
            host=stub.url,
            max_retry_attempts=2,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            base_backoff_ms=1,
        )
        if _takes("base_backoff_ms")
        else Connection(
            region="eu-west-1",
            host=stub.url,
            max_retry_attempts=2,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )
    )
    yield made
    made.client.close()
    xtrace.unpatch()


def _takes(name):
    import inspect

    from pynamodb.connection import Connection

    return name in inspect.signature(Connection.__init__).parameters


def test_an_operation_is_one_call(connection, stub, traces):
    stub.answers = [(200, {"Table": {"TableName": "orders"}})]
    with xtrace.in_segment() as segment:
        connection.dispatch("DescribeTable", {"TableName": "orders"})
    (call,) = traces.subsegments
    assert call["name"] == "dynamodb"
    assert call["namespace"] == "aws"
    assert call["aws"]["operation"] == "DescribeTable"
    assert call["aws"]["region"] == "eu-west-1"
    assert call["aws"]["table_name"] == "orders"
    ((_, _, headers, _),) = stub.seen
    expected = f"Root={segment.trace_id};Parent={call['id']};Sampled=1"
    assert headers.get_all("X-Amzn-Trace-Id") == [expected]
    assert is_signed_right(stub.seen[0])


def test_an_error_is_the_services(connection, stub, traces):
    from botocore.exceptions import ClientError

    stub.answers = [stub.error(400, "ResourceNotFoundException")]
    with xtrace.in_segment(), pytest.raises(ClientError):
        connection.dispatch("DescribeTable", {"TableName": "orders"})
    (call,) = traces.subsegments
    assert call["error"] is True
    assert "fault" not in call
    assert call["aws"]["error_code"] == "ResourceNotFoundException"


def test_retries_are_parts_of_one_call(connection, stub, traces, monkeypatch):
    from botocore.retries import standard

    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda *args: 0)
    stub.answers = [stub.error(500, "InternalServerError"), (200, {"Table": {}})]
    with xtrace.in_segment():
        connection.dispatch("DescribeTable", {"TableName": "orders"})
    (call,) = traces.subsegments
    parents = [headers["X-Amzn-Trace-Id"].split(";")[1] for _, _, headers, _ in stub.seen]
    assert parents == [f"Parent={call['id']}"] * 2
    assert not call.keys() & {"error", "fault"}


def test_outside_of_segments_it_works(connection, stub, traces):
    stub.answers = [(200, {"Table": {}})]
    connection.dispatch("DescribeTable", {"TableName": "orders"})
    assert traces.documents == []
    assert len(stub.seen) == 1
