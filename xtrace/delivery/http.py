"""Requests over HTTP/1.1 with an end to every wait, be it for the host's address.

Written on a socket of its own, so that no patch of an HTTP library, ours or another tracer's,
records it, and so that one deadline holds from the first packet to the last byte of the answer.
"""

from __future__ import annotations

import base64
import io
import os
import socket
import ssl
import threading
import time
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from .. import forks
from . import OTHER, REFUSED, TIMEOUT, UNKNOWN_HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from http.client import HTTPMessage
    from typing import Any, TypeAlias

    # family, type, protocol, canonical name, address: as getaddrinfo has them
    Address: TypeAlias = tuple[int, int, int, str, Any]

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


class HttpProxy(NamedTuple):
    """An HTTP proxy. headers: that say who we are, for it alone."""

    place: Place
    headers: dict[str, str]


def proxy_of(proxy: str) -> HttpProxy:
    """Read the URL of a proxy: "http://user:password@host:3128", "host:3128". Raises ValueError.

    A password may be percent-encoded, and isn't in what the error says.
    """
    scheme, there, rest = proxy.rpartition("://")
    account, at, host = rest.rpartition("@")
    if there and scheme.lower() != "http":
        raise ValueError(f"its proxy is one over {scheme}; write http://host:port")
    headers = {}
    if at:
        text = base64.b64encode(unquote(account).encode()).decode()
        headers["Proxy-Authorization"] = f"Basic {text}"
    try:
        return HttpProxy(place_of(f"http://{host}")._replace(path=""), headers)
    except ValueError as error:
        raise ValueError(f"its proxy {host!r} {error}") from None


