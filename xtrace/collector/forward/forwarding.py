"""All that a collector forwards: one forwarder for each target, and what goes with X-Ray as a target."""

from __future__ import annotations

import logging
from threading import Thread

from . import ForwardCounts, Forwarder
from .sources import Source, StoredSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..store import Store
    from .proxy import Proxy
    from .targets import Target
    from .telemetry import Telemetry

log = logging.getLogger("xtrace.collector.forward")

MAX_WAITING_BYTES = 16 * 1024 * 1024
"""Of documents in memory, for each target."""


def _nothing(trace_id: str) -> list[bytes]:
    return []


class Forwarding:
    """Forwards to any number of targets. proxy: to X-Ray, if it is one of them.

    store: keeps what is to be delivered, if it can; without one it is kept in memory.
    received: how many documents came so far. resource_arn: of what this runs on.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        store: Store | None,
        received: Callable[[], int],
        resource_arn: str | None = None,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self.proxy: Proxy | None = None
        self._telemetry: list[Telemetry] = []
        self._forwarders: list[Forwarder] = []
        self.keeps_in_memory = False
        if not targets:
            return
        outbox = None if store is None else store.outbox([target.url for target in targets])
        self.keeps_in_memory = outbox is None
        for target in targets:
            source: Source
            if outbox is None:
                source = Source(max_waiting_bytes)
            else:
                source = StoredSource(outbox, target.url)
            forwarder = Forwarder(target, source, _nothing if store is None else store.raw)
            self._forwarders.append(forwarder)
            if target.api is not None:
                from .proxy import Proxy
                from .telemetry import Telemetry

                self.proxy = self.proxy or Proxy(target.api)
                self._telemetry.append(
                    Telemetry(target.api, received, forwarder.counts, resource_arn)
                )

    def put(self, bodies: Sequence[bytes]) -> None:
        """Have documents delivered that nothing else keeps."""
        for forwarder in self._forwarders:
            forwarder.source.put(bodies)

    def start(self) -> None:
        """Begin to deliver."""
        for forwarder in self._forwarders:
            forwarder.start()
        for telemetry in self._telemetry:
            telemetry.start()

    def stop(self) -> None:
        """Deliver what waits, for a few seconds at most, and end."""
        for telemetry in self._telemetry:
            telemetry.stop()
        threads = [Thread(target=each.stop, daemon=True) for each in self._forwarders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.proxy is not None:
            self.proxy.close()

    def flush(self, timeout: float) -> bool:
        """Wait until everything is delivered everywhere; False if it took longer."""
        return all(each.flush(timeout) for each in self._forwarders)

    def counts(self) -> list[ForwardCounts]:
        """What became of the documents, for each target."""
        return [each.counts() for each in self._forwarders]
