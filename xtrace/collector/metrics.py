"""What the collector counts, for Prometheus: read when it is asked for, nothing is counted twice.

Of services it tells what the service graph says, as counters that only grow: the graph itself may
take something back (a trace that is compiled anew) or lose it (a store that makes room).
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client.registry import Collector as PrometheusCollector

from .. import ids
from .graph import CLIENT, ERROR, FAULT, OPEN, PERIOD, THROTTLE
from .store import Window
from .trace import NodeKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Protocol

    from prometheus_client.metrics_core import Metric

    from .checks import Checks
    from .graph import Rollup, Subject
    from .ingest import IngestCounts
    from .store import Counts, Size

    class CountingIngest(Protocol):
        """What is read of the ingest."""

        checks: Checks

        def counts(self) -> IngestCounts:
            """What became of the documents so far."""
            ...

    class CountingStore(Protocol):
        """What is read of the store."""

        def counts(self) -> Counts:
            """What became of the documents handed over."""
            ...

        def size(self) -> Size:
            """What it holds."""
            ...

        def series(
            self,
            window: Window,
            period: float,
            *,
            subjects: Callable[[Subject], bool] | None = None,
        ) -> list[tuple[float, list[Rollup]]]:
            """What was seen of nodes and edges, by period."""
            ...


__all__ = ["CONTENT_TYPE", "MAX_SERVICES", "Metrics", "ServiceCounters"]

log = logging.getLogger("xtrace.collector")

MAX_SERVICES = 200
"""Services with labels of their own; programs that make names from values would never end."""

OTHER = ("other", "")
"""The labels of all further services."""

MAX_LATE_SECONDS = 15 * 60
"""A request that shows in the graph later than this after it began isn't counted any more."""

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of response times, seconds."""


class Metrics:
    """The numbers of one collector. kernel_drops: how many datagrams the kernel has dropped."""

    def __init__(
        self,
        ingest: CountingIngest,
        store: CountingStore,
        kernel_drops: Callable[[], int] = lambda: 0,
    ) -> None:
        self._ingest = ingest
        self._store = store
        self._kernel_drops = kernel_drops
        self._services = ServiceCounters(store)
        self._failures: Counter[str] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(_AtScrapeTime(self))

    def render(self) -> bytes:
        """All of them in Prometheus' text format; its media type is CONTENT_TYPE.

        What can't be read is left out, and counted in xtrace_metrics_failures_total.
        """
        return generate_latest(self._registry)

    def families(self) -> Iterator[Metric]:
        """All of them, as prometheus-client has them."""
        for name, part in (
            ("ingest", self._of_ingest),
            ("checks", self._of_checks),
            ("store", self._of_store),
            ("services", self._of_services),
        ):
            try:
                yield from part()
            except Exception as error:  # one that can't be read doesn't hide the others
                self._failures[name] += 1
                log.warning("Metrics of the %s can't be read: %s", name, error)
        failures = CounterMetricFamily(
            "xtrace_metrics_failures", "Parts of this page that couldn't be read.", labels=["part"]
        )
        for name, count in sorted(self._failures.items()):
            failures.add_metric([name], count)
        yield failures

    def _of_ingest(self) -> list[Metric]:
        counts = self._ingest.counts()
        return [
            CounterMetricFamily(f"xtrace_{name}", meaning, value=value)
            for name, meaning, value in (
                ("documents_received", "Documents that arrived.", counts.received),
                ("documents_stored", "Documents that were stored.", counts.stored),
                ("documents_malformed", "Documents that can't be stored.", counts.malformed),
                ("documents_dropped", "Documents without room.", counts.dropped),
                (
                    "kernel_drops",
                    "Datagrams lost before they were received.",
                    self._kernel_drops(),
                ),
            )
        ] + [
            GaugeMetricFamily(
                "xtrace_documents_waiting", "Documents on their way.", value=counts.waiting
            )
        ]

    def _of_checks(self) -> list[Metric]:
        counts = self._ingest.checks.counts()
        codes = CounterMetricFamily(
            "xtrace_documents_rejectable_by_code",
            "Checked documents that X-Ray would reject, by what is wrong.",
            labels=["code"],
        )
        for code, count in counts.codes.items():
            codes.add_metric([code], count)
        return [
            CounterMetricFamily(
                "xtrace_documents_checked",
                "Documents that were checked; under load a part of all.",
                value=counts.checked,
            ),
            CounterMetricFamily(
                "xtrace_documents_rejectable",
                "Checked documents that X-Ray would reject.",
                value=counts.rejected,
            ),
            codes,
        ]

    def _of_store(self) -> list[Metric]:
        size, counts = self._store.size(), self._store.counts()
        found: list[Metric] = [
            GaugeMetricFamily(f"xtrace_store_{name}", meaning, value=value)
            for name, meaning, value in (
                ("bytes", "How much the store holds.", size.bytes),
                ("traces", "Traces in the store.", size.traces),
                ("documents", "Documents in the store.", size.documents),
                ("stale_traces", "Traces whose newest documents don't show yet.", counts.stale),
            )
        ]
        if size.oldest is not None:
            found.append(
                GaugeMetricFamily(
                    "xtrace_store_oldest_timestamp_seconds",
                    "When the oldest trace arrived, since the epoch.",
                    value=size.oldest,
                )
            )
        found += [
            CounterMetricFamily(f"xtrace_store_{name}", meaning, value=value)
            for name, meaning, value in (
                ("trimmed_traces", "Traces removed to make room.", counts.trimmed_traces),
                ("trimmed_documents", "Documents removed to make room.", counts.trimmed_documents),
                ("failed_traces", "Traces that couldn't be compiled.", counts.failed),
            )
        ]
        return found

    def _of_services(self) -> list[Metric]:
        labels = ["service", "type"]
        requests, errors, throttles, faults = (
            CounterMetricFamily(f"xtrace_service_{name}", meaning, labels=labels)
            for name, meaning in (
                ("requests", "Requests to a service that have ended."),
                ("errors", "Requests answered 4xx, throttled ones included."),
                ("throttles", "Requests answered 429."),
                ("faults", "Requests answered 5xx, or that failed."),
            )
        )
        times = HistogramMetricFamily(
            "xtrace_service_response_time_seconds", "Response times of a service.", labels=labels
        )
        for service, total in self._services.read():
            requests.add_metric(service, total.requests)
            errors.add_metric(service, total.errors)
            throttles.add_metric(service, total.throttles)
            faults.add_metric(service, total.faults)
            times.add_metric(service, total.cumulative(), total.microseconds / 1e6)
        return [requests, errors, throttles, faults, times]


class _AtScrapeTime(PrometheusCollector):
    """What prometheus-client asks at each scrape. describe() keeps it from asking at once."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics.families()

    def describe(self) -> Iterable[Metric]:
        return []


