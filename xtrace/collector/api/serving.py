"""HTTP on a socket that is open already: uvicorn on a thread of its own, with limits for clients.

A client gets so long to send a request's head, and there are only so many connections; what comes
beyond is answered with 503, by uvicorn.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from threading import Event, Thread

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from starlette.types import ASGIApp

HEAD_SECONDS = 10.0
"""How long a request's head may take to arrive, from its first byte or the connection on."""

READ_SECONDS = 60.0
"""How long a client may leave an answer unread that fills the buffers."""

KEEP_ALIVE_SECONDS = 15
MAX_CONNECTIONS = 250
MAX_HEAD_BYTES = 64 * 1024
STOP_SECONDS = 2
"""How long requests in progress may go on once the server is to stop."""

_LOG = logging.getLogger("xtrace.collector")


class _Protocol(H11Protocol):
    """uvicorn's, which would let a client take all the time in the world to send and to read."""

    _patience: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Head and body are written apart: without this the body waits for the head's receipt, 40 ms.
        # asyncio does it only for sockets that were made with the protocol's number.
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        self._is_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._is_read()
        super().resume_writing()

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _watch(self) -> None:
        """Run the clock while a head is due: h11 is idle until it has the whole of one."""
        if self.conn.their_state is not h11.IDLE:
            self._stop_watching()
        elif self._patience is None:
            self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_watching(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        self.transport.abort()


class _Server(uvicorn.Server):
    """Says when it has started, or that it can't; ends when it is told to, not at the next look."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told_to_stop = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        # Once a second for the Date header, which it renews at multiples of ten.
        while not await self.on_tick(0):
            try:
                await asyncio.wait_for(self._told_to_stop.wait(), 1.0)
            except asyncio.TimeoutError:
                continue

    def stop(self) -> None:
        self.should_exit = True
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._told_to_stop.set)
        except RuntimeError:
            pass  # it has ended by itself


class HttpServer:
    """Serves an application on a listening socket, which it takes over."""

    def __init__(self, application: ASGIApp, listener: socket.socket) -> None:
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                application,
                http=_Protocol,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._thread = Thread(target=self._run, name="xtrace-http", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        self._server.ready.wait()

    def stop(self) -> None:
        """Answer what has been asked, and end."""
        self._server.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        except BaseException:
            _LOG.exception("the HTTP server failed")
        finally:
            self._server.ready.set()
