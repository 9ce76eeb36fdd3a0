"""Trace the requests that Starlette applications serve: a segment each; and their background tasks,
each a subsegment.

`xtrace.patch("starlette")` does it for all applications of the process. For one application, take
xtrace.integrations.asgi.XRayMiddleware.
"""

from __future__ import annotations

from ._asgi import trace_applications
from ._background import trace_background_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Wrap Starlette.__call__ and BackgroundTask.__call__."""
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask

    trace_applications(patcher, Starlette)
    trace_background_tasks(patcher, BackgroundTask)
