"""How fast one collector stores on ClickHouse, which is chdb in another process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .forwarding import SEGMENTS
from .process import ROOT, cpu_of


def clickhouse(seconds: float = 10.0) -> None:
    """How fast one collector stores on ClickHouse, which is chdb in another process."""
    from tests.collector.store_contract import parsed
    from xtrace.collector.filters import parse
    from xtrace.collector.store import Window, open_store

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
        before, own = cpu_of(server.pid), time.process_time()
        begun = time.monotonic()
        number = 0
        while time.monotonic() - begun < seconds:
            now = time.time()
            documents = []
            for _ in range(500):
                number += 1
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
        for what, ask in (
            ("the graph", lambda: store.graph(ever)),
            ("a filter", lambda: store.find(ever, filter=parse('service("service-7") { fault }'))),
        ):
            before = cpu_of(server.pid)
            for _ in range(20):
                ask()
            spent = (cpu_of(server.pid) - before) / 20 / traces
            print(
                f"clickhouse: {what} of {traces} traces takes {spent * 1e6:.2f} µs of CPU a trace"
            )
        store.close()
        server.communicate(timeout=20)
