"""The collector's side of central sampling: rules, quotas for the clients, boosts, statistics.

Rules are kept in the store's settings and have the API's shape; what clients report and what they
were promised is kept in memory, and is learnt anew within seconds after a restart.
"""

from __future__ import annotations

import json
import logging
import time
from threading import RLock

from .api.errors import ApiError, invalid
from .api.operations import SAMPLING_RULE
from .api.shapes import Members, quoted
from .arns import ACCOUNT, REGION
from .store import SamplingCount, StoreError, Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    from .store import Store

    # An object of the API: a SamplingRule, a SamplingStatisticsDocument, ...
    Shape: TypeAlias = dict[str, Any]

_LOG = logging.getLogger("xtrace.collector")

MAX_RULES = 25
"""Besides the default rule."""

DEFAULT = "Default"
DEFAULT_PRIORITY = 10_000

INTERVAL_SECONDS = 10
"""How often clients are asked to report."""

QUOTA_SECONDS = 3 * INTERVAL_SECONDS
"""How long a quota holds. Nobody else gets that share meanwhile, so a client that was killed keeps
it for so long; the X-Ray service takes minutes, a program restarted on a laptop shouldn't wait."""

MAX_CLIENTS = 10_000
"""Clients of one rule that are remembered; more get no share of its reservoir."""

BUCKET_SECONDS = 10
"""The period that statistics are added up for."""
SHOWN_STATISTICS_SECONDS = 3600

BOOST_SECONDS = 60
BOOST_CHANCE = 0.95
"""A boost's rate is the smallest that catches an anomaly with this chance while it lasts."""

_MATCHERS = ("ServiceName", "ServiceType", "Host", "HTTPMethod", "URLPath", "ResourceARN")
_SETTING = "sampling rules"

# Its priority is beyond what others may have.
_DEFAULT_RULE = Members(
    {name: shape for name, shape in SAMPLING_RULE.members.items() if name != "Priority"},
    SAMPLING_RULE.required - {"Priority"},
)


def rule_arn(name: str) -> str:
    """The ARN of a rule."""
    return f"arn:aws:xray:{REGION}:{ACCOUNT}:sampling-rule/{name}"


