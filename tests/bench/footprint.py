"""How much memory this process occupies. Linux only."""


def resident_bytes() -> int:
    """Bytes in RAM (VmRSS), as Linux tells them."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmRSS")


def occupied_bytes() -> int:
    """Bytes of all Python objects where PYTHONTRACEMALLOC is set, else resident_bytes()."""
    import tracemalloc  # not above: what an import brings along is measured with this file too

    return tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else resident_bytes()
