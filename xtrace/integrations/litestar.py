"""Trace the requests that Litestar applications serve: a segment each; and their background tasks,
each a subsegment.

`xtrace.patch("litestar")` does it for all applications of the process. For one application, take
xtrace.integrations.asgi.XRayMiddleware.
"""

from __future__ import annotations

from ._asgi import trace_applications
from ._background import trace_background_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Wrap Litestar.__call__ and BackgroundTask.__call__."""
    from litestar import Litestar
    from litestar.background_tasks import BackgroundTask

    trace_applications(patcher, Litestar)
    trace_background_tasks(patcher, BackgroundTask)