class Rules:
    """The sampling rules, in the store's settings. Not safe from several threads."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        kept = store.setting(_SETTING) or {"records": [], "modified_at": 0.0}
        self._records: dict[str, Shape] = {
            record["SamplingRule"]["RuleName"]: record for record in kept["records"]
        }
        self._records.setdefault(DEFAULT, _default_record())
        self.modified_at: float = kept["modified_at"]

    def records(self) -> list[Shape]:
        """SamplingRuleRecords, in the order in which clients try them."""
        return sorted(self._records.values(), key=_precedence)

    def get(self, name: str) -> Shape | None:
        """The rule of that name."""
        record = self._records.get(name)
        return record["SamplingRule"] if record else None

    def create(self, rule: Shape) -> Shape:
        """Add a rule; gives its record."""
        now = self._clock()
        records = dict(self._records)
        record = _created(records, rule, now)
        self._keep(records, now)
        return record

    def update(self, update: Shape) -> Shape:
        """Change what is given of a rule; gives its record."""
        now = self._clock()
        records = dict(self._records)
        record = _updated(records, update, now)
        self._keep(records, now)
        return record

    def delete(self, which: Shape) -> Shape:
        """Remove a rule, named by RuleName or RuleARN; gives the record that it had."""
        records = dict(self._records)
        name = _named(records, which, "")
        if name == DEFAULT:
            raise invalid("RuleName: the default rule can't be deleted.")
        record = records.pop(name)
        self._keep(records, self._clock())
        return record

    def replace(self, rules: Iterable[Shape]) -> None:
        """Have these rules and no others, besides the default one."""
        now = self._clock()
        records = {DEFAULT: self._records[DEFAULT]}
        for rule in rules:
            if rule.get("RuleName") == DEFAULT:
                _updated(records, {"RuleName": DEFAULT, **_changeable(rule)}, now)
            else:
                _created(records, SAMPLING_RULE.read(rule, "SamplingRule"), now)
        self._keep(records, now)

    def _keep(self, records: dict[str, Shape], now: float) -> None:
        modified_at = max(now, self.modified_at)
        self._store.put_setting(
            _SETTING, {"records": list(records.values()), "modified_at": modified_at}
        )
        self._records = records
        self.modified_at = modified_at


def _created(records: dict[str, Shape], rule: Shape, now: float) -> Shape:
    name = rule.get("RuleName")
    if name is None:
        raise invalid("SamplingRule.RuleName is missing.")
    if rule.get("RuleARN") not in (None, rule_arn(name)):
        raise invalid("SamplingRule.RuleARN isn't for you to choose; leave it out.")
    if rule["Version"] != 1:
        raise invalid(f"SamplingRule.Version is {rule['Version']}; it must be 1.")
    if name in records:
        raise invalid(f"SamplingRule.RuleName: there is a rule {name!r} already.")
    if len(records) > MAX_RULES:
        raise ApiError(
            "RuleLimitExceededException",
            400,
            f"There are {MAX_RULES} sampling rules already, as many as there may be.",
        )
    made = {**rule, "RuleARN": rule_arn(name), "Attributes": rule.get("Attributes", {})}
    records[name] = {"SamplingRule": made, "CreatedAt": now, "ModifiedAt": now}
    return records[name]


def _updated(records: dict[str, Shape], update: Shape, now: float) -> Shape:
    name = _named(records, update, "SamplingRuleUpdate.")
    rule = records[name]["SamplingRule"]
    changes = {key: value for key, value in update.items() if key not in ("RuleName", "RuleARN")}
    if name == DEFAULT:
        for key in changes.keys() - _changeable(rule).keys():
            if rule.get(key) != changes[key]:
                raise invalid(
                    f"SamplingRuleUpdate.{key}: of the default rule only FixedRate and "
                    "ReservoirSize can be changed."
                )
    shape = _DEFAULT_RULE if name == DEFAULT else SAMPLING_RULE
    changed = {**rule, **shape.read({**rule, **changes}, "SamplingRuleUpdate")}
    records[name] = {**records[name], "SamplingRule": changed, "ModifiedAt": now}
    return records[name]


def _named(records: dict[str, Shape], which: Shape, prefix: str) -> str:
    given = [key for key in ("RuleName", "RuleARN") if key in which]
    if len(given) != 1:
        raise invalid(f"Give {prefix}RuleName or {prefix}RuleARN, and not both.")
    value: str = which[given[0]]
    for name in records:
        if value == (name if given == ["RuleName"] else rule_arn(name)):
            return name
    raise invalid(f"{prefix}{given[0]}: there is no sampling rule {quoted(value)}.")


def _precedence(record: Shape) -> tuple[int, str]:
    return record["SamplingRule"]["Priority"], record["SamplingRule"]["RuleName"]


def _changeable(rule: Shape) -> Shape:
    """What of the default rule can be changed."""
    return {key: rule[key] for key in ("FixedRate", "ReservoirSize") if key in rule}


def _default_record() -> Shape:
    rule = {
        "RuleName": DEFAULT,
        "RuleARN": rule_arn(DEFAULT),
        **dict.fromkeys(_MATCHERS, "*"),
        "Priority": DEFAULT_PRIORITY,
        "FixedRate": 0.05,
        "ReservoirSize": 1,
        "Version": 1,
        "Attributes": {},
    }
    return {"SamplingRule": rule, "CreatedAt": 0.0, "ModifiedAt": 0.0}


class Reservoir:
    """One rule's reservoir, lent out to clients in shares.

    What is lent at any moment is never more than there is: a client that comes when all is lent
    gets its share as the others come back for less.
    """

    __slots__ = ("_loans",)

    def __init__(self) -> None:
        # By client, in the order of first sight: how much, and until when.
        self._loans: dict[str, tuple[int, float]] = {}

    def lend(self, client: str, size: int, now: float) -> tuple[int, float]:
        """A client's quota a second, and until when it holds. size: of the reservoir."""
        self._forget(now)
        until = now + QUOTA_SECONDS
        if client not in self._loans and len(self._loans) >= MAX_CLIENTS:
            return 0, until
        self._loans.setdefault(client, (0, until))
        share, left_over = divmod(size, len(self._loans))
        if left_over:
            place = next(at for at, known in enumerate(self._loans) if known == client)
            share += place < left_over
        others = sum(lent for known, (lent, _) in self._loans.items() if known != client)
        quota = max(0, min(share, size - others))
        self._loans[client] = (quota, until)
        return quota, until

    def lent(self, now: float) -> int:
        """How much is lent, a second."""
        return sum(quota for quota, until in self._loans.values() if until >= now)

    def _forget(self, now: float) -> None:
        gone = [client for client, (_, until) in self._loans.items() if until < now]
        for client in gone:
            del self._loans[client]


