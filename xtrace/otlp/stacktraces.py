"""Frames of an exception -> the text of a stack trace, as the language prints it. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Frame = dict[str, Any]

MAX_FRAMES = 256
"""What readers of the text take."""

_SEPARATORS = ("exception occurred:", "direct cause of the following exception:")


def stack_trace(said: Frame, stack: Sequence[Frame], language: str) -> str:
    """The text for an exception's type and message and its frames, innermost first.

    Python's own form; for other languages Java's, which readers take for most of them.
    """
    type_, message = said.get("type", ""), said.get("message", "")
    headline = f"{type_}: {message}" if type_ and message else type_ or message
    if language == "python":
        if any(mark in headline for mark in _SEPARATORS):
            headline = headline.partition("\n")[0]
        lines = ["Traceback (most recent call last):"]
        for frame in reversed(stack):
            label = frame.get("label")
            where = f'  File "{frame.get("path", "")}", line {frame.get("line", 0)}'
            lines.append(f"{where}, in {label}" if label else where)
        lines.append(headline)
    else:
        lines = [headline.partition("\n")[0]]
        lines += [
            f"\tat {frame.get('label', '')}({frame.get('path', '')}: {frame.get('line', 0)})"
            for frame in stack
        ]
    return "\n".join(lines)


def is_told_by_text(said: Frame, stack: Sequence[Any], language: str) -> bool:
    """Whether a reader of that text finds these frames again, all of them as they are."""
    if language not in ("python", "java") or len(stack) > MAX_FRAMES:
        return False
    if not _is_plain(said.get("type"), ":"):
        return False
    marks = '"' if language == "python" else "()"
    return all(_is_plain_frame(frame, marks) for frame in stack)


def _is_plain_frame(frame: Any, without: str) -> bool:
    return (
        isinstance(frame, dict)
        and frame.keys() == {"path", "line", "label"}
        and _is_plain(frame["path"], without)
        and _is_plain(frame["label"], without)
        and type(frame["line"]) is int
        and 0 <= frame["line"] < 10**9
    )


def _is_plain(text: Any, without: str) -> bool:
    return (
        type(text) is str
        and text != ""
        and text.isprintable()
        and text == text.strip()
        and not any(char in text for char in without)
    )
