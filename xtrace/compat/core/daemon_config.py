"""aws_xray_sdk.core.daemon_config: the daemon's address."""

from __future__ import annotations

import os

from xtrace import daemon
from xtrace.errors import InvalidAddress

from .exceptions.exceptions import InvalidDaemonAddressException

DAEMON_ADDRESS_KEY = "AWS_XRAY_DAEMON_ADDRESS"
DEFAULT_ADDRESS = "127.0.0.1:2000"


class DaemonConfig:
    """Where the daemon takes documents (udp) and answers questions (tcp).

    daemon_address: "host:port", or "tcp:host:port udp:host:port" in either order; the environment
    variable wins. Raises InvalidDaemonAddressException.
    """

    def __init__(self, daemon_address: str | None = DEFAULT_ADDRESS) -> None:
        given = os.getenv(DAEMON_ADDRESS_KEY, daemon_address)
        if given is None:
            given = DEFAULT_ADDRESS
        fields = given.split(" ")
        if len(fields) == 1:
            self._parse_single_form(given)
        elif len(fields) == 2:
            self._parse_double_form(fields[0], fields[1], given)
        else:
            raise _invalid(given)

    def _parse_single_form(self, val: str) -> None:
        try:
            self._udp_ip, self._udp_port = self._tcp_ip, self._tcp_port = _endpoint(val)
        except (ValueError, IndexError) as error:
            raise _invalid(val) from error

    def _parse_double_form(self, val1: str, val2: str, origin: str) -> None:
        try:
            parts = dict(each.split(":", 1) for each in (val1, val2))
            self._tcp_ip, self._tcp_port = _endpoint(parts["tcp"])
            self._udp_ip, self._udp_port = _endpoint(parts["udp"])
        except (ValueError, IndexError, KeyError) as error:
            raise _invalid(origin) from error

    @property
    def udp_ip(self) -> str:
        """Host for documents."""
        return self._udp_ip

    @property
    def udp_port(self) -> int:
        """Port for documents."""
        return self._udp_port

    @property
    def tcp_ip(self) -> str:
        """Host for questions."""
        return self._tcp_ip

    @property
    def tcp_port(self) -> int:
        """Port for questions."""
        return self._tcp_port


def _endpoint(text: str) -> tuple[str, int]:
    """Host and port. Brackets around an IPv6 address, and what follows a second colon otherwise."""
    if text.startswith("["):
        try:
            return daemon.endpoint(text, text, DAEMON_ADDRESS_KEY)
        except InvalidAddress as error:
            raise ValueError(text) from error
    fields = text.split(":")
    if not fields[0] or fields[0] != fields[0].strip():
        raise ValueError(text)
    return fields[0], int(fields[1])


def _invalid(address: str) -> InvalidDaemonAddressException:
    return InvalidDaemonAddressException(f"Invalid daemon address {address} specified.")
