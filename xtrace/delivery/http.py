"""Requests over HTTP/1.1 with an end to every wait: for looking up the host, though, which can't be
interrupted.

Written on a socket of its own, so that no patch of an HTTP library, ours or another tracer's,
records it, and so that one deadline holds from the first packet to the last byte of the answer.
"""

from __future__ import annotations

import io
import os
import socket
import ssl
import time
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple
from urllib.parse import urlsplit

from . import OTHER, REFUSED, TIMEOUT, UNKNOWN_HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPMessage
    from typing import Any

MAX_ANSWER_BYTES = 4 * 1024 * 1024
_SECONDS_OF_USE = 50.0
"""A connection that was idle for longer is opened anew: many load balancers close it after 60 s."""


class Unreachable(Exception):
    """No answer came. kind: one of TROUBLES."""

    def __init__(self, message: str, kind: str = OTHER) -> None:
        super().__init__(message)
        self.kind = kind


class NoHttp(Unreachable):
    """Somebody answers, with what isn't HTTP or isn't all of it."""


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    headers: HTTPMessage
    body: bytes


class Place(NamedTuple):
    """Where requests go. path: of the URL, without a slash at its end."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


def place_of(url: str) -> Place:
    """Read an http:// or https:// URL. Raises ValueError with what is wrong with it."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https"):
        raise ValueError("doesn't begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("has no host")
    if parts.query or parts.fragment:
        raise ValueError("has a query or a fragment")
    if parts.username is not None:
        raise ValueError("has a user name; authorization goes into a header")
    port = parts.port if parts.port is not None else 443 if scheme == "https" else 80
    if not 0 < port < 65536:
        raise ValueError(f"has the port {port}")
    return Place(scheme, parts.hostname, port, parts.path.rstrip("/"))


def proxy_for(place: Place) -> str | None:
    """The proxy that the environment names for a host (HTTPS_PROXY, NO_PROXY and so on)."""
    from urllib.request import getproxies, proxy_bypass

    if proxy_bypass(place.host):
        return None
    return getproxies().get(place.scheme)


class Client:
    """Sends requests to one place, over a connection that is kept. Not thread-safe.

    proxy: URL of an HTTP proxy; "" for none, None for what the environment says.
    context: for TLS; a default one is made when the first connection is.
    """

    def __init__(
        self, place: Place, proxy: str | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        self.place = place
        self._proxy = proxy
        self._context = context
        self._socket: socket.socket | None = None
        self._used_at = 0.0
        self._through: Place | None = None

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Answer:
        """Send a request and read the answer, all until the deadline. Raises Unreachable."""
        where = f"{self.place.scheme}://{self.place.authority}"
        try:
            return self._exchange(method, path, headers, body, deadline)
        except Unreachable:
            self.close()
            raise
        except HTTPException as error:
            self.close()
            raise NoHttp(f"{where} doesn't answer in HTTP ({_said(error)})") from error
        except socket.gaierror as error:
            self.close()
            raise Unreachable(f"{where} isn't found ({_said(error)})", UNKNOWN_HOST) from error
        except (OSError, ValueError) as error:  # ValueError: the host is no name at all
            self.close()
            kind = (
                TIMEOUT
                if isinstance(error, TimeoutError)
                else REFUSED
                if isinstance(error, ConnectionRefusedError)
                else OTHER
            )
            raise Unreachable(f"{where} doesn't answer ({_said(error)})", kind) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        sock, self._socket = self._socket, None
        if sock is not None:
            try:
                sock.close()
            except OSError:
                pass

    def after_fork(self) -> None:
        """Forget the connection without a word to the other side: it is the parent's."""
        sock, self._socket = self._socket, None
        if sock is not None:
            try:
                os.close(sock.detach())
            except OSError:
                pass

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Answer:
        sock = self._connected(deadline)
        if self._through is not None and self.place.scheme == "http":
            path = f"http://{self.place.authority}{path}"
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.place.authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"Content-Length: {len(body)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        _wait_for(sock, deadline)
        if len(body) < 16_384:
            sock.sendall(head + body)
        else:
            sock.sendall(head)
            _wait_for(sock, deadline)
            sock.sendall(body)
        with Answering(sock, deadline).response(method) as response:
            answer = Answer(response.status, response.headers, read(response))
            stays_open = not response.will_close
        self._used_at = time.monotonic()
        if not stays_open:
            self.close()
        return answer

    def _connected(self, deadline: float) -> socket.socket:
        if self._socket is not None:
            idle = time.monotonic() - self._used_at
            if idle < _SECONDS_OF_USE and not _has_news(self._socket):
                return self._socket
            self.close()
        proxy = self._proxy if self._proxy is not None else proxy_for(self.place)
        self._through = place_of(proxy if "://" in proxy else f"http://{proxy}") if proxy else None
        to = self._through or self.place
        self._socket = sock = connect(to.host, to.port, deadline)
        if self._through is not None and self.place.scheme == "https":
            self._tunnel(sock, deadline)
        if self.place.scheme == "https":
            if self._context is None:
                self._context = ssl.create_default_context()
            _wait_for(sock, deadline)
            self._socket = sock = self._context.wrap_socket(sock, server_hostname=self.place.host)
        return sock

    def _tunnel(self, sock: socket.socket, deadline: float) -> None:
        host = f"[{self.place.host}]" if ":" in self.place.host else self.place.host
        authority = f"{host}:{self.place.port}"
        _wait_for(sock, deadline)
        sock.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        response = Answering(sock, deadline).response("CONNECT")
        if response.status != 200:
            raise Unreachable(f"The proxy refuses {authority} ({response.status})")


def connect(host: str, port: int, deadline: float) -> socket.socket:
    """A TCP connection; each address of the host is tried. Raises OSError."""
    failed: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            _wait_for(sock, deadline)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            failed = error
            if sock is not None:
                sock.close()
    raise failed


def _wait_for(sock: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    sock.settimeout(left)


def _has_news(sock: socket.socket) -> bool:
    """Whether the other side has closed a connection, or says something unasked."""
    try:
        sock.setblocking(False)
        # TLS has its own records; what matters is whether anything is there.
        reader = sock if not isinstance(sock, ssl.SSLSocket) else None
        if reader is not None:
            reader.recv(1, socket.MSG_PEEK)
        else:
            sock.recv(1)
        return True
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def _said(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def read(response: HTTPResponse) -> bytes:
    """The body of a response. Raises HTTPException for one that breaks off or is too large."""
    body = bytearray()
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise HTTPException(f"it answers with more than {MAX_ANSWER_BYTES} bytes")
    if response.length:
        raise HTTPException("it breaks off in the middle of its answer")
    return bytes(body)


class Answering:
    """A socket as far as HTTPResponse needs it, until a deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._raw = _UntilDeadline(sock, deadline)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What is received."""
        return io.BufferedReader(self._raw)

    def response(self, method: str) -> HTTPResponse:
        """The response, whose headers have been read. Raises HTTPException or OSError."""
        response = HTTPResponse(self, method=method)  # type: ignore[arg-type]  # makefile() is all it asks for
        try:
            response.begin()
        except BaseException:
            response.close()
            raise
        self._raw.may_end = True
        return response


class _UntilDeadline(io.RawIOBase):
    """What a socket receives until the deadline, however small the pieces that trickle in.

    may_end: whether its end is no error: HTTPResponse would take half of the headers for all.
    """

    may_end = False

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        _wait_for(self._socket, self._deadline)
        count = self._socket.recv_into(buffer)
        if not count and not self.may_end:
            raise HTTPException("it breaks off in the middle of its answer")
        return count
