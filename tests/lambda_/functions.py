"""Lambda functions that tests have invoked. Imported by the runtime client, in its process."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import xtrace
from xtrace.environment import lambda_

lambda_.READY_FOLDER = os.path.join(os.environ["TEST_FOLDER"], "aws-xray")

# Work at init: nobody has asked for it, and it belongs to nothing.
with xtrace.in_subsegment("init"):
    xtrace.put_annotation("init", True)


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@xtrace.capture
def work(number: int) -> dict[str, str]:
    """Called by each handler: the headers that a call from here would carry."""
    xtrace.put_annotation("number", number)
    headers: dict[str, str] = {}
    xtrace.inject(headers)
    return headers


@xtrace.capture
async def work_later(number: int) -> dict[str, str]:
    await asyncio.sleep(0)
    return work(number)


def in_thread(number: int) -> dict[str, str]:
    found: list[dict[str, str]] = []
    entity = xtrace.recorder.get_trace_entity()

    def run() -> None:
        with xtrace.attach(entity):
            found.append(work(number))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


@xtrace.lambda_handler
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Does what the event says: {"number", "how"}."""
    number, how = event["number"], event["how"]
    if how == "error":
        work(number)
        raise ValueError(f"number {number}")
    if how == "leak":
        xtrace.begin_subsegment("leaked")
        headers = work(number)
    elif how == "async":
        headers = asyncio.run(work_later(number))
    elif how == "thread":
        headers = in_thread(number)
    elif how == "segment":
        with xtrace.in_segment("mine"):
            headers = work(number)
    elif how == "nearly":
        headers = work(number)
        time.sleep(context.get_remaining_time_in_millis() / 1e3 - 0.1)
    elif how == "timeout":
        headers = work(number)
        with xtrace.in_subsegment("stuck"):
            threading.Event().wait()
    else:
        headers = work(number)
    return {
        "headers": headers,
        "resident": resident_bytes(),
        "open": len(xtrace.recorder.open),
        "threads": threading.active_count(),
    }
