"""What the endpoints work on."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..service import Service


class Console:
    """A collector, or a store that is looked at without one.

    about: what GET /status tells besides. stats, alarms: as the collector gives them. removals: how
    often traces were removed, for those who follow.
    """

    def __init__(
        self,
        service: Service,
        *,
        about: Callable[[], dict[str, Any]] = dict,
        stats: Callable[[], dict[str, Any]] = dict,
        alarms: Callable[[], dict[str, Any]] = lambda: {"alarms": [], "history": []},
    ) -> None:
        self.service = service
        self.store = service.store
        self.about = about
        self.stats = stats
        self.alarms = alarms
        self.started = time.time()
        self.removals = 0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.service.clock()
