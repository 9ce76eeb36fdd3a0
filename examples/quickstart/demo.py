"""The demo: two services, a collector, twenty requests, their traces drawn and read back.

Starts `shop` and `prices` as processes of their own and the collector as a third, sends twenty
requests of which one fails, draws what the collector has stored, reads it back through the X-Ray
API (by boto3, if that is installed), prints the service graph, and checks that nothing is missing.
Everything is stopped and removed at the end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests

try:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
except ImportError:  # the API is plain HTTP, too
    boto3 = None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
REQUESTS = 20
PRODUCTS = ("tea", "cup", "kettle")
UNKNOWN_PRODUCT = "samovar"
DOCUMENTS_PER_REQUEST = 2  # a segment of the shop and one of the prices service
DEADLINE_SECONDS = 20


@contextmanager
def process(*command: str, **environment: str) -> Iterator[str]:
    """A program for the time of a `with` block; gives the first line that it prints."""
    program = subprocess.Popen(
        [sys.executable, "-u", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        line = program.stdout.readline().strip()
        if not line:
            raise SystemExit(f"{' '.join(command)} didn't start")
        yield line
    finally:
        program.terminate()
        program.communicate(timeout=10)


def drive(shop: str) -> list[int]:
    """Send the requests; gives their status codes."""
    statuses = []
    for number in range(REQUESTS):
        product = UNKNOWN_PRODUCT if number == 7 else PRODUCTS[number % len(PRODUCTS)]
        statuses.append(requests.get(f"{shop}/buy/{product}", timeout=10).status_code)
    return statuses


def xray(url: str) -> Callable[..., dict]:
    """Makes what asks the X-Ray API at a URL, as in ask("BatchGetTraces", TraceIds=[...])."""
    if boto3 is None:
        paths = {
            "GetTraceSummaries": "/TraceSummaries",
            "BatchGetTraces": "/Traces",
            "GetServiceGraph": "/ServiceGraph",
        }
        return lambda name, **members: requests.post(url + paths[name], json=members).json()
    client = boto3.client(
        "xray",
        endpoint_url=url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED),
    )
    methods = {name.replace("_", ""): name for name in dir(client)}
    return lambda name, **members: getattr(client, methods[name.lower()])(**members)


def wait_until_stored(url: str, documents: int) -> None:
    """Wait until so many documents are stored and show, or the time is up."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        stats = requests.get(f"{url}/api/v1/stats", timeout=10).json()
        if stats["stored"] >= documents and not stats["store"]["stale_traces"]:
            return
        time.sleep(0.05)


def draw_graph(services: list[dict]) -> None:
    """Print each node of the service graph with its numbers, and where its calls go."""
    names = {service["ReferenceId"]: service["Name"] for service in services}
    for service in sorted(services, key=lambda service: service.get("Type") != "client"):
        kind = f" ({service['Type']})" if service.get("Type") else ""
        statistics = service.get("SummaryStatistics")
        numbers = f"  {told(statistics)}" if statistics else ""
        print(f"  {service['Name']}{kind}{numbers}")
        for edge in service["Edges"]:
            print(f"    -> {names[edge['ReferenceId']]}  {told(edge['SummaryStatistics'])}")


def told(statistics: dict) -> str:
    """Statistics of a node or an edge in a few words."""
    total, faults = statistics["TotalCount"], statistics["FaultStatistics"]["TotalCount"]
    mean = statistics["TotalResponseTime"] / total * 1000 if total else 0.0
    return f"{total} requests, {faults} failed, {mean:.1f} ms on average"


def main() -> int:
    """Run the demo; gives the exit status."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        database = os.path.join(folder, "traces.db")
        said = stack.enter_context(
            process("-m", "xtrace", "collector", "--listen", "127.0.0.1:0", "--db", database)
        )
        address = said.partition("udp ")[2].partition(",")[0]
        url = f"http://{address}"
        tracing = {"AWS_XRAY_DAEMON_ADDRESS": address}
        prices = stack.enter_context(
            process(str(HERE / "prices.py"), PRICES_DB=os.path.join(folder, "prices.db"), **tracing)
        )
        shop = stack.enter_context(
            process(str(HERE / "shop.py"), PRICES_URL=f"http://127.0.0.1:{prices}", **tracing)
        )
        print(f"collector on {address}, shop on port {shop}, prices on port {prices}")
        window = {"StartTime": time.time() - 60, "EndTime": time.time() + 3600}
        statuses = drive(f"http://127.0.0.1:{shop}")
        wait_until_stored(url, REQUESTS * DOCUMENTS_PER_REQUEST)
        subprocess.run(
            [sys.executable, "-m", "xtrace", "show", "--last", str(REQUESTS), "--db", database],
            check=True,
        )
        subprocess.run([sys.executable, "-m", "xtrace", "show", "--db", database], check=True)
        ask = xray(url)
        print(f"Read back through the X-Ray API {'by boto3' if boto3 else 'over HTTP'}:")
        expressions = ('service("prices")', 'service("shop") { fault }')
        found = []
        for expression in expressions:
            page = ask("GetTraceSummaries", **window, FilterExpression=expression)
            found.append([summary["Id"] for summary in page["TraceSummaries"]])
            print(f"  {expression}: {len(found[-1])} traces")
        traces, faulty = found
        segments = [
            segment
            for trace in ask("BatchGetTraces", TraceIds=traces)["Traces"]
            for segment in trace["Segments"]
            if not json.loads(segment["Document"]).get("inferred")
        ]
        print("Service graph:")
        draw_graph(ask("GetServiceGraph", **window)["Services"])
        return report(statuses, len(segments), len(traces), len(faulty))


def report(statuses: list[int], stored: int, traces: int, faults: int) -> int:
    """Compare what was asked for with what was stored."""
    failed = sum(status >= 500 for status in statuses)
    print(f"{len(statuses)} requests sent, {failed} failed with a 500")
    print(f"{stored} segments stored in {traces} traces, {faults} with a fault")
    good = (
        len(statuses) == traces == REQUESTS
        and stored == REQUESTS * DOCUMENTS_PER_REQUEST
        and failed == faults == 1
    )
    print("Nothing is missing." if good else "Something is missing!")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
