"""`xtrace diff A B`: two traces side by side, and what took longer or is in one of them only."""

from __future__ import annotations

from itertools import groupby

from . import _api, _print

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

FAILED = ((4, "fault"), (2, "throttle"), (1, "error"))
COLUMNS = ("row", "A", "B", "B − A")
INFERRED = 2
FOLD_FROM = 6
NOTABLE_SECONDS = 0.001
NOTABLE_SHARE = 0.2
"""A difference is coloured from so much on, of the first trace's time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("a", metavar="A", help="a trace id, the beginning or end of it")
    parser.add_argument("b", metavar="B", help="another")
    parser.add_argument(
        "--whole", action="store_true", help="each row, also where many are the same"
    )
    parser.add_argument("--json", action="store_true", help="print what the API answers")
    _api.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print both."""
    api = _api.opened(arguments)
    ids = [api.trace_id(each) for each in (arguments.a, arguments.b)]
    told = api.get("/compare", {"a": ids[0], "b": ids[1]})
    if arguments.json:
        _print.as_json(told)
        return 0
    console = _print.terminal()
    for name, style in (("a", "cyan"), ("b", "magenta")):
        _print.line(console, _head(name.upper(), told[name], style))
    found = _api.rows(told)
    if not arguments.whole:
        found = [row for row in found if row["kind"] != INFERRED]
    rows = [_cells(row, count) for row, count in _folded(found)]
    _print.table(console, COLUMNS, rows, wide=COLUMNS[0], right=COLUMNS[1:])
    if told["cut"]:
        console.print(f"… {told['cut']} more rows", style="yellow")
    only = [sum(row[side] is None for row in found) for side in ("b", "a")]
    said = f"{only[0]} rows only in A, {only[1]} only in B"
    console.print(said, style="dim")
    return 0


def _head(name: str, told: dict[str, Any], style: str) -> _print.Text:
    made = _print.Text(f"{name} ", f"bold {style}", no_wrap=True, overflow="ellipsis")
    made.append(_print.clean(told["id"]), "bold").append("  ")
    made.append_text(_print.status(told["status"], told["http_status"]))
    made.append(f"  {_print.took(told['response_time'])}  ", "bold")
    request = " ".join(_print.clean(word) for word in (told["method"], told["url"]) if word)
    return made.append(f"{_print.clock(told['start'])}  {request}", "dim")


def _folded(found: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], int]]:
    """Rows that only one trace has, those of one name next to each other as one."""
    for _, group in groupby(found, _kind):
        same = list(group)
        if len(same) < FOLD_FROM:
            yield from ((row, 1) for row in same)
            continue
        side = "b" if same[0]["a"] is None else "a"
        durations = [row[f"{side}_duration"] for row in same]
        total = None if None in durations else sum(durations)
        yield {**same[0], f"{side}_duration": total, "label": None}, len(same)


def _kind(row: dict[str, Any]) -> object:
    """Rows next to each other of the same one are told as one."""
    if row["difference"] is not None or (row["a"] is not None and row["b"] is not None):
        return row["a"], row["b"]
    return row["depth"], row["service"], row["name"], row["kind"], row["a"] is None


def _cells(row: dict[str, Any], count: int) -> list[_print.Text]:
    only = "A" if row["b"] is None else "B" if row["a"] is None else ""
    style = {"A": "cyan", "B": "magenta", "": ""}[only]
    name = _print.Text("  " * row["depth"], no_wrap=True, overflow="ellipsis")
    name.append(f"{'-' if only == 'A' else '+' if only == 'B' else ' '} ", style)
    name.append(_print.clean(row["name"]), f"bold {style}" if row["kind"] == 0 else style)
    if count > 1:
        name.append(f" × {count}", "bold")
    if row["label"]:
        name.append(f" {_print.clean(row['label'])}", "dim")
    return [name, _time(row, "a"), _time(row, "b"), _difference(row)]


def _time(row: dict[str, Any], side: str) -> _print.Text:
    if row[side] is None:
        return _print.Text("")
    flags = row[f"{side}_flags"]
    state = next((name for flag, name in FAILED if flags & flag), None)
    made = _print.Text("", no_wrap=True)
    if state is not None:
        made.append(f"{_print.SIGNS[state]} ", _print.COLOURS[state])
    return made.append(_print.took(row[f"{side}_duration"]))


def _difference(row: dict[str, Any]) -> _print.Text:
    difference = row["difference"]
    if difference is None:
        return _print.Text("")
    notable = max(NOTABLE_SECONDS, NOTABLE_SHARE * (row["a_duration"] or 0.0))
    style = "red" if difference > notable else "green" if difference < -notable else "dim"
    return _print.Text(f"{'+' if difference > 0 else ''}{_print.took(difference)}", style)
