"""The routes of the console: a shell for every page, and the files that it is made of."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route

from .assets import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import Scope

    from .assets import Asset

PAGES = (
    "/",
    "/traces",
    "/traces/{id:path}",
    "/compare",
    "/errors",
    "/analytics",
    "/sampling",
    "/alarms",
    "/cost",
    "/about",
)
"""Paths at which the shell is served; its script shows what belongs there."""

_FOREVER = "public, max-age=31536000, immutable"


def routes() -> list[BaseRoute]:
    """The routes. A client that doesn't ask for HTML, like curl, is left to the next one for "/"."""
    return [
        *(_Page(path, _shell) for path in PAGES),
        Route("/assets/{version}/{path:path}", _file),
        Route("/favicon.ico", _icon),
    ]


class _Page(Route):
    """A route that only what asks for HTML takes."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if "text/html" not in Headers(scope=scope).get("accept", ""):
            return Match.NONE, {}
        return super().matches(scope)


async def _shell(request: Request) -> Response:
    return _response(request, load().shell, "no-cache")


async def _file(request: Request) -> Response:
    assets = load()
    asset = assets.files.get(request.path_params["path"])
    if asset is None or request.path_params["version"] != assets.version:
        return PlainTextResponse("There is no such file; reload the page.\n", 404)
    return _response(request, asset, _FOREVER)


async def _icon(request: Request) -> Response:
    return _response(request, load().files["icon.svg"], "max-age=86400")


def _response(request: Request, asset: Asset, caching: str) -> Response:
    headers = {"cache-control": caching, "vary": "accept-encoding"}
    content = asset.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = asset.compressed
        headers["content-encoding"] = "gzip"
    return Response(content, media_type=asset.media_type, headers=headers)
