"""A list of traces as a table, or a trace as a line."""

from __future__ import annotations

from urllib.parse import urlsplit

from . import _print

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ID_CHARS = 8
"""As many of a trace's id as tell it from others; `xtrace show` takes them."""

COLUMNS = ("started", "trace", "status", "time", "service", "request")
SERVICE_SHARE = 0.2
WIDTH_FOR_IDS = 110


def print_traces(found: list[dict[str, Any]]) -> None:
    """Print traces, one a line."""
    console = _print.terminal()
    width = console.width
    whole_ids = width >= WIDTH_FOR_IDS
    most = max(8, int(width * SERVICE_SHARE))
    rows = [
        [
            _print.text(_print.clock(row["start"]), "dim"),
            _print.text(row["id"] if whole_ids else row["id"][-ID_CHARS:]),
            _print.status(row["status"], row["http_status"]),
            _time(row),
            _print.text(_print.cut(_print.clean(row["service"] or "-"), most)),
            _request(row),
        ]
        for row in found
    ]
    _print.table(console, COLUMNS, rows, wide="request", right=["time"])


def line(row: dict[str, Any]) -> _print.Text:
    """A trace on a line of its own."""
    made = _print.text(_print.clock(row["start"]), "dim")
    for cell, width in (
        (_print.status(row["status"], row["http_status"]), 8),
        (_time(row), 8),
        (_print.text(row["id"][-ID_CHARS:], "dim"), 0),
        (_print.text(row["service"] or "-"), 0),
        (_request(row), 0),
    ):
        cell.pad_right(max(0, width - cell.cell_len))
        made.append("  ").append_text(cell)
    return made


def _time(row: dict[str, Any]) -> _print.Text:
    goes_on = row["partial"] and row["status"] != "open"
    return _print.text(_print.took(row["response_time"]) + ("…" if goes_on else ""))


def _request(row: dict[str, Any]) -> _print.Text:
    """What was asked for, and why it failed."""
    words = [row["method"], _path(row["url"])]
    made = _print.text(" ".join(word for word in words if word))
    if row["error"]:
        made.append("  " if made.plain else "").append(_print.clean(row["error"]), "red")
    return made


def _path(url: str | None) -> str | None:
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return url
    return parts.path + (f"?{parts.query}" if parts.query else "") or url
