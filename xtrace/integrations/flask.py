"""Trace the requests that a Flask application serves: a segment each.

    from xtrace.integrations.flask import XRayMiddleware
    XRayMiddleware(app)

or `xtrace.patch("flask")`, for all applications of the process. The segment begins before Flask
looks at the request and ends with the last byte of the body.
"""

from __future__ import annotations

from .. import faults
from ..default import recorder as default_recorder
from ._http import add_route, check_name
from ._wsgi import MARK, traced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..model import Segment
    from ..recorder import Recorder
    from ._wrap import Patcher


class XRayMiddleware:
    """Traces the requests of one application. Twice changes nothing.

    app: a flask.Flask. recorder: xtrace.recorder unless given.
    Raises SegmentNameMissing if no service name is configured.
    """

    def __init__(self, app: Any, recorder: Recorder = default_recorder) -> None:
        from flask import got_request_exception

        check_name(recorder)
        self.app = app
        self.recorder = recorder
        if not hasattr(app.wsgi_app, "_xtrace"):
            app.wsgi_app = traced(app.wsgi_app, recorder, _add_route)
            app.wsgi_app._xtrace = True
            got_request_exception.connect(_add_exception, app)


def patch(patcher: Patcher) -> None:
    """Wrap Flask.wsgi_app, of all applications there are and will be."""
    import flask

    patcher.wrap(flask.Flask, "wsgi_app", _serve)
    flask.got_request_exception.connect(_add_exception)
    patcher.on_undo(lambda: flask.got_request_exception.disconnect(_add_exception))


def _serve(
    wsgi_app: Callable[..., Any], app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    return traced(wsgi_app, default_recorder, _add_route)(*args, **kwargs)


def _add_route(segment: Segment, environ: dict[str, Any]) -> None:
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    if rule is not None:
        add_route(segment, rule.rule)


def _add_exception(sender: Any, exception: BaseException, **extra: Any) -> None:
    """Flask answers an unhandled exception with a 500 and tells only its listeners."""
    with faults.absorb("integration:flask"):
        from flask import request

        segment = request.environ.get(MARK)
        if segment is not None:
            segment.add_exception(exception)
