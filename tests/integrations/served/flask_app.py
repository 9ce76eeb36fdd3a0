"""The Flask application of the server matrix."""

from __future__ import annotations

import flask
from common import work

from xtrace.integrations.flask import XRayMiddleware

application = flask.Flask("served")
application.get("/<number>")(work)
XRayMiddleware(application)
