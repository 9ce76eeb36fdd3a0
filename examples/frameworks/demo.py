"""One request through three frameworks: FastAPI asks Django twice at once, Django asks Flask.

Starts the three services as processes of their own, with a collector in this one; sends a request,
draws its trace, and checks that each segment has the parent that it should.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from xtrace.collector import running
from xtrace.waterfall import draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xtrace.collector import Collector

HERE = Path(__file__).parent
SEGMENTS = 5
DEADLINE_SECONDS = 10


@contextmanager
def service(name: str, **environment: str) -> Iterator[str]:
    """A service for the time of a `with` block; gives its URL."""
    program = subprocess.Popen(
        [sys.executable, HERE / f"{name}.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        port = program.stdout.readline().strip()
        if not port:
            raise SystemExit(f"{name}.py didn't start")
        yield f"http://127.0.0.1:{port}"
    finally:
        program.terminate()
        program.communicate(timeout=10)


def below(entity: dict) -> list[dict]:
    """An entity and all that is in it."""
    return [entity, *(each for child in entity.get("subsegments", ()) for each in below(child))]


def ways(segments: list[dict]) -> list[str]:
    """How each segment was reached: the names from the first caller down to it."""
    known = {each["id"]: each for segment in segments for each in below(segment)}
    parents = {
        child["id"]: each["id"] for each in known.values() for child in each.get("subsegments", ())
    }
    found = []
    for segment in segments:
        names, at = [], segment["id"]
        while at is not None:
            entity = known[at]
            names.append(entity["name"])
            at = parents.get(at) or entity.get("parent_id")
        found.append(" < ".join(names))
    return sorted(found)


def received(collector: Collector, trace_id: str) -> list[dict]:
    """The segments of a trace; a service sends its own when the response is out already."""
    segments: list[dict] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(segments) < SEGMENTS and time.monotonic() < deadline:
        collector.flush()
        for trace in collector.store.traces([trace_id]):
            segments = [part.document for part in trace.parts if not part.inferred]
    return segments


def main() -> int:
    """Run the example; gives the exit status."""
    with ExitStack() as stack:
        collector = stack.enter_context(running())
        tracing = {"AWS_XRAY_DAEMON_ADDRESS": collector.address}
        hall = stack.enter_context(service("hall", **tracing))
        seats = stack.enter_context(service("seats", HALL_URL=hall, **tracing))
        tickets = stack.enter_context(service("tickets", SEATS_URL=seats, **tracing))
        answer = httpx.get(f"{tickets}/shows/hamlet", timeout=10)
        segments = received(collector, answer.headers["X-Amzn-Trace-Id"].removeprefix("Root="))
    print(answer.text)
    print(draw(segments))
    print(*ways(segments), sep="\n")
    expected = [
        *["hall < 127.0.0.1 < seats < 127.0.0.1 < free_seats < tickets"] * 2,
        *["seats < 127.0.0.1 < free_seats < tickets"] * 2,
        "tickets",
    ]
    if ways(segments) != expected:
        print(f"That isn't as it should be: {json.dumps(expected)}", file=sys.stderr)
        return 1
    print("Every segment has the parent that it should.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
