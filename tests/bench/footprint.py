"""How much memory this process occupies. Imports nothing but what Python has loaded anyway."""

from __future__ import annotations

import sys


def resident_bytes() -> int:
    """Bytes in RAM (VmRSS), as Linux tells them."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmRSS")


def occupied_bytes() -> int:
    """Bytes of all Python objects where PYTHONTRACEMALLOC is set, else resident_bytes()."""
    tracemalloc = sys.modules.get("tracemalloc")
    if tracemalloc is not None and tracemalloc.is_tracing():
        return int(tracemalloc.get_traced_memory()[0])
    return resident_bytes()
