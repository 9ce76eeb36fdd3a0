"""A ClickHouse for tests: one that is there, or chdb in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).with_name("clickhouse_by_chdb.py")


@contextmanager
def clickhouse_server(folder: Path | str) -> Iterator[str]:
    """The URL of a server, without a database. folder: where it keeps its data.

    XTRACE_TEST_CLICKHOUSE=clickhouse://user:password@host:8123 names one to be used instead.
    """
    given = os.environ.get("XTRACE_TEST_CLICKHOUSE")
    if given:
        yield given.rstrip("/")
        return
    with subprocess.Popen(
        [sys.executable, PROGRAM, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield f"clickhouse://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.communicate(timeout=20)
