"""Trace the requests that FastAPI applications serve: a segment each; and their background tasks,
each a subsegment.

`xtrace.patch("fastapi")` does it for all applications of the process. For one application, take
xtrace.integrations.asgi.XRayMiddleware.
"""

from __future__ import annotations

from ._asgi import trace_applications
from ._background import trace_background_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Wrap FastAPI.__call__ and BackgroundTask.__call__."""
    from fastapi import FastAPI
    from starlette.background import BackgroundTask

    trace_applications(patcher, FastAPI)
    trace_background_tasks(patcher, BackgroundTask)
