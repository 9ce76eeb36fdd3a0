"""aws_xray_sdk.core.sampling.sampler: decides by the daemon's rules, and by local ones without it."""

from __future__ import annotations

import logging
import time
from functools import cached_property
from random import Random
from threading import RLock
from weakref import WeakSet

from xtrace import forks

from ...sdk_config import global_sdk_config
from .connector import ServiceConnector
from .reservoir import ReservoirDecision
from .rule_cache import RuleCache
from .rule_poller import RulePoller
from .target_poller import TargetPoller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..daemon_config import DaemonConfig
    from .sampling_rule import SamplingRule

log = logging.getLogger(__name__)


class DefaultSampler:
    """Fetches rules and targets by two threads, from the first decision on."""

    def __init__(self) -> None:
        self._cache = RuleCache()
        self._connector = ServiceConnector()
        self._rule_poller = RulePoller(self._cache, self._connector)
        self._target_poller = TargetPoller(self._cache, self._rule_poller, self._connector)
        self._xray_client: Any = None
        self._random = Random()
        self._started = False
        self._origin: str | None = None
        self._lock = RLock()
        _samplers.add(self)

    @cached_property
    def _local_sampler(self) -> Any:
        from .local.sampler import LocalSampler  # reads its rules from a file

        return LocalSampler()

    def start(self) -> None:
        """Start the threads, once in each process."""
        if not global_sdk_config.sdk_enabled():
            return
        with self._lock:
            if not self._started and forks.may_start_threads():
                self._started = True
                try:
                    self._rule_poller.start()
                    self._target_poller.start()
                except RuntimeError as error:  # no more threads, or the program is ending
                    log.warning("Sampling rules aren't fetched: %s", error)

    def should_trace(self, sampling_req: dict[str, Any] | None = None) -> Any:
        """The name of the rule by which a request is recorded, or False; by local rules, True."""
        if not global_sdk_config.sdk_enabled():
            return False
        if not self._started:
            self.start()
        now = int(time.time())
        if sampling_req is None:
            sampling_req = {"service_type": self._origin}
        elif not sampling_req.get("service_type"):
            sampling_req["service_type"] = self._origin
        rule = self._cache.get_matched_rule(sampling_req, now)
        if rule:
            return self._process_matched_rule(rule, now)
        log.debug("No sampling rule of the daemon's is there: local rules decide")
        return self._local_sampler.should_trace(sampling_req)

    def load_local_rules(self, rules: dict[str, Any]) -> None:
        """Use other rules where the daemon has none. Raises InvalidSamplingManifestError."""
        self._local_sampler.load_local_rules(rules)

    def load_settings(self, daemon_config: DaemonConfig, context: Any, origin: Any = None) -> None:
        """Where the daemon is, what the threads' own context is, what the process runs on."""
        self._connector.setup_xray_client(
            ip=daemon_config.tcp_ip, port=daemon_config.tcp_port, client=self.xray_client
        )
        self._connector.context = context
        self._origin = origin

    def _process_matched_rule(self, rule: SamplingRule, now: int) -> Any:
        rule.increment_request_count()
        decision = rule.reservoir.borrow_or_take(now, rule.can_borrow)
        if decision == ReservoirDecision.BORROW:
            rule.increment_borrow_count()
        elif decision == ReservoirDecision.TAKE or self._random.random() <= rule.rate:
            rule.increment_sampled_count()
        else:
            return False
        return rule.name

    @property
    def xray_client(self) -> Any:
        """A program's own client, with get_sampling_rules() and get_sampling_targets()."""
        return self._xray_client

    @xray_client.setter
    def xray_client(self, v: Any) -> None:
        self._xray_client = v
        if v:
            self._connector.setup_xray_client("", 0, v)


_samplers: WeakSet[DefaultSampler] = WeakSet()


def _after_fork_in_child() -> None:
    """The threads are the parent's."""
    for sampler in list(_samplers):
        sampler._lock = RLock()
        sampler._started = False


forks.in_child(_after_fork_in_child)
