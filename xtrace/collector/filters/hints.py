"""What a filter that finds nothing may have meant. Pure.

`fault` and its like ask about the entry point only: a fault that its caller swallowed isn't found. What
was meant, as a rule, is a fault anywhere.
"""

from __future__ import annotations

from dataclasses import replace

from .expression import Filter
from .tree import And, Is, Keyword, Node, Number, Or, Selector, Service, Text
from .writer import written

_OF_THE_ROOT = ("error", "fault", "http.status", "http.url", "http.method", "responsetime")


def anywhere(filter: Filter) -> Filter | None:
    """The filter that asks about any service where this one asks about the entry point alone.

    None if there is no such place, or if it stands in a negation.
    """
    tree = _anywhere(filter.tree)
    return None if tree == filter.tree else Filter(tree, written(tree))


def _anywhere(node: Node) -> Node:
    if isinstance(node, And | Or):
        return replace(node, terms=tuple([_anywhere(term) for term in node.terms]))
    if isinstance(node, Is | Number | Text):
        asked = node.operand
        if isinstance(asked, Keyword) and asked.name in _OF_THE_ROOT:
            return Service(Selector(), node)
    return node
