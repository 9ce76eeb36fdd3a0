"""`xtrace tail`: traces as they arrive, drawn or one a line, each when nothing more of it has come for a
moment.
"""

from __future__ import annotations

import sys
import time
from queue import Empty, SimpleQueue
from threading import Thread

from . import _api, _list, _print, _waterfall

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ._api import Api, Event

QUIET_SECONDS = 0.6
"""A trace is shown when nothing of it has changed for so long."""

LONGEST_WAIT_SECONDS = 10.0
"""A trace that goes on changing is shown nevertheless."""

ROWS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "filter", nargs="?", default="", metavar="FILTER", help="only traces that match"
    )
    parser.add_argument("--group", metavar="NAME", help="only those of a group")
    parser.add_argument("--run", metavar="NAME", help="only those of a run")
    parser.add_argument("--lines", action="store_true", help="one line a trace, not a waterfall")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line: a row of the list of traces"
    )
    _api.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Follow until Ctrl-C."""
    api = _api.opened(arguments)
    asked = {"filter": arguments.filter or None, "group": arguments.group, "run": arguments.run}
    columns = api.get("/traces", {**asked, "limit": 1})["columns"]  # says at once what is wrong
    # What comes from here on is shown, also what comes before the stream of events is open.
    asked["after"] = api.get("/status")["change"]
    print(f"Waiting for traces of {api.where}. Stop with Ctrl-C.", file=sys.stderr, flush=True)
    try:
        _follow(api, asked, columns, arguments)
    except KeyboardInterrupt:
        pass
    return 0


def _follow(
    api: Api, asked: dict[str, Any], columns: list[str], arguments: argparse.Namespace
) -> None:
    waiting: dict[str, tuple[dict[str, Any], float, float]] = {}
    events: SimpleQueue[Event | Exception] = SimpleQueue()
    Thread(target=_read, args=(api, asked, events), daemon=True).start()
    while True:
        try:
            event = events.get(timeout=0.1)
            if isinstance(event, Exception):
                raise event
            _take(event, columns, waiting)
        except Empty:
            pass
        now = time.monotonic()
        for trace_id, (row, first, last) in list(waiting.items()):
            if now - last >= QUIET_SECONDS or now - first >= LONGEST_WAIT_SECONDS:
                del waiting[trace_id]
                _show(api, row, arguments)


def _read(api: Api, asked: dict[str, Any], events: SimpleQueue[Event | Exception]) -> None:
    try:
        for event in api.events(asked):
            events.put(event)
    except Exception as error:
        events.put(error)


def _take(
    event: Event, columns: list[str], waiting: dict[str, tuple[dict[str, Any], float, float]]
) -> None:
    """Remember which traces have changed, and when."""
    name, data = event
    now = time.monotonic()
    if name == "clear":
        waiting.clear()
    for trace_id in data.get("ids", ()) if name == "gone" else ():
        waiting.pop(trace_id, None)
    if name in ("trace", "update"):
        for each in data["rows"]:
            row = dict(zip(columns, each, strict=False))
            first = waiting.get(row["id"], (row, now, now))[1]
            waiting[row["id"]] = (row, first, now)
        if data["more"]:
            print(f"({data['more']} more traces)", file=sys.stderr, flush=True)


def _show(api: Api, row: dict[str, Any], arguments: argparse.Namespace) -> None:
    if arguments.json:
        _print.as_json(row)
        return
    if arguments.lines:
        _print.terminal().print(_list.line(row))
    else:
        told = api.get(_api.path_of(row["id"]), {"limit": ROWS})
        _waterfall.print_trace(told)
        print()
    sys.stdout.flush()
