"""Where does the time go? Asks a collector, or X-Ray, for traces and adds up what took long.

    python examples/latency.py                                      the last 5 minutes
    python examples/latency.py --url http://127.0.0.1:2000 --minutes 60 --filter 'service("Frontend")'

For each service: how often it worked, how long, and how long by itself, without what it waited for.
The last column is what to look at first: the share of all waiting that is this service's own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import boto3
from botocore import UNSIGNED
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACES_AT_ONCE = 5  # X-Ray's limit for BatchGetTraces


def client(url: str):
    """A client of the X-Ray API at a URL; of the service itself, without one."""
    if not url:
        return boto3.client("xray")
    config = Config(signature_version=UNSIGNED)
    return boto3.client("xray", endpoint_url=url, region_name="us-east-1", config=config)


def segments(xray, minutes: float, expression: str) -> Iterator[list[dict]]:
    """The segments of each trace, inferred ones included."""
    now = time.time()
    window = {"StartTime": now - minutes * 60, "EndTime": now}
    pages = xray.get_paginator("get_trace_summaries").paginate(
        **window, FilterExpression=expression
    )
    ids = [summary["Id"] for page in pages for summary in page["TraceSummaries"]]
    for first in range(0, len(ids), TRACES_AT_ONCE):
        answer = xray.batch_get_traces(TraceIds=ids[first : first + TRACES_AT_ONCE])
        for trace in answer["Traces"]:
            yield [json.loads(segment["Document"]) for segment in trace["Segments"]]


def calls(entity: dict) -> Iterator[dict]:
    """The calls of other services in a segment: its subsegments, but not those of its own work."""
    for part in entity.get("subsegments", ()):
        if "namespace" in part:
            yield part
        else:
            yield from calls(part)


def own_seconds(segment: dict) -> float:
    """How long a segment lasted without the time in which it waited for others.

    Calls side by side count once.
    """
    waited, until = 0.0, segment["start_time"]
    ended = [call for call in calls(segment) if "end_time" in call]
    for call in sorted(ended, key=lambda call: call["start_time"]):
        end = min(call["end_time"], segment["end_time"])
        if end > until:
            waited += end - max(until, call["start_time"])
            until = end
    return segment["end_time"] - segment["start_time"] - waited


def percentile(values: list[float], share: float) -> float:
    """Of sorted values the one that so many, 0 to 1, don't exceed."""
    return values[min(len(values) - 1, int(share * len(values)))]


def report(traces: Iterator[list[dict]]) -> list[str]:
    """A table of the services, those with the most time of their own first."""
    whole: dict[str, list[float]] = defaultdict(list)
    own: dict[str, float] = defaultdict(float)
    for trace in traces:
        for segment in trace:
            if "end_time" in segment:
                whole[segment["name"]].append(segment["end_time"] - segment["start_time"])
                own[segment["name"]] += own_seconds(segment)
    total = sum(own.values()) or 1.0
    width = max([len("service"), *map(len, whole)])
    lines = [f"{'service':<{width}}   count   p50 ms   p90 ms   p99 ms   own ms    share"]
    for name in sorted(own, key=own.__getitem__, reverse=True):
        times = sorted(whole[name])
        columns = [percentile(times, share) * 1000 for share in (0.5, 0.9, 0.99)]
        columns.append(own[name] / len(times) * 1000)
        numbers = "".join(f"{column:>9.1f}" for column in columns)
        lines.append(f"{name:<{width}}{len(times):>8}{numbers}{own[name] / total:>9.1%}")
    return lines


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = os.environ.get("AWS_ENDPOINT_URL_XRAY", "http://127.0.0.1:2000")
    parser.add_argument("--url", default=default, help="'' for AWS (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--filter", default="", metavar="EXPRESSION")
    arguments = parser.parse_args(words)
    found = segments(client(arguments.url), arguments.minutes, arguments.filter)
    lines = report(found)
    if len(lines) == 1:
        print(f"No traces in the last {arguments.minutes:g} minutes.")
        return 1
    print(*lines, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
