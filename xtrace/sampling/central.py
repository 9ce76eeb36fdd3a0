"""Sampling by the rules that the daemon hands out: one set for all processes of all services.

Decisions need no network: a thread fetches rules and targets, from the first decision on. Until
it has any, and when the daemon is silent for an hour, the local rules decide.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakSet, ref

from .. import daemon, faults, forks, ids
from .client import BadAnswer, NoDaemon, ask
from .documents import CentralRule, Targets, Unusable, read_rules
from .local import LocalSampler
from .matching import Matcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..daemon import Endpoint
    from .rules import Rule

SECONDS_BETWEEN_RULES = 300.0
RULES_JITTER_SECONDS = 5.0
SECONDS_BETWEEN_REPORTS = 10.0
REPORT_JITTER_SECONDS = 0.1
LEAST_INTERVAL_SECONDS = 1.0
RULES_LIVE_SECONDS = 3600.0
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0
MAX_PAGES = 50
MAX_COMPLAINTS = 100
MAX_REPORTED = 25
"""Statistics in one report: what the API takes."""


class CentralSampler:
    """Decides by the daemon's rules; a decision for recording is the name of the rule.

    rules: what decides while the daemon is silent, as of LocalSampler, or one.
    daemon_address: whose tcp endpoint is asked, as in configure(); the recorder's unless given.

    poll() is what the thread runs; call it by hand for the rules right now.
    """

    asks_daemon = True
    """The recorder tells such a sampler where the daemon is and what the process runs on."""

    def __init__(
        self,
        rules: LocalSampler | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        daemon_address: str | None = None,
    ) -> None:
        self.local = rules if isinstance(rules, LocalSampler) else LocalSampler(rules)
        address = daemon_address or os.environ.get("AWS_XRAY_DAEMON_ADDRESS")
        self.endpoint = daemon.parse(address or daemon.DEFAULT_ADDRESS).tcp
        self._is_placed = daemon_address is not None
        # What is true of every request of this process; a Matcher looks here.
        self.process: dict[str, str] = {}
        self.rules: list[CentralRule] = []
        self.left_out = 0
        """Rules of the last answer that can't be used."""
        self._matcher: Matcher | None = None
        self._fetched: tuple[float, float] = (0.0, 0.0)  # by the monotonic and by the wall clock
        self._modified: float | None = None
        self._told: set[str] = set()
        self._start_over()
        _samplers.add(self)

    def _start_over(self) -> None:
        """Everything is due, and no thread runs yet."""
        self.client_id = ids.random_bits(96).to_bytes(12, "big").hex()
        self.trouble = "it isn't asked yet"
        self._lock = threading.Lock()
        self._wake: threading.Lock | None = None  # of the thread that runs
        self._thread: threading.Thread | None = None
        self._thread_due = self._rules_due = self._report_due = float("-inf")
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._interval = SECONDS_BETWEEN_REPORTS

    # -- decisions ----------------------------------------------------------------------------

    def should_trace(self, request: Mapping[str, Any] | None = None) -> bool | str:
        """The name of the rule by which a request is recorded, or False; by local rules, True."""
        matcher = self._matcher
        if matcher is None:
            return self._decide_without_matcher(request)
        try:
            rule: CentralRule | None = matcher[matcher.key(request)]  # type: ignore[arg-type]  # None is a TypeError
        except (KeyError, TypeError, AttributeError):
            rule = matcher.find(request)
        if rule is None:
            return self.local.should_trace(request)
        now = ids.wall_clock()
        reservoir = rule.reservoir
        if not 0.0 <= now - reservoir.spent_in < 1.0:
            drawn = reservoir.draw()
            if drawn is not None:
                return rule.drawn(drawn)
        if ids.random_fraction() < (rule.rate if now > rule.boost_until else rule.boost_rate):
            rule.statistics.by_rate()
            return rule.name
        rule.statistics.declined()
        return False

    def _decide_without_matcher(self, request: Mapping[str, Any] | None) -> bool | str:
        if self._thread is None:
            self._start()
            if self._matcher is not None:  # a forked child has its parent's rules
                return self.should_trace(request)
        return self.local.should_trace(request)

    def explain(
        self, request: Mapping[str, Any]
    ) -> list[tuple[CentralRule | Rule, dict[str, str | None]]]:
        """The rules in order, with what the request says in the fields that speak against each.

        The local ones follow: they decide where none before them matches.
        """
        found = [] if self._matcher is None else self._matcher.explain(request)
        return [*found, *self.local.explain(request)]

    # -- set-up -------------------------------------------------------------------------------

    def load_local_rules(
        self, rules: Mapping[str, Any] | str | os.PathLike[str] | None = None
    ) -> None:
        """Replace what decides while the daemon is silent. Raises InvalidSamplingRules."""
        self.local.load_local_rules(rules)

    def direct(self, endpoint: Endpoint, origin: str | None) -> None:
        """Where the recorder's daemon is and what the process runs on (as in a segment's `origin`)."""
        if origin is None:
            self.process.pop("service_type", None)
        else:
            self.process["service_type"] = origin
        if endpoint != self.endpoint and not self._is_placed:
            self.endpoint = endpoint
            self._rules_due = float("-inf")
            self._wake_up()

    def _start(self) -> None:
        """Start the thread, unless another does so now or it failed a short while ago."""
        now = ids.monotonic_clock()
        if now < self._thread_due or not forks.may_start_threads():
            return
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._thread is None:
                self._use(self.rules)  # before the thread, which has newer ones
                # Made here and named in full: if gevent has replaced what waits since the import,
                # or since the fork, one from before would make everybody wait.
                wake = threading.Lock()
                wake.acquire()  # until the thread has something to do before it is due
                self._wake = wake
                thread = forks.thread("xtrace-sampling", _poll_on, ref(self), wake)
                thread.start()
                self._thread = thread
        except RuntimeError as error:  # no more threads, or the program is ending
            self._thread_due = now + LAST_RETRY_SECONDS
            self.trouble = str(error)
        finally:
            self._lock.release()

    def after_fork(self) -> None:
        """Called in a forked child: the first decision starts a thread of its own."""
        self._start_over()
        self._matcher = None
        for rule in self.rules:
            rule.after_fork()

    def _wake_up(self) -> None:
        try:
            if self._wake is not None:
                self._wake.release()
        except RuntimeError:  # it is awake
            pass

    def __del__(self) -> None:
        if hasattr(self, "_wake"):
            self._wake_up()  # the thread finds nobody to work for

    # -- the thread's work ----------------------------------------------------------------------

    def poll(self) -> float:
        """Fetch and report what is due; gives the seconds until something is."""
        if ids.monotonic_clock() >= self._rules_due:
            self._fetch()
        if self.rules and ids.monotonic_clock() >= self._report_due:
            self._report()
        now = ids.monotonic_clock()
        if self.rules and now - self._fetched[0] > RULES_LIVE_SECONDS:
            self._use([])
        due = min(self._rules_due, self._report_due) if self.rules else self._rules_due
        return max(0.0, due - now)

    def _fetch(self) -> bool:
        """Take over the daemon's rules; gives whether it has answered."""
        endpoint = self.endpoint
        try:
            records = self._records(endpoint)
        except (NoDaemon, BadAnswer) as error:
            self._failed(error)
            seconds = self._retry_seconds
            self._retry_seconds = min(2 * seconds, LAST_RETRY_SECONDS)
            self._rules_due = ids.monotonic_clock() + seconds * (1 + ids.random_fraction() / 10)
            return False
        if endpoint != self.endpoint:  # changed meanwhile; it is asked at once
            return False
        rules, complaints = read_rules(records)
        self.left_out = len(records) - len(rules)
        self._complain([f"A sampling rule is left out: {each}" for each in complaints])
        self._fetched = ids.monotonic_clock(), ids.wall_clock()
        self._use(rules)
        self.trouble = ""
        self._retry_seconds = FIRST_RETRY_SECONDS
        jitter = ids.random_fraction() * RULES_JITTER_SECONDS
        self._rules_due = ids.monotonic_clock() + SECONDS_BETWEEN_RULES + jitter
        return True

    def _records(self, endpoint: Endpoint) -> list[Any]:
        """The rules as the daemon says them, from all pages. Raises NoDaemon or BadAnswer."""
        records: list[Any] = []
        question: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            answer = ask(endpoint, "/GetSamplingRules", question)
            page = answer.get("SamplingRuleRecords")
            if not isinstance(page, list):
                raise BadAnswer("/GetSamplingRules answers without SamplingRuleRecords")
            records += page
            token = answer.get("NextToken")
            if not token:
                return records
            question = {"NextToken": token}
        raise BadAnswer(f"/GetSamplingRules has more than {MAX_PAGES} pages")

    def _use(self, rules: list[CentralRule]) -> None:
        former = {rule.name: rule for rule in self.rules}
        for rule in rules:
            if rule.name in former and former[rule.name] is not rule:
                rule.inherit(former[rule.name])
        self.rules = rules
        patterns = [(rule.patterns, rule) for rule in rules]
        self._matcher = Matcher(patterns, None, self.process) if rules else None

    def _report(self) -> None:
        """Tell the daemon what was decided, and take over its targets."""
        news = []
        for rule in self.rules:
            totals = rule.statistics.totals()
            if any(rule.statistics.since_report(totals)):
                news.append((rule, totals))
        intervals = []
        modified = None
        try:
            for start in range(0, len(news), MAX_REPORTED):
                targets = self._exchange(news[start : start + MAX_REPORTED])
                intervals.append(targets.interval)
                modified = targets.modified
        except (NoDaemon, BadAnswer, Unusable) as error:
            self._failed(error)  # what isn't reported yet is, the next time
        given = [interval for interval in intervals if interval is not None]
        if given:
            self._interval = min(max(min(given), LEAST_INTERVAL_SECONDS), SECONDS_BETWEEN_RULES)
        jitter = ids.random_fraction() * REPORT_JITTER_SECONDS
        self._report_due = ids.monotonic_clock() + self._interval + jitter
        if modified is not None and (not self._is_news(modified) or self._fetch()):
            self._modified = modified

    def _exchange(self, news: list[tuple[CentralRule, tuple[int, int, int]]]) -> Targets:
        """One report and its answer. Raises NoDaemon, BadAnswer or Unusable."""
        documents = []
        for rule, totals in news:
            requests, sampled, borrowed = rule.statistics.since_report(totals)
            documents.append(
                {
                    "RuleName": rule.name,
                    "ClientID": self.client_id,
                    "Timestamp": int(ids.wall_clock()),
                    "RequestCount": requests,
                    "SampledCount": sampled,
                    "BorrowCount": borrowed,
                }
            )
        question = {"SamplingStatisticsDocuments": documents}
        targets = Targets(ask(self.endpoint, "/SamplingTargets", question))
        for rule, totals in news:
            rule.statistics.reported(totals)
        rules = {rule.name: rule for rule in self.rules}
        complaints = list(targets.complaints)
        for name, target in targets.targets.items():
            if name in rules:
                try:
                    rules[name].aim(target)
                except Unusable as error:
                    complaints.append(f"{name!r}: {error}")
        self._complain([f"A sampling target is left out: {each}" for each in complaints])
        self.trouble = ""
        return targets

    def _is_news(self, modified: float) -> bool:
        """Whether the rules were modified since they were fetched. Clocks may differ."""
        if self._modified is None:
            return modified > self._fetched[1] - 1.0  # it may be in whole seconds
        return modified != self._modified

    def _failed(self, error: Exception) -> None:
        self.trouble = str(error)
        if isinstance(error, NoDaemon):
            message = f"{error}; the sampling rules stay as they are, or local ones decide"
            faults.log("info", message, "no daemon for sampling")
        else:
            self._complain([self.trouble])

    def _complain(self, complaints: list[str]) -> None:
        """Count and log each once; the daemon will say it again."""
        if len(self._told) > MAX_COMPLAINTS:
            self._told.clear()
        for complaint in complaints[:MAX_COMPLAINTS]:
            if complaint not in self._told:
                self._told.add(complaint)
                faults.report("sampling rules", complaint, site=complaint)

    def __str__(self) -> str:
        where = f"the daemon at {daemon.endpoint_text(self.endpoint)}"
        if self._matcher is None:
            return f"central, but for now {self.local} ({where}: {self.trouble or 'no rules'})"
        count = f"{len(self.rules)} rule{'s' if len(self.rules) != 1 else ''}"
        left_out = f", {self.left_out} left out" if self.left_out else ""
        trouble = f"; {self.trouble}" if self.trouble else ""
        return f"central ({count} from {where}{left_out}{trouble})"


def _poll_on(reference: ref[CentralSampler], wake: threading.Lock) -> None:
    """The thread: poll as long as somebody has the sampler. A greenlet of gevent's goes on in a forked
    child, until it sees that another has its place.
    """
    while True:
        sampler = reference()
        if sampler is None or sampler._wake is not wake:
            return
        try:
            seconds = sampler.poll()
        except Exception as error:
            seconds = LAST_RETRY_SECONDS
            faults.report("sampling", "Polling the sampling rules failed; it goes on", error)
        del sampler
        wake.acquire(timeout=seconds)


_samplers: WeakSet[CentralSampler] = WeakSet()


def _after_fork_in_child() -> None:
    for sampler in list(_samplers):
        sampler.after_fork()


forks.in_child(_after_fork_in_child)
