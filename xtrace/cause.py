"""An exception as data: what a document's `cause` holds. Keeps no exception, frame or local.

Rules: the chain is followed as Python prints it (`__cause__`, else `__context__` unless it was
suppressed), the members of exception groups are listed beside it; frames come innermost first,
at most `max_frames` an exception, without frames of xtrace itself; the rest is counted. Messages
stay as they are, but for the values in a database's and the passwords in URLs.
"""

from __future__ import annotations

import os
import sys

from . import ids
from .interruption import let_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any

MAX_EXCEPTIONS = 16
"""How many exceptions of one entity are described; the rest is counted as skipped."""

MAX_MESSAGE_CHARS = 4096

MAX_FOLLOWED = 1000
"""Chains and groups are followed no further: some make new members each time they are asked."""

_PACKAGE = os.path.dirname(__file__) + os.sep


# What the interpreter itself keeps of an exception, whatever its class says.
_cause, _context, _suppress_context, _traceback = (
    vars(BaseException)[name].__get__
    for name in ("__cause__", "__context__", "__suppress_context__", "__traceback__")
)


_redactors: dict[type[BaseException], Callable[[Any], str]] = {}
_muting: set[type[BaseException]] = set()


def redact_messages(
    kind: type[BaseException], message: Callable[[Any], str], mutes: bool = False
) -> Callable[[], None]:
    """Have the messages of exceptions of a class, and of its subclasses, made by a function: those of
    many libraries quote what the application has sent. Gives what ends that.

    message: gives, of such an exception, what may be recorded. Of a class's bases the nearest counts.
    mutes: exceptions that led to one quote as well, and are recorded without their messages.
    """
    before = _redactors.get(kind)
    _redactors[kind] = message
    if mutes:
        _muting.add(kind)

    def undo() -> None:
        _muting.discard(kind)
        if _redactors.get(kind) is message:
            if before is None:
                del _redactors[kind]
            else:
                _redactors[kind] = before

    return undo


def describe(
    error: BaseException, max_frames: int, remote: bool = False, redact: bool = True
) -> dict[str, Any]:
    """The `cause` object of an exception: {"working_directory", "exceptions": [...]}.

    The first entry is the exception itself; an entry's `cause` is the id of the one behind it.
    max_frames: stack frames kept for each exception, 0 for none.
    remote: the exception was raised by a called service, not here.
    redact: False: messages are recorded as they are, but for those of databases, which may hold
    parameters of statements.
    """
    exceptions: list[dict[str, Any]] = []
    found = _with_all_behind(error)
    said = _safe_messages([each for each, _ in found], redact)
    entries: dict[int, dict[str, Any]] = {}
    muting: set[int] = set()
    for each, child in found[:MAX_EXCEPTIONS]:
        entry = entries[id(each)] = _entry(each, max_frames, said)
        if redact and _muting:
            if id(child) in muting:
                entry.pop("message", None)
            if id(child) in muting or not _muting.isdisjoint(type(each).__mro__):
                muting.add(id(each))
        if remote:
            entry["remote"] = True
        if child is not None:
            entries[id(child)].setdefault("cause", entry["id"])
        exceptions.append(entry)
    if len(found) > MAX_EXCEPTIONS:
        exceptions[-1]["skipped"] = len(found) - MAX_EXCEPTIONS
    return {"working_directory": _working_directory(), "exceptions": exceptions}


def _with_all_behind(error: BaseException) -> list[tuple[BaseException, BaseException | None]]:
    """An exception, those that led to it and the members of groups, each once and with the one
    that it is behind; the nearest first.
    """
    found: list[tuple[BaseException, BaseException | None]] = [(error, None)]
    seen = {id(error)}
    for each, _ in found:
        if len(found) > MAX_FOLLOWED:
            break
        behind = _cause(each)
        if behind is None and not _suppress_context(each):
            behind = _context(each)
        for other in (*([] if behind is None else [behind]), *_members(each)):
            if id(other) not in seen:
                seen.add(id(other))
                found.append((other, each))
    return found


def _members(error: BaseException) -> tuple[BaseException, ...]:
    """The exceptions of an exception group, also of the `exceptiongroup` backport and of trio."""
    try:
        members: Any = getattr(error, "exceptions", None)
        if not issubclass(type(members), (tuple, list)):
            return ()
        # type(), because isinstance() asks an object for its __class__, which may raise.
        return tuple(each for each in members if issubclass(type(each), BaseException))
    except Exception as problem:  # anybody's property may be of that name
        let_through(problem)
        return ()


