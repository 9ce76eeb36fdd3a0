"""What must not leave the process: SQL literals, URL queries and credentials.

Pure functions from text to text; whether they are applied is the setting `redact`. They never
raise and never let through what they can't read: an unterminated string is masked to the end.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from re import Match, Pattern

# Statements are few, their executions many: masking happens once a statement. The cache is
# emptied when full, which programs that build SQL from values do sooner or later; what is long is
# most likely such a statement.
_CACHED_STATEMENTS = 1024
_CACHED_CHARS = 16_384

MAX_STATEMENT_CHARS = 65_536
"""What is read of a statement; a mark stands for the rest. Documents hold an eighth of that."""

MYSQL = "mysql"
MYSQL_PLAIN = "mysql, backslashes are plain"
"""With sql_mode NO_BACKSLASH_ESCAPES."""
POSTGRESQL = "postgresql"
POSTGRESQL_ESCAPED = "postgresql, backslashes escape"
"""With standard_conforming_strings off."""
SQLITE = "sqlite"


def sql(statement: str, dialect: str = "standard") -> str:
    """The statement with every literal as "?" and every comment as a blank; nothing else changes.

    Literals are strings (also E'', N'', X'', B'', U&''), numbers and dollar-quoted text;
    identifiers, keywords, placeholders and white space stay.
    dialect: "mysql" (backslashes in strings, "double quotes" are strings, `backticks`, # comments),
    "sqlite" ([brackets] and `backticks`; "double quotes" are strings after an operator and among
    VALUES), else standard SQL with what PostgreSQL adds (E'' with backslashes, dollar quotes,
    nested comments). MYSQL_PLAIN and POSTGRESQL_ESCAPED are what the two become by a setting of the
    server's.
    """
    return masked(dialect)[statement]


def masked(dialect: str) -> Mapping[str, str]:
    """The masked form of every statement of a dialect, by statement: `sql` for those in a hurry."""
    found = _by_dialect.get(dialect)
    if found is None:
        found = _by_dialect.setdefault(dialect, _Masked(dialect))
    return found


class _Masked(dict[str, str]):
    __slots__ = ("_mask",)

    def __init__(self, dialect: str) -> None:
        self._mask = _mask(dialect)

    def __missing__(self, statement: str) -> str:
        if len(statement) > MAX_STATEMENT_CHARS:
            text = self._mask(statement[:MAX_STATEMENT_CHARS]) + "…"
        else:
            text = self._mask(statement)
        if len(statement) <= _CACHED_CHARS:
            if len(self) >= _CACHED_STATEMENTS:
                self.clear()
            self[statement] = text
        return text


_by_dialect: dict[str, _Masked] = {}


def _mask(dialect: str) -> Callable[[str], str]:
    """What masks statements of a dialect. Its patterns are compiled here, not when all is imported."""
    if dialect == SQLITE:
        tokens = _sqlite()
        return lambda statement: tokens.sub(_sqlite_replacement(), statement)
    if dialect in (MYSQL, MYSQL_PLAIN):
        tokens = _mysql(backslashes_escape=dialect == MYSQL)
        return lambda statement: tokens.sub(_replacement, statement)
    if dialect in (POSTGRESQL, POSTGRESQL_ESCAPED):
        tokens, parts = _postgresql(backslashes_escape=dialect == POSTGRESQL_ESCAPED)
    else:
        tokens, parts = _standard()

    def mask(statement: str) -> str:
        if "/*" in statement:
            statement = _without_nested_comments(statement, parts)
        return tokens.sub(_replacement, statement)

    return mask


def _replacement(token: Match[str]) -> str:
    kind = token.lastgroup
    if kind == "kept":
        return token[0]
    return " " if kind == "comment" else "?"


def _sqlite_replacement() -> Callable[[Match[str]], str]:
    """As _replacement(). Besides, SQLite takes "text" for a string where no column has that name:
    in a list of values it must be one, and after an operator it mostly is.
    """
    before = ""  # the word or sign before
    lists: list[bool] = []  # of each open bracket: whether it holds values
    in_between = False  # BETWEEN was there, its AND wasn't

    def replacement(token: Match[str]) -> str:
        nonlocal before, in_between
        if token.lastgroup == "comment":
            return " "
        text = token[0] if token.lastgroup == "kept" else "?"
        sign = text.upper()
        if sign[0] == '"':
            is_value = before in _OPERATORS or (lists and lists[-1] and before[-1:] != ".")
            if is_value and sign[-1] != ".":
                text = sign = "?"
        elif sign == "(":
            lists.append(before in _OPERATORS or before in ("IN", "VALUES") or any(lists[-1:]))
        elif sign == ")" and lists:
            sign = "VALUES" if lists.pop() else sign  # perhaps a comma and another list follow
        elif sign in ("SELECT", "WITH") and lists:
            lists[-1] = False
        elif sign == "BETWEEN":
            in_between = True
        elif sign == "AND" and in_between:
            in_between, sign = False, "BETWEEN"
        elif (sign, before) in ((",", "VALUES"), ("NOT", "IS")):
            sign = before
        before = sign
        return text

    return replacement


def _without_nested_comments(statement: str, parts: Pattern[str]) -> str:
    """PostgreSQL's /* comments /* nest */ */, which a regular expression can't count."""
    result: list[str] = []
    position = 0
    while part := parts.match(statement, position):
        position = part.end()
        if part[0] == "/*":
            result.append(" ")
            position = _end_of_comment(statement, position)
        else:
            result.append(part[0])
    return "".join(result)


def _end_of_comment(statement: str, position: int) -> int:
    depth = 1
    for mark in _COMMENT_MARK.finditer(statement, position):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(statement)


# Each pattern lists tokens in the order in which they are tried. An open end ("|\Z") belongs to
# text that never closes; a name that never closes is masked with all that follows. Words are
# consumed whole, so that the 2 of "t2" is no number.
_NUMBER = r"(?<!\w) \.?\d[\w.]* (?: (?<=[eE]) [+-]\d+ )?"
_WORD = r"[^\W\d][\w$]*"
# Numbered ones have few digits, and ":2" isn't one in "a[1:2]".
_PLACEHOLDER = r"""
    (?: [$?@] | (?<![\w)\]\[:]) :(?=\d+(?!\s*\])) ) \d{1,5} (?![\w.]*\d)
    | [:@$]{1,2}[^\W\d]\w* | %\(\w+\)s | %s
