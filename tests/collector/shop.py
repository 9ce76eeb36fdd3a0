"""Traces of a little shop, and boto3's client of a collector that has them."""

from __future__ import annotations

import json

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from tests.helpers import now


def window():
    """The minutes around them, as X-Ray's API takes it."""
    return {"StartTime": now() - 60, "EndTime": now() + 60}


def trace_id(number):
    return f"1-{int(now()):08x}-{number:024x}"


def span_id(number, part):
    return f"{number:08x}{part:08x}"


def shop_trace(number, fault=False):
    """A shop's segment that calls a table and the prices service, and that service's segment."""
    outcome = {"fault": True} if fault else {}
    shop = {
        "trace_id": trace_id(number),
        "id": span_id(number, 1),
        "name": "shop",
        "start_time": now() + number / 1000,
        "end_time": now() + number / 1000 + 0.5,
        "http": {
            "request": {"method": "GET", "url": f"http://shop/buy/{number}"},
            "response": {"status": 500 if fault else 200},
        },
        "annotations": {"number": number},
        "user": "ann",
        **outcome,
        "subsegments": [
            {
                "id": span_id(number, 2),
                "name": "prices",
                "namespace": "remote",
                "start_time": now() + number / 1000 + 0.1,
                "end_time": now() + number / 1000 + 0.4,
                **outcome,
            },
            {
                "id": span_id(number, 3),
                "name": "DynamoDB",
                "namespace": "aws",
                "start_time": now() + number / 1000 + 0.4,
                "end_time": now() + number / 1000 + 0.45,
                "aws": {"operation": "GetItem", "table_name": "carts"},
            },
        ],
    }
    prices = {
        "trace_id": trace_id(number),
        "id": span_id(number, 4),
        "parent_id": span_id(number, 2),
        "name": "prices",
        "start_time": now() + number / 1000 + 0.15,
        "end_time": now() + number / 1000 + 0.35,
        **outcome,
    }
    return [json.dumps(shop), json.dumps(prices)]


def put(client, documents):
    return client.put_trace_segments(TraceSegmentDocuments=documents)["UnprocessedTraceSegments"]


def client_of(collector, **config):
    return boto3.client(
        "xray",
        region_name="eu-west-1",
        endpoint_url=collector.url,
        config=Config(retries={"max_attempts": 0}, **{"signature_version": UNSIGNED, **config}),
    )
