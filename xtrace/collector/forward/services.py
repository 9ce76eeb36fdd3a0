"""Which service a subsegment belongs to that travels alone: its segment's, which came before or is
stored.
"""

from __future__ import annotations

from collections import OrderedDict

import orjson

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeAlias

    # The segment's name, and what all segments of its process say: service, aws, origin.
    Service: TypeAlias = tuple[str, Mapping[str, Any]]

MAX_TRACES = 5000
"""Of which segments are remembered."""

_FIELDS = ("service", "aws", "origin")


class Services:
    """Remembers the segments of traces that pass. For one thread.

    stored: the documents of a trace that are stored.
    """

    def __init__(self, stored: Callable[[str], Iterable[bytes]] = lambda trace_id: ()) -> None:
        self._stored = stored
        # By trace, and there by the id of each entity that was in the segment's document.
        self._known: OrderedDict[str, dict[str, Service]] = OrderedDict()

    def learn(self, document: dict[str, Any]) -> None:
        """Remember a document that has passed."""
        trace_id = document.get("trace_id")
        if not isinstance(trace_id, str):
            return
        known = self._known.get(trace_id)
        if known is None:
            known = self._known[trace_id] = {}
            if len(self._known) > MAX_TRACES:
                self._known.popitem(last=False)
        if document.get("type") == "subsegment":
            service = known.get(str(document.get("parent_id")))
        else:
            name = document.get("name")
            fields = {field: document[field] for field in _FIELDS if field in document}
            service = (name if isinstance(name, str) else "", fields)
        if service is not None:
            _enter(known, document, service)

    def of(self, document: dict[str, Any]) -> Service | None:
        """The service of a subsegment's document, None if nothing is known of its segment."""
        trace_id, parent_id = document.get("trace_id"), document.get("parent_id")
        if not isinstance(trace_id, str) or not isinstance(parent_id, str):
            return None
        found = self._known.get(trace_id, {}).get(parent_id)
        if found is None:
            stored = [each for each in map(_parsed, self._stored(trace_id)) if each is not None]
            stored.sort(key=lambda each: each.get("type") == "subsegment")  # segments first
            for each in stored:
                self.learn(each)
            found = self._known.get(trace_id, {}).get(parent_id)
        return found


def _enter(known: dict[str, Service], document: dict[str, Any], service: Service) -> None:
    waiting = [document]
    for entity in waiting:
        id = entity.get("id")
        if isinstance(id, str):
            known[id] = service
        below = entity.get("subsegments")
        if isinstance(below, list):
            waiting.extend(each for each in below if isinstance(each, dict))


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        held = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return held if isinstance(held, dict) else None
