"""A table and a queue between two processes: one trace, and what the collector's graph shows."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import boto3

from tests.helpers import eventually
from tests.integrations.aws.conftest import settings
from xtrace.collector import running

PRODUCER = """
import sys, boto3, xtrace
from tests.integrations.aws.conftest import settings
moto, queue = sys.argv[1:]
xtrace.configure(service="producer", sampling=False)
xtrace.patch("boto3")
with xtrace.in_segment():
    table = {"TableName": "orders", "Item": {"id": {"S": "o-17"}}}
    boto3.client("dynamodb", **settings(moto)).put_item(**table)
    boto3.client("sqs", **settings(moto)).send_message(QueueUrl=queue, MessageBody="o-17")
xtrace.flush()
"""

CONSUMER = """
import sys, boto3, xtrace
from tests.integrations.aws.conftest import settings
moto, queue = sys.argv[1:]
xtrace.configure(service="consumer", sampling=False)
xtrace.patch("boto3")
sqs = boto3.client("sqs", **settings(moto))
for message in xtrace.messages(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)):
    key = {"TableName": "orders", "Key": {"id": {"S": message["Body"]}}}
    assert boto3.client("dynamodb", **settings(moto)).get_item(**key)["Item"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
xtrace.flush()
"""


def test_a_table_and_a_queue_between_two_processes_are_one_trace(moto):
    sqs = boto3.client("sqs", **settings(moto))
    queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.close()
    dynamodb = boto3.client("dynamodb", **settings(moto))
    dynamodb.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.close()
    with running() as collector:
        for program in (PRODUCER, CONSUMER):
            subprocess.run(
                [sys.executable, "-c", program, moto, queue],
                check=True,
                timeout=30,
                env={**os.environ, "AWS_XRAY_DAEMON_ADDRESS": collector.address},
            )
        eventually(lambda: collector.stored >= 2)
        xray = boto3.client("xray", **settings(collector.url))
        now = time.time()
        between = {"StartTime": now - 300, "EndTime": now + 60}
        (summary,) = xray.get_trace_summaries(**between)["TraceSummaries"]
        services = xray.get_trace_graph(TraceIds=[summary["Id"]])["Services"]
        xray.close()
    nodes = {(each["Name"], each.get("Type")) for each in services}
    assert ("orders", "AWS::DynamoDB::Table") in nodes
    assert ("orders", "AWS::SQS::Queue") in nodes
    assert {"producer", "consumer"} <= {each["Name"] for each in services}
    names = {each["ReferenceId"]: each["Name"] for each in services}
    edges = {
        (each["Name"], names[edge["ReferenceId"]]) for each in services for edge in each["Edges"]
    }
    # The table and the queue have one name; the queue stands between the two programs.
    assert {("producer", "orders"), ("orders", "consumer"), ("consumer", "orders")} <= edges
