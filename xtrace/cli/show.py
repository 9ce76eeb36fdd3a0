"""`xtrace show`: the list of stored traces, or one trace as a waterfall."""

from __future__ import annotations

import json

from ..errors import ConfigurationError
from . import _api, _list, _print, _waterfall

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ._api import Api

REJECTS = "rejects"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "trace_id",
        nargs="?",
        metavar="TRACE_ID",
        help="draw this trace: its id, the beginning or end of it, or a trace header",
    )
    parser.add_argument(
        "--last", type=int, metavar="N", help="draw the last N traces instead of listing them"
    )
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="list N traces (default: 20), or draw N rows of one (default: 1000)",
    )
    parser.add_argument("--entity", metavar="ID", help="what stands behind a row, as JSON")
    parser.add_argument("--critical", action="store_true", help="mark what the response waited for")
    parser.add_argument(
        "--whole", action="store_true", help="each row, also where many are the same"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="say what X-Ray would reject or change of the traces that are drawn, and why; "
        "the exit status is 1 if it would reject a document",
    )
    parser.add_argument("--json", action="store_true", help="print what the API answers")
    _api.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draw or list."""
    for name in ("check", "entity", "critical", "whole"):
        if getattr(arguments, name) and not arguments.trace_id and arguments.last is None:
            raise ConfigurationError(f"--{name} needs a TRACE_ID, or --last N.")
    api = _api.opened(arguments)
    if arguments.trace_id:
        trace_ids = [api.trace_id(arguments.trace_id)]
    elif arguments.last is not None:
        newest = api.get("/traces", {"range": "all", "limit": max(1, arguments.last)})["rows"]
        trace_ids = [row[0] for row in reversed(newest[: arguments.last])]
    else:
        _print_list(api, arguments)
        return 0
    status = 0
    for trace_id in trace_ids:
        if arguments.entity:
            print(
                json.dumps(
                    api.get(f"{_api.path_of(trace_id)}/entities/{_api.quoted(arguments.entity)}"),
                    indent=2,
                )
            )
            continue
        told = api.get(_api.path_of(trace_id), {"limit": arguments.limit or 1000})
        if arguments.json:
            _print.as_json(told)
        else:
            _waterfall.print_trace(told, arguments.critical, arguments.whole)
            print()
        if arguments.check and _check(api, trace_id):
            status = 1
    return status


def _print_list(api: Api, arguments: argparse.Namespace) -> None:
    told = api.get("/traces", {"range": "all", "limit": arguments.limit or 20})
    if arguments.json:
        _print.as_json(told)
    elif told["rows"]:
        _list.print_traces(_api.rows(told))
    else:
        print("No traces yet. `python examples/quickstart.py` makes one.")


def _check(api: Api, trace_id: str) -> bool:
    """Say what X-Ray would reject or change; whether it would reject anything."""
    told = api.get(f"{_api.path_of(trace_id)}/verdicts")
    verdicts: list[dict[str, Any]] = told["verdicts"]
    for verdict in verdicts:
        where = f"{verdict['document']} {verdict['path']}".rstrip()
        print(
            _print.clean(f"X-Ray {verdict['effect']} {where}: {verdict['code']}: {verdict['why']}")
        )
    if not told["complete"]:
        print("and so on.")
    elif not verdicts:
        print("X-Ray takes it as it is.")
    print()
    return any(verdict["effect"] == REJECTS for verdict in verdicts)
