"""What of a filter a database can answer: a condition that is never stricter than the meaning.

The condition is about one row of `traces`, which the query calls `t`, and what hangs on it; how, a
dialect says. Of these it needs, on SQLite as tables:

    traces t     trace_no, duration, response_time, has_ok, has_error, has_fault, has_throttle,
                 is_partial, has_inferred, http_url, http_method, http_status, http_user_agent,
                 http_client_ip, root_node (a node_no)
    parts        trace_no, node_no, root, inferred, ok, error, fault, throttle, response_time,
                 duration, http_status; no row for an orphan
    nodes        node_no, name, type, account_id
    calls        trace_no, source_no, target_no, ok, error, fault, throttle, response_time
    annotations  trace_no, key, kind ('s', 'n', 'b'), text, number (of booleans 0 or 1)
    values_of    trace_no, field ('user', 'availabilityzone', 'instance.id', 'resource.arn'), text

Booleans are 0 or 1, never null; anything else that is missing is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .dialects import SQLite
from .evaluation import CLIENT
from .keywords import BOOLEANS
from .tree import (
    And,
    Annotation,
    Edge,
    Is,
    Node,
    Not,
    Number,
    Or,
    Selector,
    Service,
    Text,
    Truth,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .dialects import Dialect, Parameter
    from .expression import Filter

EXACT_BELOW = 2**53
"""Databases keep numbers as doubles: from here on, different integers may be stored as the same."""

MOST_TERMS = 20
"""Joined in one row. `a and b and c` is one level deeper than `a and b` to a database."""

MAX_DEPTH = 12
"""Of a tree's levels in SQL; databases parse with a small stack. What is deeper is left to `matches`."""


class Prefilter(NamedTuple):
    """A condition for a where clause, and the parameters for its placeholders, in order.

    is_exact: it holds for the traces that match and for no others; else for some others, too.
    """

    where: str
    parameters: tuple[Parameter, ...]
    is_exact: bool


def prefilter(
    filter: Filter, groups: Mapping[str, Filter] | None = None, dialect: Dialect | None = None
) -> Prefilter:
    """The condition of a filter. Raises FilterError as `Filter.resolve` does."""
    tree = filter.resolve(groups).tree
    made = _Compiler(dialect or SQLite()).condition(tree, _TRACES, True, False)
    return Prefilter(made.text, made.parameters, made.is_exact)


class _Condition(NamedTuple):
    """SQL that is 0 or 1, or where that doesn't matter null for 0."""

    text: str
    parameters: tuple[Parameter, ...] = ()
    is_exact: bool = True


class _Table(NamedTuple):
    """Where keywords stand: as columns of a row, and of the node that the row names."""

    columns: dict[str, str]
    node: str | None = None


_TRACES = _Table(
    {
        "ok": "t.has_ok",
        "error": "t.has_error",
        "fault": "t.has_fault",
        "throttle": "t.has_throttle",
        "partial": "t.is_partial",
        "inferred": "t.has_inferred",
        "responsetime": "t.response_time",
        "duration": "t.duration",
        "http.status": "t.http_status",
        "http.url": "t.http_url",
        "http.method": "t.http_method",
        "http.useragent": "t.http_user_agent",
        "http.clientip": "t.http_client_ip",
    },
    "t.root_node",
)
_PARTS = _Table(
    {
        "ok": "p.ok",
        "error": "p.error",
        "fault": "p.fault",
        "throttle": "p.throttle",
        "inferred": "p.inferred",
        "root": "p.root",
        "responsetime": "p.response_time",
        "duration": "p.duration",
        "http.status": "p.http_status",
    },
    "p.node_no",
)
_CALL_COLUMNS = {
    "ok": "c.ok",
    "error": "c.error",
    "fault": "c.fault",
    "throttle": "c.throttle",
    "responsetime": "c.response_time",
    "duration": "c.response_time",
}
_CALLS = _Table(_CALL_COLUMNS)
_CLIENT_CALLS = _Table(_CALL_COLUMNS, "c.source_no")
_VALUES = ("user", "availabilityzone", "instance.id", "resource.arn")
_OF_NODES = ("name", "type", "remote")


