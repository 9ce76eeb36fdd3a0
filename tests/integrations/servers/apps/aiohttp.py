"""aiohttp's own server."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import aclosing, contextmanager

from aiohttp import web

import xtrace
from tests.integrations.servers.apps._asyncio import gated, streamed
from xtrace.integrations.aiohttp import middleware

LIBRARY = "aiohttp_server"
ENTRIES = "xtrace.integrations._aiohttp"
TEMPLATE = "/items/{item}"

logger = logging.getLogger("tests.aiohttp")
logger.disabled = True


async def plain(request):
    return web.Response(text="plain")


async def item(request):
    with xtrace.in_subsegment("work"):
        return web.Response(text=f"item {request.match_info['item']}")


async def echo(request):
    return web.Response(text=f"{request.match_info['text']} {request.headers.get('X-Text')}")


async def fails(request):
    raise ValueError("boom")


async def busy(request):
    raise web.HTTPTooManyRequests(text="later")


async def unchanged(request):
    raise web.HTTPNotModified


async def _parts(request, parts):
    response = web.StreamResponse()
    await response.prepare(request)
    async with aclosing(parts):
        async for part in parts:
            await response.write(part)
    await response.write_eof()
    return response


async def stream(request):
    return await _parts(request, streamed())


async def gate(request):
    return await _parts(request, gated(request.match_info["name"]))


def routes():
    return [
        web.get("/plain", plain),
        web.get(r"/items/{item:\d+}", item),
        web.get("/echo/{text}", echo),
        web.get("/fails", fails),
        web.get("/busy", busy),
        web.get("/unchanged", unchanged),
        web.get("/stream", stream),
        web.get("/gate/{name}", gate),
    ]


def application():
    app = web.Application()
    app.add_routes(routes())
    return app


def trace(app):
    app.middlewares.append(middleware)
    return app


@contextmanager
def serving(app):
    listener = socket.create_server(("127.0.0.1", 0))
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve():
        runner = web.AppRunner(app, access_log=None, logger=logger, shutdown_timeout=5)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(15)
        yield listener.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
