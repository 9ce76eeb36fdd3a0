"""Measures what HTTP emitters and forwarding cost: python -m tests.bench_backends [part ...].

  thread        CPU time of the thread that serves, and its p50 and p99; backends alive and dead
  instructions  the same as a count of instructions, steady on a busy machine; needs valgrind
  memory        of a process that records for a dead backend
  exits         how long a program takes from its last line until it has gone
  forward       a collector with a database forwards: --rate a second for --seconds
  outage        the same, with the backend down for --outage seconds in between
  daemon        `xtrace daemon`: CPU and memory
  down          `xtrace daemon`: memory while the backend is down
  clickhouse    what storing on ClickHouse takes

Without a part: all of them, some ten minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from . import emitting
from .forwarding import down, forwarding
from .on_clickhouse import clickhouse

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Measure the parts that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench_backends",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="part")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--outage", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=5000)
    options = parser.parse_args()
    rate, seconds, outage = options.rate, options.seconds, options.outage
    parts: dict[str, Callable[[], None]] = {
        "thread": emitting.thread,
        "instructions": emitting.instructions,
        "memory": emitting.memory,
        "exits": emitting.exits,
        "forward": lambda: forwarding("store", rate, seconds),
        "outage": lambda: forwarding("store", rate, seconds + outage, outage),
        "daemon": lambda: forwarding("daemon", rate, seconds),
        "down": lambda: down(rate),
        "clickhouse": clickhouse,
    }
    unknown = sorted(set(options.parts) - set(parts))
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(parts)}")
    for name in options.parts or parts:
        load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
        print(
            f"-- {name}: load {load} on {os.cpu_count()} cores, Python {sys.version.split()[0]}",
            flush=True,
        )
        parts[name]()


if __name__ == "__main__":
    main()
