"""Trace the requests that a Bottle application serves: a segment each.

    from xtrace.integrations.bottle import XRayMiddleware
    app.install(XRayMiddleware())

or `XRayMiddleware(app)`, or `xtrace.patch("bottle")`, for all applications of the process.
"""

from __future__ import annotations

from ..default import recorder as default_recorder
from ._http import check_name
from ._wsgi import describe_route, traced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..recorder import Recorder
    from ._wrap import Patcher


class XRayMiddleware:
    """Traces the requests of one application; a plugin, too. Twice changes nothing.

    app: a bottle.Bottle; as a plugin it gets to know it when it is installed.
    recorder: xtrace.recorder unless given.
    Raises SegmentNameMissing if no service name is configured.
    """

    name = "xray"
    api = 2

    def __init__(self, app: Any = None, recorder: Recorder = default_recorder) -> None:
        check_name(recorder)
        self.recorder = recorder
        if app is not None:
            self.setup(app)

    def setup(self, app: Any) -> None:
        """Trace what an application serves: all of it, also what no route is for."""
        if "wsgi" not in vars(app):
            app.wsgi = traced(app.wsgi, self.recorder, describe_route)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        """Leave a route's function as it is."""
        return callback


def patch(patcher: Patcher) -> None:
    """Wrap Bottle.wsgi, of all applications there are and will be."""
    from bottle import Bottle  # type: ignore[import-untyped]

    patcher.wrap(Bottle, "wsgi", _serve)


def _serve(
    wsgi: Callable[..., Any], app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    return traced(wsgi, default_recorder, describe_route)(*args, **kwargs)
