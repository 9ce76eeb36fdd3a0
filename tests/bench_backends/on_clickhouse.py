"""How fast one collector stores on ClickHouse, which is chdb in another process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .forwarding import SEGMENTS
from .process import ROOT, cpu_of

if TYPE_CHECKING:
    from collections.abc import Callable


def clickhouse(seconds: float = 10.0) -> None:
    """How fast one collector stores on ClickHouse, which is chdb in another process."""
    from tests.collector.store_contract import parsed
    from xtrace.collector.filters import parse
    from xtrace.collector.store import Window, open_store
    from xtrace.collector.store.clickhouse import ClickHouseStore, rolling

    ever = Window(0.0, 1e12)
    program = ROOT / "tests" / "servers" / "clickhouse_by_chdb.py"
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [sys.executable, program, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        store = open_store(f"clickhouse://127.0.0.1:{server.stdout.readline().strip()}/bench")
        assert isinstance(store, ClickHouseStore)
        before, own = cpu_of(server.pid), time.process_time()
        begun = time.monotonic()
        number = 0
        while time.monotonic() - begun < seconds:
            documents = []
            for _ in range(500):
                number += 1
                # Of an hour, so that there are as many minutes.
                now = time.time() - number // SEGMENTS % 3600
                documents.append(
                    {
                        "trace_id": f"1-{int(now):08x}-{number // SEGMENTS:024x}",
                        "id": f"{number:016x}",
                        "name": f"service-{number % 20}",
                        "start_time": now,
                        "end_time": now + 0.1,
                        "http": {"response": {"status": 200}},
                        "metadata": {"default": {"x": os.urandom(450).hex()}},
                    }
                )
            store.write(parsed(*documents), 60.0)
        store.flush(120)
        took = time.monotonic() - begun
        size = sum(each.stat().st_size for each in Path(folder).rglob("*") if each.is_file())
        print(
            f"clickhouse: {number} documents in {took:.1f} s ({number / took:.0f}/s); a document takes "
            f"{(time.process_time() - own) / number * 1e6:.0f} µs of the collector's CPU (making it "
            f"included) and {(cpu_of(server.pid) - before) / number * 1e6:.0f} µs of ClickHouse's; "
            f"{size / number:.0f} bytes on its disk, of which 450 can't be compressed"
        )
        traces = store.size().traces
        filter = parse('service("service-7") { fault }')
        graph = spent_on(server.pid, lambda: store.graph(ever))
        found = spent_on(server.pid, lambda: store.find(ever, filter=filter))
        # What a collector does every half minute, with what was inserted a minute ago.
        rolling.SECONDS_TO_SHOW = rolling.SECONDS_BETWEEN_ROUNDS = 0.0
        before = cpu_of(server.pid)
        for _ in range(3):
            store._roll_up()  # there is no other way to hurry it
        adding = cpu_of(server.pid) - before
        subjects = len(store.graph(ever))
        (minutes,) = store._database.query("SELECT uniqExact(minute) FROM graph")[0]
        sums = spent_on(server.pid, lambda: store.graph(ever))
        print(
            f"clickhouse: of {traces} traces, CPU a trace: {graph / traces * 1e6:.2f} µs for the graph "
            f"from traces, {found / traces * 1e6:.2f} for a filter, {adding / traces * 1e6:.2f} to add "
            f"them up per minute, once; the graph of {minutes} minutes with {subjects} nodes and edges "
            f"takes {sums * 1e3:.1f} ms from sums"
        )
        store.close()
        server.communicate(timeout=20)


def spent_on(pid: int, ask: Callable[[], object], times: int = 20) -> float:
    """Seconds of CPU that another process takes to answer."""
    before = cpu_of(pid)
    for _ in range(times):
        ask()
    return (cpu_of(pid) - before) / times
