"""The same workloads as counts of instructions (valgrind --tool=callgrind).

Far slower, but steady to a fraction of a percent, whatever else the machine does: the form in
which two commits are compared. What the kernel does is not counted.

The clock of the peers marks instead of reading (see peers.clock), and callgrind writes down its
count at each mark. Each part also runs no times at all: what that costs, such as the marks
themselves, is subtracted.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import cpu_count
from pathlib import Path
from tempfile import TemporaryDirectory

from catalogue import CHUNKS, PEERS, Part, Workload
from figures import Measured
from peers import MARKS
from processes import Drain, Worker

_total = re.compile(rb"^totals: (\d+)$", re.MULTILINE)


class _CountingWorker(Worker):
    """A worker that runs in callgrind. folder: for its counts."""

    def __init__(self, name: str, drain: Drain, folder: Path) -> None:
        self._counts = folder / name
        self._mark = 0
        super().__init__(PEERS[name], drain, **{MARKS: "1"})

    def _tool(self) -> Sequence[str | Path]:
        return (
            "valgrind",
            "--tool=callgrind",
            "--quiet",
            f"--log-file={self._counts}.log",
            f"--callgrind-out-file={self._counts}",
            "--dump-before=getloadavg",
        )

    def count(self, part: Part, times: int) -> int:
        """Instructions of so many iterations."""
        self.run(part.method, times)
        # The method passed two marks: up to the first it got ready, up to the second it worked.
        self._mark += 2
        file = self._counts.with_name(f"{self._counts.name}.{self._mark}")
        found = _total.search(file.read_bytes())
        if found is None:
            raise RuntimeError(f"callgrind told no total for {part.method}")
        return int(found[1])


def measure(
    workloads: Sequence[Workload], names: Sequence[str], drain: Drain
) -> Iterator[tuple[Workload, list[Measured]]]:
    """Thousands of instructions per unit, of the workloads and peers for which they can be counted.

    The bars are of time, and left out.
    """
    if shutil.which("valgrind") is None:
        raise RuntimeError("Counting instructions needs valgrind, which isn't installed.")
    countable = [
        workload
        for workload in workloads
        if workload.measured == CHUNKS and all(part.count for part in workload.parts)
    ]
    names = [name for name in names if PEERS[name].counted]
    with TemporaryDirectory() as folder, ThreadPoolExecutor(cpu_count()) as pool:
        jobs = [pool.submit(_count_all, name, countable, drain, Path(folder)) for name in names]
        found = {name: job.result() for name, job in zip(names, jobs, strict=True)}
    for workload in countable:
        measured = [found[name][workload.name] for name in names if workload.name in found[name]]
        yield replace(workload, bars=()), measured


def _count_all(
    name: str, workloads: Sequence[Workload], drain: Drain, folder: Path
) -> dict[str, Measured]:
    found = {}
    with _CountingWorker(name, drain, folder) as worker:
        for workload in workloads:
            if all(part.method in worker.workloads for part in workload.parts):
                values = [[_per_unit(worker, part)] for part in workload.parts]
                found[workload.name] = Measured(name, values)
    return found


def _per_unit(worker: _CountingWorker, part: Part) -> float:
    assert part.count is not None
    worker.count(part, max(1, part.count // 10))  # warms up
    for_none = worker.count(part, 0)
    return (worker.count(part, part.count) - for_none) / (part.count * part.per) / 1000
