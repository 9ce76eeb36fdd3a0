"""What happens when something fails inside xtrace while the application serves: it is counted,
logged once per cause and minute, and never reaches the application. In xtrace's own tests
(`strict`) it is raised instead.
"""

from __future__ import annotations

import sys
import time
from threading import RLock

from . import forks
from .interruption import let_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

SECONDS_BETWEEN_LINES = 60.0
"""The same cause is logged at most this often; the next line says how many were left out."""

# A cause may name a call site or an address, so there could be many.
_MAX_CAUSES = 1024

strict = False
"""True: report() and absorb() raise what they were given. Set by xtrace's own tests."""

counts: dict[str, int] = {}
"""How often each kind of fault occurred in this process."""

_lock = RLock()
_quiet_until: dict[str, tuple[float, int]] = {}


def _after_fork_in_child() -> None:
    global _lock
    _lock = RLock()  # a thread that is gone may have held it


forks.in_child(_after_fork_in_child)


def report(kind: str, message: str, error: BaseException | None = None, site: str = "") -> None:
    """Count a fault; log it unless the same one was logged within the last minute.

    kind: short and fixed, the key in `counts` ("emitter", "integration:flask").
    message: one line on what happened and what was done about it.
    site: what tells this fault from others of its kind (a call site, an address).
    """
    if error is not None:
        let_through(error)
        if strict and not isinstance(error, OSError):
            raise error
    with _lock:
        counts[kind] = counts.get(kind, 0) + 1
    line_due = due(f"{kind} {site}")
    if line_due is not None:
        _log("warning", message, error, line_due)


def due(key: str) -> int | None:
    """How many lines for this key were left out since the last one, or None if none is due yet."""
    now = time.monotonic()
    with _lock:
        quiet_until, left_out = _quiet_until.get(key, (0.0, 0))
        if now < quiet_until:
            _quiet_until[key] = (quiet_until, left_out + 1)
            return None
        if len(_quiet_until) >= _MAX_CAUSES:
            _quiet_until.clear()
        _quiet_until[key] = (now + SECONDS_BETWEEN_LINES, 0)
        return left_out


def log(level: str, message: str, key: str) -> None:
    """Log one line unless the same key was logged within the last minute."""
    line_due = due(key)
    if line_due is not None:
        _log(level, message, None, line_due)


def _log(level: str, message: str, error: BaseException | None, left_out: int) -> None:
    if left_out:
        message = f"{message} (and {left_out} more like it in the last minute)"
    if error is not None:
        message = f"{message}: {type(error).__name__}: {_text(error)}"
    try:
        # Here, because it costs more than the rest of `import xtrace`.
        logging = forks.load("logging")
        getattr(logging.getLogger("xtrace"), level)(message)
    except Exception as another:  # of the application's filters and handlers; or Python is ending
        let_through(another)
        with _lock:
            counts["logging"] = counts.get("logging", 0) + 1


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as another:
        let_through(another)
        return "(its message can't be read)"


class absorb:
    """`with absorb("flask"):` around our own code: an Exception in it is reported, not raised."""

    __slots__ = ("_kind",)

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        if strict:
            return False
        report(self._kind, f"xtrace failed inside itself ({self._kind}) and went on", error)
        return True


def call_site(skip_prefix: str = __file__.rpartition("faults")[0]) -> str:
    """ "file.py:12 in name" of the nearest caller outside xtrace, for a log line."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(skip_prefix):
        if frame.f_back is None:
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
