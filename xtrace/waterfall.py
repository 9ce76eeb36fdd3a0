"""A trace as text: each segment and subsegment a line, with a bar for when and how long. Pure.

Documents of any origin are drawn: segments, independent subsegments, in progress, in any order;
what has no parent among them stands at the left. Whatever their fields hold, nothing here raises,
and no character reaches a terminal that would do something there.
"""

from __future__ import annotations

from . import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BAR_CHARS = 30
MAX_LABEL_CHARS = 52
BESIDE_CHARS = 16
"""Of a line: the time, and the space between the columns."""
MAX_DETAIL_CHARS = 80
"""Of a statement, of an exception."""
_COLOURS = {"fault": "31", "error": "33", "throttle": "35", "": "32"}


class Row:
    """One line: `label` is indented by `level`; `start` and `end` are seconds since the epoch.

    state: "fault", "throttle", "error" or "". detail: what it did (a request, a statement).
    """

    __slots__ = ("detail", "end", "in_progress", "label", "level", "start", "state")

    def __init__(self, document: dict[str, Any], level: int, is_segment: bool) -> None:
        self.level = level
        self.label = _one_line(document.get("name", "?"))
        if not is_segment and document.get("namespace"):
            self.label = f"→ {self.label}"
        self.start = _seconds(document.get("start_time"))
        self.in_progress = document.get("end_time") is None
        self.end = max(self.start, _seconds(document.get("end_time")))
        self.state = next((s for s in ("fault", "throttle", "error") if document.get(s)), "")
        self.detail = _detail(document)


def rows(documents: list[dict[str, Any]]) -> list[Row]:
    """The lines of a trace, in order. documents: those of one trace, parsed."""
    known = _latest(documents)
    embedded: set[object] = set()
    for document in known.values():
        embedded.update(_ids_below(document))
    tops = [document for id, document in known.items() if id not in embedded]
    below: dict[object, list[dict[str, Any]]] = {}
    inside = {id for document in tops for id in (_id(document), *_ids_below(document))}
    roots = []
    for document in sorted(tops, key=_start):
        parent = _id(document, "parent_id")
        if parent in inside and parent != _id(document):
            below.setdefault(parent, []).append(document)
        else:
            roots.append(document)
    found: list[Row] = []
    drawn: set[int] = set()
    shown: set[object] = set()
    # A loop of parents has no root, and documents that hold each other have no top: any will do.
    for root in (*roots, *tops, *known.values()):
        waiting = [] if _id(root) in shown else [(root, 0)]
        while waiting:
            document, level = waiting.pop()
            if id(document) in drawn:
                continue
            drawn.add(id(document))
            shown.add(_id(document))
            found.append(Row(document, level, _is_segment(document)))
            children = [*_embedded(document), *below.get(_id(document), ())]
            children.sort(key=_start, reverse=True)
            waiting.extend((child, level + 1) for child in children)
    return found


def _latest(documents: list[dict[str, Any]]) -> dict[object, dict[str, Any]]:
    """The documents by id. A complete one replaces the one in progress, in whichever order they
    came.
    """
    known: dict[object, dict[str, Any]] = {}
    for document in documents:
        if isinstance(document, dict):
            key = _id(document)
            before = known.get(key)
            if before is None or before.get("end_time") is None:
                known[key] = document
    return known


