"""A peer at work, in a process and an environment of its own: python worker.py PEER

Tells its workloads on standard output, then reads "WORKLOAD TIMES" from standard input, a line
each, and answers each with a line of JSON:

    value        what the workload gave: CPU seconds of the calling thread, or bytes
    background   CPU seconds of all other threads since the answer before
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from importlib import import_module

from peers import MARKS


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    peer = import_module(f"peers.{sys.argv[1]}").Peer()
    workloads = [name for name in dir(peer) if not name.startswith("_")]
    print(json.dumps({"workloads": workloads, "datagrams": peer.sends_datagrams}), file=answers)
    before = _background()
    for line in sys.stdin:
        workload, times = line.split()
        if MARKS in os.environ:
            gc.collect()  # so that what is collected within depends on the workload alone
        value = peer.settle() if workload == "settle" else getattr(peer, workload)(int(times))
        after = _background()
        print(json.dumps({"value": value, "background": after - before}), file=answers)
        before = after


def _background() -> float:
    """CPU seconds that threads other than this one have spent so far."""
    return time.process_time() - time.thread_time()


if __name__ == "__main__":
    main()
