"""One trace as a waterfall, as wide as the terminal: names, bars, times."""

from __future__ import annotations

import re
import time

from rich.text import Text

from . import _print

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SEGMENT, SUBSEGMENT, INFERRED = range(3)
FAILED = ((4, "fault"), (2, "throttle"), (1, "error"))
IN_PROGRESS, ORPHAN = 8, 16

FILLS = {SEGMENT: "█", SUBSEGMENT: "▒", INFERRED: "░"}
NAMES_SHARE = 0.46
TIME_CHARS = 8
STATUS_CHARS = 3
MOST_INDENT_SHARE = 0.5
FOLD_FROM = 6
"""Rows of the same name next to each other, without any below, are told as one from so many on."""


MAX_FAILURES = 3
MAX_MESSAGE_LINES = 3
"""What is told of the exceptions of one row, without --whole; of a message."""


def print_trace(told: dict[str, Any], critical: bool = False, whole: bool = False) -> None:
    """Print a trace, as GET /api/v1/traces/TRACE_ID tells it.

    critical: mark what the response waited for. whole: tell each of many rows that are the same.
    """
    console = _print.terminal()
    width = console.width
    for line in _head(told, width):
        _print.line(console, line)
    lines = _lines(told, whole)
    failures = _failures(told)
    indent = min(2, max(1, int(width * NAMES_SHARE * MOST_INDENT_SHARE) // _deepest(lines)))
    labels = [_label(told, row, indent, len(places)) for row, places in lines]
    names = min(int(width * NAMES_SHARE), max((each.cell_len for each in labels), default=0))
    bars = max(10, width - names - TIME_CHARS - STATUS_CHARS - 4)
    low = min((row["start"] for row, _ in lines), default=0.0)
    high = max((row["start"] + (row["duration"] or 0.0) for row, _ in lines), default=0.0)
    high = max(high, told["duration"])
    waited = _waited(told) if critical else set()
    for label, (row, places) in zip(labels, lines, strict=True):
        label.truncate(names, overflow="ellipsis", pad=True)
        state = next((name for flag, name in FAILED if row["flags"] & flag), None)
        line = Text(no_wrap=True, overflow="crop")
        line.append_text(label)
        line.append(" ")
        line.append_text(_bar(told, row, low, high, bars, not critical or row["place"] in waited))
        line.append(_print.took(row["duration"]).rjust(TIME_CHARS + 1))
        if state is not None:
            line.append(f" {_print.SIGNS[state]}", _print.COLOURS[state])
        elif row["place"] in waited:
            line.append(" *", "bold")
        _print.line(console, line)
        margin = " " * (indent * (row["depth"] + 1))
        room = width - len(margin)
        for said, wraps in _told_failures([failures.get(place, []) for place in places], whole):
            for part in said.wrap(console, room)[:MAX_MESSAGE_LINES] if wraps else [said]:
                _print.line(console, Text(margin).append_text(part))
    if told["cut"]:
        console.print(
            f"… {told['cut']} more rows; --limit {told['total']} shows them", style="yellow"
        )
    if told["exceptions"]["cut"]:
        console.print(f"… {told['exceptions']['cut']} more exceptions", style="yellow")
    for warning in told["warnings"]:
        if warning["code"] != "row_limit":
            console.print(Text(f"! {_print.clean(warning['text'])}", "yellow"))


def _waited(told: dict[str, Any]) -> set[int]:
    """The rows that the response waited for, with those that called them."""
    columns = told["columns"]
    parent, kind = columns.index("parent"), columns.index("kind")
    found = {row for row, _, _ in told["critical_path"]["rows"]}
    return found | {
        told["rows"][row][parent] for row in found if told["rows"][row][kind] == INFERRED
    }


def _head(told: dict[str, Any], width: int) -> list[Text]:
    request = " ".join(_print.clean(word) for word in (told["method"], told["url"]) if word)
    first = Text(_print.clean(told["id"]), "bold", no_wrap=True, overflow="ellipsis")
    second = Text(no_wrap=True, overflow="ellipsis")
    second.append_text(_print.status(told["status"], told["http_status"]))
    second.append(f"  {_print.took(told['response_time'])}", "bold")
    if told["duration"] != told["response_time"]:
        second.append(f" of {_print.took(told['duration'])}")
    try:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(told["start"]))
    except (ValueError, OverflowError, OSError):
        when = str(told["start"])
    documents = told["documents"]
    second.append(f"  {when}  {documents} document{'s' * (documents != 1)}", "dim")
    lines = [first, second]
    if request:
        lines.append(Text(_print.cut(request, width)))
    return lines


def _failures(told: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    """The exceptions of each row that has any."""
    found: dict[int, list[dict[str, Any]]] = {}
    for each in told["exceptions"]["rows"]:
        exception = dict(zip(told["exceptions"]["columns"], each, strict=True))
        found.setdefault(exception["row"], []).append(exception)
    return found


def _told_failures(of_rows: list[list[dict[str, Any]]], whole: bool) -> list[tuple[Text, bool]]:
    """What is told below a line of the exceptions of the rows that it stands for, the same ones once;
    and whether it may go over several lines.
    """
    counts: dict[tuple[bool, str, str, str], int] = {}
    for each in (each for exceptions in of_rows for each in exceptions):
        places = " < ".join(_print.clean(_place(frame)) for frame in each["frames"])
        said = (each["behind"], _print.clean(each["type"]), _print.clean(each["message"]), places)
        counts[said] = counts.get(said, 0) + 1
    lines: list[tuple[Text, bool]] = []
    for place, ((behind, type, message, places), count) in enumerate(counts.items()):
        if place == MAX_FAILURES and not whole:
            lines.append((Text(f"… {len(counts) - place} more exceptions; --whole", "dim"), False))
            break
        line = Text("caused by " if behind else "")
        line.append(type or "exception", "bold red")
        line.append(f": {message}" if message else "", "red")
        line.append(f" × {count}" if count > 1 else "", "bold")
        lines.append((line, True))
        if places:
            lines.append((Text(f"  at {places}", "dim"), False))
    return lines


def _place(frame: dict[str, Any]) -> str:
    """A place in code, in short."""
    short = "/".join(re.split(r"[/\\]", frame["path"])[-2:])
    where = f"{short}:{frame['line']}" if short else ""
    return " ".join(word for word in (frame["label"], where) if word)


def _lines(told: dict[str, Any], whole: bool) -> list[tuple[dict[str, Any], list[int]]]:
    """The rows to print, each with the places of those that it stands for."""
    found = []
    for place, each in enumerate(told["rows"]):
        row = dict(zip(told["columns"], each, strict=True))
        row["place"] = place
        found.append(row)
    if whole:
        return [(row, [row["place"]]) for row in found]
    # What a service that sent nothing did is told by its caller's row already.
    found = [row for row in found if row["kind"] != INFERRED]
    lines: list[tuple[dict[str, Any], list[int]]] = []
    place = 0
    while place < len(found):
        end = place + 1
        while end < len(found) and _is_same(found, place, end):
            end += 1
        if end - place >= FOLD_FROM:
            same = found[place:end]
            lines.append((_folded(same), [row["place"] for row in same]))
        else:
            lines += [(row, [row["place"]]) for row in found[place:end]]
        place = end
    return lines


def _is_same(found: list[dict[str, Any]], one: int, other: int) -> bool:
    """Whether two rows are siblings of one name, and nothing is below either."""
    first, row = found[one], found[other]
    depth = first["depth"]
    alone = other + 1 >= len(found) or found[other + 1]["depth"] <= depth
    first_alone = found[one + 1]["depth"] <= depth
    same = all(row[name] == first[name] for name in ("parent", "service", "name", "kind"))
    return same and alone and first_alone


def _folded(same: list[dict[str, Any]]) -> dict[str, Any]:
    """One row for several: from the first's start to the last end."""
    start = min(row["start"] for row in same)
    ends = [row["start"] + row["duration"] for row in same if row["duration"] is not None]
    flags = 0
    for row in same:
        flags |= row["flags"]
    duration = round(max(ends) - start, 6) if ends else None
    return {**same[0], "start": start, "duration": duration, "flags": flags, "label": None}


def _deepest(lines: list[tuple[dict[str, Any], list[int]]]) -> int:
    return max((row["depth"] for row, _ in lines), default=0) or 1


def _label(told: dict[str, Any], row: dict[str, Any], indent: int, count: int) -> Text:
    colour = _colour(row["service"])
    label = Text(" " * (indent * row["depth"]), no_wrap=True)
    if row["flags"] & ORPHAN:
        label.append("? ", "yellow")
    name = _print.clean(row["name"])
    if row["kind"] == INFERRED:
        service = told["services"][row["service"]]["name"]
        label.append(_print.clean(service) if row["label"] else name, f"dim {colour}")
        label.append(" (inferred)", "dim")
        return label
    label.append(name, f"bold {colour}" if row["kind"] == SEGMENT else colour)
    if count > 1:
        label.append(f" × {count}", "bold")
    if row["label"]:
        label.append(f" {_print.clean(row['label'])}", "dim")
    return label


def _colour(service: int) -> str:
    return _print.SERVICE_COLOURS[service % len(_print.SERVICE_COLOURS)]


def _bar(
    told: dict[str, Any], row: dict[str, Any], low: float, high: float, width: int, is_bright: bool
) -> Text:
    whole = high - low
    fill = FILLS[row["kind"]]
    style = _colour(row["service"]) if is_bright else "dim"
    if whole <= 0:
        return Text(fill * width, style)
    first = min(width - 1, max(0, int((row["start"] - low) / whole * width)))
    if row["duration"] is None:
        bar = fill * (width - first - 1) + "▶"
    else:
        last = max(first + 1, round((row["start"] + row["duration"] - low) / whole * width))
        bar = fill * (min(last, width) - first)
    made = Text(" " * first, no_wrap=True)
    made.append(bar, style)
    made.pad_right(width - made.cell_len)
    return made
