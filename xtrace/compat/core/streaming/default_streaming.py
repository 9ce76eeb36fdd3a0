"""aws_xray_sdk.core.streaming.default_streaming: when an open segment sends what has ended."""

from __future__ import annotations

from threading import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class DefaultStreaming:
    """Streams a segment that holds more than `streaming_threshold` subsegments."""

    _owner: Any = None
    """What asks, beforehand, whether it is worth asking."""

    def __init__(self, streaming_threshold: int = 30) -> None:
        self._threshold = streaming_threshold
        self._lock = RLock()

    def is_eligible(self, segment: Any) -> bool:
        """Whether a segment holds too many subsegments."""
        if not segment or not segment.sampled:
            return False
        held: int = segment.get_total_subsegments_size()
        return held > self._threshold

    def stream(self, entity: Any, callback: Callable[[Any], object]) -> None:
        """Call back with each finished subsegment whose children have all finished, largest trees
        first, and take it out of the entity that it is under.
        """
        with self._lock:
            self._stream(entity, callback)

    def _stream(self, entity: Any, callback: Callable[[Any], object]) -> bool:
        """Do it; gives whether the entity itself has finished with all under it."""
        # Children first, without recursion: programs nest deeper than Python's stack.
        order = []
        waiting = [entity]
        while waiting:
            order.append(waiting.pop())
            waiting.extend(list(order[-1].subsegments))
        has_finished: dict[int, bool] = {}
        for each in reversed(order):
            children = list(each.subsegments)
            finished = [child for child in children if has_finished.get(id(child), False)]
            all_have = len(finished) == len(children) and not each.in_progress
            has_finished[id(each)] = all_have
            if not all_have:
                for child in finished:
                    callback(child)
                    each.remove_subsegment(child)
        return has_finished[id(entity)]

    @property
    def streaming_threshold(self) -> int:
        """How many subsegments a segment may hold."""
        return self._threshold

    @streaming_threshold.setter
    def streaming_threshold(self, value: int) -> None:
        self._threshold = value
        if self._owner is not None and type(self) is DefaultStreaming:
            self._owner.threshold = value
