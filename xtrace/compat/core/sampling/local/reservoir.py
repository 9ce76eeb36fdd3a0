"""aws_xray_sdk.core.sampling.local.reservoir."""

from __future__ import annotations

import time
from threading import RLock


class Reservoir:
    """Lets through so many requests of each second."""

    def __init__(self, traces_per_sec: int = 0) -> None:
        self._lock = RLock()
        self.traces_per_sec = traces_per_sec
        self.used_this_sec = 0
        self.this_sec = int(time.time())

    def take(self) -> bool:
        """Whether one more request fits into this second; if so, it is counted."""
        with self._lock:
            now = int(time.time())
            if now != self.this_sec:
                self.used_this_sec = 0
                self.this_sec = now
            if self.used_this_sec >= self.traces_per_sec:
                return False
            self.used_this_sec += 1
            return True
