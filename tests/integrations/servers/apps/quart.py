"""Quart on uvicorn."""

from __future__ import annotations

import quart

import xtrace
from tests.integrations.servers.apps._asyncio import gated, streamed
from tests.integrations.servers.contract import uvicorn_serving
from xtrace.integrations.quart import XRayMiddleware

LIBRARY = "quart"
ENTRIES = "xtrace.integrations._asgi"
TEMPLATE = "/items/<int:item>"

serving = uvicorn_serving


def application():
    app = quart.Quart("shop")
    app.logger.disabled = True

    @app.get("/plain")
    async def plain():
        return "plain"

    @app.get("/items/<int:item>")
    def item(item):  # in a thread
        with xtrace.in_subsegment("work"):
            return f"item {item}"

    @app.get("/echo/<text>")
    async def echo(text):
        return f"{text} {quart.request.headers.get('X-Text')}"

    @app.get("/fails")
    async def fails():
        raise ValueError("boom")

    @app.get("/busy")
    async def busy():
        quart.abort(429)

    @app.get("/unchanged")
    async def unchanged():
        return "", 304

    @app.get("/stream")
    async def stream():
        return streamed()

    @app.get("/gate/<name>")
    async def gate(name):
        return gated(name)

    return app


def trace(app):
    XRayMiddleware(app)
    return app