def _safe_messages(errors: list[BaseException], redact: bool) -> list[tuple[str, str]]:
    """What those among these, and just behind them, say that quote what the application has sent; and
    what of that may be recorded.

    Exceptions around them often repeat the text: it is to be replaced wherever it stands. Longer
    ones come first.
    """
    from . import database_errors  # not before there is an exception

    found: dict[str, str] = {}
    for error in [*errors, *filter(None, map(_context, errors))]:
        redactor = _redactor_of(type(error)) if redact and _redactors else None
        messages = database_errors.messages(error) if redactor is None else [(error, redactor)]
        for each, message in messages:
            try:
                found[str(each)] = ""
                found[str(each)] = message(each)
            except Exception as problem:  # then it has none
                let_through(problem)
    found.pop("", None)
    return sorted(found.items(), key=lambda pair: -len(pair[0]))


def _entry(error: BaseException, max_frames: int, said: list[tuple[str, str]]) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": ids.segment_id(), "type": type(error).__name__}
    message = _message(error, said)
    if message:
        entry["message"] = message
    stack, truncated = frames(_traceback(error), max_frames)
    if stack:
        entry["stack"] = stack
    if truncated:
        entry["truncated"] = truncated
    return entry


def _message(error: BaseException, said: list[tuple[str, str]]) -> str:
    try:
        message = str(error)
    except Exception as problem:
        let_through(problem)
        return ""
    for text, safe in said:
        message = message.replace(text, safe)
    if "://" in message:
        from .redaction import without_passwords

        message = without_passwords(message)
    if len(message) > MAX_MESSAGE_CHARS:
        return message[:MAX_MESSAGE_CHARS] + "…"
    return message


def _redactor_of(kind: type[BaseException]) -> Callable[[Any], str] | None:
    for base in kind.__mro__:
        if base in _redactors:
            return _redactors[base]
    return None


def frames(traceback: TracebackType | None, most: int) -> tuple[list[dict[str, Any]], int]:
    """The frames of a traceback as [{"path", "line", "label"}], innermost first, and how many were left out."""
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(_PACKAGE):
            found.append((code, traceback.tb_lineno))
        traceback = traceback.tb_next
    kept = found[len(found) - most :] if most < len(found) else found
    kept.reverse()
    stack = [
        {"path": code.co_filename, "line": line or 0, "label": code.co_name} for code, line in kept
    ]
    return stack, len(found) - len(kept)


def callers(most: int, besides: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The frames that called the present one, as in frames(): innermost first, without xtrace's own
    and those of files whose path begins with one of `besides`.
    """
    stack: list[dict[str, Any]] = []
    frame: FrameType | None = sys._getframe(1)
    beyond = _greenlet_s_callers() if besides else None
    while frame is not None and len(stack) < most:
        code = frame.f_code
        if not code.co_filename.startswith((_PACKAGE, *besides)):
            stack.append({"path": code.co_filename, "line": frame.f_lineno, "label": code.co_name})
        frame = frame.f_back
        if frame is None:
            frame, beyond = beyond, None
    return stack


def _greenlet_s_callers() -> FrameType | None:
    """The frame of who waits for the present greenlet: a library that runs in one of its own has its
    callers there.
    """
    greenlet: Any = sys.modules.get("greenlet")
    parent = None if greenlet is None else greenlet.getcurrent().parent
    return None if parent is None else parent.gr_frame


def join(exceptions: list[dict[str, Any]], more: list[dict[str, Any]]) -> bool:
    """Add the entries of another exception to those that an entity has, as far as there is room.

    Gives whether its first is among them; the rest is counted as skipped.
    """
    room = max(0, MAX_EXCEPTIONS - len(exceptions))
    kept, rest = more[:room], more[room:]
    exceptions.extend(kept)
    if rest:
        left_out = {entry["id"] for entry in rest}
        for entry in kept:
            if entry.get("cause") in left_out:
                del entry["cause"]
        skipped = sum(1 + entry.get("skipped", 0) for entry in rest)
        exceptions[-1]["skipped"] = exceptions[-1].get("skipped", 0) + skipped
    return bool(kept)


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed under us
        return ""


def is_failure(error: BaseException) -> bool:
    """Whether an exception that ends a piece of work means that the work failed.

    An `Exception` does. KeyboardInterrupt, SystemExit, GeneratorExit, asyncio's, trio's and
    anyio's cancellation derive from BaseException alone: they stop the work from outside.
    A group is a failure if any of its members is.
    """
    if isinstance(error, Exception):
        return True
    groups = [error]
    seen = {id(error)}
    for group in groups:
        if len(groups) > MAX_FOLLOWED:
            break
        for member in _members(group):
            if isinstance(member, Exception):
                return True
            if id(member) not in seen:
                seen.add(id(member))
                groups.append(member)
    return False
