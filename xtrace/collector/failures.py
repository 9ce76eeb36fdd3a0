"""Errors in traces, so that those that are the same can be counted together. Pure.

Each exception counts once, where it was first seen; of what failed without one, that counts which has
nothing below it that failed. Two are the same if they have the same type, the same message but for
numbers, ids and quoted texts, and come from the same place in the application's own code.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import urlsplit

from .causes import own_exceptions, steps_of
from .documents import number, text, time_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .trace import NodeKey, Part, Trace

MAX_FAILURES = 50
"""Of one trace; thousands of calls that fail one by one say no more than the first."""

MAX_TEXT_CHARS = 300


class Frame(NamedTuple):
    """A place in code."""

    path: str
    line: int
    label: str


class Failure(NamedTuple):
    """An exception, or something that failed without one.

    group: the same of failures that are the same, 16 hexadecimal digits. type: of the exception, else
    "HTTP 500", "fault", ... message: with placeholders. frame: the innermost of the application's own
    code, None if there is no stack. node: whose segment it is in. entity: its id. time: of its end.
    """

    group: str
    type: str
    message: str
    frame: Frame | None
    node: NodeKey
    entity: str
    time: float


def failures(trace: Trace) -> list[Failure]:
    """The failures of a trace, in no particular order, at most MAX_FAILURES."""
    if not trace.failing:
        return []
    steps = steps_of(trace)
    failed = [False] * len(steps)  # it, or something below
    met: set[str] = set()
    found: list[Failure] = []
    for index in range(len(steps) - 1, -1, -1):
        entity, part, above = steps[index]
        if part.inferred or part.orphan:
            continue  # what its caller says, told twice; of a service that isn't known yet
        cause = entity.get("cause")
        outermost = _outermost(own_exceptions(cause))
        for each in outermost:
            id = each.get("id")
            if id.__class__ is str:
                if id in met:
                    continue
                met.add(id)
            found.append(_of_exception(each, entity, part))
        flag = next(
            (flag for flag in ("fault", "throttle", "error") if entity.get(flag) is True), ""
        )
        if flag and not failed[index] and not outermost and cause.__class__ is not str:
            found.append(_without_exception(flag, entity, part))
        if above >= 0 and (flag or outermost or failed[index]):
            failed[above] = True
        if len(found) >= MAX_FAILURES:
            break
    return found[:MAX_FAILURES]


def _outermost(exceptions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that aren't the cause of another one."""
    if len(exceptions) < 2:
        return exceptions
    behind = {each["cause"] for each in exceptions if each.get("cause").__class__ is str}
    return [each for each in exceptions if each.get("id") not in behind] or exceptions[:1]


def _of_exception(exception: dict[str, Any], entity: dict[str, Any], part: Part) -> Failure:
    type = (text(exception.get("type")) or "exception")[:MAX_TEXT_CHARS]
    message = normalised(text(exception.get("message")) or "")
    return _failure(type, message, own_frame(frames(exception)), entity, part)


def _without_exception(flag: str, entity: dict[str, Any], part: Part) -> Failure:
    http = entity.get("http")
    request = http.get("request") if http.__class__ is dict else None
    response = http.get("response") if http.__class__ is dict else None
    status = number(response.get("status")) if response.__class__ is dict else None
    said = [text(entity.get("name")) or "unknown"]
    if request.__class__ is dict:
        method, url = text(request.get("method")), text(request.get("url"))
        said = [word for word in (method, _path(url)) if word] or said
    type = flag if status is None else f"HTTP {status:g}"
    return _failure(type, normalised(" ".join(said)), None, entity, part)


def _failure(
    type: str, message: str, frame: Frame | None, entity: dict[str, Any], part: Part
) -> Failure:
    place = [] if frame is None else [frame.path, frame.label]
    same = "\0".join([type, message, *place]).encode()
    end = time_of(entity.get("end_time"))
    start = time_of(entity.get("start_time"))
    return Failure(
        blake2b(same, digest_size=8).hexdigest(),
        type,
        message,
        frame,
        part.node,
        text(entity.get("id")) or part.id,
        next((each for each in (end, start) if each is not None), part.start),
    )


def _path(url: str | None) -> str:
    if not url:
        return ""
    try:
        return urlsplit(url).path or "/"
    except ValueError:
        return url


# -- messages ----------------------------------------------------------------------------------

_VARIABLE = re.compile(
    r"(?P<text>\"[^\"]*\"|(?<![A-Za-z0-9])'[^']*'(?![A-Za-z0-9]))"
    r"|(?P<id>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b0x[0-9a-fA-F]+\b"
    r"|\b(?=[a-fA-F]*[0-9])(?=[0-9]*[a-fA-F])[0-9a-fA-F]{8,}\b)"
    r"|(?P<n>(?<!\w)[-+]?\d+(?:[.,:]\d+)*)"
)


def normalised(message: str) -> str:
    """A message with <text>, <id> and <n> in place of what differs each time; on one line."""
    line = " ".join(message[: 4 * MAX_TEXT_CHARS].split())
    return _VARIABLE.sub(lambda match: f"<{match.lastgroup}>", line)[:MAX_TEXT_CHARS]


# -- places in code ----------------------------------------------------------------------------

_INSTALLED = {"site-packages", "dist-packages", "node_modules", ".venv", "venv", "vendor"}
_STANDARD_LIBRARY = re.compile(r"[/\\]lib[/\\]python\d[^/\\]*[/\\]|[/\\]Python\d+[/\\]Lib[/\\]")


def is_own(path: str) -> bool:
    """Whether a path is of the application's own code, not of a library or the interpreter."""
    if path.startswith(("<", "node:", "internal/")) or _STANDARD_LIBRARY.search(path):
        return False
    return _INSTALLED.isdisjoint(re.split(r"[/\\]", path))


def frames(exception: dict[str, Any]) -> list[Frame]:
    """The stack of an exception, the innermost frame first."""
    stack = exception.get("stack")
    if stack.__class__ is not list:
        return []
    found = []
    for each in stack:
        if each.__class__ is dict:
            line = number(each.get("line"))
            found.append(
                Frame(
                    (text(each.get("path")) or "")[:MAX_TEXT_CHARS],
                    int(line) if line is not None else 0,
                    (text(each.get("label")) or "")[:MAX_TEXT_CHARS],
                )
            )
    return found


def own_frame(stack: list[Frame]) -> Frame | None:
    """The innermost frame of the application's own code; if there is none, the innermost."""
    return next((frame for frame in stack if is_own(frame.path)), stack[0] if stack else None)