NEEDS = ("urllib.request", "email.utils", "logging")
"""Modules that requests import, beyond those that come with this one, and what says that one failed: a
program that ends has no time to load it."""


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
        self._through: HttpProxy | None = None
        self._lookup: _Lookup | None = None

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
        self._lookup = None
        if sock is not None:
            try:
                os.close(sock.detach())
            except OSError:
                pass

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Answer:
        while True:
            kept = self._socket
            sock = self._connected(deadline)
            answering = Answering(sock, deadline)
            try:
                return self._exchange_on(sock, answering, method, path, headers, body)
            except (ConnectionError, ssl.SSLError, HTTPException):
                # A connection that was kept may be closed by the other side at the moment of its
                # next use: that is nobody's failure.
                if sock is not kept or answering.has_heard:
                    raise
                self.close()

    def _exchange_on(
        self,
        sock: socket.socket,
        answering: Answering,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        more = dict(headers)
        if self._through is not None and self.place.scheme == "http":
            path = f"http://{self.place.authority}{path}"
            more |= self._through.headers
        more["Content-Length"] = str(len(body))
        head = _head(f"{method} {path} HTTP/1.1", self.place.authority, more)
        unsent: OSError | None = None
        try:
            if len(body) < 16_384:
                _send(sock, head + body, answering.deadline)
            else:
                _send(sock, head, answering.deadline)
                _send(sock, body, answering.deadline)
        except (ConnectionError, ssl.SSLError) as error:
            unsent = error  # it may have said why: that this is too large, for one
        try:
            with answering.response(method) as response:
                answer = Answer(response.status, response.headers, read(response))
                stays_open = not response.will_close and unsent is None
        except (OSError, HTTPException):
            if unsent is not None:
                raise unsent from None
            raise
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
        self._through = proxy_of(proxy) if proxy else None
        to = self.place if self._through is None else self._through.place
        self._socket = sock = connect(self._addresses(to.host, to.port, deadline), deadline)
        if self._through is not None and self.place.scheme == "https":
            self._tunnel(sock, self._through, deadline)
        if self.place.scheme == "https":
            if self._context is None:
                self._context = ssl.create_default_context()
            _wait_for(sock, deadline)
            self._socket = sock = self._context.wrap_socket(sock, server_hostname=self.place.host)
        return sock

    def _addresses(self, host: str, port: int, deadline: float) -> Sequence[Address]:
        """What a host name stands for, or an address. Raises OSError."""
        try:
            return socket.getaddrinfo(
                host, port, 0, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        except socket.gaierror:  # a name
            pass
        if host == "localhost" or not forks.may_start_threads():
            return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        # One that isn't done in time is waited for by the next request, not asked again beside it.
        if self._lookup is None or self._lookup.of != (host, port):
            try:
                self._lookup = _Lookup(host, port)
            except RuntimeError as error:  # no more threads, or the interpreter ends
                if threading.current_thread() is threading.main_thread():
                    raise OSError(str(error)) from error  # which would wait for this one
                return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        try:
            return self._lookup.wait(deadline)
        finally:
            if self._lookup.is_done:
                self._lookup = None

    def _tunnel(self, sock: socket.socket, through: HttpProxy, deadline: float) -> None:
        host = f"[{self.place.host}]" if ":" in self.place.host else self.place.host
        authority = f"{host}:{self.place.port}"
        _send(sock, _head(f"CONNECT {authority} HTTP/1.1", authority, through.headers), deadline)
        response = Answering(sock, deadline).response("CONNECT")
        if response.status != 200:
            raise Unreachable(f"The proxy refuses {authority} ({response.status})")


class _Lookup:
    """A host name that is looked up by a thread of its own: that can't be interrupted, but left alone.

    Raises RuntimeError if no thread can be started.
    """

    def __init__(self, host: str, port: int) -> None:
        self.of = host, port
        self._found: Sequence[Address] = ()
        self._failed: Exception | None = None
        self._thread = forks.thread("xtrace-resolver", self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = socket.getaddrinfo(*self.of, 0, socket.SOCK_STREAM)
        except Exception as error:
            self._failed = error

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def wait(self, deadline: float) -> Sequence[Address]:
        """The addresses. Raises OSError, also if they aren't known by the deadline."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if not self.is_done:
            raise TimeoutError(f"looking up {self.of[0]} takes too long")
        if self._failed is not None:
            raise self._failed
        return self._found


def connect(addresses: Sequence[Address], deadline: float) -> socket.socket:
    """A TCP connection to the first address that answers. Raises OSError.

    Each has its share of the time, so that one that is silent leaves some to the next.
    """
    failed = OSError("the host has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            now = time.monotonic()
            _wait_for(sock, now + (deadline - now) / (len(addresses) - tried))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            failed = error
            if sock is not None:
                sock.close()
    raise failed


def _head(first: str, host: str, headers: Mapping[str, str]) -> bytes:
    lines = [first, f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _send(sock: socket.socket, data: bytes, deadline: float) -> None:
    _wait_for(sock, deadline)
    sock.sendall(data)  # which takes no longer in all


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
        self.deadline = deadline
        self._raw = _UntilDeadline(sock, deadline)
        self._reader = io.BufferedReader(self._raw)

    @property
    def has_heard(self) -> bool:
        """Whether anything has been received."""
        return self._raw.has_heard

    def makefile(self, mode: str) -> io.BufferedIOBase:
        """What is received."""
        return self._reader

    def response(self, method: str) -> HTTPResponse:
        """The response, whose headers have been read. Raises HTTPException or OSError."""
        while True:
            response = HTTPResponse(self, method=method)  # type: ignore[arg-type]  # makefile() is all it asks for
            try:
                response.begin()
            except BaseException:
                response.close()
                raise
            # http.client waits for what follows a status 100, and takes 102 and 103 for the answer.
            if not 102 <= response.status < 200:
                self._raw.may_end = True
                return response
            response.fp = None  # type: ignore[assignment]  # else it closes what the answer is read from


class _UntilDeadline(io.RawIOBase):
    """What a socket receives until the deadline, however small the pieces that trickle in.

    may_end: whether its end is no error: HTTPResponse would take half of the headers for all.
    has_heard: whether anything was received.
    """

    may_end = False
    has_heard = False

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
        self.has_heard = self.has_heard or count > 0
        return count
