"""aws_xray_sdk.core.sampling.connector: questions to the daemon about sampling."""

from __future__ import annotations

import contextvars
import logging
import time

from xtrace import ids

from ..context import Context
from ..models.dummy_entities import DummySegment
from .sampling_rule import SamplingRule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

log = logging.getLogger(__name__)

MAX_PAGES = 50


class ServiceConnector:
    """Fetches rules and targets. A program may give it a client of its own, such as boto3's."""

    def __init__(self) -> None:
        self._xray_client: Any = self._create_xray_client()
        self._client_id = ids.random_bits(96).to_bytes(12, "big").hex()
        self._context: Any = Context()

    def _context_wrapped(self, call: Callable[[], Any]) -> Any:
        """Make a call that is nobody's subsegment."""

        def apart() -> Any:
            self._context.set_trace_entity(DummySegment())
            try:
                return call()
            finally:
                self._context.clear_trace_entities()

        return contextvars.Context().run(apart)

    def fetch_sampling_rules(self) -> list[SamplingRule]:
        """The daemon's rules that can be used here. Raises what the client raises."""
        found: list[SamplingRule] = self._context_wrapped(self._fetch_sampling_rules)
        return found

    def _fetch_sampling_rules(self) -> list[SamplingRule]:
        new_rules = []
        options: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            answer = self._xray_client.get_sampling_rules(**options)
            for record in answer["SamplingRuleRecords"]:
                rule = record["SamplingRule"]
                if not self._is_rule_valid(rule):
                    log.debug("A sampling rule is for requests of another kind: %s", rule)
                    continue
                new_rules.append(
                    SamplingRule(
                        name=rule["RuleName"],
                        priority=rule["Priority"],
                        rate=rule["FixedRate"],
                        reservoir_size=rule["ReservoirSize"],
                        host=rule["Host"],
                        service=rule["ServiceName"],
                        method=rule["HTTPMethod"],
                        path=rule["URLPath"],
                        service_type=rule["ServiceType"],
                    )
                )
            token = answer.get("NextToken")
            if not token:
                break
            options = {"NextToken": token}
        return new_rules

    def fetch_sampling_target(self, rules: Iterable[SamplingRule]) -> tuple[dict[str, Any], int]:
        """Report what was counted, and fetch what is granted by the name of the rule, and when the
        rules were changed last (seconds since the epoch).
        """
        documents = self._generate_reporting_docs(rules, int(time.time()))
        answer = self._context_wrapped(
            lambda: self._xray_client.get_sampling_targets(SamplingStatisticsDocuments=documents)
        )
        targets = {
            document["RuleName"]: {
                "rate": document["FixedRate"],
                "quota": document.get("ReservoirQuota"),
                "TTL": self._dt_to_epoch(document.get("ReservoirQuotaTTL")),
                "interval": document.get("Interval"),
            }
            for document in answer["SamplingTargetDocuments"]
        }
        return targets, self._dt_to_epoch(answer["LastRuleModification"]) or 0

    def setup_xray_client(self, ip: str, port: str | int, client: Any) -> None:
        """Ask the daemon at an address, or by a client."""
        self._xray_client = client or self._create_xray_client(ip, port)

    @property
    def context(self) -> Any:
        """Where the polling threads have what keeps their own calls from being recorded."""
        return self._context

    @context.setter
    def context(self, v: Any) -> None:
        self._context = v

    def _generate_reporting_docs(
        self, rules: Iterable[SamplingRule], now: int
    ) -> list[dict[str, Any]]:
        documents = []
        for rule in rules:
            counted = rule.snapshot_statistics()
            documents.append(
                {
                    "RuleName": rule.name,
                    "ClientID": self._client_id,
                    "RequestCount": counted["request_count"],
                    "BorrowCount": counted["borrow_count"],
                    "SampledCount": counted["sampled_count"],
                    "Timestamp": now,
                }
            )
        return documents

    def _dt_to_epoch(self, dt: Any) -> int | None:
        """Seconds since the epoch of a datetime, as boto3 has it, or of a number."""
        if dt is None:
            return None
        return int(dt.timestamp() if hasattr(dt, "timestamp") else dt)

    def _is_rule_valid(self, record: dict[str, Any]) -> bool:
        return (
            record.get("Version") == 1
            and record.get("ResourceARN") == "*"
            and bool(record.get("ServiceType"))
            and not record.get("Attributes")
        )

    def _create_xray_client(self, ip: str = "127.0.0.1", port: str | int = "2000") -> Any:
        return DaemonClient(ip, int(port))


class DaemonClient:
    """The two operations, asked of the daemon without any library of AWS's."""

    def __init__(self, ip: str, port: int) -> None:
        self._endpoint = (ip, port)

    def get_sampling_rules(self, **options: Any) -> dict[str, Any]:
        """A page of rules."""
        return _ask(self._endpoint, "/GetSamplingRules", options)

    def get_sampling_targets(self, **options: Any) -> dict[str, Any]:
        """What is granted for what was counted."""
        return _ask(self._endpoint, "/SamplingTargets", options)


def _ask(endpoint: tuple[str, int], path: str, question: dict[str, Any]) -> dict[str, Any]:
    from xtrace.sampling.client import ask  # http.client takes long to import

    return ask(endpoint, path, question)
