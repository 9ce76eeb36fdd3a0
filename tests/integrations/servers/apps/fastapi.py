"""FastAPI on uvicorn."""

from __future__ import annotations

import fastapi
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

import xtrace
from tests.integrations.servers.apps._asyncio import gated, streamed
from tests.integrations.servers.contract import uvicorn_serving
from xtrace.integrations.asgi import XRayMiddleware

LIBRARY = "fastapi"
ENTRIES = "xtrace.integrations._asgi"
TEMPLATE = "/items/{item:int}"

serving = uvicorn_serving


def application():
    app = fastapi.FastAPI(default_response_class=PlainTextResponse)

    @app.get("/plain")
    async def plain():
        return "plain"

    items = fastapi.APIRouter(prefix="/items")

    @items.get("/{item:int}")
    def item(item: int):
        with xtrace.in_subsegment("work"):
            return f"item {item}"

    app.include_router(items)

    @app.get("/echo/{text}")
    async def echo(text: str, request: fastapi.Request):
        return f"{text} {request.headers.get('X-Text')}"

    @app.get("/fails")
    async def fails():
        raise ValueError("boom")

    @app.get("/busy")
    async def busy():
        raise fastapi.HTTPException(429, "later")

    @app.get("/unchanged")
    async def unchanged():
        return Response(status_code=304)

    @app.get("/stream")
    async def stream():
        return StreamingResponse(streamed())

    @app.get("/gate/{name}")
    async def gate(name: str):
        return StreamingResponse(gated(name))

    return app


def trace(app):
    app.add_middleware(XRayMiddleware)
    return app
