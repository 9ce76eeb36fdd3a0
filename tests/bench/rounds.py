"""Many short chunks, interleaved over the peers: a change of clock speed hits all of them."""

from __future__ import annotations

from collections.abc import Mapping

from catalogue import FLOOR, PEERS, Part, Workload, added, added_in_turn
from figures import Measured
from processes import Drain, Worker

CHUNK_SECONDS = 0.004
WARM_UP = 2
"""A chunk is preceded by one this many times shorter that isn't measured."""
FEWEST_ROUNDS = 4

WHAT_IS_ADDED = (added, added_in_turn)


def measure(
    workload: Workload, workers: Mapping[str, Worker], drain: Drain, rounds: int
) -> list[Measured]:
    """CPU microseconds per unit of each peer that has the workload.

    Raises RuntimeError if a peer doesn't send what the workload says.
    """
    first = workload.parts[0].method
    before = {name: worker.background_seconds for name, worker in workers.items()}
    runs = {
        name: [_Run(part, _who_has(part, name, workers), drain) for part in workload.parts]
        for name in PEERS
        if name in workers and first in workers[name].workloads
    }
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
        # Without tracing, nothing is done on other threads.
        units = sum(
            run.units for run in runs[name][: 1 if workload.figure in WHAT_IS_ADDED else None]
        )
        values = [run.values for run in runs[name]]
        measured.append(Measured(name, values, background=seconds / units * 1e6))
    return measured


def _who_has(part: Part, name: str, workers: Mapping[str, Worker]) -> Worker:
    """The peer's worker, or for work without tracing, which some peers can't go back to, the floor's."""
    worker = workers[name]
    return worker if part.method in worker.workloads else workers[FLOOR]


class _Run:
    """One part of a workload with one peer.

    values: microseconds per unit, a chunk each. units: of all that was run, measured or not.
    """

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
        times = 1
        self._run(times)  # makes and imports what it needs
        while (seconds := self._run(times)) < CHUNK_SECONDS / 2:
            times *= 2
        return max(1, round(times * CHUNK_SECONDS / seconds))

    def _check_datagrams(self, expected: int, drain: Drain) -> None:
        times = 10
        before = drain.received()
        self._run(times)
        received = drain.received() - before
        if received != times * expected:
            raise RuntimeError(
                f"{self._part.method}, {times} times: {received} datagrams arrived instead of "
                f"{times * expected}"
            )

    def chunk(self) -> None:
        """Measure once more, after a while to warm up: other processes had the caches meanwhile."""
        self._run(max(1, self._times // WARM_UP))
        seconds = self._run(self._times)
        self.values.append(seconds / (self._times * self._part.per) * 1e6)

    def _run(self, times: int) -> float:
        self.units += times * self._part.per
        return self._worker.run(self._part.method, times)
