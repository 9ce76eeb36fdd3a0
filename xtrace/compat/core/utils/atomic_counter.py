"""aws_xray_sdk.core.utils.atomic_counter."""

from __future__ import annotations

from threading import RLock


class AtomicCounter:
    """A number that any thread may change; each call gives it as it is afterwards."""

    def __init__(self, initial: int = 0) -> None:
        self.value = initial
        self._initial = initial
        self._lock = RLock()

    def increment(self, num: int = 1) -> int:
        """Add."""
        with self._lock:
            self.value += num
            return self.value

    def decrement(self, num: int = 1) -> int:
        """Subtract."""
        with self._lock:
            self.value -= num
            return self.value

    def get_current(self) -> int:
        """The number."""
        with self._lock:
            return self.value

    def reset(self) -> int:
        """Begin again where it began."""
        with self._lock:
            self.value = self._initial
            return self.value
