"""The grammar, and what builds the tree from it. Importing this module loads lark.

The parser is LALR(1); its terminals are what the scanner gives. The tree is built while parsing,
without recursion, so that no text, however deep, meets the interpreter's limit.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer

from .errors import FilterError
from .scanner import Scanned, Scanner
from .tree import (
    EVERYTHING,
    And,
    Annotation,
    Edge,
    Group,
    Is,
    Keyword,
    Node,
    Not,
    Number,
    Operand,
    Or,
    RootCause,
    RootCauseJson,
    Selector,
    Service,
    Text,
    Truth,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lark.parsers.lalr_interactive_parser import InteractiveParser

_GRAMMAR = """
filter: [disjunction]
selection: service | edge | id

?disjunction: conjunction (_OR conjunction)*
?conjunction: negation (_AND? negation)*
?negation: NOT* primary
?primary: _LPAR disjunction _RPAR
    | (BOOLEAN | NUMERIC | TEXTUAL | ANNOTATION)        -> is_set
    | BOOLEAN (EQUAL | UNEQUAL) (TRUE | FALSE)          -> flag
    | NUMERIC (EQUAL | UNEQUAL | ORDER) NUMBER          -> comparison
    | ANNOTATION ORDER NUMBER                           -> comparison
    | ANNOTATION (EQUAL | UNEQUAL) _any                 -> comparison
    | TEXTUAL (EQUAL | UNEQUAL | MATCH) _any            -> text
    | ANNOTATION MATCH _any                             -> text
    | GROUP EQUAL (STRING | WORD)                       -> group
    | service
    | edge
    | CAUSE [block]                                     -> cause
    | _CAUSE_JSON EQUAL _HASH causes                    -> cause_json
_any: STRING | WORD | NUMBER | TRUE | FALSE

service: _SERVICE _LPAR [selector] _RPAR [block]
edge: _EDGE _LPAR [selector] [_COMMA [selector]] _RPAR [block]
?selector: STRING -> name | id
id: _ID _LPAR argument (_COMMA argument)* _RPAR
argument: ARGUMENT _COLON STRING
?block: _LBRACE disjunction _RBRACE

causes: _LSQB (object (_COMMA object)*)? _RSQB          -> array
array: _LSQB (value (_COMMA value)*)? _RSQB
object: _LBRACE (member (_COMMA member)*)? _RBRACE
member: STRING _COLON value
?value: (STRING | NUMBER | TRUE | FALSE | NULL)          -> scalar
    | array
    | object

