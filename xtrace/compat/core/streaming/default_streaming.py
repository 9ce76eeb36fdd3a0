"""aws_xray_sdk.core.streaming.default_streaming: when an open segment sends what has ended."""

from __future__ import annotations

from threading import RLock
from weakref import WeakSet

from ..models.entity import Entity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class DefaultStreaming:
    """Streams a segment that holds more than `streaming_threshold` subsegments."""

    _recorders: Any = ()
    """Those that know by themselves when there is nothing to stream."""

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        self._tell()

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._tell()

    def _tell(self) -> None:
        """Tell the recorders of another threshold, or of what a test has put in a method's place."""
        for recorder in list(self._recorders):
            recorder._settle_threshold()

    def __init__(self, streaming_threshold: int = 30) -> None:
        self._threshold = streaming_threshold
        self._lock = RLock()
        self._recorders = WeakSet()

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
            waiting.extend(_under(order[-1]))
        has_finished: dict[int, bool] = {}
        for each in reversed(order):
            children = _under(each)
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


def _under(entity: Any) -> list[Any]:
    """What is directly under an entity, which may be a program's own, or a mock."""
    under = entity._under() if isinstance(entity, Entity) else entity.subsegments
    return list(under)
