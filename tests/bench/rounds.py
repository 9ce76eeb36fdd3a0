"""Many short chunks, interleaved over the peers: a change of clock speed hits all of them."""

from __future__ import annotations

from collections.abc import Mapping

from catalogue import FLOOR, PEERS, Part, Workload
from figures import Measured
from processes import Drain, Worker

CHUNK_SECONDS = 0.004
WARM_UP = 2
"""A chunk is preceded by one this many times shorter that isn't measured."""
FEWEST_ROUNDS = 4


def measure(
    workload: Workload, workers: Mapping[str, Worker], drain: Drain, rounds: int
) -> list[Measured]:
    """CPU microseconds per unit of each peer that has the workload.

    Raises RuntimeError if a peer doesn't send what the workload says.
    """
    first = workload.parts[0].method
    runs = {
        name: [_Run(part, _who_has(part, name, workers), drain) for part in workload.parts]
        for name in PEERS
        if name in workers and first in workers[name].workloads
    }
    for name in runs:
        workers[name].settle()
    before = {name: workers[name].background_seconds for name in runs}
    names = list(runs)
    for number in range(max(FEWEST_ROUNDS, round(rounds * workload.rounds))):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            for run in runs[name]:
                run.chunk()
    measured = []
    for name in names:
        workers[name].settle()
        seconds = workers[name].background_seconds - before[name]
        units = sum(run.units for run in runs[name])
        values = [run.values for run in runs[name]]
        measured.append(Measured(name, values, background=seconds / units * 1e6))
    return measured


def _who_has(part: Part, name: str, workers: Mapping[str, Worker]) -> Worker:
    """The peer's worker, or for work without tracing, which some peers can't go back to, the floor's."""
    worker = workers[name]
    return worker if part.method in worker.workloads else workers[FLOOR]


class _Run:
    """One part of a workload with one peer. values: microseconds per unit, a chunk each."""

    def __init__(self, part: Part, worker: Worker, drain: Drain) -> None:
        self.values: list[float] = []
        self.units = 0
        self._part = part
        self._worker = worker
        self._times = self._calibrated()
        if part.datagrams is not None and worker.sends_datagrams:
            self._check_datagrams(part.datagrams, drain)

    def _calibrated(self) -> int:
        """How many iterations fill a chunk. Finding out warms the peer up."""
        method, times = self._part.method, 1
        self._worker.run(method, times)  # makes and imports what it needs
        while (seconds := self._worker.run(method, times)) < CHUNK_SECONDS / 2:
            times *= 2
        return max(1, round(times * CHUNK_SECONDS / seconds))

    def _check_datagrams(self, expected: int, drain: Drain) -> None:
        times = 10
        before = drain.received()
        self._worker.run(self._part.method, times)
        received = drain.received() - before
        if received != times * expected:
            raise RuntimeError(
                f"{self._part.method}, {times} times: {received} datagrams arrived instead of "
                f"{times * expected}"
            )

    def chunk(self) -> None:
        """Measure once more, after a while to warm up: other processes had the caches meanwhile."""
        self._worker.run(self._part.method, max(1, self._times // WARM_UP))
        seconds = self._worker.run(self._part.method, self._times)
        units = self._times * self._part.per
        self.values.append(seconds / units * 1e6)
        self.units += units
