"""A filter: an expression that was read, ready to be asked about traces."""

from __future__ import annotations

from dataclasses import replace

from .errors import FilterError
from .evaluation import predicate
from .tree import And, Edge, Group, Node, Not, Or, RootCause, Service, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..trace import Trace

MAX_RESOLVED_NODES = 5000
"""Of a tree with its groups in place; groups of groups multiply."""

MAX_RESOLVED_DEPTH = 150
"""Of the same tree. It is walked by recursion, so this stays well below the interpreter's limit."""


class Filter:
    """An expression. Equal to another of the same tree.

    tree: what it means, see `tree`. text: as it was written, if it was. Don't change either.
    """

    __slots__ = ("_predicate", "text", "tree", "uses_groups")

    def __init__(self, tree: Node, text: str = "") -> None:
        self.tree = tree
        self.text = text
        self.uses_groups = any(isinstance(node, Group) for node, _ in walk(tree))
        self._predicate: Callable[[Trace], bool] | None = None

    def matches(self, trace: Trace, groups: Mapping[str, Filter] | None = None) -> bool:
        """Whether a trace is one of those that the expression describes.

        groups: by name and by ARN, what `group.name` and `group.arn` stand for. Whoever asks
        about many traces resolves them once, see `resolve`.
        Raises FilterError as `resolve` does.
        """
        matching = self._predicate
        if matching is None:
            resolved = self.resolve(groups)
            matching = predicate(resolved.tree)
            if resolved is self:
                self._predicate = matching
        return matching(trace)

    def resolve(self, groups: Mapping[str, Filter] | None = None) -> Filter:
        """The filter with the expressions of groups in the place of their names.

        Raises FilterError for a group that isn't there, that is defined by itself, or that makes
        the expression too large.
        """
        if not self.uses_groups:
            return self
        return Filter(_Resolver(groups or {}, self.text).tree(self.tree), self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self.tree == other.tree

    def __hash__(self) -> int:
        return hash(self.tree)

    def __repr__(self) -> str:
        return f"<Filter {self.text or self.tree!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Filter, (self.tree, self.text)


class _Resolver:
    def __init__(self, groups: Mapping[str, Filter], text: str) -> None:
        self._groups = groups
        self._text = text
        self._nodes = 0
        self._within: list[str] = []  # the groups whose expressions stand around
        self._outermost = 0  # the place in the text of the first of them

    def tree(self, node: Node, depth: int = 1) -> Node:
        self._nodes += 1
        if self._nodes > MAX_RESOLVED_NODES or depth > MAX_RESOLVED_DEPTH:
            raise self._error("with its groups, the expression is too large")
        if isinstance(node, Group):
            return self._group(node, depth)
        if isinstance(node, And | Or):
            return replace(node, terms=tuple([self.tree(term, depth + 1) for term in node.terms]))
        if isinstance(node, Not):
            return Not(self.tree(node.term, depth + 1))
        if isinstance(node, Service | Edge | RootCause) and node.block is not None:
            return replace(node, block=self.tree(node.block, depth + 1))
        return node

    def _group(self, group: Group, depth: int) -> Node:
        if not self._within:
            self._outermost = group.position
        if group.value in self._within:
            path = " -> ".join([*self._within, group.value])
            raise self._error(f"the group {group.value!r} is defined by itself: {path}")
        expression = self._groups.get(group.value)
        if expression is None:
            raise self._error(f"there is no group {group.value!r}")
        self._within.append(group.value)
        tree = self.tree(expression.tree, depth + 1)
        self._within.pop()
        return tree

    def _error(self, message: str) -> FilterError:
        return FilterError.at(self._outermost, self._text, message)
