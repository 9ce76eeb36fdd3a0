"""What the applications of the server matrix have in common: how they are traced and what they do.

Importing this traces a first piece of work, so that the sampler's thread and the socket are there
before the server forks, if it imports applications before it does.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import xtrace
from xtrace.sampling import central

central.SECONDS_BETWEEN_REPORTS = 0.2  # else ten seconds
EVERYTHING = {"version": 2, "default": {"fixed_target": 0, "rate": 1.0}, "rules": []}

# The address of the daemon is in the environment, as in production.
xtrace.configure(service="served", sampler="central", sampling_rules=EVERYTHING)
xtrace.patch(["threading", "futures"])

with xtrace.in_segment("at import"):
    xtrace.put_annotation("client_id", xtrace.recorder.sampler.client_id)

_pool: ThreadPoolExecutor | None = None
_left_open: set[int] = set()


def work(number: str) -> str:
    """A request's work, some of it in threads. Gives the number of the process."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(2)
    segment = xtrace.current_segment()
    segment.put_annotation("number", number)
    segment.put_annotation("process", os.getpid())
    segment.put_annotation("client_id", xtrace.recorder.sampler.client_id)
    with xtrace.in_subsegment("work"):
        thread = threading.Thread(target=part, args=("thread",))
        thread.start()
        _pool.submit(part, "pool").result()
        thread.join()
    if os.getpid() not in _left_open:
        _left_open.add(os.getpid())
        xtrace.recorder.in_subsegment("left open").begin()
    if number.startswith("slow"):
        Path(os.environ["BEGUN"], number).touch()
        while not Path(os.environ["BEGUN"], "stopping").exists():
            time.sleep(0.01)
    return str(os.getpid())


def part(name: str) -> None:
    """A subsegment that takes a moment, so that the other workers get a share of the requests."""
    with xtrace.in_subsegment(name):
        time.sleep(0.005)
