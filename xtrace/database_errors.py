"""What a database's error says, without the values that it quotes.

Drivers put into messages what the server or they themselves quote: "Key (email)=(bob@...)",
"Duplicate entry 'bob'", "invalid input for query argument $1: ...". What is recorded is the first
line up to the first value; what names things (relation "t", constraint "c", table 't'), error codes
and positions stay.

Which exceptions are a database's is told by PEP 249, whose names all drivers use.
"""

from __future__ import annotations

import re

from .interruption import let_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from re import Match
    from typing import Any

# PEP 249's two kinds of errors; asyncpg's, which has no such; the base of MySQL drivers' errors and
# warnings; SQLAlchemy's around anything that stops a statement.
_NAMES = frozenset(
    ("DatabaseError", "InterfaceError", "MySQLError", "PostgresError", "StatementError")
)

MAX_CHARS = 8192
"""What is read of a message."""

_SAID_BY_OWN_CODE = "(raised by code in the database; its text may hold values)"
_RAISE_EXCEPTION = ("P0001", "45000")
_ER_SIGNAL_EXCEPTION = 1644


def messages(error: BaseException) -> list[tuple[BaseException, Callable[[BaseException], str]]]:
    """If an exception is a database's: itself, and what SQLAlchemy's is about, each with what gives
    the message that may be recorded.
    """
    if not any(kind.__name__ in _NAMES for kind in type(error).__mro__):
        return []
    cause = _cause(error)
    return [(error, message)] if cause is None else [(error, message), (cause, message)]


def _cause(error: BaseException) -> BaseException | None:
    """What SQLAlchemy's error is about: any exception that stopped a statement."""
    try:
        cause = getattr(error, "orig", None)
    except Exception as problem:  # anybody's property may be of that name
        let_through(problem)
        return None
    return cause if isinstance(cause, BaseException) and cause is not error else None


def message(error: BaseException) -> str:
    """What a database's error says, without values."""
    cause = _cause(error)
    if cause is not None:  # itself it says the statement and its parameters
        kind = type(cause)
        return f"({kind.__module__}.{kind.__qualname__}) {message(cause)}"
    args = error.args
    if len(args) == 2 and type(args[0]) is int and isinstance(args[1], str):  # PyMySQL, mysqlclient
        if args[0] == _ER_SIGNAL_EXCEPTION:
            return f"({args[0]}, {_SAID_BY_OWN_CODE})"
        return f"({args[0]}, {_without_values(args[1])})"
    if args and isinstance(args[0], dict):  # pg8000: the fields of the server's message
        fields: dict[Any, Any] = args[0]
        code = fields.get("C")
        text = str(fields.get("M", ""))
        return (
            _SAID_BY_OWN_CODE if code in _RAISE_EXCEPTION else f"{_without_values(text)} ({code})"
        )
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state in _RAISE_EXCEPTION:
        return _SAID_BY_OWN_CODE
    return _without_values(str(error))


def _without_values(text: str) -> str:
    line = text.lstrip()[:MAX_CHARS].partition("\n")[0].rstrip()
    for start, rest in _TEMPLATES:
        begin = start.search(line)
        if begin is not None:
            end = rest.search(line, begin.end())
            return _masked(line[: begin.end()]) + "?" + (end[0] if end is not None else "")
    return _masked(line)


def _masked(line: str) -> str:
    return _PART.sub(_replacement, line)


def _replacement(part: Match[str]) -> str:
    return part[0] if part.lastgroup == "kept" else "?"


# Messages with more to say after a value. A quote within the value isn't escaped: it goes on to the
# last that can be its end, and what follows has no room for a value.
_TEMPLATES = [
    (re.compile(start), re.compile(rest, re.DOTALL))
    for start, rest in (
        (r"^(?:\d+ \(\w+\): )?Duplicate entry (?=')", r" for key '[\w.$-]*'$"),
        (
            r"^(?:\d+ \(\w+\): )?Incorrect [\w ]+ value: (?=')",
            r" for column [`\w.$-]+ at row \d+$",
        ),
        (r"^near (?=\")", r": syntax error$"),
        (r"(?:argument|parameter) \$\d+: ", r"(?!)"),
    )
]

_THINGS = (
    r"access\smethod|class|collation|column|constraint|conversion|cursor|database|domain|encoding"
    r"|extension|field|function|host|index|language|operator|operator\sclass|parameter|policy"
    r"|prepared\sstatement|procedure|publication|relation|role|rule|savepoint|schema|sequence"
    r"|server(?:\sat|\son)?|statement|subscription|table|tablespace|trigger|type|user|view"
)
_COUNTED = r"placeholders?|parameters?|arguments?|bindings?|columns?|bytes|supplied|were\spassed"
# A quote after a letter is an apostrophe. The first other one that doesn't name a thing begins a
# value, and nobody knows where that ends.
_PART = re.compile(
    rf"""
      (?P<value> (?<!\w)[bBuUrRxX]?['"].* )
    | (?P<kept>
          (?i:\b(?:{_THINGS})\s) (?: '[^']*'(?:@'[^']*')? | "[^"]*" )
        | \bin\s'[a-z ]+\s(?:list|clause|statement)'
        | ^\d+\s\(\w+\):
        | (?i:\b(?:line|row|port|parameter|argument|position|character|errno|uses|after))\s\$?[\d.]+\b
        | \b\d+\s(?:{_COUNTED})\b
        | \b[^\W\d]\w*(?:\(\d+(?:,\d+)?\))? | \$\d+ | `[^`]*`
      )
    | (?P<number> (?<![\w$])\.?\d[\w.:-]* )
    """,
    re.VERBOSE | re.DOTALL,
)
