"""Litestar on uvicorn."""

from __future__ import annotations

import litestar
from litestar.exceptions import HTTPException
from litestar.response import Stream

import xtrace
from tests.integrations.servers.apps._asyncio import gated, streamed
from tests.integrations.servers.contract import uvicorn_serving
from xtrace.integrations.asgi import XRayMiddleware

LIBRARY = "litestar"
ENTRIES = "xtrace.integrations._asgi"
TEMPLATE = "/items/{item}"

serving = uvicorn_serving
trace = XRayMiddleware


@litestar.get("/plain", media_type="text/plain")
async def plain() -> str:
    return "plain"


@litestar.get("/items/{item:int}", media_type="text/plain", sync_to_thread=True)
def item(request: litestar.Request) -> str:
    with xtrace.in_subsegment("work"):
        return f"item {request.path_params['item']}"


@litestar.get("/echo/{text:str}", media_type="text/plain")
async def echo(request: litestar.Request) -> str:
    return f"{request.path_params['text']} {request.headers.get('X-Text')}"


@litestar.get("/fails")
async def fails() -> str:
    raise ValueError("boom")


@litestar.get("/busy")
async def busy() -> str:
    raise HTTPException("later", status_code=429)


@litestar.get("/unchanged", status_code=304)
async def unchanged() -> None:
    pass


@litestar.get("/stream")
async def stream() -> Stream:
    return Stream(streamed())


@litestar.get("/gate/{name:str}")
async def gate(request: litestar.Request) -> Stream:
    return Stream(gated(request.path_params["name"]))


def application():
    handlers = [plain, item, echo, fails, busy, unchanged, stream, gate]
    return litestar.Litestar(handlers, openapi_config=None, logging_config=None)
