"""Trace the requests that aiohttp servers serve, of all applications: a segment each.

For one application, take xtrace.integrations.aiohttp.middleware.
"""

from __future__ import annotations

from aiohttp import web

from ..default import recorder
from ._aiohttp import serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

    from ._aiohttp import Handler
    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Wrap Application._handle, which all requests of an application pass."""
    patcher.wrap(web.Application, "_handle", _handle)


def _handle(
    handle: Handler, application: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Awaitable[web.StreamResponse]:
    return serve(recorder, args[0], handle)
