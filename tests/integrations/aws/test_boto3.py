"""What only boto3 has: paginators, waiters, presigned URLs, transfers; and clients made before."""

from __future__ import annotations

import io
from uuid import uuid4

import pytest

import xtrace
from tests.integrations.aws.conftest import Boto3, settings


@pytest.fixture
def bucket(boto, moto):
    """A client and the name of a bucket."""
    client = boto("s3", moto)
    name = f"b-{uuid4()}"
    where = {"LocationConstraint": "eu-west-1"}
    client.create_bucket(Bucket=name, CreateBucketConfiguration=where)
    return client, name


def operations(traces):
    return [call["aws"]["operation"] for call in traces.subsegments]


def test_clients_made_before_patching_are_traced(stub, traces):
    client = Boto3().client("dynamodb", stub.url)
    xtrace.patch("boto3")
    try:
        with xtrace.in_segment():
            client.describe_table(TableName="orders")
    finally:
        xtrace.unpatch()
        client.close()
    assert operations(traces) == ["DescribeTable"]


def test_the_inner_method_takes_keywords(boto, stub, traces):
    client = boto("dynamodb", stub.url)
    with xtrace.in_segment():
        client._make_api_call(operation_name="DescribeTable", api_params={"TableName": "orders"})
    assert operations(traces) == ["DescribeTable"]


def test_each_page_and_each_look_of_a_waiter_is_a_call(boto, bucket, traces):
    client, name = bucket
    for key in "abc":
        client.put_object(Bucket=name, Key=key)
    with xtrace.in_segment():
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=name, PaginationConfig={"PageSize": 2}
        )
        assert sum(len(page["Contents"]) for page in pages) == 3
        client.get_waiter("object_exists").wait(Bucket=name, Key="a")
    assert operations(traces) == ["ListObjectsV2", "ListObjectsV2", "HeadObject"]
    assert [call["aws"].get("key_count") for call in traces.subsegments] == [2, 1, None]


def test_a_presigned_url_is_no_call_and_carries_no_trace(boto, bucket, traces):
    client, name = bucket
    with xtrace.in_segment():
        url = client.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "a"})
        post = client.generate_presigned_post(name, "a")
    assert "amzn-trace" not in url.lower() + str(post).lower()
    assert traces.subsegments == []


@pytest.mark.parametrize("below", [[], ["futures", "threading"]])
def test_a_transfer_is_part_of_what_asked_for_it(boto, bucket, traces, below):
    client, name = bucket
    xtrace.patch(below)
    content = bytes(9_000_000)
    with xtrace.in_segment():
        with xtrace.in_subsegment("upload") as upload:
            client.upload_fileobj(io.BytesIO(content), name, "big")
        with xtrace.in_subsegment("download") as download:
            got = io.BytesIO()
            client.download_fileobj(name, "big", got)
    assert got.getvalue() == content
    (segment,) = traces.segments
    parts = {each["name"]: each["subsegments"] for each in segment["subsegments"]}
    found = {name: sorted(c["aws"]["operation"] for c in calls) for name, calls in parts.items()}
    assert found == {
        "upload": ["CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart", "UploadPart"],
        "download": ["GetObject", "GetObject", "HeadObject"],
    }
    assert upload.end_time >= upload.start_time
    assert download.end_time >= download.start_time


def test_a_resource_is_a_client_too(boto, moto, traces):
    import boto3

    resource = boto3.resource("dynamodb", **settings(moto))
    with xtrace.in_segment():
        list(resource.tables.all())
    resource.meta.client.close()
    assert operations(traces) == ["ListTables"]


def test_botocores_stubber_may_answer(boto, stub, traces):
    from botocore.stub import Stubber

    client = boto("dynamodb", stub.url)
    with Stubber(client) as stubber:
        stubber.add_response("list_tables", {"TableNames": ["teas"], "ResponseMetadata": {}})
        with xtrace.in_segment():
            client.list_tables()
    (call,) = traces.subsegments
    assert call["aws"]["table_count"] == 1
    assert "http" not in call
