"""Tree -> text that reads as the same tree."""

from __future__ import annotations

import re

from .tree import (
    And,
    Annotation,
    Edge,
    Group,
    Is,
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
)

_PLAIN_KEY = re.compile(r"\w(?:[\w.:\-]*[\w.\-])?")


def written(node: Node) -> str:
    """The text of a tree."""
    if isinstance(node, And):
        return " AND ".join(_enclosed(term, And, Or) for term in node.terms)
    if isinstance(node, Or):
        return " OR ".join(_enclosed(term, Or) for term in node.terms)
    if isinstance(node, Not):
        return f"!{_enclosed(node.term, And, Or, Not)}"
    if isinstance(node, Is):
        return operand(node.operand)
    if isinstance(node, Group):
        return f"group.{node.by} = {quoted(node.value)}"
    if isinstance(node, Service):
        return f"service({_selector(node.selector)}){_block(node.block)}"
    if isinstance(node, Edge):
        return f"edge({_selector(node.source)}, {_selector(node.target)}){_block(node.block)}"
    if isinstance(node, RootCause):
        return f"rootcause.{node.kind}.{node.part}{_block(node.block)}"
    if isinstance(node, RootCauseJson):
        return f"rootcause.json = #{node.text}"
    if isinstance(node, Text):
        value = quoted(node.value)
    elif isinstance(node, Number):
        value = repr(node.value)
    else:
        value = "true" if node.value else "false"
    return f"{operand(node.operand)} {node.operator.upper()} {value}"


def operand(asked: Operand) -> str:
    """What a keyword or an annotation is called in an expression."""
    if isinstance(asked, Annotation):
        plain = _PLAIN_KEY.fullmatch(asked.key)
        return f"annotation.{asked.key}" if plain else f"annotation[{quoted(asked.key)}]"
    return asked.name


def quoted(value: str) -> str:
    """A string as it stands in an expression."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _enclosed(term: Node, *kinds: type[Node]) -> str:
    return f"({written(term)})" if isinstance(term, kinds) else written(term)


def _block(block: Node | None) -> str:
    return "" if block is None else f" {{ {written(block)} }}"


def _selector(selector: Selector) -> str:
    if selector.name is not None and selector.type is None and selector.account_id is None:
        return quoted(selector.name)
    arguments = [
        f"{name}: {quoted(value)}"
        for name, value in (
            ("name", selector.name),
            ("type", selector.type),
            ("account.id", selector.account_id),
        )
        if value is not None
    ]
    return f"id({', '.join(arguments)})" if arguments else ""
