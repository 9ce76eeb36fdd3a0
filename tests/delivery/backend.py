"""A backend over HTTP that answers as a test tells it to, also as no backend should."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    # Given the connection and the request; answers on it, or doesn't.
    Manner = Callable[[socket.socket, "Request"], None]


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> bytes:
        """The body, uncompressed."""
        if self.headers.get("content-encoding") == "gzip":
            return gzip.decompress(self.body)
        return self.body

    def spans(self) -> list[Any]:
        """The spans of an OTLP request, as the published definitions read them."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,  # where the core is tested alone, it isn't there
        )

        request = ExportTraceServiceRequest.FromString(self.content)
        return [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]

    def json(self) -> Any:
        return json.loads(self.content)


def answering(status: int = 200, body: bytes = b"", **headers: str) -> Manner:
    """Answer properly."""

    def manner(connection: socket.socket, request: Request) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    return manner


def raw(data: bytes, then_close: bool = True) -> Manner:
    """Answer with these bytes, whatever they are."""

    def manner(connection: socket.socket, request: Request) -> None:
        connection.sendall(data)
        if then_close:
            raise ConnectionAbortedError

    return manner


def reset(connection: socket.socket, request: Request) -> None:
    """Break the connection off."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionAbortedError


def silent(connection: socket.socket, request: Request) -> None:
    """Never answer; until the other side has gone."""
    connection.settimeout(60)
    connection.recv(1)


def dripping(seconds: float) -> Manner:
    """Answer a byte each so many seconds."""

    def manner(connection: socket.socket, request: Request) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
            connection.sendall(bytes((byte,)))
            connection.settimeout(seconds)
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                pass

    return manner


class Backend:
    """Listens on a free port; each request is answered by the next manner, the last one for ever."""

    def __init__(self, *manners: Manner, context: ssl.SSLContext | None = None) -> None:
        self.manners = list(manners or [answering()])
        self.requests: list[Request] = []
        self.connections = 0
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def spans(self) -> list[Any]:
        """The spans of all requests so far."""
        return [span for request in list(self.requests) for span in request.spans()]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.add(connection)
            reader = connection.makefile("rb")
            while (request := _read(reader)) is not None:
                self.requests.append(request)
                manner = self.manners[0] if len(self.manners) == 1 else self.manners.pop(0)
                manner(connection, request)
        except OSError:
            pass
        finally:
            self._open.discard(connection)
            connection.close()

    def close(self) -> None:
        self._listener.close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def _read(reader: Any) -> Request | None:
    first = reader.readline().decode("latin-1").split()
    if not first or not first[-1].startswith("HTTP/"):  # the end, or TLS
        return None
    headers = {}
    while line := reader.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Request(first[0], first[1], headers, body)


@contextmanager
def backend(*manners: Manner, context: ssl.SSLContext | None = None) -> Iterator[Backend]:
    """A backend for the time of a `with` block."""
    made = Backend(*manners, context=context)
    try:
        yield made
    finally:
        made.close()
