"""Trace the requests that any ASGI application serves: a segment each, for Starlette, FastAPI,
Quart, Litestar, Django and everything else on ASGI.

    from xtrace.integrations.asgi import XRayMiddleware
    app = XRayMiddleware(app)

Where a framework adds middlewares itself: `app.add_middleware(XRayMiddleware)`.
"""

from __future__ import annotations

from ..default import recorder as default_recorder
from ._asgi import TracedApplication
from ._http import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..recorder import Recorder
    from ._asgi import Application


class XRayMiddleware(TracedApplication):
    """Traces the requests and websockets of one application. Twice changes nothing.

    app: an ASGI 3 application. recorder: xtrace.recorder unless given.
    Raises SegmentNameMissing if no service name is configured.
    """

    def __init__(self, app: Application, recorder: Recorder = default_recorder) -> None:
        check_name(recorder)
        super().__init__(app, recorder)