%declare ANNOTATION ARGUMENT BOOLEAN CAUSE EQUAL FALSE GROUP MATCH NOT NULL NUMBER NUMERIC
%declare ORDER STRING TEXTUAL TRUE UNEQUAL WORD
%declare _AND _CAUSE_JSON _COLON _COMMA _EDGE _HASH _ID _LBRACE _LPAR _LSQB _OR _RBRACE _RPAR
%declare _RSQB _SERVICE
"""
EXPRESSION = "filter"
SELECTION = "selection"


class _Tokens(Lexer):
    """Lark wants a lexer, and is given its tokens one by one instead."""

    def __init__(self, _conf: object) -> None:
        pass

    def lex(self, *_: object) -> Iterator[Token]:
        return iter(())


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):
    """A method for each rule of the grammar, given what its parts have become."""

    def filter(self, tree: Node | None) -> Node:
        return EVERYTHING if tree is None else tree

    def selection(self, selected: Service | Edge | Selector) -> Service | Edge:
        return Service(selected) if isinstance(selected, Selector) else selected

    def disjunction(self, *terms: Node) -> Node:
        return Or(terms)

    def conjunction(self, *terms: Node) -> Node:
        return And(terms)

    def negation(self, *parts: Any) -> Node:
        *signs, term = parts
        return Not(term) if len(signs) % 2 else term

    def is_set(self, operand: Token) -> Node:
        return Is(_operand(operand))

    def flag(self, operand: Token, operator: Token, truth: Token) -> Node:
        flag = Is(_operand(operand))
        return flag if (truth.type == "TRUE") == (operator.type == "EQUAL") else Not(flag)

    def comparison(self, operand: Token, operator: Token, value: Token) -> Node:
        if value.type == "NUMBER":
            return Number(_operand(operand), str(operator), _number(value))
        if value.type in ("TRUE", "FALSE"):
            return Truth(Annotation(str(operand)), str(operator), value.type == "TRUE")
        return self.text(operand, operator, value)

    def text(self, operand: Token, operator: Token, value: Token) -> Node:
        return Text(_operand(operand), str(operator), str(value))

    def group(self, keyword: Token, _: Token, value: Token) -> Node:
        return Group(keyword.removeprefix("group."), str(value), keyword.start_pos or 0)

    def service(self, selector: Selector | None, block: Node | None) -> Service:
        return Service(selector or Selector(), block)

    def edge(self, source: Selector | None, target: Selector | None, block: Node | None) -> Edge:
        return Edge(source or Selector(), target or Selector(), block)

    def name(self, name: Token) -> Selector:
        return Selector(str(name))

    def id(self, *arguments: tuple[str, str]) -> Selector:
        return Selector(**dict(arguments))

    def argument(self, name: Token, value: Token) -> tuple[str, str]:
        return name.replace(".", "_"), str(value)

    def cause(self, keyword: Token, block: Node | None) -> Node:
        _, kind, part = keyword.split(".")
        return RootCause(kind, part, block)

    def cause_json(self, _: Token, causes: list[Any]) -> Node:
        return RootCauseJson(json.dumps(causes, sort_keys=True))

    def array(self, *values: Any) -> list[Any]:
        return list(values)

    def object(self, *members: tuple[str, Any]) -> dict[str, Any]:
        return dict(members)

    def member(self, name: Token, value: Any) -> tuple[str, Any]:
        return str(name), value

    def scalar(self, token: Token) -> Any:
        if token.type == "NUMBER":
            return _number(token)
        return {"TRUE": True, "FALSE": False, "NULL": None}.get(token.type, str(token))


def _operand(token: Token) -> Operand:
    return Annotation(str(token)) if token.type == "ANNOTATION" else Keyword(str(token))


def _number(token: str) -> float:
    """An integer that any database holds, else the nearest double."""
    digits = token.removeprefix("-")
    return int(token) if digits.isdecimal() and len(digits) <= 18 else float(token)


@cache
def _lark() -> Lark:
    return Lark(
        _GRAMMAR,
        parser="lalr",
        lexer=_Tokens,
        start=[EXPRESSION, SELECTION],
        transformer=_Builder(),
        maybe_placeholders=True,
    )


def parse_tree(text: str, start: str = EXPRESSION) -> Any:
    """The tree of an expression; of a selection, a Service or an Edge. Raises FilterError."""
    parser = begin(start)
    fed: list[Token] = []
    try:
        for scanned in Scanner(text):
            token = as_token(scanned)
            parser.feed_token(token)
            fed.append(token)
        token = Token("$END", "", len(text))
        return parser.feed_token(token)
    except UnexpectedToken:
        raise FilterError.at(
            token.start_pos or 0, text, _complaint(token, _acceptable(fed, start), text)
        ) from None


def begin(start: str = EXPRESSION) -> InteractiveParser:
    """A parser that has read nothing yet and takes tokens one by one."""
    return _lark().parse_interactive("", start)


def as_token(scanned: Scanned) -> Token:
    """What the scanner gives, as what the parser takes."""
    return Token(scanned.type, scanned.value, scanned.start, end_pos=scanned.end)


def _acceptable(fed: Iterable[Token], start: str) -> set[str]:
    """The types of token that may follow these."""
    parser = begin(start)  # afresh: a token that didn't fit has left its marks on the other one
    for token in fed:
        parser.feed_token(token)
    acceptable: set[str] = parser.accepts()  # type: ignore[no-untyped-call]
    return acceptable


_TERMS = {"NOT", "_LPAR", "BOOLEAN", "NUMERIC", "TEXTUAL", "ANNOTATION", "GROUP", "CAUSE"}
_TERMS |= {"_SERVICE", "_EDGE", "_CAUSE_JSON"}
_PHRASES: tuple[tuple[set[str], set[str], str], ...] = (
    ({"EQUAL"}, {"UNEQUAL"}, '"="'),
    ({"UNEQUAL"}, set(), "an operator"),
    ({"TRUE"}, {"STRING"}, "true or false"),
    ({"NUMBER"}, {"STRING"}, "a number"),
    ({"STRING"}, {"NULL", "_RSQB", "_RBRACE"}, "a string"),
    ({"STRING", "NULL"}, set(), "a JSON value"),
    ({"STRING", "_RBRACE"}, {"NULL"}, "a member's name in quotation marks"),
    ({"ARGUMENT"}, set(), "name:, type: or account.id:"),
    ({"_ID"}, {"_SERVICE"}, "id()"),
    ({"_ID", "_SERVICE"}, set(), "service(), edge() or id()"),
    ({"_COLON"}, set(), '":"'),
    ({"_COMMA"}, set(), '","'),
    ({"_HASH"}, set(), "#[…], a JSON array"),
    ({"_LSQB"}, {"NULL"}, '"["'),
    ({"_LBRACE"}, {"NULL"}, '"{"'),
    ({"_LPAR"}, {"NOT"}, '"("'),
    ({"_AND"}, set(), "AND"),
    ({"_OR"}, set(), "OR"),
    ({"NOT"}, {"_AND"}, "a keyword"),
    ({"_RPAR"}, set(), '")"'),
    ({"_RBRACE"}, set(), '"}"'),
    ({"_RSQB"}, set(), '"]"'),
    ({"$END"}, {"_AND", "NOT"}, "nothing more"),
)
"""What is expected, in words: said if all of the first set and none of the second may follow."""


def _complaint(token: Token, acceptable: set[str], text: str) -> str:
    wanted = [
        phrase
        for all_of, none_of, phrase in _PHRASES
        if all_of <= acceptable and not none_of & acceptable
    ]
    *most, last = wanted or ["something else"]
    expected = f"{', '.join(most)} or {last}" if most else last
    if token.type == "$END":
        return f"expected {expected}, but the expression ends here"
    found = text[token.start_pos : token.end_pos]
    found = found if len(found) <= 40 else found[:39] + "…"
    return f"expected {expected}, not {found if found[0].isalnum() else repr(found)}"
