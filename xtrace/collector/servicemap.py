"""The service graph as the console draws it: nodes and edges with their numbers. Pure."""

from __future__ import annotations

from .figures import percentiles
from .filters.tree import Edge as EdgeTree
from .filters.tree import Selector, Service
from .filters.writer import written
from .graph import CLIENT, OPEN, Edge, added_up
from .trace import DATABASE as DATABASE_TYPES
from .trace import NodeKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .graph import Rollup

SERVICE, REMOTE, AWS, DATABASE = "service", "remote", "aws", "database"


def kind_of(node: NodeKey, received: bool) -> str:
    """What a node is: it sent segments itself, or is known by what called it."""
    type = node.type or ""
    if type == CLIENT:
        return CLIENT
    if received:
        return SERVICE
    if type.startswith(DATABASE_TYPES):
        return DATABASE
    return AWS if type.startswith("AWS::") else REMOTE


def service_map(
    rollups: Iterable[Rollup],
    seconds: float,
    alarms: Mapping[tuple[str, str | None], str] = {},
) -> dict[str, Any]:
    """`nodes` and `edges` of GET /api/v1/map.

    seconds: what rates are reckoned over. alarms: states by name and type of the node.
    """
    nodes: dict[NodeKey, Rollup | None] = {}
    edges = []
    for total in added_up(rollups):
        if isinstance(total.subject, Edge):
            edges.append(total)
            # A window may hold an edge and not its nodes, which began earlier or later.
            nodes.setdefault(total.subject.source, None)
            nodes.setdefault(total.subject.target, None)
        else:
            nodes[total.subject] = total
    ordered = sorted(nodes, key=_order)
    numbers = {node: number for number, node in enumerate(ordered)}
    names = [node.name for node in ordered]
    shared = {name for name in names if names.count(name) > 1} if len(names) < 1000 else set(names)
    edges.sort(key=lambda edge: _edge_order(edge, numbers))
    return {
        "nodes": [
            {
                "id": numbers[node],
                "name": node.name,
                "type": node.type,
                "account": node.account_id,
                "kind": kind_of(node, seen is not None and seen.received > 0),
                "title": node.name,
                "root": seen is not None and seen.roots > 0,
                "received": seen is not None and seen.received > 0,
                **numbers_of(seen, seconds),
                "filter": written(Service(_selector(node, shared))),
                "alarm": alarms.get((node.name, node.type)),
            }
            for node, seen in ((node, nodes[node]) for node in ordered)
        ],
        "edges": [
            {
                "id": number,
                "source": numbers[edge.subject.source],
                "target": numbers[edge.subject.target],
                "link": edge.subject.link,
                **numbers_of(edge, seconds),
                "filter": written(
                    EdgeTree(
                        _selector(edge.subject.source, shared),
                        _selector(edge.subject.target, shared),
                    )
                ),
            }
            for number, edge in enumerate(edges)
            if isinstance(edge.subject, Edge)
        ],
    }


def _selector(node: NodeKey, shared: set[str]) -> Selector:
    """What selects a node in an expression: its name, and its type if other nodes are called so too."""
    return Selector(node.name, node.type if node.name in shared else None)


def _order(node: NodeKey) -> tuple[bool, str, str, str]:
    return node.type != CLIENT, node.name, node.type or "", node.account_id or ""


def _edge_order(edge: Rollup, numbers: dict[NodeKey, int]) -> tuple[int, int, bool]:
    subject = edge.subject
    assert isinstance(subject, Edge)
    return numbers[subject.source], numbers[subject.target], subject.link


def numbers_of(seen: Rollup | None, seconds: float) -> dict[str, Any]:
    """Counts, rate, times and histogram of a node or an edge. None: it wasn't seen itself."""
    if seen is None:
        return {
            "requests": 0,
            "open": 0,
            **dict.fromkeys(("ok", "error", "throttle", "fault"), 0),
            "per_minute": 0.0,
            **percentiles(()),
            "histogram": [],
            "first": None,
            "last": None,
        }
    ok, error, throttle, fault, still_open = seen.counts
    requests = sum(seen.counts[:OPEN])
    first, last = seen.outline or (None, None)
    histogram = [(ms / 1000, count) for ms, count in sorted(seen.buckets.items())]
    times = percentiles(histogram)
    if requests:
        times["average"] = round(seen.microseconds / requests / 1e6, 6)
    return {
        "requests": requests,
        "open": still_open,
        "ok": ok,
        "error": error,
        "throttle": throttle,
        "fault": fault,
        "per_minute": round(60 * requests / seconds, 3) if seconds > 0 else 0.0,
        **times,
        "histogram": histogram,
        "first": first,
        "last": last,
    }


def observed_seconds(rollups: Iterable[Rollup], start: float, end: float) -> float:
    """How much of a window something was seen in: from its start, or from what was seen first."""
    firsts = [each.outline[0] for each in rollups if each.outline]
    return max(1.0, end - max(start, min(firsts, default=start)))
