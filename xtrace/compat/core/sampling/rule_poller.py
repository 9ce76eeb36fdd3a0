"""aws_xray_sdk.core.sampling.rule_poller: a thread that fetches rules every five minutes."""

from __future__ import annotations

import logging
import time
from random import Random
from threading import Event

from xtrace import faults, forks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connector import ServiceConnector
    from .rule_cache import RuleCache

log = logging.getLogger(__name__)

DEFAULT_INTERVAL = 300
JITTER_SECONDS = 5


class RulePoller:
    """Fetches at the start, when it is woken up, and in between."""

    def __init__(self, cache: RuleCache, connector: ServiceConnector) -> None:
        self._cache = cache
        self._random = Random()
        self._time_to_wait: float = 0
        self._time_elapsed: float = 0
        self._connector = connector
        self._woken = Event()

    def start(self) -> None:
        """Start the thread."""
        forks.thread("xtrace-sampling-rules", self._worker).start()

    def _worker(self) -> None:
        while True:
            self._refresh_cache()
            self._woken.wait(self._time_to_wait)
            self._woken.clear()

    def wake_up(self) -> None:
        """Fetch at once."""
        self._time_elapsed = self._time_to_wait
        self._woken.set()

    def _refresh_cache(self) -> None:
        try:
            now = int(time.time())
            rules = self._connector.fetch_sampling_rules()
            if rules:
                self._cache.load_rules(rules)
                self._cache.last_updated = now
        except Exception as error:
            complain("rules", error)
        finally:
            self._reset_time_to_wait()

    def _reset_time_to_wait(self) -> None:
        self._time_to_wait = DEFAULT_INTERVAL + self._random.random() * JITTER_SECONDS
        self._time_elapsed = 0


def complain(what: str, error: Exception) -> None:
    """Say in one line, at most once a minute, that the daemon doesn't answer."""
    if faults.due(f"compat sampling {what}") is not None:
        log.warning(
            "Sampling %s can't be fetched, so local rules or former ones decide: %s", what, error
        )
