"""Where the daemon listens: the forms in which its address is given."""

from __future__ import annotations

from .errors import InvalidAddress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    # host (a name or an IP address, without brackets) and port (1 to 65535)
    Endpoint: TypeAlias = tuple[str, int]

DEFAULT_ADDRESS = "127.0.0.1:2000"


class DaemonAddress:
    """The daemon's two endpoints: udp takes documents, tcp answers for sampling rules."""

    __slots__ = ("tcp", "udp")

    def __init__(self, udp: Endpoint, tcp: Endpoint) -> None:
        self.udp = udp
        self.tcp = tcp

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DaemonAddress) and (self.udp, self.tcp) == (other.udp, other.tcp)

    def __hash__(self) -> int:
        return hash((self.udp, self.tcp))

    def __str__(self) -> str:
        if self.udp == self.tcp:
            return endpoint_text(self.udp)
        return f"tcp:{endpoint_text(self.tcp)} udp:{endpoint_text(self.udp)}"


def parse(value: str, source: str = "daemon_address") -> DaemonAddress:
    """Read a daemon address.

    value: "host:port", or "tcp:host:port udp:host:port" in either order; an IPv6 address stands in
    brackets, "[::1]:2000". source: what to name in an error.
    Raises InvalidAddress with what to write instead.
    """
    found: dict[str, Endpoint] = {}
    fields = value.split() if isinstance(value, str) else []
    for field in fields:
        protocol, colon, rest = field.partition(":")
        if colon and protocol.lower() in ("tcp", "udp"):
            found.setdefault(protocol.lower(), endpoint(rest, value, source))
        elif len(fields) == 1:
            both = endpoint(field, value, source)
            return DaemonAddress(both, both)
        else:
            break
    else:
        if len(found) == 2 and len(fields) == 2:
            return DaemonAddress(found["udp"], found["tcp"])
    raise InvalidAddress(
        f"{source} is {value!r}. Write host:port, as in 127.0.0.1:2000, or both endpoints, as in "
        "'tcp:127.0.0.1:2000 udp:127.0.0.1:3000'."
    )


def endpoint(text: str, value: str, source: str) -> Endpoint:
    """Read "host:port" or "[IPv6 address]:port". value: the whole setting, for the error."""
    text = text.removeprefix("//")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        good = bracket and colon == ":"
    else:
        host, colon, port = text.rpartition(":")
        good = colon and ":" not in host
    if "://" in text:
        raise InvalidAddress(
            f"{source} is {value!r}, a URL. Write host:port alone, as in 127.0.0.1:2000 or "
            "[::1]:2000."
        )
    if not good or not host:
        raise InvalidAddress(
            f"{source} is {value!r}, without a host or a port. Write host:port, as in "
            "127.0.0.1:2000 or [::1]:2000."
        )
    if not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
        raise InvalidAddress(
            f"{source} is {value!r}, whose port {port!r} isn't a number from 1 to 65535."
        )
    return host, int(port)


def endpoint_text(endpoint: Endpoint) -> str:
    """ "host:port", with brackets around an IPv6 address."""
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