def draw(documents: list[dict[str, Any]], colour: bool = False, columns: int | None = None) -> str:
    """The trace as text, without a newline at the end.

    colour: with terminal colours by state: green, yellow error, magenta throttle, red fault.
    columns: of the terminal, where lines are cut; None for no end.
    """
    lines = rows(documents)
    if not lines:
        return "(an empty trace)"
    begin = min(row.start for row in lines)
    whole = max(row.end for row in lines) - begin
    latest = _latest(documents).values()
    trace_id = next((_one_line(d["trace_id"]) for d in latest if d.get("trace_id")), "?")
    segments = sum(map(_is_segment, latest))
    plural = "" if segments == 1 else "s"
    labels = [_label(row) for row in lines]
    width = max(map(len, labels))
    text = [f"{trace_id}  {_duration(whole)}  {segments} segment{plural}"]
    for row, label in zip(lines, labels, strict=True):
        bar = _bar(row, begin, whole)
        took = "open" if row.in_progress else _duration(row.end - row.start)
        if colour:
            bar = f"\x1b[{_COLOURS[row.state]}m{bar}\x1b[0m"
        line = f"  {label:{width}}  {bar}  {took:>8}"
        notes = "  ".join(note for note in (row.state, row.detail) if note)
        if columns is not None:
            notes = _cut(notes, columns - width - BAR_CHARS - BESIDE_CHARS)
        text.append(f"{line}  {notes}".rstrip())
    return "\n".join(text)


def _label(row: Row) -> str:
    return _cut("  " * row.level + row.label, MAX_LABEL_CHARS)


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[: chars - 1]}…" if chars > 1 else ""


def _bar(row: Row, begin: float, whole: float) -> str:
    if whole <= 0:
        return "█" * BAR_CHARS
    first = min(BAR_CHARS - 1, int((row.start - begin) / whole * BAR_CHARS))
    last = max(first + 1, round((row.end - begin) / whole * BAR_CHARS))
    if row.in_progress:
        return (" " * first + "▒" * (BAR_CHARS - first))[:BAR_CHARS]
    return (" " * first + "█" * (last - first)).ljust(BAR_CHARS)


def _duration(seconds: float) -> str:
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s"


_RESOURCES = ("table_name", "queue_url", "bucket_name", "topic_arn", "function_name")
"""Members of an aws block that say what was called."""


def _detail(document: dict[str, Any]) -> str:
    http = _part(document, "http")
    request, response = _part(http, "request"), _part(http, "response")
    aws = _part(document, "aws")
    parts = [aws.get("operation"), *(aws[name] for name in _RESOURCES if name in aws)]
    parts += [request.get("method"), request.get("url"), response.get("status")]
    sql = _part(document, "sql").get("sanitized_query")
    if sql:
        parts.append(_one_line(sql)[:MAX_DETAIL_CHARS])
    exceptions = _part(document, "cause").get("exceptions")
    if isinstance(exceptions, list):
        for exception in exceptions[:1]:
            if isinstance(exception, dict):
                kind, message = exception.get("type"), exception.get("message", "")
                parts.append(f"{_one_line(kind)}: {_one_line(message)}"[:MAX_DETAIL_CHARS])
    return " ".join(_one_line(part) for part in parts if part)


def _part(document: dict[str, Any], field: str) -> dict[str, Any]:
    part = document.get(field)
    return part if isinstance(part, dict) else {}


def _one_line(value: object) -> str:
    """A value as text that only prints: no line ends, no escape sequences."""
    text = "".join(char if char.isprintable() else " " for char in values.text(value)[:1000])
    return " ".join(text.split())


def _id(document: dict[str, Any], field: str = "id") -> object:
    """An id; a document without one gets one of its own."""
    value = document.get(field)
    return value if isinstance(value, str) else id(document)


def _is_segment(document: dict[str, Any]) -> bool:
    return "trace_id" in document and document.get("type") != "subsegment"


def _embedded(document: dict[str, Any]) -> list[dict[str, Any]]:
    children = document.get("subsegments")
    if not isinstance(children, list):
        return []
    return [child for child in children if isinstance(child, dict)]


def _ids_below(document: dict[str, Any]) -> list[object]:
    found: list[object] = []
    waiting = _embedded(document)
    while waiting:
        child = waiting.pop()
        found.append(_id(child))
        waiting.extend(_embedded(child))
    return found


def _start(document: dict[str, Any]) -> float:
    return _seconds(document.get("start_time"))


def _seconds(value: object) -> float:
    if isinstance(value, (int, float)) and abs(value) < 1e12:
        return float(value)
    return 0.0
