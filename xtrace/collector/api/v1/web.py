"""The console's API over HTTP: JSON, files, and a stream of events."""

from __future__ import annotations

import zlib
from threading import Event as ThreadEvent

import anyio
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ...documents import encode
from ...files import MAX_FILE_BYTES
from ..errors import ApiError
from ..http import body, careful, parsed
from .asked import Asked
from .endpoints import EVENTS, PREFIX, Endpoint, answer, found
from .live import Event, Stream
from .transfer import File

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from starlette.routing import BaseRoute

    from .console import Console

SECONDS_BETWEEN_EVENTS = 0.1
"""At least: ten times a second is as often as a page can show something."""

MAX_STREAMS = 50
"""Of events at the same time; each asks the store ten times a second."""

FILE_SECONDS = 120.0
ZIP_FROM_BYTES = 1400
"""An answer that fits into a packet isn't compressed."""


class Web:
    """The routes. stop() ends the streams, so that the server can end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stopped = ThreadEvent()
        self._streams = 0

    def routes(self) -> list[BaseRoute]:
        """What is below /api/v1."""
        return [
            Route(f"{PREFIX}/events", careful(self._events)),
            Route(
                f"{PREFIX}/{{rest:path}}",
                careful(self._answer),
                methods=["GET", "POST", "PATCH", "DELETE", "PUT"],
            ),
        ]

    def stop(self) -> None:
        """End the streams of events soon."""
        self._stopped.set()

    # -- answers

    async def _answer(self, request: Request) -> Response:
        path = _path(request)
        endpoint, _ = found(request.method, path)
        content = await _content(endpoint, request)
        given = request.query_params.multi_items()
        made = await run_in_threadpool(answer, self._console, request.method, path, given, content)
        if isinstance(made, File):
            return StreamingResponse(
                iterate_in_threadpool(made.pieces),
                media_type=made.media_type,
                headers={
                    "content-disposition": f'attachment; filename="{made.name}"',
                    "cache-control": "no-store",
                    **made.headers,
                },
            )
        zips = "gzip" in request.headers.get("accept-encoding", "")
        return await run_in_threadpool(_reply, made, zips)

    # -- events

    async def _events(self, request: Request) -> Response:
        asked = Asked(self._console, EVENTS, request.query_params.multi_items())
        if self._streams >= MAX_STREAMS:
            message = f"There are {MAX_STREAMS} streams of events already; close some pages."
            raise ApiError("ServiceUnavailableException", 503, message)
        stream = await run_in_threadpool(self._stream, asked, request)
        return StreamingResponse(
            self._told(stream),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    def _stream(self, asked: Asked, request: Request) -> Stream:
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else None
        return Stream(
            self._console,
            asked.filter(),
            asked.run(),
            asked.get("after", after) if after is None else after,
            asked.get("only") == "stats",
        )

    async def _told(self, stream: Stream) -> AsyncIterator[bytes]:
        """The events as they happen, until the client goes away or the server ends."""
        self._streams += 1
        try:
            yield b"retry: 1000\n\n"
            while not self._stopped.is_set():
                events = await run_in_threadpool(stream.poll)
                if events:
                    yield b"".join(map(_written, events))
                await anyio.sleep(SECONDS_BETWEEN_EVENTS)
        finally:
            self._streams -= 1


def _path(request: Request) -> str:
    """The path below the prefix as it was sent: in an id there may be an encoded slash."""
    sent = request.scope.get("raw_path") or request.scope["path"].encode()
    return str(sent.partition(b"?")[0].decode("ascii", "replace").removeprefix(PREFIX))


async def _content(endpoint: Endpoint, request: Request) -> Any:
    if endpoint.body == "json":
        return parsed(await body(request))
    if endpoint.body == "file":
        return await body(request, MAX_FILE_BYTES, FILE_SECONDS)
    return None


def _reply(content: Any, zips: bool) -> Response:
    data = encode(content)
    headers = {"cache-control": "no-store", "vary": "accept-encoding"}
    if zips and len(data) >= ZIP_FROM_BYTES:
        compress = zlib.compressobj(1, wbits=31)
        data = compress.compress(data) + compress.flush()
        headers["content-encoding"] = "gzip"
    return Response(data, 200, headers, media_type="application/json")


def _written(event: Event) -> bytes:
    head = (
        f"event: {event.name}\n" if event.id is None else f"id: {event.id}\nevent: {event.name}\n"
    )
    return head.encode() + b"data: " + encode(event.data) + b"\n\n"
