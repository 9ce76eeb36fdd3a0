"""The sockets that a collector listens on: UDP and TCP, with the same port number unless told otherwise."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address

from ..delivery.http import place_of
from .receiver import Receiver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from .forward.targets import Target

    # Host and port.
    Endpoint: TypeAlias = tuple[str, int]

WILDCARDS = ("0.0.0.0", "::", "")

_TRIES_FOR_A_PORT = 50
_BACKLOG = 256


class NotLocal(ValueError):
    """An address that other machines can reach, and nobody has said that they may."""


class ToItself(ValueError):
    """What arrives would be forwarded to where it arrives."""


class Taken(OSError):
    """A port that somebody else has. endpoint: which."""

    def __init__(self, error: OSError, endpoint: Endpoint) -> None:
        # Python adds " (while attempting to bind on address ...)".
        super().__init__(error.errno, (error.strerror or str(error)).partition(" (while")[0])
        self.endpoint = endpoint


def open_both(
    endpoint: Endpoint,
    tcp: Endpoint | None,
    take: Callable[[list[bytes]], None],
    refuse: Callable[[bytes], None],
) -> tuple[socket.socket, Receiver]:
    """A listening TCP socket and a receiver. Raises Taken."""
    for attempt in range(_TRIES_FOR_A_PORT):
        listener = _listener(tcp or endpoint)
        udp = endpoint if tcp else (endpoint[0], listener.getsockname()[1])
        try:
            return listener, Receiver(udp, take, refuse)
        except OSError as error:
            listener.close()
            is_taken = error.errno == errno.EADDRINUSE
            # What is free on TCP may be taken on UDP.
            if not is_taken or endpoint[1] != 0 or attempt == _TRIES_FOR_A_PORT - 1:
                raise Taken(error, udp) from error
    raise AssertionError


def check_local(*hosts: str) -> None:
    """Raise NotLocal if other machines can reach one of these addresses."""
    for host in hosts:
        if not ip_address(host).is_loopback:
            raise NotLocal(
                f"{host} isn't the loopback: other machines could send to this collector "
                "and read its traces."
            )


def check_elsewhere(target: Target, own: Endpoint) -> None:
    """Raise ToItself if a target of forwarding is the address that this listens on."""
    place = place_of(target.endpoint)
    loopbacks = (*WILDCARDS, "127.0.0.1", "::1", "localhost", socket.gethostname())
    here = (own[0], *loopbacks) if own[0] in loopbacks else (own[0],)
    if place.port == own[1] and place.host in here:
        raise ToItself(
            f"{target.url} is at {target.endpoint}, which is this program itself. Is that what "
            "AWS_ENDPOINT_URL_XRAY, AWS_ENDPOINT_URL or OTEL_EXPORTER_OTLP_ENDPOINT says?"
        )


def _listener(endpoint: Endpoint) -> socket.socket:
    try:
        return socket.create_server(endpoint, family=family(endpoint[0]), backlog=_BACKLOG)
    except OSError as error:
        raise Taken(error, endpoint) from error


def family(host: str) -> socket.AddressFamily:
    """IPv4 or IPv6."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def text(endpoint: Endpoint) -> str:
    """ "host:port", with brackets around an IPv6 address."""
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address(udp: Endpoint, tcp: Endpoint) -> str:
    """Where both listen, as programs are told it: "127.0.0.1:2000", or "tcp:... udp:..."."""
    return text(udp) if udp == tcp else f"tcp:{text(tcp)} udp:{text(udp)}"
