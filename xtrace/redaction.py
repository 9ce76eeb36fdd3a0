"""What must not leave the process: SQL literals, URL queries and credentials.

Pure functions from text to text; whether they are applied is the setting `redact`. They never
raise and never let through what they can't read: an unterminated string is masked to the end.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Match, Pattern

# Statements are few, their executions many: masking happens once a statement. The cache is
# emptied when full, which programs that build SQL from values do sooner or later.
_CACHED_STATEMENTS = 1024
_masked: dict[tuple[str, str], str] = {}


def sql(statement: str, dialect: str = "standard") -> str:
    """The statement with every literal as "?" and every comment as a blank; nothing else changes.

    Literals are strings (also E'', N'', X'', B'', U&''), numbers and dollar-quoted text;
    identifiers, keywords, placeholders and white space stay.
    dialect: "postgresql" (dollar quotes, E'' with backslashes, nested comments), "mysql"
    (backslashes in strings, "double quotes" are strings, `backticks`, # comments), "sqlite"
    ([brackets] and `backticks`, "double quotes" after an operator are strings), else standard SQL.
    """
    key = (statement, dialect)
    masked = _masked.get(key)
    if masked is None:
        if len(_masked) >= _CACHED_STATEMENTS:
            _masked.clear()
        masked = _masked[key] = _mask(statement, dialect)
    return masked


def _mask(statement: str, dialect: str) -> str:
    if dialect == "postgresql" and "/*" in statement:
        statement = _without_nested_comments(statement)
    return _DIALECTS.get(dialect, _STANDARD).sub(_replacement, statement)


def _replacement(token: Match[str]) -> str:
    kind = token.lastgroup
    if kind == "literal":
        return "?"
    if kind == "compared":  # SQLite takes "text" for a string where no column has that name
        return f"{token['operator']}?"
    return " " if kind == "comment" else token[0]


def _without_nested_comments(statement: str) -> str:
    """PostgreSQL's /* comments /* nest */ */, which a regular expression can't count."""
    result: list[str] = []
    depth = 0
    for token in _POSTGRESQL_COMMENT_PARTS.finditer(statement):
        text = token[0]
        if text == "/*":
            depth += 1
        elif text == "*/" and depth:
            depth -= 1
            if depth == 0:
                result.append(" ")
        elif depth == 0:
            result.append(text)
    return "".join(result)


# Each pattern lists tokens in the order in which they are tried. An open end ("|\Z") belongs to
# text that never closes. Words are consumed whole, so that the 2 of "t2" is no number.
_NUMBER = r"""
    (?<![\w$.])
    (?: 0[xX][0-9a-fA-F]+ | 0[bB][01]+ | 0[oO][0-7]+
      | (?: \d[\d_]* (?:\.\d*)? | \.\d+ ) (?:[eE][+-]?\d+)? )
"""
_WORD = r"[^\W\d][\w$]*"
_PLACEHOLDER = r"[$:@?]\d+ | [:@$]{1,2}[^\W\d]\w* | %\(\w+\)s | %s"
_QUOTES_DOUBLED = r"'(?:[^']|'')*(?:'|\Z)"
_QUOTES_ESCAPED = r"'(?:[^'\\]|''|\\.)*(?:'|\\?\Z)"
_DOUBLE_ESCAPED = r'"(?:[^"\\]|""|\\.)*(?:"|\\?\Z)'
_DOUBLE_QUOTED = r'"(?:[^"]|"")*(?:"|\Z)'
_BACKTICKS = r"`(?:[^`]|``)*(?:`|\Z)"
_LINE_COMMENT = r"--[^\n]*"
_BLOCK_COMMENT = r"/\*.*?(?:\*/|\Z)"


def _tokens(comments: str, literals: str, names: str, compared: str = r"(?!)") -> Pattern[str]:
    return re.compile(
        rf"""
          (?P<comment> {comments} )
        | (?P<literal> {literals} | {_NUMBER} )
        | (?P<compared> {compared} )
        | (?P<kept> {_PLACEHOLDER} | {names} | {_WORD} )
        """,
        re.VERBOSE | re.DOTALL,
    )


_PREFIXED = rf"(?: [eE]{_QUOTES_ESCAPED} | (?: [nNxXbB] | [uU]& )? {_QUOTES_DOUBLED} )"
_STANDARD = _tokens(
    rf"{_LINE_COMMENT} | {_BLOCK_COMMENT}",
    rf"(?: [nNxXbB] | [uU]& )? {_QUOTES_DOUBLED}",
    _DOUBLE_QUOTED,
)
_DOLLAR_QUOTED = r"\$(?P<tag>[^\W\d]\w*|)\$.*?(?:\$(?P=tag)\$|\Z)"
_POSTGRESQL = _tokens(
    rf"{_LINE_COMMENT} | {_BLOCK_COMMENT}", rf"{_PREFIXED} | {_DOLLAR_QUOTED}", _DOUBLE_QUOTED
)
_POSTGRESQL_COMMENT_PARTS = re.compile(
    rf"/\* | \*/ | {_LINE_COMMENT} | {_PREFIXED} | {_DOLLAR_QUOTED} | {_DOUBLE_QUOTED} | {_WORD} | .",
    re.VERBOSE | re.DOTALL,
)
_MYSQL = _tokens(
    rf"--(?=\s|\Z)[^\n]* | \#[^\n]* | {_BLOCK_COMMENT}",
    rf"(?: [nNxXbB] | _[a-z]\w*\s* )? {_QUOTES_ESCAPED} | {_DOUBLE_ESCAPED}",
    _BACKTICKS,
)
_SQLITE = _tokens(
    rf"{_LINE_COMMENT} | {_BLOCK_COMMENT}",
    rf"[xX]? {_QUOTES_DOUBLED}",
    rf"{_DOUBLE_QUOTED} | {_BACKTICKS} | \[[^\]]*(?:\]|\Z)",
    rf"(?P<operator> (?: [=<>] | \b(?:LIKE|GLOB|MATCH|REGEXP|IS|IS\s+NOT|VALUES\s*\(|IN\s*\() ) \s* )"
    rf"{_DOUBLE_QUOTED}(?!\s*\.)",
)
_DIALECTS = {"postgresql": _POSTGRESQL, "mysql": _MYSQL, "sqlite": _SQLITE}


def url(value: str) -> str:
    """The URL without user, password, query and fragment: "https://host:port/path"."""
    for mark in "?#":
        cut = value.find(mark)
        if cut >= 0:
            value = value[:cut]
    return without_credentials(value) if "@" in value else value


def without_credentials(value: str) -> str:
    """The URL without "user:password@"; the rest as it is."""
    scheme, separator, rest = value.partition("//")
    if not separator:
        return value
    end = min((i for i in map(rest.find, "/?#") if i >= 0), default=len(rest))
    return scheme + separator + rest[:end].rpartition("@")[2] + rest[end:]
