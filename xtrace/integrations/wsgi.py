"""Trace the requests that any WSGI application serves: a segment each, for Pyramid, Falcon,
Bottle, Django and everything else on WSGI.

    from xtrace.integrations.wsgi import XRayMiddleware
    app = XRayMiddleware(app)
"""

from __future__ import annotations

from ..default import recorder as default_recorder
from ._http import check_name
from ._wsgi import describe_route, traced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..recorder import Recorder
    from ._wsgi import Application, Environ, StartResponse


class XRayMiddleware:
    """Traces the requests of one application. Twice changes nothing.

    app: a WSGI application. recorder: xtrace.recorder unless given.
    Raises SegmentNameMissing if no service name is configured.
    """

    def __init__(self, app: Application, recorder: Recorder = default_recorder) -> None:
        check_name(recorder)
        self.app = app
        self.recorder = recorder
        self._traced = traced(app, recorder, describe_route)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        return self._traced(environ, start_response)
