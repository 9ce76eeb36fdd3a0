"""Documents kept in this process: for tests, and for looking at them in a shell."""

from __future__ import annotations

import json
from collections import deque

from . import MAX_DATAGRAM_BYTES, Emitter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..packing import Packed

MAX_DOCUMENTS = 100_000


class MemoryEmitter(Emitter):
    """Keeps the documents as they would have been sent; the oldest go beyond 100,000.

    url: "memory:".
    """

    def __init__(self, url: str = "memory:", max_bytes: int = MAX_DATAGRAM_BYTES) -> None:
        super().__init__(url, max_bytes)
        self.data: deque[bytes] = deque(maxlen=MAX_DOCUMENTS)

    def send_documents(self, packed: list[Packed]) -> None:
        """Keep them."""
        for data, entities in packed:
            self.data.append(data)
            self.ledger.send(entities, len(data), recorded=entities)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The documents so far, parsed, in the order in which they were sent."""
        return [json.loads(each) for each in list(self.data)]

    def clear(self) -> None:
        """Forget them; the counts stay."""
        self.data.clear()
