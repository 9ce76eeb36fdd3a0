"""The daemon's reports about itself: once a minute, how many segments came, went and were lost."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import deque
from threading import Event, Thread

from ...delivery import TROUBLES
from ...delivery.http import Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...delivery.xray import XRayApi
    from . import ForwardCounts

log = logging.getLogger("xtrace.collector.forward")

SECONDS_BETWEEN = 60.0
MAX_RECORDS = 10
"""In one report."""
MAX_KEPT = 30
"""While reports can't be sent; the oldest go."""

_SECONDS = 5.0


class Telemetry:
    """Reports to X-Ray with PutTelemetryRecords, from the first segment on.

    received: how many segments came so far. forwarded: what became of them. resource_arn: of what
    the collector runs on.
    """

    def __init__(
        self,
        make_api: Callable[[], XRayApi],
        received: Callable[[], int],
        forwarded: Callable[[], ForwardCounts],
        resource_arn: str | None = None,
    ) -> None:
        self._make_api = make_api
        self._received = received
        self._forwarded = forwarded
        named = {
            "EC2InstanceId": os.environ.get("AWS_INSTANCE_ID"),
            "Hostname": os.environ.get("AWS_HOSTNAME"),
            "ResourceARN": resource_arn,
        }
        self._named = {name: text for name, text in named.items() if text}
        self._records: deque[dict[str, Any]] = deque(maxlen=MAX_KEPT)
        self._before: dict[str, Any] = {}
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="xtrace-telemetry", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def stop(self) -> None:
        """Report no more."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(SECONDS_BETWEEN):
            try:
                self.report()
            except Exception:
                log.exception("Telemetry can't be reported")

    def report(self) -> None:
        """Send what was counted since the last report, and earlier records that couldn't be sent."""
        totals = self._totals()
        if not totals["SegmentsReceivedCount"]:
            return
        self._records.append({"Timestamp": time.time(), **_since(totals, self._before)})
        self._before = totals
        api = self._make_api()
        try:
            while self._records:
                first = [self._records[n] for n in range(min(MAX_RECORDS, len(self._records)))]
                body = json.dumps({"TelemetryRecords": first, **self._named}).encode()
                answer = api.call("/TelemetryRecords", body, time.monotonic() + _SECONDS)
                if answer.status != 200:
                    log.debug("X-Ray answers telemetry with status %d", answer.status)
                    return
                for _ in first:
                    self._records.popleft()
        except Unreachable as error:
            log.debug("Telemetry waits: %s", error)
        finally:
            api.close()

    def _totals(self) -> dict[str, Any]:
        counts = self._forwarded()
        return {
            "SegmentsReceivedCount": self._received(),
            "SegmentsSentCount": counts.delivered,
            "SegmentsSpilloverCount": counts.lost,
            "SegmentsRejectedCount": sum(counts.refused.values()),
            "BackendConnectionErrors": {kind: counts.troubles[kind] for kind in TROUBLES},
        }


def _since(totals: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _since(total, before.get(name, {}))
        if isinstance(total, dict)
        else total - before.get(name, 0)
        for name, total in totals.items()
    }
