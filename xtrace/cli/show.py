"""`xtrace show`: the list of stored traces, or one trace as a waterfall."""

from __future__ import annotations

import json
import sys
import time

from ..collector.store import RangeType, Window
from ..collector.validation import MAX_VERDICTS_OF_ALL, REJECTS, verdicts_of_all
from ..errors import ConfigurationError, MissingLibrary
from ..waterfall import draw
from . import _store

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ..collector.store import Store

ALWAYS = Window(0.0, 1e12)
MAX_LINE_CHARS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("trace_id", nargs="?", metavar="TRACE_ID", help="draw this trace")
    parser.add_argument(
        "--last", type=int, metavar="N", help="draw the last N traces instead of listing them"
    )
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="list N traces (default: %(default)s)"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="say what X-Ray would reject or change of the traces that are drawn, and why; "
        "the exit status is 1 if it would reject a document",
    )
    _store.add_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draw or list."""
    if arguments.check and not arguments.trace_id and arguments.last is None:
        raise ConfigurationError("--check needs a TRACE_ID, or --last N.")
    status = 0
    store = _store.open_existing(arguments.db)
    try:
        if arguments.trace_id:
            trace_ids = [_whole_id(store, arguments.trace_id)]
        elif arguments.last is not None:
            trace_ids = [each["Id"] for each in reversed(_newest(store, arguments.last))]
        else:
            trace_ids = []
            _list(store, _newest(store, arguments.limit))
        for trace_id in trace_ids:
            documents = store.raw(trace_id)
            _draw(documents)
            if arguments.check and _check(documents):
                status = 1
    finally:
        store.close()
    return status


def _newest(store: Store, count: int) -> list[dict[str, Any]]:
    """Summaries of the traces that began last, the newest first."""
    return store.find(ALWAYS, range_type=RangeType.EVENT, limit=count, seconds=60.0).summaries


def _whole_id(store: Store, text: str) -> str:
    if store.raw(text):
        return text
    raise ConfigurationError(f"No trace {text!r} is stored. `xtrace show` lists those that are.")


def _draw(documents: list[bytes]) -> None:
    parsed = [json.loads(data) for data in documents]
    print(draw(parsed, colour=sys.stdout.isatty()), end="\n\n")


def _check(documents: list[bytes]) -> bool:
    """Say what X-Ray would reject or change; whether it would reject anything."""
    found = verdicts_of_all(documents)
    for id, verdict in found:
        where = f"{id} {verdict.path}".rstrip()
        line = f"X-Ray {verdict.effect} {where}: {verdict.code}: {verdict.why}"
        # What stands in a document doesn't steer the terminal.
        print("".join(char if char.isprintable() else "?" for char in line[:MAX_LINE_CHARS]))
    if len(found) >= MAX_VERDICTS_OF_ALL:
        print("and so on.")
    elif not found:
        print("X-Ray takes it as it is.")
    print()
    return any(verdict.effect == REJECTS for _, verdict in found)


def _list(store: Store, summaries: list[dict[str, Any]]) -> None:
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError as error:
        raise MissingLibrary(
            "Listing traces needs rich. Install it with: pip install 'xtrace[collector]'"
        ) from error
    if not summaries:
        print("No traces yet. `python examples/quickstart.py` makes one.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("started", "trace", "name", "state"):
        table.add_column(column, no_wrap=True)
    for column in ("segments", "ms"):
        table.add_column(column, justify="right", no_wrap=True)
    for summary in summaries:
        state = "fault" if summary["HasFault"] else "throttle" if summary["HasThrottle"] else ""
        state = state or ("error" if summary["HasError"] else "ok")
        colour = {"fault": "red", "error": "yellow", "throttle": "magenta", "ok": "green"}[state]
        parts = [part for trace in store.traces([summary["Id"]]) for part in trace.parts]
        entry = summary.get("EntryPoint") or {}
        table.add_row(
            time.strftime("%H:%M:%S", time.localtime(summary["StartTime"])),
            summary["Id"],
            Text(entry.get("Name") or "-"),
            f"[{colour}]{state}[/]",
            str(sum(not part.inferred for part in parts)),
            f"{summary['Duration'] * 1000:.1f}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
