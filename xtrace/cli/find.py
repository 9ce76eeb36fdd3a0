"""`xtrace find 'FILTER'`: the traces that a filter expression matches, or what they have in common."""

from __future__ import annotations

from . import _api, _list, _print

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ._api import Api

STATUSES = ("ok", "error", "throttle", "fault")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "filter",
        nargs="?",
        default="",
        metavar="FILTER",
        help="a filter expression: 'service(\"shop\") { fault } AND responsetime > 0.5'",
    )
    add_question(parser)
    parser.add_argument(
        "--sort",
        default="start",
        choices=("start", "response_time", "duration", "http_status", "url", "method"),
        help="the newest, or highest, first (default: start)",
    )
    parser.add_argument("--reverse", action="store_true", help="the oldest, or lowest, first")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="the most rows (default: 20)", default=20
    )
    parser.add_argument(
        "--by",
        metavar="FACET",
        help="group by url, http_status, method, client_ip, user, service, entry, status, error or "
        "annotation.KEY",
    )
    parser.add_argument("--ids", action="store_true", help="print only the ids, one a line")
    parser.add_argument("--json", action="store_true", help="print what the API answers")
    _api.add_arguments(parser)


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add what traces are asked for by, besides a filter."""
    parser.add_argument(
        "--range",
        default="all",
        metavar="RANGE",
        help="the last so long: PT15M, PT6H, P1D; or START~END, ISO 8601 each (default: all)",
    )
    parser.add_argument("--group", metavar="NAME", help="only those of a group")
    parser.add_argument("--run", metavar="NAME", help="only those of a run")


def question(arguments: argparse.Namespace) -> dict[str, Any]:
    """The parameters that say which traces are asked for."""
    return {
        "range": arguments.range,
        "filter": arguments.filter or None,
        "group": arguments.group,
        "run": arguments.run,
    }


def run(arguments: argparse.Namespace) -> int:
    """Print what is found."""
    api = _api.opened(arguments)
    try:
        told = _grouped(api, arguments) if arguments.by else _found(api, arguments)
    except _api.Refused as error:
        place = _print.where_wrong(arguments.filter, error.told)
        if place is None:
            raise
        raise _api.Refused(f"{error}\n{place}", error.told) from error
    if arguments.json:
        _print.as_json(told)
    elif arguments.by:
        _print_groups(told)
    else:
        _print_found(told, arguments)
    return 0


def _grouped(api: Api, arguments: argparse.Namespace) -> dict[str, Any]:
    asked = {**question(arguments), "by": arguments.by, "limit": min(arguments.limit, 1000)}
    return api.get("/facets", asked)


def _found(api: Api, arguments: argparse.Namespace) -> dict[str, Any]:
    """A list as long as was asked for: pages end early when a filter is slow."""
    sort = arguments.sort if arguments.reverse else f"-{arguments.sort}"
    asked = {**question(arguments), "sort": sort, "limit": arguments.limit}
    told = api.get("/traces", asked)
    while told["cursor"] is not None and len(told["rows"]) < arguments.limit:
        left = arguments.limit - len(told["rows"])
        page = api.get("/traces", {**asked, "limit": left, "cursor": told["cursor"]})
        told = {
            **page,
            "rows": told["rows"] + page["rows"],
            "scanned": told["scanned"] + page["scanned"],
        }
    return told


def _print_found(told: dict[str, Any], arguments: argparse.Namespace) -> None:
    found = _api.rows(told)
    if arguments.ids:
        for row in found:
            print(_print.clean(row["id"]))
        return
    console = _print.terminal()
    if found:
        _list.print_traces(found)
        if told["cursor"] is not None or not told["complete"]:
            console.print(f"The first {len(found)}; --limit N shows more.", style="dim")
        return
    console.print("No traces." if arguments.filter else "No traces yet.")
    hint = told["hint"]
    if hint is not None:
        said = f"{hint['text']} Try: xtrace find '{hint['filter']}'"
        console.print(_print.words(said, "yellow"))


def _value(value: object) -> object:
    """A number that is whole without its point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _print_groups(told: dict[str, Any]) -> None:
    (facet,) = told["facets"]
    console = _print.terminal()
    rows = []
    for row in _api.rows(facet):
        average = _print.took(row["average"]) if row["average"] is not None else ""
        counts = [
            _print.text(row[name] or "", _print.COLOURS[name] if name != "ok" else "")
            for name in STATUSES
        ]
        numbers = (row["count"], f"{100 * row['share']:.1f} %", average)
        rows.append([_print.text(_value(row["value"])), *map(_print.text, numbers), *counts])
    if not rows:
        by = facet["by"].removeprefix("annotation.")
        none = f"None of {told['count']} traces has a value for {by}."
        console.print(_print.words(none if told["count"] else "No traces."))
        return
    numbers_of = ("traces", "share", "average", *STATUSES)
    _print.table(console, (facet["by"], *numbers_of), rows, wide=facet["by"], right=numbers_of)
    left = facet["values"] - len(facet["rows"])
    said = f"{told['count']} traces" + (f"; {left} more values" if left else "")
    console.print(
        said if told["complete"] else f"{said}; only the newest were counted", style="dim"
    )
