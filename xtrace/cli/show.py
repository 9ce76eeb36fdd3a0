"""`xtrace show`: the list of stored traces, or one trace as a waterfall."""

from __future__ import annotations

import sys
import time

from ..errors import ConfigurationError, MissingLibrary
from ..waterfall import draw
from . import _store

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..collector.store.sqlite import Store, Trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("trace_id", nargs="?", metavar="TRACE_ID", help="draw this trace")
    parser.add_argument(
        "--last", type=int, metavar="N", help="draw the last N traces instead of listing them"
    )
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="list N traces (default: %(default)s)"
    )
    _store.add_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draw or list."""
    store = _store.open_existing(arguments.db)
    try:
        if arguments.trace_id:
            _draw(store, [_whole_id(store, arguments.trace_id)])
        elif arguments.last is not None:
            _draw(store, [trace.trace_id for trace in reversed(store.traces(arguments.last))])
        else:
            _list(store.traces(arguments.limit))
    finally:
        store.close()
    return 0


def _whole_id(store: Store, text: str) -> str:
    if store.raw(text):
        return text
    raise ConfigurationError(f"No trace {text!r} is stored. `xtrace show` lists those that are.")


def _draw(store: Store, trace_ids: list[str]) -> None:
    for trace_id in trace_ids:
        print(draw(store.documents(trace_id), colour=sys.stdout.isatty()), end="\n\n")


def _list(traces: list[Trace]) -> None:
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
    except ImportError as error:
        raise MissingLibrary(
            "Listing traces needs rich. Install it with: pip install 'xtrace[collector]'"
        ) from error
    if not traces:
        print("No traces yet. `python examples/quickstart.py` makes one.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("started", "trace", "name", "state"):
        table.add_column(column, no_wrap=True)
    for column in ("segments", "ms"):
        table.add_column(column, justify="right", no_wrap=True)
    for trace in traces:
        state = "fault" if trace.fault else "throttle" if trace.throttle else ""
        state = state or ("error" if trace.error else "ok")
        colour = {"fault": "red", "error": "yellow", "throttle": "magenta", "ok": "green"}[state]
        table.add_row(
            time.strftime("%H:%M:%S", time.localtime(trace.start)),
            trace.trace_id,
            trace.name,
            f"[{colour}]{state}[/]",
            str(trace.segments),
            f"{(trace.end - trace.start) * 1000:.1f}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
