"""Spans over the X-Ray daemon's UDP port, as AWS Lambda's layers send them: no connection, no thread,
nothing that a frozen function would lose.

A datagram holds the daemon's header line, "T1S", and an OTLP request in protobuf as base64.
"""

from __future__ import annotations

import base64
import json

from .. import ids
from ..document import constant_of
from ..otlp.encoding import PROTOBUF
from ..otlp.mapping import Refused, service_of, spans_of
from ..packing import TOO_LARGE, pack
from .udp import HEADER, UdpEmitter, _size, _TooLargeHere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model import Entity
    from ..packing import Packed

SAMPLED = b"T1S"
"""What stands before the spans of sampled traces. Of others, which T1U is for, nothing is recorded."""

NO_SPAN = "no OTLP span"

_SHARE = 0.6
"""Of a datagram's room, for what a document of one entity may hold: as a span, it says some of it
twice, under old names and new ones."""

_BEFORE_A_SPAN = 4
_AROUND = 100
"""Bytes of a request that belong to neither its resource nor a span."""


class OtlpUdpEmitter(UdpEmitter):
    """Sends each entity as a span, in datagrams of the X-Ray daemon's protocol.

    url: "otlp+udp://host:port".
    """

    def send(self, batch: list[Entity]) -> None:
        """Send the entities; in smaller datagrams if the system refuses large ones."""
        try:
            self.send_documents(self._datagrams(batch))
        except _TooLargeHere:
            self.send_documents(self._datagrams(batch))

    def _datagrams(self, batch: list[Entity]) -> list[Packed]:
        """What follows the header line of each datagram; the largest first: if it goes out, all do."""
        room = (self.max_bytes - len(HEADER) - len(SAMPLED)) // 4 * 3
        segment = batch[0].segment
        about = {**constant_of(segment._owner).fields, "name": segment.name}
        made: list[Packed] = []
        for data, _ in pack(batch, int(room * _SHARE), self.ledger):
            made += self._of_document(json.loads(data), about, room)
        made.sort(key=_size, reverse=True)
        return made

    def _of_document(
        self, document: dict[str, object], about: dict[str, object], room: int
    ) -> list[Packed]:
        service = service_of(about if document.get("type") == "subsegment" else document)
        resource = PROTOBUF.resource(service.attributes)
        refused: list[Refused] = []
        groups: list[list[bytes]] = []
        most = room - len(resource) - _AROUND
        left = 0
        for span in spans_of(document, service, ids.wall_clock(), refused):
            encoded = PROTOBUF.span(span)
            size = len(encoded) + _BEFORE_A_SPAN
            if size > most:
                self.ledger.drop(TOO_LARGE, 1, recorded=1)
                continue
            if size > left:
                groups.append([])
                left = most
            left -= size
            groups[-1].append(encoded)
        if refused:
            self.ledger.drop(NO_SPAN, len(refused), recorded=len(refused))
        return [
            (SAMPLED + base64.b64encode(PROTOBUF.request([(resource, spans)])), len(spans))
            for spans in groups
        ]