"""
_QUOTES_DOUBLED = r"'[^']*(?:''[^']*)*(?:'|\Z)"
_QUOTES_ESCAPED = r"'[^'\\]*(?:(?:''|\\.)[^'\\]*)*(?:'|\\?\Z)"
_DOUBLE_ESCAPED = r'"[^"\\]*(?:(?:""|\\.)[^"\\]*)*(?:"|\\?\Z)'
_DOUBLE_DOUBLED = r'"[^"]*(?:""[^"]*)*(?:"|\Z)'
_DOUBLE_QUOTED = r'"[^"]*(?:""[^"]*)*"(?!")'
_BACKTICKS = r"`[^`]*(?:``[^`]*)*`(?!`)"
_LINE_COMMENT = r"--[^\n]*"
_BLOCK_COMMENT = r"/\*.*?(?:\*/|\Z)"


def _tokens(
    comments: str,
    literals: str,
    names: str,
    quotes: str,
    signs: str = r"(?!)",
    placeholders: str = _PLACEHOLDER,
) -> Pattern[str]:
    return re.compile(
        rf"""
          (?P<comment> {comments} )
        | (?P<literal> {literals} | {_NUMBER} )
        | (?P<kept> {placeholders} | {names} | {_WORD} | {signs} )
        | (?P<open> {quotes}.* )
        """,
        re.VERBOSE | re.DOTALL,
    )


def _standard(
    plain: str = _QUOTES_DOUBLED,
    line_comment: str = _LINE_COMMENT,
    placeholders: str = _PLACEHOLDER,
) -> tuple[Pattern[str], Pattern[str]]:
    """The tokens, and those of a pass before them that only looks for comments.

    plain: a string without a prefix.
    """
    # What goes on after a line break has the prefix, too: E'a' \n 'b\'c'. Each part can match in one
    # way only, so that no text takes long.
    goes_on = rf"""
        (?: [ \t\f\v]* (?:--[^\n\r]*)? [\n\r] (?: \s*--[^\n\r]*[\n\r] )* \s* {_QUOTES_ESCAPED} )*
    """
    escaped = rf"[eE]{_QUOTES_ESCAPED}{goes_on}"
    strings = rf"(?: {escaped} | (?: [nN] | [uU]& )? {plain} | [xXbB] {_QUOTES_DOUBLED} )"
    quoted = r"\$(?P<tag>[^\W\d]\w*|)\$.*?(?:\$(?P=tag)\$|\Z)"
    tokens = _tokens(
        rf"{line_comment} | {_BLOCK_COMMENT}",
        rf"{strings} | {quoted}",
        _DOUBLE_QUOTED,
        '"',
        placeholders=placeholders,
    )
    parts = re.compile(
        rf"""
          /\* | {line_comment} | {strings} | {quoted} | {_DOUBLE_QUOTED} | ".*
        | {_WORD} | \d[\w.]* | [\s,;()<>=]+ | .
        """,
        re.VERBOSE | re.DOTALL,
    )
    return tokens, parts


def _postgresql(backslashes_escape: bool) -> tuple[Pattern[str], Pattern[str]]:
    return _standard(
        _QUOTES_ESCAPED if backslashes_escape else _QUOTES_DOUBLED,
        r"--[^\n\r]*",
        _PLACEHOLDER.replace("[$?@]", "[$?]"),  # "@5" is an operator and a number
    )


def _mysql(backslashes_escape: bool) -> Pattern[str]:
    single = _QUOTES_ESCAPED if backslashes_escape else _QUOTES_DOUBLED
    double = _DOUBLE_ESCAPED if backslashes_escape else _DOUBLE_DOUBLED
    return _tokens(
        rf"--(?=[\s\x00-\x1f]|\Z)[^\n]* | \#[^\n]* | {_BLOCK_COMMENT}",
        rf"[nNxXbB]? {single} | {double}",
        _BACKTICKS,
        "`",
    )


def _sqlite() -> Pattern[str]:
    return _tokens(
        rf"{_LINE_COMMENT} | {_BLOCK_COMMENT}",
        rf"[xX]? {_QUOTES_DOUBLED}",
        rf"{_DOUBLE_QUOTED}(?:\s*\.(?!\d))? | {_BACKTICKS} | \[[^\]]*\]",
        r'["`\[]',
        r'[^\s"`\[]',
    )


_COMMENT_MARK = re.compile(r"/\*|\*/")
_OPERATORS = frozenset(
    ("=", "<", ">", "|", "LIKE", "GLOB", "MATCH", "REGEXP", "IS", "BETWEEN", "DEFAULT")
)


# What isn't the apostrophe of a word; from there to the last quotation mark, whatever quotes are in it.
_QUOTED = re.compile(r"""(?<!\w)(['"`])(?:.*['"`](?!\w)|.*)""", re.DOTALL)


def quotations(message: str) -> str:
    """The message of an error with "?" for what it quotes: "unknown command '?'".

    From the first quotation mark to the last, as nobody can tell what a value with such marks in it
    ends with.
    """
    return _QUOTED.sub(r"\1?\1", message)


def url(value: str) -> str:
    """The URL without user, password, query and fragment: "https://host:port/path"."""
    if "@" in value:
        value = without_credentials(value)
    for mark in "?#":
        cut = value.find(mark)
        if cut >= 0:
            value = value[:cut]
    return value


def without_credentials(value: str) -> str:
    """The URL without "user:password@"; the rest as it is."""
    scheme, separator, rest = value.partition("//")
    if not separator or "/" in scheme or "@" in scheme:
        scheme, separator, rest = "", "", value
    end = min((i for i in map(rest.find, "/?#") if i >= 0), default=len(rest))
    _, colon, port = rest[:end].rpartition(":")
    if colon and "@" not in rest[:end] and not port.isdigit() and port[-1:] != "]":
        # No port, so it is a password with one of "/?#" in it.
        return scheme + separator + rest.rpartition("@")[2]
    return scheme + separator + rest[:end].rpartition("@")[2] + rest[end:]


def without_passwords(text: str) -> str:
    """Any text without the passwords of the URLs in it: "postgresql://user:?@host"."""
    return _UNBROKEN.sub(_without_password, text)


def _without_password(part: Match[str]) -> str:
    text = part[0]
    end = text.rfind("@")
    user = _USER.search(text, 0, end) if end >= 0 else None
    return text if user is None else f"{text[: user.end()]}?{text[end:]}"


# In two steps: one pattern would look for the "@" from each "://" to the end of the text.
_UNBROKEN = re.compile(r"[^\s'\"]+")
_USER = re.compile(r"://[^:/?#@]*:")
