"""The Starlette application of the server matrix. Its endpoint runs in a thread of anyio's."""

from __future__ import annotations

from common import work
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from xtrace.integrations.asgi import XRayMiddleware


def endpoint(request: Request) -> PlainTextResponse:
    """Do the work."""
    return PlainTextResponse(work(request.path_params["number"]))


application = XRayMiddleware(Starlette(routes=[Route("/{number}", endpoint)]))
