"""Trace the requests that an aiohttp server serves: a segment each.

    from xtrace.integrations.aiohttp import middleware
    app = web.Application(middlewares=[middleware])

or `xtrace.patch("aiohttp_server")`, for all applications whose server starts afterwards.
middleware_for() makes one with another recorder. The segment ends with the last byte of the body,
or of the websocket.
"""

from __future__ import annotations

from aiohttp import web

from ..default import recorder as default_recorder
from ._aiohttp import serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..recorder import Recorder
    from ._aiohttp import Handler


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Trace a request, with xtrace.recorder."""
    return await serve(default_recorder, request, handler)


def middleware_for(recorder: Recorder) -> Any:
    """A middleware that traces with another recorder."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await serve(recorder, request, handler)

    return middleware
