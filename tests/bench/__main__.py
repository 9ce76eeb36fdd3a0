"""xtrace against the official SDK, OpenTelemetry, ddtrace and a hand-written floor.

From the root of the repository:

    python tests/bench                      everything; some minutes
    python tests/bench --quick              the same with fewer rounds; less exact
    python tests/bench --only header        one workload; may be repeated
    python tests/bench --instructions       counts of instructions instead of time; needs valgrind
    python tests/bench --check              exit with 1 if a bar is missed

The first run makes a virtual environment for each peer in .bench/. Linux only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import fresh
import instructions
import rounds
from catalogue import CHUNKS, COUNT_NOTES, IMPORTS, PEERS, TIME_NOTES, WORKLOADS, Workload
from environments import STORE, python_of
from figures import Measured, Result, joined
from processes import Drain, Worker
from report import all_verdicts, as_json, table

ROUNDS, QUICK_ROUNDS = 60, 12
PROCESSES, QUICK_PROCESSES = 3, 2
IMPORT_TIMES, QUICK_IMPORT_TIMES = 20, 5


def main() -> int:
    """Measure what the command line asks for; the exit code."""
    options = _options()
    workloads = [each for each in WORKLOADS if not options.only or each.name in options.only]
    for peer in PEERS.values():
        python_of(peer.environment)
    if options.instructions:
        unit, notes, file = "thousand instructions", COUNT_NOTES, STORE / "instructions.json"
        with Drain() as drain:
            found = list(instructions.measure(workloads, list(PEERS), drain))
    else:
        unit, notes, file = "microseconds", TIME_NOTES, STORE / "results.json"
        found = list(_measure(workloads, options.quick))
    results = [Result(workload, {each.peer: each for each in all}) for workload, all in found]
    print(table(results, notes))
    file = options.json or file
    file.write_text(json.dumps(as_json(results, unit), indent=1) + "\n")
    missed = any(not verdict.ok for verdict in all_verdicts(results))
    return 1 if options.check and missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument(
        "--only",
        action="append",
        choices=names,
        metavar="WORKLOAD",
        help=f"this workload; may be repeated: {', '.join(names)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="instead of .bench/results.json")
    parser.add_argument("--instructions", action="store_true", help="count instructions")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    options = parser.parse_args()
    if options.check and options.instructions:
        parser.error("The bars are of time: --check doesn't go with --instructions.")
    return options


def _measure(
    workloads: Sequence[Workload], quick: bool
) -> Iterator[tuple[Workload, list[Measured]]]:
    """Time and memory of the workloads, in their order."""
    with Drain() as drain:
        in_chunks = [each for each in workloads if each.measured == CHUNKS]
        found = _in_chunks(in_chunks, drain, quick)
        imported: dict[str, dict[str, list[float]]] = {}
        for workload in workloads:
            if workload.measured == CHUNKS:
                yield workload, found[workload.name]
                continue
            print(workload.name, file=sys.stderr)
            if workload.measured == IMPORTS:
                if not imported:
                    peers = [peer for peer in PEERS.values() if peer.imports]
                    imported = fresh.imports(peers, QUICK_IMPORT_TIMES if quick else IMPORT_TIMES)
                what = workload.parts[0].method
                yield (
                    workload,
                    [
                        Measured(name, [values[what]], by_median=True)
                        for name, values in imported.items()
                    ],
                )
            else:
                yield workload, fresh.open_segments(workload, list(PEERS), drain)


def _in_chunks(
    workloads: Sequence[Workload], drain: Drain, quick: bool
) -> dict[str, list[Measured]]:
    """The workloads that are measured in chunks, by several processes of each peer: where one has its
    objects in memory is luck that lasts for its life, and up to a tenth of a figure.
    """
    processes = QUICK_PROCESSES if quick else PROCESSES
    each_rounds = (QUICK_ROUNDS if quick else ROUNDS) // processes
    found: dict[str, list[list[Measured]]] = {workload.name: [] for workload in workloads}
    for number in range(processes if workloads else 0):
        with ExitStack() as stack:
            workers = {
                name: stack.enter_context(Worker(peer, drain)) for name, peer in PEERS.items()
            }
            for workload in workloads:
                print(f"{workload.name} ({number + 1} of {processes})", file=sys.stderr)
                found[workload.name].append(rounds.measure(workload, workers, drain, each_rounds))
    return {
        name: [joined(of_one_peer) for of_one_peer in zip(*all, strict=True)]
        for name, all in found.items()
    }


if __name__ == "__main__":
    sys.exit(main())
