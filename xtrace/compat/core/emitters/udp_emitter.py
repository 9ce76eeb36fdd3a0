"""aws_xray_sdk.core.emitters.udp_emitter: documents to the daemon."""

from __future__ import annotations

import logging
import socket

from xtrace import ledger, packing
from xtrace.daemon import endpoint_text
from xtrace.emitters import MAX_DATAGRAM_BYTES, udp

from ..daemon_config import DaemonConfig
from ..exceptions.exceptions import InvalidDaemonAddressException
from ..models.entity import prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

PROTOCOL_HEADER = '{"format":"json","version":1}'
PROTOCOL_DELIMITER = "\n"
DEFAULT_DAEMON_ADDRESS = "127.0.0.1:2000"


class UDPEmitter(udp.UdpEmitter):
    """Sends each document as a datagram, large ones in pieces.

    A subclass may override send_entity(entity), or _send_data(text), and need not call this
    class's __init__.
    """

    def __init__(self, daemon_address: str = DEFAULT_DAEMON_ADDRESS) -> None:
        self._ip, self._port = self._parse_address(daemon_address)
        super().__init__(f"udp://{endpoint_text((self._ip, self._port))}", MAX_DATAGRAM_BYTES)

    def send(self, batch: list[Any]) -> None:
        """Send entities, by send_entity() if a program has put another there."""
        # As it nearly always is, without a call: neither overridden, nor replaced by a test.
        kind, own = type(self), self.__dict__
        if (
            kind.send_entity is _send_entity
            and kind._send_data is _send_data
            and "send_entity" not in own
            and "_send_data" not in own
            and (type(self._socket) is _Socket or self._has_own_socket())
        ):
            _send(self, batch)
            return
        self.ledger.send(len(batch), 0, recorded=len(batch))
        self.send_entity(batch[0])

    def _is_plain(self) -> bool:
        """Whether datagrams are sent by ourselves, by a socket of ours."""
        sends = getattr(self._send_data, "__func__", None)  # not a subclass's, nor a mock
        return sends is _send_data and self._has_own_socket()

    def _has_own_socket(self) -> bool:
        """Whether no test has put another there."""
        sock = getattr(self, "_socket", None)
        return sock is None or type(sock) is socket.socket

    def send_entity(self, entity: Any) -> None:
        """Send an entity with all under it. Raises nothing."""
        try:
            entity._tie()  # a program may send once more what was sent
            batch = [each for each in entity._with_all_under() if each.sampled]
            prepare(batch)
            if self._is_plain():
                super().send(batch)
                return
            overhead = len(PROTOCOL_HEADER) + len(PROTOCOL_DELIMITER)
            for document, _ in packing.pack(batch, MAX_DATAGRAM_BYTES - overhead, ledger.Ledger()):
                self._send_data(f"{PROTOCOL_HEADER}{PROTOCOL_DELIMITER}{document.decode()}")
        except Exception:
            log.exception("An entity isn't sent")

    def _send_data(self, data: str) -> None:
        """Send one datagram: the header, the delimiter, and a document."""
        if not self._has_own_socket():
            self._socket.sendto(data.encode(), (self._ip, self._port))  # type: ignore[union-attr]
            return
        document = data.partition(PROTOCOL_DELIMITER)[2]
        self.send_documents([(document.encode(), 1)])

    def set_daemon_address(self, address: str | None) -> None:
        """Send there from now on. None or "" changes nothing."""
        if address:
            self._ip, self._port = self._parse_address(address)
            if not hasattr(self, "endpoint") or not self._has_own_socket():
                return  # a subclass that hasn't called __init__, or a test's socket
            self._disconnect()
            self.url = f"udp://{endpoint_text((self._ip, self._port))}"
            self.endpoint = (self._ip, self._port)
            self._begin()

    def _disconnect(self) -> None:
        if self._has_own_socket():
            super()._disconnect()
        else:
            self._socket = None

    @property
    def ip(self) -> str:
        """The daemon's host."""
        return self._ip

    @property
    def port(self) -> int:
        """The daemon's port."""
        return self._port

    def _parse_address(self, daemon_address: str) -> tuple[str, int]:
        try:
            config = DaemonConfig(daemon_address)
        except Exception as error:
            raise InvalidDaemonAddressException(
                f"Invalid daemon address {daemon_address} specified."
            ) from error
        return config.udp_ip, config.udp_port


_send = udp.UdpEmitter.send
_Socket = socket.socket
_send_entity = UDPEmitter.send_entity
_send_data = UDPEmitter._send_data
