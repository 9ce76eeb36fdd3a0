"""aws_xray_sdk.core.utils.stacktrace."""

from __future__ import annotations

import sys
import traceback


def get_stacktrace(limit: int | None = None) -> list[traceback.FrameSummary]:
    """The stack of the caller's caller, then the traceback of the exception being handled.

    limit: the last so many entries; negative, the first; 0, none.
    """
    if limit == 0:
        return []
    stack: list[traceback.FrameSummary] = []
    frame = sys._getframe(1).f_back
    if frame is not None:
        stack.extend(traceback.extract_stack(frame))
    current = sys.exc_info()[2]
    if current is not None:
        stack.extend(traceback.extract_tb(current))
    if limit is None:
        return stack
    return stack[-limit:] if limit > 0 else stack[: abs(limit)]
