"""What can be measured only once in a process: imports, and memory."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

from catalogue import OBJECTS, PEERS, Peer, Workload
from environments import HERE, python_of, variables
from figures import Measured
from processes import Drain, Worker

OPEN_SEGMENTS = 10_000


def imports(peers: Sequence[Peer], times: int) -> dict[str, dict[str, list[float]]]:
    """Of each peer: milliseconds, modules and mebibytes of its import, a value for each process."""
    found: dict[str, dict[str, list[float]]] = {peer.name: {} for peer in peers}
    for number in range(times + 1):
        for peer in peers:
            values = _import(peer)
            if number:  # the first one compiles
                for what, value in values.items():
                    found[peer.name].setdefault(what, []).append(value)
    return found


def _import(peer: Peer) -> dict[str, float]:
    command = [python_of(peer.environment), HERE / "fresh_import.py", str(peer.imports)]
    done = subprocess.run(command, env=variables(), stdout=subprocess.PIPE, check=True)
    values: dict[str, float] = json.loads(done.stdout)
    return values


def open_segments(workload: Workload, names: Sequence[str], drain: Drain) -> list[Measured]:
    """Bytes for each open segment with its open subsegment."""
    extra = {"PYTHONTRACEMALLOC": "1"} if workload.measured == OBJECTS else {}
    method = workload.parts[0].method
    measured = []
    for name in names:
        with Worker(PEERS[name], drain, **extra) as worker:
            if method in worker.workloads:
                worker.run(method, 100)
                bytes_each = worker.run(method, OPEN_SEGMENTS) / OPEN_SEGMENTS
                measured.append(Measured(name, [[bytes_each]]))
    return measured
