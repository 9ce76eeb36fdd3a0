"""Where "now" is: the current entity, and what to do when there is none.

One ContextVar a recorder. Tasks, callbacks and `asyncio.to_thread` inherit it by themselves;
nothing here knows about event loops.
"""

from __future__ import annotations

from contextvars import ContextVar

from . import faults
from .errors import SegmentMissing
from .settings import IGNORE_ERROR, LOG_ERROR, RUNTIME_ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .model import Entity


class Context:
    """The current entity of a recorder in this thread, task or callback.

    `get` and `set` are those of a ContextVar: a recorder calls them directly. Another object with
    both, and `missing`, may stand in its place: configure(context=...).
    """

    def __init__(self, context_missing: str = LOG_ERROR) -> None:
        variable: ContextVar[Entity | None] = ContextVar("xtrace.current", default=None)
        self.get: Callable[[], Entity | None] = variable.get
        self.set = variable.set
        self.context_missing = context_missing

    def missing(self, call: str) -> None:
        """Something needed an open segment and there is none: log, raise or ignore, as configured.

        Logged once a minute for each place in the application that makes the call.
        """
        if self.context_missing == IGNORE_ERROR:
            return
        if self.context_missing == RUNTIME_ERROR:
            raise SegmentMissing(
                f"{call} needs an open segment and there is none. "
                "Put the work inside `with xtrace.in_segment('name'):`, add the middleware of "
                "your web framework, or configure context_missing='LOG_ERROR'."
            )
        site = faults.call_site()
        faults.log(
            "error",
            f"{call} at {site}: no segment is open, so nothing is recorded there",
            f"context missing {site}",
        )
