"""How the commands show things on a terminal. Whatever a trace holds, it can't steer the terminal."""

from __future__ import annotations

import json
import os
import sys
import time

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = [
    "COLOURS",
    "SERVICE_COLOURS",
    "SIGNS",
    "Text",
    "as_json",
    "clean",
    "clock",
    "cut",
    "line",
    "status",
    "table",
    "terminal",
    "text",
    "took",
    "where_wrong",
    "words",
]


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

WIDTH_WITHOUT_TERMINAL = 120
COLOURS = {"fault": "red", "error": "yellow", "throttle": "magenta", "ok": "green", "open": "cyan"}
SIGNS = {"fault": "✖", "error": "▲", "throttle": "≫", "ok": "·", "open": "…"}
SERVICE_COLOURS = (
    *("blue", "green", "yellow", "magenta", "cyan"),
    *("bright_blue", "bright_green", "bright_yellow", "bright_magenta", "bright_cyan"),
)
MAX_TEXT_CHARS = 2000
COLUMN_GAP = 2
LEAST_WIDE_CHARS = 8


def terminal() -> Console:
    """Where to print to."""
    width = None
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        width = WIDTH_WITHOUT_TERMINAL
    return Console(width=width, highlight=False, soft_wrap=False)


def clean(value: object) -> str:
    """A value on one line, without anything that isn't a character to be seen."""
    text = "" if value is None else str(value)[:MAX_TEXT_CHARS]
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def text(value: object, style: str = "") -> Text:
    """The same as rich prints it: no markup."""
    return Text(clean(value), style=style, no_wrap=True, overflow="ellipsis")


def words(value: object, style: str = "") -> Text:
    """Words that may go over several lines."""
    return Text(clean(value), style=style)


def cut(value: str, width: int) -> str:
    """A text of at most so many columns."""
    if cell_len(value) <= width:
        return value
    return set_cell_size(value, max(0, width - 1)).rstrip() + "…" if width > 0 else ""


def took(seconds: float | None) -> str:
    """A duration."""
    if seconds is None:
        return "open"
    size = abs(seconds)
    if size < 0.000_001:
        return "0"
    if size < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if size < 0.1:
        return f"{seconds * 1000:.1f} ms"
    if size < 1:
        return f"{seconds * 1000:.0f} ms"
    if size < 100:
        return f"{seconds:.2f} s"
    return f"{seconds:.0f} s"


def clock(seconds: float) -> str:
    """A time of day, with the date if it isn't today's."""
    try:
        when, today = time.localtime(seconds), time.localtime()
    except (ValueError, OverflowError, OSError):
        return str(seconds)
    form = "%H:%M:%S" if when[:3] == today[:3] else "%Y-%m-%d %H:%M"
    return time.strftime(form, when)


def status(name: str, code: object = None) -> Text:
    """A status, with a sign and colour; code: of HTTP."""
    said = f"{SIGNS.get(name, ' ')} {name if code is None else code}"
    return Text(said, style=COLOURS.get(name, ""), no_wrap=True)


def table(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[Text]],
    *,
    wide: str,
    right: Sequence[str] = (),
) -> None:
    """Print a table. right: columns of numbers. wide: the one that gives way when there is no room."""
    widths = [
        max(cell_len(name), *(row[place].cell_len for row in rows)) if rows else cell_len(name)
        for place, name in enumerate(columns)
    ]
    place = columns.index(wide)
    others = sum(widths) - widths[place] + COLUMN_GAP * len(widths) + 1
    widths[place] = max(LEAST_WIDE_CHARS, min(widths[place], console.width - others))
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, COLUMN_GAP - 1, 0, 0))
    for name, width in zip(columns, widths, strict=True):
        made.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=width,
        )
    for row in rows:
        made.add_row(*row)
    console.print(made)


def line(console: Console, content: Text | str, style: str = "") -> None:
    """Print what stays on one line, cut at the terminal's edge."""
    console.print(content, style=style or None, no_wrap=True, overflow="ellipsis", crop=True)


def as_json(value: Any) -> None:
    """Print JSON, indented if someone reads it."""
    if sys.stdout.isatty():
        print(json.dumps(value, indent=2, ensure_ascii=False))
    else:
        print(json.dumps(value, ensure_ascii=False), flush=True)


def where_wrong(expression: str, told: dict[str, Any]) -> str | None:
    """The line of a filter that is wrong, with a mark below the place; None if it isn't the filter."""
    if told.get("parameter") != "filter" or not isinstance(told.get("column"), int):
        return None
    lines = expression.split("\n")
    number = min(max(told.get("line", 1), 1), len(lines)) - 1
    line = "".join(char if char.isprintable() else " " for char in lines[number])
    return f"  {line}\n  {' ' * (told['column'] - 1)}^"
