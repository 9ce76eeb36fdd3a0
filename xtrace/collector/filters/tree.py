"""The tree of a filter expression: what `parse` makes, and everything else reads.

Keywords and operators stand in it in lower case, values as they were written. Two expressions
with the same tree mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS = ("<", "<=", ">", ">=")
EQUALITIES = ("=", "!=")
MATCHES = ("contains", "beginswith", "endswith")


@dataclass(frozen=True, slots=True)
class And:
    """All terms are true. Without terms: the empty expression, which every trace matches."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one term is true."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The term is false."""

    term: Node


@dataclass(frozen=True, slots=True)
class Keyword:
    """What is asked for by a word of the language: "fault", "responsetime", "http.url", ..."""

    name: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """What is asked for by an annotation's key."""

    key: str


@dataclass(frozen=True, slots=True)
class Is:
    """A boolean is true; anything else is set."""

    operand: Operand


@dataclass(frozen=True, slots=True)
class Number:
    """A number compares so with the one given. operator: of ORDERS or EQUALITIES."""

    operand: Operand
    operator: str
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A string compares so with the one given. operator: of EQUALITIES or MATCHES."""

    operand: Operand
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Truth:
    """An annotation is a boolean and compares so with the one given. operator: of EQUALITIES.

    `fault = true` is no Truth: it reads as `fault`, `fault = false` as `!fault`.
    """

    operand: Annotation
    operator: str
    value: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The trace is in a group. by: "name" or "arn". position: where it stands in the text."""

    by: str
    value: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Selector:
    """Nodes of the service graph, by what is known of them; None is any."""

    name: str | None = None
    type: str | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """The trace has a part, of one of these nodes, for which the block is true."""

    selector: Selector = Selector()
    block: Node | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """The trace has a call, between such nodes, for which the block is true."""

    source: Selector = Selector()
    target: Selector = Selector()
    block: Node | None = None


@dataclass(frozen=True, slots=True)
class RootCause:
    """A root cause of this kind has an element for which the block is true.

    kind: "fault", "error" or "responsetime". part: "service", "entity" or "exception".
    """

    kind: str
    part: str
    block: Node | None = None


@dataclass(frozen=True, slots=True)
class RootCauseJson:
    """Each object of a JSON array describes a root cause of the trace. text: the array."""

    text: str


Operand: TypeAlias = Keyword | Annotation
Node: TypeAlias = (
    And | Or | Not | Is | Number | Text | Truth | Group | Service | Edge | RootCause | RootCauseJson
)

EVERYTHING = And(())
"""The tree of the empty expression."""


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below one."""
    if isinstance(node, And | Or):
        return node.terms
    if isinstance(node, Not):
        return (node.term,)
    if isinstance(node, Service | Edge | RootCause) and node.block is not None:
        return (node.block,)
    return ()


def walk(node: Node) -> Iterator[tuple[Node, int]]:
    """Each node of a tree with its depth, from 1. It may be of any depth."""
    waiting = [(node, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting.extend((child, depth + 1) for child in children(node))
