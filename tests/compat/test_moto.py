"""moto's stand-in for the SDK, which imports aws_xray_sdk, as moto's documentation shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

PROGRAM = """
import json
import os

from xtrace.compat import aws_xray_sdk as layer

layer.install()

import boto3
import moto.xray.mock_client
from aws_xray_sdk.core import patch, xray_recorder
from moto import mock_aws
from moto.xray import XRaySegment, mock_xray_client

seen = {}
sent = []


class Kept:
    def send_entity(self, entity):
        sent.append(entity.name)


emitter = Kept()
xray_recorder.configure(service="s", sampling=False, emitter=emitter)
context = xray_recorder.context


@mock_aws
@mock_xray_client
def mocked():
    patch(["botocore"])
    seen["emitter"] = type(xray_recorder.emitter).__name__
    with XRaySegment():
        boto3.client("sqs").create_queue(QueueName="q")
        boto3.client("dynamodb").list_tables()
        segment = xray_recorder.current_segment()
        seen["calls"] = [[each.name, each.aws["operation"]] for each in segment.subsegments]
        seen["statuses"] = [each.http["response"]["status"] for each in segment.subsegments]


mocked()
seen["is_put_back"] = xray_recorder.emitter is emitter
seen["strategy"] = os.environ.get("AWS_XRAY_CONTEXT_MISSING")
with xray_recorder.in_segment("after"):
    pass
print(json.dumps({**seen, "sent": sent}))
"""


def test_the_sdk_is_mocked_by_moto():
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "emitter": "MockEmitter",
        "calls": [["sqs", "CreateQueue"], ["dynamodb", "ListTables"]],
        "statuses": [200, 200],
        "is_put_back": True,
        "strategy": None,
        "sent": ["after"],
    }