class _Compiler:
    """upper: the condition may hold for too much, else for too little. What isn't known of a
    row is then 1, or 0; a negation turns one into the other.
    guarded: a negation stands around, so that null must not be the result.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._depth = 0

    def condition(self, node: Node, table: _Table, upper: bool, guarded: bool) -> _Condition:
        unknown = _Condition("1" if upper else "0", (), False)
        self._depth += 1
        try:
            return unknown if self._depth > MAX_DEPTH else self._known(node, table, upper, guarded)
        finally:
            self._depth -= 1

    def _known(self, node: Node, table: _Table, upper: bool, guarded: bool) -> _Condition:
        unknown = _Condition("1" if upper else "0", (), False)
        if isinstance(node, And | Or):
            terms = [self.condition(term, table, upper, guarded) for term in node.terms]
            return _all_of(terms) if isinstance(node, And) else _any_of(terms)
        if isinstance(node, Not):
            return _negated(self.condition(node.term, table, not upper, True))
        if isinstance(node, Service):
            return self._service(node, upper) if _storable(*_words(node.selector)) else unknown
        if isinstance(node, Edge):
            words = (*_words(node.source), *_words(node.target))
            return self._edge(node, upper) if _storable(*words) else unknown
        if isinstance(node, Is | Number | Text | Truth):
            return self._comparison(node, table, guarded) or unknown
        return unknown  # root causes

    def _comparison(
        self, node: Is | Number | Text | Truth, table: _Table, guarded: bool
    ) -> _Condition | None:
        """The condition, or None if the tables don't say."""
        if isinstance(node, Number) and not abs(node.value) < EXACT_BELOW:
            return None
        if isinstance(node, Text) and not _storable(node.value):
            return None
        if isinstance(node.operand, Annotation):
            return self._annotation(node, node.operand.key)
        keyword = node.operand.name
        if keyword in _VALUES and table is _TRACES:
            joined = _Condition("v.field = ?", (keyword,))
            return self._some("v", joined, self._compared(node, "v.text"))
        if keyword in _OF_NODES and table.node:
            name = "type" if keyword == "remote" else keyword
            member = self._dialect.member(table.node, name)
            fits = (
                _Condition(f"({member} = 'remote' or {member} like 'Database::%')")
                if keyword == "remote"
                else self._compared(node, member)
            )
            return fits._replace(text=self._dialect.of_node(table.node, fits.text))
        column = table.columns.get(keyword)
        if column is None:
            return None
        if keyword in BOOLEANS:
            return _Condition(column)
        made = self._compared(node, column)
        if guarded and not isinstance(node, Is):
            return made._replace(text=f"({column} is not null and {made.text})")
        return made

    def _annotation(self, node: Is | Number | Text | Truth, key: str) -> _Condition | None:
        if not _storable(key):
            return None
        if isinstance(node, Is):
            fits = _Condition("(a.kind <> 'b' or a.number = 1)")
        elif isinstance(node, Truth):
            fits = _Condition(
                f"a.kind = 'b' and a.number {_SIGNS[node.operator]} {int(node.value)}"
            )
        elif isinstance(node, Text):
            fits = _all_of([_Condition("a.kind = 's'"), self._compared(node, "a.text")])
        else:
            fits = _all_of([_Condition("a.kind = 'n'"), self._compared(node, "a.number")])
        return self._some("a", _Condition("a.key = ?", (key,)), fits)

    def _compared(self, node: Is | Number | Text | Truth, column: str) -> _Condition:
        """A column's comparison; null if the column is, or 0."""
        if isinstance(node, Is) or (node.value == "" and node.operator in _MATCHING):
            return _Condition(f"{column} is not null")
        if isinstance(node, Text) and node.operator in _MATCHING:
            text, value = getattr(self._dialect, _MATCHING[node.operator])(column, node.value)
            return _Condition(text, (value,))
        return _Condition(f"{column} {_SIGNS[node.operator]} ?", (node.value,))

    def _service(self, node: Service, upper: bool) -> _Condition:
        if node.selector.type == CLIENT:
            joined = self._selected({"c.source_no": node.selector})
            return self._some("c", joined, self._block(node.block, _CLIENT_CALLS, upper))
        joined = self._selected({"p.node_no": node.selector})
        return self._some("p", joined, self._block(node.block, _PARTS, upper))

    def _edge(self, node: Edge, upper: bool) -> _Condition:
        joined = self._selected({"c.source_no": node.source, "c.target_no": node.target})
        return self._some("c", joined, self._block(node.block, _CALLS, upper))

    def _some(self, rows: str, joined: _Condition, fits: _Condition) -> _Condition:
        """The trace has a row that is one of those `joined`, and for which a condition holds."""
        if fits.text == "0":
            return fits
        texts = [each.text for each in (joined, fits) if each.text != "1"]
        return _Condition(
            self._dialect.some(rows, " and ".join(texts) or "1"),
            (*joined.parameters, *fits.parameters),
            fits.is_exact,
        )

    def _selected(self, selectors: dict[str, Selector]) -> _Condition:
        """The columns which name nodes name some of those selected."""
        texts = []
        parameters: list[Parameter] = []
        for column, selector in selectors.items():
            wanted = {
                "name": selector.name,
                "type": selector.type,
                "account_id": selector.account_id,
            }
            given = {name: value for name, value in wanted.items() if value is not None}
            if given:
                texts.append(self._dialect.selected(column, given))
                parameters += given.values()
        return _Condition(" and ".join(texts) or "1", tuple(parameters))

    def _block(self, block: Node | None, table: _Table, upper: bool) -> _Condition:
        if block is None:
            return _Condition("1")
        return self.condition(block, table, upper, False)


_SIGNS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_MATCHING = {"contains": "contains", "beginswith": "begins", "endswith": "ends"}


def _all_of(terms: list[_Condition]) -> _Condition:
    return _joined(terms, " and ", "1", "0")


def _any_of(terms: list[_Condition]) -> _Condition:
    return _joined(terms, " or ", "0", "1")


def _joined(terms: list[_Condition], word: str, neutral: str, final: str) -> _Condition:
    """Terms joined by and, or by or. neutral: changes nothing. final: makes the rest not matter."""
    is_exact = all(term.is_exact for term in terms)
    if any(term.text == final for term in terms):
        return _Condition(final, (), is_exact)
    kept = [term for term in terms if term.text != neutral]
    if not kept:
        return _Condition(neutral, (), is_exact)
    texts = [term.text for term in kept]
    while len(texts) > 1:
        chunks = [texts[n : n + MOST_TERMS] for n in range(0, len(texts), MOST_TERMS)]
        texts = [f"({word.join(chunk)})" for chunk in chunks]
    parameters = tuple(parameter for term in kept for parameter in term.parameters)
    return _Condition(texts[0], parameters, is_exact)


def _negated(term: _Condition) -> _Condition:
    if term.text in ("0", "1"):
        return term._replace(text="0" if term.text == "1" else "1")
    return term._replace(text=f"not ({term.text})")


def _words(selector: Selector) -> tuple[str, ...]:
    return tuple(
        word for word in (selector.name, selector.type, selector.account_id) if word is not None
    )


def _storable(*values: str) -> bool:
    """Whether databases take the values: half a surrogate pair has no UTF-8."""
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return False
    return True