class _Total:
    """What was seen of one service; only grows when what has grown is added."""

    __slots__ = ("buckets", "errors", "faults", "microseconds", "requests", "throttles")

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.throttles = 0
        self.faults = 0
        self.microseconds = 0
        self.buckets = [0] * (len(BUCKETS) + 1)

    def add(self, rollup: Rollup) -> None:
        counts = rollup.counts
        self.requests += sum(counts[:OPEN])
        self.errors += counts[ERROR] + counts[THROTTLE]
        self.throttles += counts[THROTTLE]
        self.faults += counts[FAULT]
        self.microseconds += rollup.microseconds
        for ms, count in rollup.buckets.items():
            self.buckets[bisect_left(BUCKETS, ms / 1000)] += count

    def grow(self, before: _Total, after: _Total) -> None:
        """Add by how much `after` is more than `before`."""
        for name in ("requests", "errors", "throttles", "faults", "microseconds"):
            more = getattr(after, name) - getattr(before, name)
            if more > 0:
                setattr(self, name, getattr(self, name) + more)
        for number, (old, new) in enumerate(zip(before.buckets, after.buckets, strict=True)):
            self.buckets[number] += max(0, new - old)

    def cumulative(self) -> list[tuple[str, float]]:
        """The buckets as Prometheus has them: how many up to each bound."""
        bounds = [*map(str, BUCKETS), "+Inf"]
        found = []
        total = 0
        for bound, count in zip(bounds, self.buckets, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class ServiceCounters:
    """What the graph has come to say of each service since this was made.

    It remembers the most that it has read of each of the last minutes, and adds what is more.
    """

    def __init__(self, store: CountingStore) -> None:
        self._store = store
        self._lock = Lock()
        self._totals: dict[tuple[str, str], _Total] = {}
        self._minutes: dict[float, dict[tuple[str, str], _Total]] = {}
        self._read_until = ids.wall_clock()
        self._read(counting=False)  # what was there before isn't ours

    def read(self) -> list[tuple[tuple[str, str], _Total]]:
        """(name, type) of each service and its totals so far. Raises StoreError."""
        with self._lock:
            self._read(counting=True)
            return sorted(self._totals.items())

    def _read(self, counting: bool) -> None:
        now = ids.wall_clock()
        first = (min(now, self._read_until) - MAX_LATE_SECONDS) // PERIOD * PERIOD
        window = Window(first, (now // PERIOD + 2) * PERIOD)
        series = self._store.series(window, PERIOD, subjects=_is_service)
        self._minutes = {m: most for m, most in self._minutes.items() if m >= first}
        for minute, rollups in series:
            services: dict[tuple[str, str], _Total] = {}
            for rollup in rollups:
                services.setdefault(self._labels(rollup.subject), _Total()).add(rollup)
            known = self._minutes.setdefault(minute, {})
            for labels, after in services.items():
                most = known.setdefault(labels, _Total())
                if counting:
                    self._totals.setdefault(labels, _Total()).grow(most, after)
                most.grow(most, after)
        self._read_until = now

    def _labels(self, node: Subject) -> tuple[str, str]:
        assert isinstance(node, NodeKey)
        labels = (node.name, node.type or "")
        if labels not in self._totals:
            if len(self._totals) >= MAX_SERVICES:
                return OTHER
            self._totals[labels] = _Total()
        return labels


def _is_service(subject: Subject) -> bool:
    return isinstance(subject, NodeKey) and subject.type != CLIENT
