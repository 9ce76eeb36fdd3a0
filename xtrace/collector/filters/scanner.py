"""Text -> tokens: words classified by where they stand, places checked, strings decoded.

It knows what a context-free grammar doesn't: how deep brackets nest, which braces a word is in,
and that what follows an operator is a value even if it looks like a keyword.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from typing import NamedTuple

from .errors import FilterError
from .keywords import (
    BOOLEANS,
    EDGE,
    ID_ARGUMENTS,
    NUMBERS,
    PLACES,
    ROOT_CAUSE,
    ROOT_CAUSES,
    SERVICE,
    STRINGS,
    TRACE,
    misplaced,
)
from .tree import MATCHES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARACTERS = 5000
"""Of an expression; a limit of ours."""

MAX_DEPTH = 32
"""How deep brackets of any kind may nest."""

_TOKEN = re.compile(
    r"""
      (?P<BLANK>\s+)
    | (?P<STRING>"(?:[^"\\]|\\.)*")
    | (?P<NUMBER>-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?(?![\w.:\-]))
    | (?P<BRACKETED>annotation\s*\[\s*(?:"(?:[^"\\]|\\.)*"\s*|[^\]"\s][^\]]*)\])
    | (?P<WORD>\w(?:[\w.:\-]*[\w.\-])?)
    | (?P<SIGN><=|>=|!=|[<>=!(){}\[\],:\#])
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_SIGNS = {
    "!": "NOT",
    "=": "EQUAL",
    "!=": "UNEQUAL",
    **dict.fromkeys(("<", "<=", ">", ">="), "ORDER"),
    "(": "_LPAR",
    ")": "_RPAR",
    "{": "_LBRACE",
    "}": "_RBRACE",
    "[": "_LSQB",
    "]": "_RSQB",
    ",": "_COMMA",
    ":": "_COLON",
    "#": "_HASH",
}
_RESERVED = {"and": "_AND", "or": "_OR", **dict.fromkeys(MATCHES, "MATCH")}
_TRUTHS = {"true": "TRUE", "false": "FALSE"}
_WORDS = {
    **_RESERVED,
    **dict.fromkeys(BOOLEANS, "BOOLEAN"),
    **dict.fromkeys(NUMBERS, "NUMERIC"),
    **dict.fromkeys(STRINGS, "TEXTUAL"),
    **dict.fromkeys(ROOT_CAUSES, "CAUSE"),
    "service": "_SERVICE",
    "edge": "_EDGE",
    "id": "_ID",
    "group.name": "GROUP",
    "group.arn": "GROUP",
    "rootcause.json": "_CAUSE_JSON",
    **_TRUTHS,
}
_COMPARISONS = {"EQUAL", "UNEQUAL", "ORDER", "MATCH"}
_TRUTH_EXPECTED = {("BOOLEAN", "EQUAL"), ("BOOLEAN", "UNEQUAL")}
_CLASSES_WITH_SCOPE = {"BOOLEAN", "NUMERIC", "TEXTUAL"}
_HEADS = {"_SERVICE": SERVICE, "_EDGE": EDGE, "CAUSE": ROOT_CAUSE}
_INSTEAD = {
    "'": 'strings stand in double quotation marks: "…"',
    "“": 'strings stand in straight quotation marks: "…"',
    "”": 'strings stand in straight quotation marks: "…"',
    "&": "write AND",
    "|": "write OR",
    "$": "names are compared as strings: write keyword = value",
}
_OPEN = re.compile(
    r"""
    (?: "(?:[^"\\]|\\.)*\\?
      | annotation\s*\[\s*(?:"(?:[^"\\]|\\.)*(?:"\s*|\\)?|[^\]"]*)
      | -?(?:[0-9][0-9.]*e[+-]?)?
    )\Z
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
"""A string, an annotation's key in brackets or a number that is only begun where the text ends."""
_ESCAPE = re.compile(r'\\(["\\])')


class Scanned(NamedTuple):
    """A token. type: as the grammar calls it. value: what it says. start, end: in the text."""

    type: str
    value: str
    start: int
    end: int


class Scanner:
    """Reads one text. scope: which braces it is in just now, one of keywords.SCOPES.

    lenient: nothing is an error. What can't be read becomes tokens of the type "UNKNOWN"; what
    is only begun where the text ends (a string, a key in brackets, a number) one of type "OPEN".
    """

    def __init__(self, text: str, lenient: bool = False) -> None:
        self.text = text
        self.scope = TRACE
        self.open: list[str] = []  # the brackets that are open, and "json" for those of JSON
        self._scopes: list[str] = []
        self._head = TRACE
        self._lenient = lenient
        self._last = ("", "")  # the types of the last two tokens
        self._arguments: set[str] | None = None  # of the id() that is being read

    def __iter__(self) -> Iterator[Scanned]:
        text = self.text
        if len(text) > MAX_CHARACTERS and not self._lenient:
            raise self._error(MAX_CHARACTERS, f"longer than {MAX_CHARACTERS} characters")
        position = 0
        while position < len(text):
            if self._lenient and _OPEN.match(text, position):
                yield Scanned("OPEN", text[position:], position, len(text))
                return
            match = _TOKEN.match(text, position)
            if match is None:
                if not self._lenient:
                    raise self._unreadable(position)
                yield Scanned("UNKNOWN", text[position], position, position + 1)
                position += 1
                continue
            position = match.end()
            kind = match.lastgroup
            if kind != "BLANK":
                token = self._token(kind or "", match[0], match.start(), position)
                self._last = (self._last[1], token.type)
                yield token

    def _token(self, kind: str, raw: str, start: int, end: int) -> Scanned:
        if kind == "SIGN":
            self._bracket(raw, start)
            return Scanned(_SIGNS[raw], raw, start, end)
        if kind == "STRING":
            if self._in_json:
                return Scanned("STRING", self._json_string(raw, start), start, end)
            value = _unescaped(raw)
            if self._last in _TRUTH_EXPECTED and value.lower() in _TRUTHS:
                return Scanned(_TRUTHS[value.lower()], value, start, end)
            return Scanned("STRING", value, start, end)
        if kind == "NUMBER":
            # No double holds 1e999: it is no number, but may be a string's unquoted value.
            return Scanned("WORD" if math.isinf(float(raw)) else "NUMBER", raw, start, end)
        if kind == "BRACKETED":
            key = raw[raw.index("[") + 1 : -1].strip()
            return self._annotation(_unescaped(key) if key[0] == '"' else key, start, end)
        return self._word(raw, start, end)

    @property
    def _in_json(self) -> bool:
        return bool(self.open) and self.open[-1] == "json"

    def _bracket(self, sign: str, start: int) -> None:
        """Note what opens and closes. Whether it fits is the grammar's business."""
        if sign in "({[":
            if len(self.open) >= MAX_DEPTH and not self._lenient:
                raise self._error(start, f"brackets nest more than {MAX_DEPTH} deep")
            is_json = self._in_json or self._last[1] == "_HASH"
            self.open.append("json" if is_json else sign)
            self._scopes.append(self.scope)
            if sign == "{" and not is_json:
                self.scope = self._head
            elif sign == "(" and self._last[1] == "_ID":
                self._arguments = set()
        elif sign in ")}]" and self.open:
            if self._arguments is not None:
                self._arguments = None
            self.open.pop()
            self.scope = self._scopes.pop()

    def _word(self, raw: str, start: int, end: int) -> Scanned:
        word = raw.lower()
        if self._in_json:
            known = {"true": "TRUE", "false": "FALSE", "null": "NULL"}
            return Scanned(known.get(raw, "WORD"), raw, start, end)
        if self._arguments is not None:
            return self._argument(word, start, end)
        if self._last[1] in _COMPARISONS:
            return Scanned((_RESERVED | _TRUTHS).get(word, "WORD"), raw, start, end)
        kind = _WORDS.get(word)
        if kind is None:
            return self._unlisted(raw, start, end)
        self._check_place(word, kind, start)
        if kind in _HEADS:
            self._head = _HEADS[kind]
        return Scanned(kind, word, start, end)

    def _argument(self, word: str, start: int, end: int) -> Scanned:
        seen = self._arguments
        if seen is None or self._lenient:
            return Scanned("ARGUMENT", word, start, end)
        if word not in ID_ARGUMENTS:
            raise self._error(start, f"id() takes name, type and account.id, not {word!r}")
        if word in seen:
            raise self._error(start, f"{word} is given twice")
        seen.add(word)
        return Scanned("ARGUMENT", word, start, end)

    def _unlisted(self, raw: str, start: int, end: int) -> Scanned:
        """A word that isn't in the list of keywords: an annotation's, or unknown."""
        head, _, key = raw.partition(".")
        if head.lower() == "annotation" and key:
            return self._annotation(key, start, end)
        if self._lenient:
            return Scanned("UNKNOWN", raw, start, end)
        if head.lower() == "annotation":
            raise self._error(end, "expected a key: annotation.key or annotation[key]")
        if raw.lower() == "rootcause.responsetime.exception":
            raise self._error(start, "root causes of response time have no exceptions")
        near = difflib.get_close_matches(raw.lower(), _WORDS, 1)
        advice = f"; did you mean {near[0]}?" if near else ""
        raise self._error(start, f"unknown keyword {_shortened(raw)}{advice}")

    def _annotation(self, key: str, start: int, end: int) -> Scanned:
        if not self._lenient:
            if not key:
                raise self._error(start, "an annotation's key is empty")
            if self.scope in (SERVICE, EDGE):
                raise self._error(
                    start,
                    f"annotation can't be used {PLACES[self.scope]}: annotations are of the whole "
                    f"trace; write it beside: {self.scope}(…) AND annotation.{key}",
                )
            if self.scope == ROOT_CAUSE:
                raise self._error(start, f"annotation can't be used {PLACES[ROOT_CAUSE]}")
        return Scanned("ANNOTATION", key, start, end)

    def _check_place(self, word: str, kind: str, start: int) -> None:
        if self._lenient:
            return
        if kind in _CLASSES_WITH_SCOPE:
            problem = misplaced(word, self.scope)
            if problem:
                raise self._error(start, problem)
        elif kind in ("_SERVICE", "_EDGE", "CAUSE", "_CAUSE_JSON", "GROUP") and self.scope != TRACE:
            raise self._error(
                start,
                f"{word} can't be used {PLACES[self.scope]}: it describes the whole trace",
            )

    def _json_string(self, raw: str, start: int) -> str:
        try:
            value: str = json.loads(raw)
        except ValueError as error:
            if self._lenient:
                return raw
            raise self._error(start, "this string isn't valid JSON") from error
        return value

    def _unreadable(self, position: int) -> FilterError:
        character = self.text[position]
        if character == '"':
            return self._error(position, "this string has no closing quotation mark")
        message = f"unexpected {character!r}"
        if character in _INSTEAD:
            message = f"{message}: {_INSTEAD[character]}"
        return self._error(position, message)

    def _error(self, position: int, message: str) -> FilterError:
        return FilterError.at(position, self.text, message)


def _unescaped(raw: str) -> str:
    return _ESCAPE.sub(r"\1", raw[1:-1])


def _shortened(word: str) -> str:
    return word if len(word) <= 40 else word[:39] + "…"
