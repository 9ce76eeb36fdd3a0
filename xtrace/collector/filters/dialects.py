"""How databases say what filters ask, where they say it differently.

A condition is about `t`, a row of traces. What hangs on it is called p (parts), c (calls), a (annotations)
and v (values); t.root_node, p.node_no, c.source_no and c.target_no name nodes, which have a name, a type and
an account_id. See `sql` for what else there is. Placeholders are question marks, in order.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    Parameter: TypeAlias = str | float | bytes


class Dialect(Protocol):
    """What a database has to say. Texts compare byte by byte."""

    def contains(self, column: str, value: str) -> tuple[str, Parameter]:
        """The value occurs in the column, which gets one placeholder; and its parameter."""

    def begins(self, column: str, value: str) -> tuple[str, Parameter]:
        """The column begins with the value, which isn't empty; as above."""

    def ends(self, column: str, value: str) -> tuple[str, Parameter]:
        """The column ends with the value, which isn't empty; as above."""

    def some(self, rows: str, condition: str) -> str:
        """There is a row of the trace for which a condition holds. rows: p, c, a or v."""

    def member(self, node: str, name: str) -> str:
        """A node's member, within `of_node`."""

    def of_node(self, node: str, condition: str) -> str:
        """A condition on a node's members holds."""

    def selected(self, node: str, names: Iterable[str]) -> str:
        """These members of a node are equal to a placeholder each."""


class SQLite:
    """Tables, joined by trace_no. `like` and `glob` have wildcards, and `length` and `substr` of a text
    end at a NUL: hence blobs.
    """

    _tables: ClassVar = {"p": "parts", "c": "calls", "a": "annotations", "v": "values_of"}

    def contains(self, column: str, value: str) -> tuple[str, Parameter]:
        """See Dialect."""
        return f"instr({column}, ?) > 0", value

    def begins(self, column: str, value: str) -> tuple[str, Parameter]:
        """See Dialect."""
        data = value.encode()
        return f"substr(cast({column} as blob), 1, {len(data)}) = ?", data

    def ends(self, column: str, value: str) -> tuple[str, Parameter]:
        """See Dialect."""
        data = value.encode()
        return f"substr(cast({column} as blob), -{len(data)}) = ?", data

    def some(self, rows: str, condition: str) -> str:
        """See Dialect."""
        table = f"{self._tables[rows]} {rows} where {rows}.trace_no = t.trace_no"
        return f"exists (select 1 from {table} and {condition})"

    def member(self, node: str, name: str) -> str:
        """See Dialect."""
        return f"n.{name}"

    def of_node(self, node: str, condition: str) -> str:
        """See Dialect."""
        return f"exists (select 1 from nodes n where n.node_no = {node} and {condition})"

    def selected(self, node: str, names: Iterable[str]) -> str:
        """See Dialect."""
        conditions = " and ".join(f"{name} = ?" for name in names)
        return f"{node} in (select node_no from nodes where {conditions})"


class ClickHouse:
    """One row a trace: what hangs on it are arrays side by side, `parts.ok` and so on, and of nodes
    their members are columns.
    """

    _arrays: ClassVar = {"p": "parts", "c": "calls", "a": "annotations", "v": "values"}
    _members: ClassVar = {
        "t.root_node": "t.root_",
        "p.node_no": "p.node_",
        "c.source_no": "c.source_",
        "c.target_no": "c.target_",
    }
    _always: ClassVar = {"p": "p.ok", "c": "c.ok", "a": "a.key", "v": "v.field"}

    def contains(self, column: str, value: str) -> tuple[str, Parameter]:
        """See Dialect."""
        return f"position({column}, ?) > 0", value

    def begins(self, column: str, value: str) -> tuple[str, Parameter]:
        """See Dialect."""
        return f"startsWith({column}, ?)", value

    def ends(self, column: str, value: str) -> tuple[str, Parameter]:
        """See Dialect."""
        return f"endsWith({column}, ?)", value

    def some(self, rows: str, condition: str) -> str:
        """See Dialect."""
        pattern = re.compile(rf"\b{rows}\.(\w+)")  # of values there are only placeholders
        names = sorted(set(pattern.findall(condition))) or [self._always[rows][2:]]
        variables = ", ".join(f"{rows}_{name}" for name in names)
        arrays = ", ".join(f"t.`{self._arrays[rows]}.{name}`" for name in names)
        fits = pattern.sub(rf"{rows}_\1", condition)
        return f"arrayExists(({variables}) -> ifNull({fits}, 0), {arrays})"

    def member(self, node: str, name: str) -> str:
        """See Dialect."""
        return f"{self._members[node]}{name}"

    def of_node(self, node: str, condition: str) -> str:
        """See Dialect."""
        return f"ifNull({condition}, 0)"

    def selected(self, node: str, names: Iterable[str]) -> str:
        """See Dialect."""
        return " and ".join(f"{self.member(node, name)} = ?" for name in names)
