"""What the operations work on, and which function carries out which."""

from __future__ import annotations

import time
from collections import deque
from threading import RLock

from ..filters import FilterError, parse
from ..groups import Groups
from ..sampling import Sampling
from . import administration, retrieval, statistics, traces
from .errors import ApiError, invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..filters import Filter
    from ..ingest import Ingest
    from ..store import Store
    from .operations import Operation
    from .retrieval import Retrieval

KEPT_TELEMETRY = 100


class Usage:
    """What X-Ray would charge for reading: traces retrieved and scanned since the start. About: two
    threads may count at once.
    """

    def __init__(self) -> None:
        self.retrieved = 0
        self.scanned = 0


class Service:
    """Answers the operations of the API. Safe from any thread.

    ingest: takes documents in. clock: seconds since the epoch.
    telemetry: the newest TelemetryRecords. lock: for what takes several steps.
    """

    def __init__(
        self, store: Store, ingest: Ingest, clock: Callable[[], float] = time.time
    ) -> None:
        self.store = store
        self.ingest = ingest
        self.clock = clock
        self.lock = RLock()
        self.groups = Groups(store)
        self.sampling = Sampling(store, clock)
        self.usage = Usage()
        self.telemetry: deque[dict[str, Any]] = deque(maxlen=KEPT_TELEMETRY)
        self.retrievals: dict[str, Retrieval] = {}

    def answer(self, operation: Operation, input: dict[str, Any]) -> dict[str, Any]:
        """Carry out an operation. input: as its shape read it. Raises ApiError, StoreError."""
        handler = HANDLERS.get(operation.name)
        if handler is None:
            message = f"This collector doesn't know how to do {operation.name}."
            raise ApiError("NotImplementedException", 501, message)
        return handler(self, input)

    def filter(self, expression: str) -> Filter | None:
        """The filter of a FilterExpression, None if it is of all traces. Raises ApiError."""
        if not expression.strip():
            return None
        try:
            return self.groups.resolved(parse(expression))
        except FilterError as error:
            raise invalid(f"FilterExpression: {error}") from error


HANDLERS: dict[str, Callable[[Service, dict[str, Any]], dict[str, Any]]] = {
    "PutTraceSegments": traces.put_trace_segments,
    "PutTelemetryRecords": traces.put_telemetry_records,
    "BatchGetTraces": traces.batch_get_traces,
    "GetTraceSummaries": traces.get_trace_summaries,
    "GetTraceGraph": traces.get_trace_graph,
    "GetServiceGraph": statistics.get_service_graph,
    "GetTimeSeriesServiceStatistics": statistics.get_time_series,
    "GetGroups": administration.get_groups,
    "GetGroup": administration.get_group,
    "CreateGroup": administration.create_group,
    "UpdateGroup": administration.update_group,
    "DeleteGroup": administration.delete_group,
    "GetSamplingRules": administration.get_sampling_rules,
    "CreateSamplingRule": administration.create_sampling_rule,
    "UpdateSamplingRule": administration.update_sampling_rule,
    "DeleteSamplingRule": administration.delete_sampling_rule,
    "GetSamplingTargets": administration.get_sampling_targets,
    "GetSamplingStatisticSummaries": administration.get_sampling_statistic_summaries,
    "ListTagsForResource": administration.list_tags,
    "TagResource": administration.tag_resource,
    "UntagResource": administration.untag_resource,
    "ListResourcePolicies": administration.list_resource_policies,
    "PutResourcePolicy": administration.put_resource_policy,
    "DeleteResourcePolicy": administration.delete_resource_policy,
    "GetEncryptionConfig": administration.encryption,
    "PutEncryptionConfig": administration.encryption,
    "GetTraceSegmentDestination": administration.destination,
    "UpdateTraceSegmentDestination": administration.destination,
    "GetIndexingRules": administration.get_indexing_rules,
    "UpdateIndexingRule": administration.update_indexing_rule,
    "StartTraceRetrieval": retrieval.start_trace_retrieval,
    "ListRetrievedTraces": retrieval.list_retrieved_traces,
    "GetRetrievedTracesGraph": retrieval.get_retrieved_traces_graph,
    "CancelTraceRetrieval": retrieval.cancel_trace_retrieval,
    "GetInsight": administration.get_insight,
    "GetInsightEvents": administration.get_insight_events,
    "GetInsightImpactGraph": administration.get_insight_impact_graph,
    "GetInsightSummaries": administration.get_insight_summaries,
}
