"""ASGI with no framework at all."""

from __future__ import annotations

import xtrace
from tests.integrations.servers.apps._asyncio import gated, streamed
from tests.integrations.servers.contract import uvicorn_serving
from xtrace.integrations.asgi import XRayMiddleware

LIBRARY = None
ENTRIES = "xtrace.integrations._asgi"
TEMPLATE = None

trace = XRayMiddleware


def serving(app):
    return uvicorn_serving(app, lifespan="off")


def application():
    async def app(scope, receive, send):
        _, first, rest = (scope["path"] + "/").split("/", 2)
        status, body = answer(first, rest.removesuffix("/"), dict(scope["headers"]))
        headers = [(b"content-type", b"text/plain")]
        if isinstance(body, bytes) and status != 304:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if isinstance(body, bytes):
            await send({"type": "http.response.body", "body": body})
            return
        async for part in body:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    return app


def answer(first, rest, headers):
    if first == "items" and rest.isdigit():
        with xtrace.in_subsegment("work"):
            return 200, f"item {rest}".encode()
    if first == "echo":
        return 200, f"{rest} {headers.get(b'x-text', b'').decode('latin-1')}".encode()
    if first == "fails":
        raise ValueError("boom")
    if first == "stream":
        return 200, streamed()
    if first == "gate":
        return 200, gated(rest)
    known = {"plain": (200, b"plain"), "busy": (429, b"later"), "unchanged": (304, b"")}
    return known.get(first, (404, b"nothing here"))