class Boost:
    """One rule's boost: raised rates for a minute, once in a window, after anomalies unsampled."""

    __slots__ = ("_anomalies", "_rate", "_until", "_window")

    def __init__(self) -> None:
        self._anomalies: list[tuple[float, int, int]] = []  # when, how many, of these sampled
        self._rate = 0.0
        self._until = 0.0
        self._window: int | None = None

    def report(self, statistics: Shape, now: float) -> None:
        """Take note of a SamplingBoostStatisticsDocument."""
        anomalies = statistics["AnomalyCount"]
        sampled = min(statistics["SampledAnomalyCount"], anomalies)
        self._anomalies = [seen for seen in self._anomalies if seen[0] > now - BOOST_SECONDS]
        if anomalies and len(self._anomalies) < MAX_CLIENTS:
            self._anomalies.append((now, anomalies, sampled))

    def current(self, rule: Shape, now: float) -> Shape | None:
        """The SamplingBoost in force, which begins if there is cause for one."""
        terms = rule.get("SamplingRateBoost")
        if terms is None:
            return None
        if now >= self._until and not self._begin(terms, rule["FixedRate"], now):
            return None
        return {"BoostRate": min(self._rate, terms["MaxRate"]), "BoostRateTTL": self._until}

    def _begin(self, terms: Shape, fixed_rate: float, now: float) -> bool:
        recent = [seen for seen in self._anomalies if seen[0] > now - BOOST_SECONDS]
        anomalies = sum(count for _, count, _ in recent)
        if not anomalies or any(sampled for _, _, sampled in recent):
            return False
        minutes = terms["CooldownWindowMinutes"]
        window = int(now // (minutes * 60)) if minutes else None
        rate = min(1 - (1 - BOOST_CHANCE) ** (1 / anomalies), terms["MaxRate"])
        if rate <= fixed_rate or (window is not None and window == self._window):
            return False
        self._rate, self._until, self._window = rate, now + BOOST_SECONDS, window
        self._anomalies = []
        return True


class Sampling:
    """Rules, and the answers to clients that sample by them. Safe from any thread.

    clock: seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._lock = RLock()
        self._rules = Rules(store, clock)
        self._reservoirs: dict[str, Reservoir] = {}
        self._boosts: dict[str, Boost] = {}

    def records(self) -> list[Shape]:
        """SamplingRuleRecords, in the order in which clients try them."""
        with self._lock:
            return self._rules.records()

    def create(self, rule: Shape) -> Shape:
        """Add a SamplingRule; gives its record. Raises ApiError."""
        with self._lock:
            return self._rules.create(rule)

    def update(self, update: Shape) -> Shape:
        """Apply a SamplingRuleUpdate; gives the rule's record. Raises ApiError."""
        with self._lock:
            return self._rules.update(update)

    def delete(self, which: Shape) -> Shape:
        """Remove a rule, named by RuleName or RuleARN; gives the record it had. Raises ApiError."""
        with self._lock:
            record = self._rules.delete(which)
            name = record["SamplingRule"]["RuleName"]
            self._reservoirs.pop(name, None)
            self._boosts.pop(name, None)
            return record

    def replace(self, rules: Iterable[Shape]) -> None:
        """Have these rules and no others, besides the default one. Raises ApiError."""
        with self._lock:
            self._rules.replace(rules)

    def summaries(self) -> list[Shape]:
        """SamplingStatisticSummaries of the last hour, the oldest first."""
        now = self._clock()
        return [
            {
                "RuleName": count.rule,
                "Timestamp": count.time,
                "RequestCount": count.requests,
                "BorrowCount": count.borrowed,
                "SampledCount": count.sampled,
            }
            for count in self._store.sampling(
                Window(now - SHOWN_STATISTICS_SECONDS, now + BUCKET_SECONDS)
            )
        ]

    def targets(self, statistics: list[Shape], boosts: list[Shape]) -> Shape:
        """Answer what clients report with what they shall do until they report again.

        statistics: SamplingStatisticsDocuments. boosts: SamplingBoostStatisticsDocuments.
        """
        with self._lock:
            now = self._clock()
            unprocessed_boosts = []
            for boost in boosts:
                rule = self._rules.get(boost["RuleName"])
                if rule is None:
                    unprocessed_boosts.append(_unprocessed(boost["RuleName"]))
                elif "SamplingRateBoost" in rule:
                    self._boosts.setdefault(boost["RuleName"], Boost()).report(boost, now)
            targets, counts, unprocessed = [], [], []
            for document in statistics:
                rule = self._rules.get(document["RuleName"])
                if rule is None:
                    unprocessed.append(_unprocessed(document["RuleName"]))
                else:
                    counts.append(_count(document, now))
                    targets.append(self._target(rule, document["ClientID"], now))
            try:
                self._store.add_sampling(counts)
            except StoreError as error:
                _LOG.warning("What %d clients reported is lost: %s", len(counts), error)
            return {
                "SamplingTargetDocuments": targets,
                "LastRuleModification": self._rules.modified_at,
                "UnprocessedStatistics": unprocessed,
                "UnprocessedBoostStatistics": unprocessed_boosts,
            }

    def _target(self, rule: Shape, client: str, now: float) -> Shape:
        name = rule["RuleName"]
        reservoir = self._reservoirs.setdefault(name, Reservoir())
        quota, until = reservoir.lend(client, rule["ReservoirSize"], now)
        target = {
            "RuleName": name,
            "FixedRate": rule["FixedRate"],
            "ReservoirQuota": quota,
            "ReservoirQuotaTTL": until,
            "Interval": INTERVAL_SECONDS,
        }
        boost = self._boosts.setdefault(name, Boost()).current(rule, now)
        if boost is not None:
            target["SamplingBoost"] = boost
        return target


def _count(statistics: Shape, now: float) -> SamplingCount:
    at = statistics["Timestamp"]
    if not now - SHOWN_STATISTICS_SECONDS <= at <= now + BUCKET_SECONDS:
        at = now  # the clock of a client is wrong
    return SamplingCount(
        statistics["RuleName"],
        at // BUCKET_SECONDS * BUCKET_SECONDS,
        statistics["RequestCount"],
        statistics.get("BorrowCount", 0),
        statistics["SampledCount"],
    )


def _unprocessed(name: str) -> Shape:
    return {
        "RuleName": name,
        "ErrorCode": "InvalidRequestException",
        "Message": f"There is no sampling rule {name!r}.",
    }


def rules_of_file(text: str) -> list[Shape]:
    """The sampling rules in a file: SamplingRules of the API, or the SDKs' local rules.

    text: JSON: what GetSamplingRules answers, a list of SamplingRules, or an object with "version"
    and "rules", which become rules of priority 1, 2, ... and the default rule.
    Raises ValueError with what to write instead.
    """
    content = json.loads(text)
    if isinstance(content, dict) and "SamplingRuleRecords" in content:
        records = content["SamplingRuleRecords"]
        if isinstance(records, list) and all(isinstance(record, dict) for record in records):
            content = [record.get("SamplingRule") for record in records]
    if isinstance(content, dict) and "version" in content:
        content = _converted(content)
    if not isinstance(content, list) or not all(isinstance(rule, dict) for rule in content):
        raise ValueError(
            "it holds neither what GetSamplingRules answers, nor a list of sampling rules, nor "
            "local rules with a version"
        )
    return content


def _converted(local: Shape) -> list[Shape]:
    rules = [
        {
            "RuleName": str(rule.get("description") or f"rule {number}")[:32],
            **dict.fromkeys(_MATCHERS, "*"),
            "Host": rule.get("host", rule.get("service_name", "*")),
            "HTTPMethod": rule.get("http_method", "*"),
            "URLPath": rule.get("url_path", "*"),
            "Priority": number,
            "FixedRate": rule.get("rate"),
            "ReservoirSize": rule.get("fixed_target"),
            "Version": 1,
        }
        for number, rule in enumerate(local.get("rules", ()), start=1)
    ]
    default = local.get("default") or {"rate": 0.05, "fixed_target": 1}
    rules.append(
        {
            "RuleName": DEFAULT,
            "FixedRate": default.get("rate"),
            "ReservoirSize": default.get("fixed_target"),
        }
    )
    return rules
