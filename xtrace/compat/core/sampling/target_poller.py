"""aws_xray_sdk.core.sampling.target_poller: a thread that reports and asks every ten seconds."""

from __future__ import annotations

import logging
from random import Random
from threading import Event

from xtrace import forks

from .rule_poller import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connector import ServiceConnector
    from .rule_cache import RuleCache
    from .rule_poller import RulePoller
    from .sampling_rule import SamplingRule

log = logging.getLogger(__name__)

JITTER_SECONDS = 0.1


class TargetPoller:
    """Reports what was counted of each rule, and takes over what is granted."""

    def __init__(
        self, cache: RuleCache, rule_poller: RulePoller, connector: ServiceConnector
    ) -> None:
        self._cache = cache
        self._rule_poller = rule_poller
        self._connector = connector
        self._random = Random()
        self._interval = 10

    def start(self) -> None:
        """Start the thread."""
        forks.thread("xtrace-sampling-targets", self._worker).start()

    def _worker(self) -> None:
        never = Event()
        while not never.wait(self._interval + self._get_jitter()):
            try:
                self._do_work()
            except Exception as error:
                complain("targets", error)

    def _do_work(self) -> None:
        candidates = self._get_candidates(self._cache.rules)
        if not candidates:
            return
        targets, rule_freshness = self._connector.fetch_sampling_target(candidates)
        self._cache.load_targets(targets)
        if rule_freshness > (self._cache.last_updated or 0):
            self._rule_poller.wake_up()

    def _get_candidates(self, all_rules: list[SamplingRule]) -> list[SamplingRule]:
        return [rule for rule in all_rules if rule.ever_matched() and rule.time_to_report()]

    def _get_jitter(self) -> float:
        return self._random.random() * JITTER_SECONDS
