"""A Starlette application that is called as a server calls it, without one."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any

from . import HOST, clock


def starlette_application() -> Any:
    """A Starlette application with one plain route."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def index(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/", index)])


def asgi_scope(**headers: str) -> dict[str, Any]:
    """The scope of a request as a browser makes it. headers: with "_" for "-"."""
    sent = {
        "host": HOST,
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "accept": "text/html,application/xhtml+xml",
        "accept_language": "en",
        "accept_encoding": "gzip, deflate",
        "connection": "keep-alive",
        **headers,
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": b"",
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in sent.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: dict[str, Any]) -> None:
    pass


async def _serve(application: Any, scope: dict[str, Any], times: int) -> float:
    begin = clock()
    for _ in range(times):
        await application(scope.copy(), _receive, _send)
    return clock() - begin


def serve_asgi(application: Any, scope: dict[str, Any], times: int) -> float:
    """Have an ASGI application answer a request so often; CPU seconds."""
    return asyncio.run(_serve(application, scope, times))


class UntracedStarlette:
    """The workload that is subtracted; for peers that leave other applications untraced."""

    @cached_property
    def _untraced_starlette(self) -> Any:
        return starlette_application()

    def starlette_untraced(self, times: int) -> float:
        return serve_asgi(self._untraced_starlette, asgi_scope(), times)
