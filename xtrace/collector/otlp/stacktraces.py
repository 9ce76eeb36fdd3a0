"""The text of a stack trace -> exceptions with frames, for what Python, Java, JavaScript, .NET and
PHP print. Pure.

Frames come innermost first, as everywhere in the collector. Text is looked at line by line, each
line once: no input takes long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    # {"path", "line", "label"}: as far as they are known.
    Frame: TypeAlias = dict[str, Any]

MAX_FRAMES = 256
"""Of one exception; the rest is counted."""

MAX_EXCEPTIONS = 16
"""Of one chain; the rest is counted."""


class Thrown(NamedTuple):
    """One exception of a chain. type and message: None where the text doesn't say.

    truncated: frames left out. skipped: exceptions left out behind this one.
    """

    type: str | None
    message: str | None
    stack: list[Frame]
    truncated: int = 0
    skipped: int = 0


def parse(text: str, language: str) -> list[Thrown]:
    """The exceptions of a stack trace: the one that was reported, then each one's cause.

    language: as telemetry.sdk.language has it; an unknown one is read like Java.
    Never empty; without a frame that is understood the stack is empty.
    """
    chain = _LANGUAGES.get(language, _java)(text.splitlines())
    kept = chain[:MAX_EXCEPTIONS]
    if len(chain) > len(kept):
        kept[-1] = kept[-1]._replace(skipped=len(chain) - len(kept))
    return kept


def _thrown(headline: str | None, stack: list[Frame], left_out: int = 0) -> Thrown:
    type_, message = _headline(headline)
    kept = stack[:MAX_FRAMES]
    return Thrown(type_, message, kept, left_out + len(stack) - len(kept))


def _headline(text: str | None) -> tuple[str | None, str | None]:
    """ "ValueError: no such item" -> its two parts."""
    if not text:
        return None, None
    type_, _, message = text.partition(":")
    return type_.strip() or None, message.strip() or None


# -- Python ------------------------------------------------------------------------------------

_PYTHON_FRAME = re.compile(r'  File "(.*)", line (\d{1,9})(?:, in (.*))?')
_PYTHON_BEGIN = "Traceback (most recent call last):"
_PYTHON_BETWEEN = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_PYTHON_REPEATED = re.compile(r"  \[Previous line repeated (\d{1,9}) more times?\]")
_PYTHON_MEMBER = re.compile(r"\s*\+-\+-{8,} ")
_PYTHON_MARGIN = re.compile(r"  [|+] ")


def _python(lines: list[str]) -> list[Thrown]:
    """The last block is the exception itself; what stands before it led to it."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if line.strip(" |") in _PYTHON_BETWEEN:
            blocks.append([])
        else:
            blocks[-1].append(line)
    return [_python_block(block) for block in reversed(blocks)]


def _python_block(lines: list[str]) -> Thrown:
    stack: list[Frame] = []
    repeated = 0
    said: list[str] = []
    for line in lines:
        if _PYTHON_MEMBER.match(line):  # the members of an exception group follow
            break
        line = line[4:] if _PYTHON_MARGIN.match(line) else line
        frame = None if said else _PYTHON_FRAME.match(line)
        if frame:
            stack.append(_frame(frame[1], frame[2], frame[3]))
        elif said or (line.strip() and not line.startswith(" ") and _PYTHON_BEGIN not in line):
            said.append(line)
        elif again := _PYTHON_REPEATED.match(line):
            repeated += int(again[1])
    stack.reverse()
    return _thrown("\n".join(said).strip(), stack, repeated)


# -- Java and those who print like it ----------------------------------------------------------

_CAUSED_BY = "Caused by: "
_SUPPRESSED = "Suppressed: "
_JAVA_MORE = re.compile(r"\.\.\. (\d{1,9}) (?:more|common frames omitted)")


def _java(lines: list[str]) -> list[Thrown]:
    """Indented "at label(File.java:12)", and "Caused by:" at the margin."""
    return _with_causes(lines, _java_frame)


def _java_frame(line: str) -> Frame | None:
    """ "at app//shop.Cart.add(Cart.java:12)"; also "at add(cart.py: 12)"."""
    if not line.startswith("at ") or not line.endswith(")"):
        return None
    label, _, place = line[3:-1].partition("(")
    if place in ("Native Method", "Unknown Source", ""):
        return _frame("", None, label)
    path, colon, number = place.rpartition(":")
    if colon and number.strip().isdecimal():
        return _frame(path, number, label)
    return _frame(place, None, label)


