"""One trace as an HTML file that needs nothing else: no script, no network. The trace is in it as data,
so that what can read a trace file can read the report too.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import orjson

from .details import exceptions_of, request_of, sql_of
from .documents import encode
from .files import redacted
from .timeline import (
    AWS,
    ERROR,
    EXCEPTIONS,
    FAULT,
    IN_PROGRESS,
    INFERRED,
    ORPHAN,
    REMOTE,
    SEGMENT,
    THROTTLE,
    Timeline,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .timeline import Row

MAX_ROWS = 20_000

_HUES = (212, 145, 30, 280, 340, 95, 180, 55, 255, 10)
"""Of services, in their order."""

_STYLE = """\
:root { color-scheme: light dark; --line: #8883; --dim: #777; }
* { box-sizing: border-box; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1200px; padding: 24px 16px 64px; }
h1 { font-size: 20px; margin: 0 0 4px; overflow-wrap: anywhere; }
p, dl { margin: 0 0 16px; color: var(--dim); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; }
dt { color: var(--dim); } dd { margin: 0; color: CanvasText; overflow-wrap: anywhere; }
.warning { border-left: 3px solid #d29922; padding-left: 10px; color: CanvasText; margin: 0 0 6px; }
.row { display: grid; grid-template-columns: minmax(180px, 38%) 1fr 84px; gap: 12px; align-items: center;
  border-bottom: 1px solid var(--line); padding: 3px 0; }
.row.head { color: var(--dim); font-size: 12px; }
.axis { display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }
details > summary { list-style: none; cursor: pointer; }
details > summary::-webkit-details-marker { display: none; }
details[open] { background: #8881; }
summary:focus-visible { outline: 2px solid #2f81f7; }
.name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.name span { color: var(--dim); margin-left: 8px; }
.track { position: relative; height: 14px; }
.bar { position: absolute; height: 14px; min-width: 2px; border-radius: 2px; }
.took { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.mark { display: inline-block; min-width: 1.2em; font-weight: 600; }
.fault { color: #d1242f; } .error { color: #9a6700; } .throttle { color: #8250df; }
@media (prefers-color-scheme: dark) {
  .fault { color: #ff7b72; } .error { color: #e3b341; } .throttle { color: #d2a8ff; } :root { --dim: #999; } }
.more { padding: 8px 0 16px 20px; }
pre { margin: 4px 0 12px; padding: 10px; overflow: auto; max-height: 480px; background: #8882; border-radius: 4px;
  font: 12px/1.5 ui-monospace, monospace; }
h2 { font-size: 13px; margin: 10px 0 2px; }
"""

_MARKS = ((FAULT, "fault", "✖"), (THROTTLE, "throttle", "≫"), (ERROR, "error", "▲"))


def report(
    timeline: Timeline,
    head: dict[str, Any],
    documents: Sequence[bytes],
    trace_file: bytes,
    when: str,
    without: Sequence[str] = (),
) -> Iterator[bytes]:
    """The file, piece by piece.

    head: what is said of the trace as a whole. documents: as received. trace_file: the same as a
    trace file, redacted already. when: the trace's start, to be read by people. without: as of
    files.redacted.
    """
    title = (
        " ".join(str(head[n]) for n in ("method", "url") if head[n]) or head["service"] or "trace"
    )
    told = [
        ("trace", timeline.trace.id),
        ("started", when),
        ("response", " ".join(str(head[n]) for n in ("http_status", "status") if head[n])),
        ("response time", _took(head["response_time"])),
        ("duration", _took(head["duration"])),
        ("documents", str(len(documents))),
    ]
    if head["user"] and "user" not in without:
        told.append(("user", head["user"]))
    if without:
        told.append(("left out", ", ".join(without)))
    yield (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; "
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>\n{_STYLE}</style></head><body>\n"
        f"<h1>{escape(title)}</h1>\n<dl>"
        + "".join(f"<dt>{name}</dt><dd>{escape(str(text))}</dd>" for name, text in told)
        + "</dl>\n"
        + "".join(f"<p class=warning>{escape(each.text)}</p>\n" for each in timeline.warnings())
    ).encode()
    low, whole = _extent(timeline)
    ticks = "".join(f"<span>{_took(low + whole * n / 4)}</span>" for n in range(5))
    yield (
        f'<div class="row head"><span>{len(timeline.rows)} rows</span>'
        f"<span class=axis>{ticks}</span><span class=took>took</span></div>\n"
    ).encode()
    for place in range(min(len(timeline.rows), MAX_ROWS)):
        yield _row(timeline, place, low, whole, without).encode("utf-8", "replace")
    cut = len(timeline.rows) - MAX_ROWS
    if cut > 0:
        yield f"<p class=warning>{cut} more rows are left out here.</p>\n".encode()
    # "<" in a string of JSON may be written so; then nothing in it can end the element.
    data = trace_file.replace(b"<", b"\\u003c")
    yield b'<script type="application/json" id="trace">\n' + data + b"</script>\n</body></html>\n"


def _extent(timeline: Timeline) -> tuple[float, float]:
    """From where to how far the bars go, seconds from the trace's start."""
    low = min((row.start for row in timeline.rows), default=0.0)
    high = max((row.start + (row.duration or 0.0) for row in timeline.rows), default=0.0)
    return low, max(high - low, 1e-6)


def _row(timeline: Timeline, place: int, low: float, whole: float, without: Sequence[str]) -> str:
    row = timeline.rows[place]
    service = timeline.services[row.service]
    hue = _HUES[row.service % len(_HUES)]
    left = 100 * (row.start - low) / whole
    width = 100 * (row.duration / whole if row.duration is not None else 1) if whole else 100
    width = min(width, 100 - left)
    if row.kind == SEGMENT:
        fill = f"hsl({hue} 55% 48%)"
    elif row.kind == INFERRED:
        fill = f"repeating-linear-gradient(45deg,hsl({hue} 45% 55%) 0 3px,hsl({hue} 45% 55%/.35) 3px 6px)"
    else:
        fill = f"hsl({hue} 55% 55%/.5)"
    mark = next(
        (
            f"<span class='mark {name}' title={name}>{sign}</span>"
            for flag, name, sign in _MARKS
            if row.flags & flag
        ),
        "",
    )
    label = "" if row.label is None or _is_hidden(row, without, timeline, place) else row.label
    said = f"<span>{escape(label)}</span>" if label else ""
    status = f" {row.http_status}" if row.http_status is not None else ""
    indent = min(row.depth, 40) * 14
    return (
        "<details><summary><div class=row>"
        f'<div class=name style="padding-left:{indent}px" title="{escape(service.name)}">{mark}'
        f"{escape(row.name)}{said}{status}</div>"
        f'<div class=track><div class=bar style="left:{left:.3f}%;width:{width:.3f}%;background:{fill}">'
        f"</div></div><div class=took>{_took(row.duration)}</div></div></summary>"
        f"<div class=more>{_more(timeline, place, without)}</div></details>\n"
    )


def _is_hidden(row: Row, without: Sequence[str], timeline: Timeline, place: int) -> bool:
    """Whether the label is a statement that is to be left out."""
    return "sql" in without and sql_of(timeline.entities[place]) is not None


def _more(timeline: Timeline, place: int, without: Sequence[str]) -> str:
    """What is known of a row."""
    row, entity = timeline.rows[place], timeline.entities[place]
    service = timeline.services[row.service]
    kinds = ("segment", "subsegment", "inferred: it sent nothing itself")
    told = [
        ("service", service.name + (f" ({service.type})" if service.type else "")),
        ("id", row.id),
        ("kind", kinds[row.kind] + _notes(row)),
        ("starts after", _took(row.start)),
        ("self time", _took(row.self_seconds)),
    ]
    made = "<dl>" + "".join(f"<dt>{n}</dt><dd>{escape(t)}</dd>" for n, t in told) + "</dl>"
    request = request_of(entity)
    if request is not None:
        said = f"{request['method'] or ''} {request['url']}".strip()
        made += f"<h2>Request</h2><pre>{escape(said)}</pre>"
    sql = sql_of(entity)
    if sql is not None and "sql" not in without:
        made += f"<h2>SQL</h2><pre>{escape(sql['formatted'])}</pre>"
    if row.flags & EXCEPTIONS:
        for each in exceptions_of(timeline.trace, entity):
            stack = "\n".join(
                f"  {frame['path']}:{frame['line']} {frame['label']}" for frame in each["stack"]
            )
            title = f"{each['type'] or 'exception'}: {each['message'] or ''}"
            made += f"<h2 class=fault>{escape(title)}</h2><pre>{escape(stack)}</pre>"
    content = {
        name: value for name, value in entity.items() if name not in ("subsegments", "cause")
    }
    return made + f"<h2>Document</h2><pre>{escape(_indented(encode(content), without))}</pre>"


def _indented(data: bytes, without: Sequence[str]) -> str:
    data = redacted(data, without)
    try:
        return orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2).decode()
    except (TypeError, RecursionError):  # nested too deep
        return data.decode()


def _notes(row: Row) -> str:
    notes = [
        name
        for flag, name in (
            (REMOTE, "remote"),
            (AWS, "aws"),
            (IN_PROGRESS, "in progress"),
            (ORPHAN, "its parent wasn't received"),
        )
        if row.flags & flag
    ]
    return "".join(f", {note}" for note in notes)


def _took(seconds: float | None) -> str:
    if seconds is None:
        return "open"
    if abs(seconds) < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if abs(seconds) < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s"
