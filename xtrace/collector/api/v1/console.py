"""What the endpoints work on."""

from __future__ import annotations

import time

from ...alarms import NO_ALARMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..service import Service


class Console:
    """A collector, or a store that is looked at without one.

    about: what GET /status tells besides. stats, alarms: as the collector gives them.
    set_thresholds: has it alarms by others, None if there is no collector. removals: how
    often traces were removed, for those who follow.
    """

    def __init__(
        self,
        service: Service,
        *,
        about: Callable[[], dict[str, Any]] = dict,
        stats: Callable[[], dict[str, Any]] = dict,
        alarms: Callable[[], dict[str, Any]] = lambda: NO_ALARMS,
        set_thresholds: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.service = service
        self.store = service.store
        self.about = about
        self.stats = stats
        self.alarms = alarms
        self.set_thresholds = set_thresholds
        self.started = time.time()
        self.removals = 0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.service.clock()
