"""What may be written next: keywords, operators, names and values, at a place in an expression.

The text before the place is read by the scanner and the grammar, so what is offered fits; where
it can't be read, reading begins anew behind the trouble. What follows the place doesn't matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .keywords import (
    BOOLEANS,
    EDGE,
    ID_ARGUMENTS,
    NUMBERS,
    OPERATORS,
    ROOT_CAUSES,
    SCOPES,
    SERVICE,
    STRINGS,
    TRACE,
)
from .scanner import MAX_CHARACTERS, Scanned, Scanner
from .tree import Annotation
from .writer import operand, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What occurs in the traces at hand, each list in the order in which it is to be offered.

    services, types: names and types of nodes. annotation_values: strings by annotation key.
    """

    services: Sequence[str] = ()
    types: Sequence[str] = ()
    annotation_keys: Sequence[str] = ()
    annotation_values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    users: Sequence[str] = ()
    urls: Sequence[str] = ()
    groups: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """text takes the place of what stands between replaces_from and the cursor.

    kind: "keyword", "operator", "annotation", "service" or "value".
    """

    text: str
    kind: str
    replaces_from: int


def completions(text: str, position: int, vocabulary: Vocabulary | None = None) -> list[Completion]:
    """What may be written at a position of a text, the likeliest first.

    A word or string that ends at the position is taken as the beginning of what is sought; if
    nothing begins so, what contains it is offered. Never raises because of the text.
    """
    position = min(max(position, 0), len(text))
    if position > MAX_CHARACTERS:
        return []
    scanner = Scanner(text[:position], lenient=True)
    tokens = list(scanner)
    begun = tokens.pop() if tokens and _is_begun(tokens[-1], text[:position]) else None
    start = begun.start if begun else position
    if "json" in scanner.open:
        return []
    offered = _offered(_Place(tokens, scanner), vocabulary or Vocabulary())
    typed = text[start:position]
    closed = typed[:1] == '"' and text[position : position + 1] == '"'
    return [
        Completion(word[:-1] if closed and word[-1] == '"' else word, kind, start)
        for word, kind in _fitting(offered, typed)
    ]


def _is_begun(token: Scanned, text: str) -> bool:
    """Whether a token at the end of a text may still grow."""
    return token.end == len(text) and (
        token.type == "OPEN" or text[-1].isalnum() or text[-1] in "_.-"
    )


def _fitting(offered: Iterable[tuple[str, str]], typed: str) -> list[tuple[str, str]]:
    """Those that begin with what was typed, in any case; if there are none, those that contain it."""
    wanted = typed.casefold()
    unique = list(dict.fromkeys(offered))
    begin = [each for each in unique if _begins(each[0].casefold(), wanted)]
    inner = wanted.lstrip('"')
    return begin or [each for each in unique if inner and inner in each[0].casefold()]


def _begins(word: str, typed: str) -> bool:
    """A value may be begun without its quotation mark, an annotation with any form of bracket."""
    if typed.startswith("annotation") and "[" in typed:
        return word.startswith("annotation") and word[11:].lstrip('"').startswith(
            typed.partition("[")[2].strip().lstrip('"')
        )
    return word.startswith((typed, f'"{typed}'))


class _Place:
    """Where the cursor is: what the grammar accepts there, and what stands before it."""

    def __init__(self, tokens: list[Scanned], scanner: Scanner) -> None:
        self.accepts = _acceptable(tokens)
        self.scope = scanner.scope
        self.last = tokens[-1] if tokens else None
        self.asked = tokens[-2] if len(tokens) > 1 else None  # of the operator, if last is one
        self.given: set[str] = set()  # the arguments of the id() that the cursor may be in
        for token in reversed(tokens):
            if token.type == "_ID":
                break
            if token.type == "ARGUMENT":
                self.given.add(token.value)


def _acceptable(tokens: Iterable[Scanned]) -> set[str]:
    from lark.exceptions import UnexpectedToken

    from .parser import as_token, begin

    parser = begin()
    for token in tokens:
        for _ in range(2):  # the second time at the beginning of an expression
            try:
                parser.feed_token(as_token(token))
                break
            except UnexpectedToken:
                parser = begin()
    acceptable: set[str] = parser.accepts()  # type: ignore[no-untyped-call]
    return acceptable


_COMPARISONS = ("EQUAL", "UNEQUAL", "ORDER", "MATCH")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_STATUSES = ("200", "400", "403", "404", "429", "500", "502", "503", "504")


def _offered(place: _Place, vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    """Words that fit the place, with their kinds."""
    last, accepts = place.last, place.accepts
    if last and last.type in _COMPARISONS and place.asked:
        yield from ((word, "value") for word in _values(place.asked, last, vocabulary))
        return
    if "ARGUMENT" in accepts:
        yield from ((f"{name}:", "keyword") for name in ID_ARGUMENTS if name not in place.given)
        return
    if last and last.type == "_COLON" and place.asked:
        if place.asked.value == "name":
            yield from ((quoted(name), "service") for name in vocabulary.services)
        elif place.asked.value == "type":
            yield from ((quoted(type), "value") for type in vocabulary.types)
        return
    if "_ID" in accepts:
        yield from ((quoted(name), "service") for name in vocabulary.services)
        yield "id(", "keyword"
        return
    if last and accepts & {"EQUAL", "UNEQUAL", "ORDER", "MATCH"}:
        yield from ((operator.upper(), "operator") for operator in _operators(last))
    if "_AND" in accepts:
        yield "AND", "operator"
        yield "OR", "operator"
    if "NOT" in accepts:
        yield from _terms(place.scope, vocabulary)


def _operators(token: Scanned) -> tuple[str, ...]:
    if token.type in ("GROUP", "_CAUSE_JSON"):
        return ("=",)
    if token.type == "ANNOTATION":
        return ("=", "!=", "<", "<=", ">", ">=", "contains", "beginswith", "endswith")
    return OPERATORS.get(token.value, ())


def _terms(scope: str, vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    """What an expression may begin with."""
    for keyword in (*BOOLEANS, *NUMBERS, *STRINGS):
        if keyword in SCOPES[scope]:
            yield keyword, "keyword"
    if scope == TRACE:
        yield from ((word, "keyword") for word in (f"{SERVICE}(", f"{EDGE}("))
        for key in vocabulary.annotation_keys:
            yield operand(Annotation(key)), "annotation"
        yield from ((word, "keyword") for word in (*ROOT_CAUSES, "rootcause.json"))
        yield from ((word, "keyword") for word in ("group.name", "group.arn"))


def _values(asked: Scanned, operator: Scanned, vocabulary: Vocabulary) -> Iterable[str]:
    """What an operand may be compared with."""
    if asked.type == "BOOLEAN":
        return ("true", "false")
    if asked.value == "http.status":
        return _STATUSES
    if asked.type == "ANNOTATION" and operator.type == "ORDER":
        return ()
    texts: Sequence[str] = ()
    if asked.type == "ANNOTATION":
        texts = vocabulary.annotation_values.get(asked.value, ())
    elif asked.type in ("TEXTUAL", "GROUP"):
        texts = {
            "user": vocabulary.users,
            "http.url": vocabulary.urls,
            "http.method": _METHODS,
            "name": vocabulary.services,
            "type": vocabulary.types,
            "group.name": vocabulary.groups,
        }.get(asked.value, ())
    return [quoted(value) for value in texts]
