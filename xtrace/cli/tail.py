"""`xtrace tail`: draw traces as they arrive, each when nothing more of it has come for a moment."""

from __future__ import annotations

import json
import sys
import time

from ..waterfall import draw
from . import _store

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..collector.store import Store

SECONDS_BETWEEN_LOOKS = 0.2
QUIET_SECONDS = 0.6
"""A trace is drawn when no document of it has arrived for so long."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    _store.add_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Follow until Ctrl-C."""
    store = _store.open_existing(arguments.db)
    print("Waiting for traces. Stop with Ctrl-C.", file=sys.stderr, flush=True)
    try:
        _follow(store)
    except KeyboardInterrupt:
        pass
    finally:
        store.close()
    return 0


def _follow(store: Store) -> None:
    seen = store.last_change()
    last_change: dict[str, float] = {}
    while True:
        now = time.monotonic()
        for change in store.changes(seen):
            last_change[change.trace_id] = now
            seen = change.number
        for trace_id, changed in list(last_change.items()):
            if now - changed >= QUIET_SECONDS:
                del last_change[trace_id]
                documents = [json.loads(data) for data in store.raw(trace_id)]
                print(draw(documents, colour=sys.stdout.isatty()), end="\n\n", flush=True)
        time.sleep(SECONDS_BETWEEN_LOOKS)
