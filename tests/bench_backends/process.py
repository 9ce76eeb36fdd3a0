"""What another process has used so far, as Linux tells."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


def cpu_of(pid: int) -> float:
    """Seconds of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int | str = "self") -> tuple[int, int]:
    """Megabytes that are resident now, and at most were."""
    found = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    now, most = (int(found[name].split()[0]) >> 10 for name in ("VmRSS", "VmHWM"))
    return now, most
