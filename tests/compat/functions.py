"""A Lambda function written against aws_xray_sdk. Imported by the runtime client, in its process."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

from xtrace.compat import aws_xray_sdk as layer

layer.install()

# After install(): before it there is no such package.
from aws_xray_sdk.core import lambda_launcher, patch, xray_recorder  # noqa: E402
from aws_xray_sdk.ext.util import inject_trace_header  # noqa: E402

lambda_launcher.TOUCH_FILE_DIR = os.environ["TEST_FOLDER"]
lambda_launcher.TOUCH_FILE_PATH = os.path.join(os.environ["TEST_FOLDER"], "initialized")
patch(["sqlite3"])
pool = ThreadPoolExecutor(2)


@xray_recorder.capture("work")
def work(number):
    xray_recorder.put_annotation("number", number)
    sqlite3.connect(":memory:").execute("SELECT 1")
    headers = {}
    inject_trace_header(headers, xray_recorder.current_subsegment())
    return headers.get("X-Amzn-Trace-Id")


@xray_recorder.capture("steps")
def steps(number):
    for _ in range(2):
        yield work(number)


@xray_recorder.capture_async("later")
async def later(number):
    await asyncio.sleep(0)
    return work(number)


def handed(number, entity):
    xray_recorder.set_trace_entity(entity)
    try:
        return work(number)
    finally:
        xray_recorder.clear_trace_entities()


@xray_recorder.capture("handler")
def handler(event, context):
    """Does what the event says: {"number", "how"}."""
    number, how = event["number"], event["how"]
    if how == "error":
        work(number)
        raise ValueError(f"number {number}")
    if how == "leak":
        xray_recorder.begin_subsegment("leaked")
        header = work(number)
    elif how == "async":
        header = asyncio.run(later(number))
    elif how == "pool":
        header = pool.submit(handed, number, xray_recorder.get_trace_entity()).result()
    elif how == "generator":
        header = list(steps(number))[-1]
    elif how == "segment":
        with xray_recorder.in_segment("mine"):
            header = work(number)
    else:
        header = work(number)
    return {"header": header, "threads": threading.active_count()}
