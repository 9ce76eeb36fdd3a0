"""The routes of the console: a shell for every page, and the files that it is made of."""

from __future__ import annotations

import re
from urllib.parse import quote_plus

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route

from .assets import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

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

_QUESTION = {"filter": "", "range": "PT15M", "group": "", "run": ""}
"""What a page of many traces asks, by the names in its address, and what it asks without them."""

_FIRST: dict[str, tuple[str, dict[str, str]]] = {
    "/": ("map", {}),
    "/traces": ("traces", {"sort": "-start", "limit": "100"}),
}
"""What a page asks the API first, and what more than the question."""

_TRACE = re.compile(r"/traces/([\w-]+)", re.ASCII)

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
    response = _response(request, load().shell, "no-cache")
    asked = first(request.url.path, request.query_params.multi_items())
    if asked is not None:
        response.headers["link"] = f"<{asked}>; rel=preload; as=fetch; crossorigin"
    return response


def first(path: str, params: Sequence[tuple[str, str]]) -> str | None:
    """What the scripts of a page will ask the API first, letter by letter; None if that isn't known.

    The browser asks it while the scripts are on their way.
    """
    if trace := _TRACE.fullmatch(path):
        return f"/api/v1/traces/{trace[1]}"
    if path not in _FIRST:
        return None
    name, more = _FIRST[path]
    given = dict(reversed(params))
    asked = {key: given.get(key, usual) for key, usual in (_QUESTION | more).items()}
    return f"/api/v1/{name}?" + "&".join(
        f"{key}={_encoded(value)}" for key, value in asked.items() if value
    )


def _encoded(text: str) -> str:
    """As URLSearchParams writes it."""
    return quote_plus(text, safe="*").replace("~", "%7E")


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
