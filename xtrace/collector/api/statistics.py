"""Operations on what many traces say together: the service graph, and its course in time."""

from __future__ import annotations

from .. import filters, graph
from . import tokens
from .errors import invalid
from .traces import window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from .service import Service

    Members: TypeAlias = dict[str, Any]

PERIOD = 60
"""Seconds; what is asked for is a multiple of it."""


def get_service_graph(service: Service, input: Members) -> Members:
    """The nodes and edges that were seen in a window."""
    tokens.cursor("GetServiceGraph", input)
    asked = window(input)
    rollups = service.store.graph(asked, service.groups.filter(input))
    return {
        "StartTime": asked.start,
        "EndTime": asked.end,
        "Services": graph.services(rollups),
        # A group's filter is applied when it is asked for, never one that it had before.
        "ContainsOldGroupVersions": False,
    }


def get_time_series(service: Service, input: Members) -> Members:
    """Statistics of edges, or of what a selector chooses, for each period of a window."""
    tokens.cursor("GetTimeSeriesServiceStatistics", input)
    asked = window(input)
    period = input.get("Period", PERIOD)
    if period < PERIOD or period % PERIOD:
        raise invalid(f"Period is {period}; it must be a multiple of {PERIOD} seconds.")
    selector = _selector(input)
    if input.get("ForecastStatistics") and not isinstance(selector, filters.Service):
        raise invalid(
            "ForecastStatistics needs an EntitySelectorExpression with service() or id()."
        )
    chosen = _chosen(selector)
    periods = service.store.series(asked, period, service.groups.filter(input), subjects=chosen)
    of_nodes = isinstance(selector, filters.Service)
    return {
        "TimeSeriesServiceStatistics": (
            graph.node_series(periods) if of_nodes else graph.edge_series(periods)
        ),
        "ContainsOldGroupVersions": False,
    }


def _selector(input: Members) -> filters.Service | filters.Edge:
    """What an EntitySelectorExpression selects; without one, all edges."""
    expression = input.get("EntitySelectorExpression")
    if expression is None:
        return filters.Edge()
    try:
        selector = filters.parse_selector(expression)
    except filters.FilterError as error:
        raise invalid(f"EntitySelectorExpression: {error}") from error
    if selector.block is not None:
        raise invalid("EntitySelectorExpression: braces can't be used here.")
    return selector


def _chosen(selector: filters.Service | filters.Edge) -> Callable[[graph.Subject], bool]:
    """Whether a node or edge is selected."""
    if isinstance(selector, filters.Service):
        node = filters.selects(selector.selector)
        return lambda subject: not isinstance(subject, graph.Edge) and node(subject)
    source, target = filters.selects(selector.source), filters.selects(selector.target)
    return lambda subject: (
        isinstance(subject, graph.Edge) and source(subject.source) and target(subject.target)
    )