def _with_causes(lines: list[str], read: Callable[[str], Frame | None]) -> list[Thrown]:
    chain: list[Thrown] = []
    said: list[str] = []
    stack: list[Frame] = []
    left_out = 0
    aside = False  # in an exception that was suppressed, which stands indented
    for line in [*lines, _CAUSED_BY]:
        stripped = line.strip()
        if line.startswith(_CAUSED_BY):
            chain.append(_thrown("\n".join(said).strip(), stack, left_out))
            said, stack, left_out, aside = [line[len(_CAUSED_BY) :]], [], 0, False
        elif aside or stripped.startswith(_SUPPRESSED):
            aside = True
        elif frame := read(stripped):
            stack.append(frame)
        elif more := _JAVA_MORE.match(stripped):
            left_out += int(more[1])
        elif not stack and stripped:
            said.append(line)
    return chain


# -- JavaScript --------------------------------------------------------------------------------


def _javascript(lines: list[str]) -> list[Thrown]:
    """V8's "at label (path:line:column)", and "label@path:line:column" of the other browsers."""
    causes = [
        # Node.js: "{ [cause]: Error: no stock", "Caused by: Error: no stock"
        line.strip().replace("[cause]: ", _CAUSED_BY, 1) if "[cause]: " in line[:24] else line
        for line in lines
    ]
    return _with_causes(causes, _javascript_frame)


def _javascript_frame(line: str) -> Frame | None:
    if line.startswith("at "):
        line = line[3:].removesuffix(" {")
        if line.endswith(")"):
            label, _, place = line[:-1].rpartition("(")
        else:
            label, place = "", line
        label = label.strip().removeprefix("async ").removeprefix("new ")
        place = place.removeprefix("async ")
    else:
        label, at, place = line.partition("@")
        if not at or not place.rpartition(":")[2].isdecimal():
            return None
    rest, _, last = place.rpartition(":")
    path, _, number = rest.rpartition(":")
    if path and last.isdecimal() and number.isdecimal():
        return _frame(path, number, label)
    if rest and last.isdecimal():
        return _frame(rest, last, label)
    return _frame(place, None, label)  # "native", "<anonymous>"


# -- .NET --------------------------------------------------------------------------------------

_DOTNET_INNER = " ---> "


def _dotnet(lines: list[str]) -> list[Thrown]:
    """ "at Shop.Cart.Add(String name) in /src/Cart.cs:line 12"; inner exceptions come before."""
    headlines: list[str] = []
    stacks: list[list[Frame]] = [[]]
    for line in lines:
        stripped = line.strip()
        if stripped.startswith("at "):
            label, within, place = stripped[3:].partition(") in ")
            path, _, number = place.rpartition(":line ")
            stacks[-1].append(_frame(path, number or None, label + ")" * bool(within)))
        elif stripped.startswith("--- End of inner exception"):
            stacks.append([])
        elif not any(stacks) and stripped:
            first, *inner = line.split(_DOTNET_INNER)
            if first.strip() and headlines:
                headlines[-1] += f"\n{first}"
            elif first.strip():
                headlines.append(first)
            headlines.extend(inner)
    stacks.reverse()
    said: list[str | None] = [*headlines[: len(stacks)]]
    said.extend([None] * (len(stacks) - len(said)))
    return [_thrown(headline, stack) for headline, stack in zip(said, stacks, strict=True)]


def _frame(path: str, line: str | None, label: str | None) -> Frame:
    frame: Frame = {}
    if path:
        frame["path"] = path
    if line and len(line) < 10 and line.strip().isdecimal():
        frame["line"] = int(line)
    if label and label.strip():
        frame["label"] = label.strip()
    return frame


_LANGUAGES: dict[str, Callable[[list[str]], list[Thrown]]] = {
    "python": _python,
    "java": _java,
    "javascript": _javascript,
    "nodejs": _javascript,
    "webjs": _javascript,
    "dotnet": _dotnet,
    "php": _java,  # OpenTelemetry's PHP writes stack traces in Java's form
}
