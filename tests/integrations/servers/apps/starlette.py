"""Starlette on uvicorn."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

import xtrace
from tests.integrations.servers.apps._asyncio import gated, streamed
from tests.integrations.servers.contract import uvicorn_serving
from xtrace.integrations.asgi import XRayMiddleware

LIBRARY = "starlette"
ENTRIES = "xtrace.integrations._asgi"
TEMPLATE = "/items/{item:int}"

serving = uvicorn_serving
trace = XRayMiddleware


async def plain(request):
    return PlainTextResponse("plain")


def item(request):  # in a thread
    with xtrace.in_subsegment("work"):
        return PlainTextResponse(f"item {request.path_params['item']}")


async def echo(request):
    return PlainTextResponse(f"{request.path_params['text']} {request.headers.get('X-Text')}")


async def fails(request):
    raise ValueError("boom")


async def busy(request):
    return PlainTextResponse("later", 429)


async def unchanged(request):
    return Response(status_code=304)


async def stream(request):
    return StreamingResponse(streamed())


async def gate(request):
    return StreamingResponse(gated(request.path_params["name"]))


def application():
    return Starlette(
        routes=[
            Route("/plain", plain),
            Route("/items/{item:int}", item),
            Route("/echo/{text}", echo),
            Route("/fails", fails),
            Route("/busy", busy),
            Route("/unchanged", unchanged),
            Route("/stream", stream),
            Route("/gate/{name}", gate),
        ]
    )
