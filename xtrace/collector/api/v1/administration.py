"""Sampling, groups, alarms, runs, cost; what the collector is, and emptying it."""

from __future__ import annotations

import platform
import secrets
import sqlite3
import time

import orjson

from .... import _version
from ....sampling.documents import read_rules
from ....sampling.matching import Matcher
from ... import filters
from ...alarms import AlarmsError
from ...occupant import PROGRAM
from ...sampling import BUCKET_SECONDS, DEFAULT
from ...store import StoreError
from ...validation import MAX_VERDICTS_OF_ALL, verdicts_of_all
from ..errors import ApiError, invalid, not_found
from ..shapes import quoted
from .lists import SECONDS_OF_A_COUNT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .asked import Asked
    from .console import Console


# -- sampling ------------------------------------------------------------------------------------

DEFAULT_MINUTES = 60


def sampling(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/sampling."""
    service = console.service
    periods = asked.get("minutes", DEFAULT_MINUTES) * 60 // BUCKET_SECONDS
    end = console.now() // BUCKET_SECONDS * BUCKET_SECONDS + BUCKET_SECONDS
    starts = [end - BUCKET_SECONDS * (periods - n) for n in range(periods)]
    counted: dict[str, dict[str, list[int]]] = {}
    for each in service.sampling.summaries():
        place = round((each["Timestamp"] - starts[0]) / BUCKET_SECONDS)
        if 0 <= place < periods:
            series = counted.setdefault(
                each["RuleName"],
                {name: [0] * periods for name in ("matched", "sampled", "borrowed")},
            )
            series["matched"][place] += each["RequestCount"]
            series["sampled"][place] += each["SampledCount"]
            series["borrowed"][place] += each["BorrowCount"]
    rules = []
    for record in service.sampling.records():
        rule = record["SamplingRule"]
        series = counted.get(rule["RuleName"]) or {
            name: [0] * periods for name in ("matched", "sampled", "borrowed")
        }
        rules.append(
            {
                "rule": rule,
                "created": record["CreatedAt"],
                "modified": record["ModifiedAt"],
                **counts_of_rule(rule, series),
                "series": series,
            }
        )
    return {
        "period": BUCKET_SECONDS,
        "starts": starts,
        "rules": rules,
        "modified": max(rule["modified"] for rule in rules),
    }


def counts_of_rule(rule: dict[str, Any], series: dict[str, list[int]]) -> dict[str, int | None]:
    """What a rule did. Clients say how many they sampled, not which way: of what the reservoir doesn't
    take, a share as large as the rate is sampled, and that leaves one number for it.
    """
    totals = {name: sum(counts) for name, counts in series.items()}
    matched, sampled, rate = totals["matched"], totals["sampled"], rule["FixedRate"]
    if rate >= 1.0 and rule["ReservoirSize"]:
        return {**totals, "by_reservoir": None, "by_rate": None}
    by_reservoir = round((sampled - matched * rate) / (1.0 - rate)) if rate < 1.0 else 0
    if not rule["ReservoirSize"]:
        by_reservoir = 0
    by_reservoir = min(sampled, max(min(totals["borrowed"], sampled), by_reservoir))
    return {**totals, "by_reservoir": by_reservoir, "by_rate": sampled - by_reservoir}


_REQUEST_FIELDS = {
    "service": "ServiceName",
    "host": "Host",
    "method": "HTTPMethod",
    "path": "URLPath",
    "type": "ServiceType",
    "arn": "ResourceARN",
}
_SAID = {"type": "service_type", "arn": "resource_arn"}


def decision(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/sampling/decision: by what SDKs do with the rules."""
    request = {_SAID.get(name, name): asked.get(name) for name in _REQUEST_FIELDS}
    request["attributes"] = {}
    fields = {_SAID.get(name, name): member for name, member in _REQUEST_FIELDS.items()}
    records = console.service.sampling.records()
    rules, _ = read_rules(records)
    told = []
    decided = None
    for rule, against in Matcher([(rule.patterns, rule) for rule in rules]).explain(request):
        because = [
            f"{fields.get(field, field)} {rule.patterns[field]} doesn't fit "
            f"{'what is missing' if said is None else said}"
            for field, said in against.items()
        ]
        decides = not because and decided is None
        if decides:
            decided = rule
        told.append(
            {
                "rule": rule.name,
                "matches": not because,
                "decides": decides,
                "because": because,
            }
        )
    record = next(
        each["SamplingRule"]
        for each in records
        if each["SamplingRule"]["RuleName"] == (DEFAULT if decided is None else decided.name)
    )
    return {
        "rule": record["RuleName"],
        "rate": record["FixedRate"],
        "reservoir": record["ReservoirSize"],
        "rules": told,
    }


# -- groups and alarms -----------------------------------------------------------------------------


def groups(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/groups."""
    return {
        "groups": [
            {
                "name": group["GroupName"],
                "arn": group["GroupARN"],
                "filter": group["FilterExpression"],
                "error": _problem(console, group["FilterExpression"]),
            }
            for group in console.service.groups.all()
        ]
    }


def _problem(console: Console, expression: str) -> str | None:
    try:
        console.service.groups.resolved(filters.parse(expression))
    except filters.FilterError as error:
        return str(error)
    return None


def alarms(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/alarms."""
    return {**console.alarms(), "editable": console.set_thresholds is not None}


def set_alarms(console: Console, asked: Asked) -> dict[str, Any]:
    """PUT /api/v1/alarms."""
    if console.set_thresholds is None:
        raise invalid("Alarms belong to a collector that runs, and this is its database alone.")
    if not isinstance(asked.body, dict):
        raise invalid('The request must be {"default": {...}, "nodes": [{...}]}.')
    try:
        console.set_thresholds(asked.body)
    except AlarmsError as error:
        raise invalid(str(error)) from error
    return alarms(console, asked)


# -- cost ------------------------------------------------------------------------------------------

DOLLARS_RECORDED = 5.0 / 1e6
DOLLARS_RETRIEVED = 0.5 / 1e6
FREE_RECORDED = 100_000
FREE_RETRIEVED = 1_000_000
"""AWS X-Ray's prices of a trace and free tier of a month, in most regions.

Source: https://aws.amazon.com/xray/pricing/
"""

MONTH_SECONDS = 30 * 86_400.0
LEAST_SECONDS_READ = 3600.0
"""Whoever has looked at a few pages since a minute doesn't go on so for a month."""


def cost(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/cost."""
    shown = asked.shown()
    told = console.store.distribution(asked.window(), 86_400.0, seconds=SECONDS_OF_A_COUNT)
    recorded = sum(cell.traces for cell in told.cells)
    extent = console.store.extent()
    now = console.now()
    begin = max(shown.start, extent.start) if extent is not None else shown.start
    seconds = max(1.0, min(shown.end, now) - begin)
    usage = console.service.usage
    reads = usage.retrieved + usage.scanned
    of_month = MONTH_SECONDS / max(LEAST_SECONDS_READ, now - console.started)
    rate = asked.get("rate", 1.0)
    recorded_month = recorded * MONTH_SECONDS / seconds
    reads_month = reads * of_month
    return {
        "window": shown._asdict(),
        "seconds": round(seconds, 3),
        "complete": told.since is None,
        "prices": {
            "recorded": DOLLARS_RECORDED,
            "retrieved": DOLLARS_RETRIEVED,
            "free_recorded": FREE_RECORDED,
            "free_retrieved": FREE_RETRIEVED,
            "currency": "USD",
        },
        "recorded": recorded,
        "retrieved": usage.retrieved,
        "scanned": usage.scanned,
        "month": _dollars(recorded_month, reads_month),
        "at_rate": {"rate": rate, **_dollars(recorded_month * rate, reads_month)},
    }


def _dollars(recorded: float, reads: float) -> dict[str, float]:
    for_recorded = max(0.0, recorded - FREE_RECORDED) * DOLLARS_RECORDED
    for_reads = max(0.0, reads - FREE_RETRIEVED) * DOLLARS_RETRIEVED
    return {
        "recorded": round(recorded),
        "retrieved": round(reads),
        "dollars": round(for_recorded + for_reads, 2),
        "recorded_dollars": round(for_recorded, 2),
        "retrieved_dollars": round(for_reads, 2),
    }


# -- runs, and removing ----------------------------------------------------------------------------


def runs(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/runs."""
    return {
        "current": console.store.current_run(),
        "runs": [run._asdict() for run in console.store.runs()],
    }


def begin_run(console: Console, asked: Asked) -> dict[str, Any]:
    """POST /api/v1/runs."""
    if not isinstance(asked.body, dict) or "name" not in asked.body:
        raise invalid('The request must be {"name": "..."}, or {"name": null} to end the run.')
    name = asked.body["name"]
    if name is not None and not is_run_name(name):
        raise invalid(f"name is {quoted(name)}; {RUN_NAMES}")
    console.store.begin_run(name)
    return runs(console, asked)


MAX_RUN_NAME = 100
RUN_NAMES = f"a run's name has 1 to {MAX_RUN_NAME} characters that can be seen, and no slash."


def is_run_name(name: object) -> bool:
    """Whether a run may be called so."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= MAX_RUN_NAME
        and name.isprintable()
        and "/" not in name
        and bool(name.strip())
    )


def change_run(console: Console, asked: Asked) -> dict[str, Any]:
    """PATCH /api/v1/runs/NAME."""
    name = asked.path["name"]
    pinned = asked.body.get("pinned") if isinstance(asked.body, dict) else None
    if not isinstance(pinned, bool):
        raise invalid('The request must be {"pinned": true} or {"pinned": false}.')
    if not console.store.pin_run(name, pinned):
        raise _no_run(name)
    return runs(console, asked)


def remove_run(console: Console, asked: Asked) -> dict[str, Any]:
    """DELETE /api/v1/runs/NAME."""
    name = asked.path["name"]
    if all(run.name != name for run in console.store.runs()):
        raise _no_run(name)
    removed = console.store.remove(name)
    console.removals += 1
    return removed._asdict()


def _no_run(name: str) -> ApiError:
    return not_found(f"There is no run {quoted(name)}.", name[:250])


def clear(console: Console, asked: Asked) -> dict[str, Any]:
    """DELETE /api/v1/traces."""
    removed = console.store.remove(pinned=asked.get("pinned", False))
    console.removals += 1
    return removed._asdict()


# -- what it is ------------------------------------------------------------------------------------


def status(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/status."""
    extent = console.store.extent()
    stats = console.stats()
    store = {
        **console.store.size()._asdict(),
        "first": None if extent is None else extent.start,
        "last": None if extent is None else extent.end,
        **stats.get("store", {}),
    }
    about = console.about()
    store.update(about.pop("store", {}))
    return {
        "program": PROGRAM,
        "version": _version.__version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "time": console.now(),
        "started": console.started,
        **about,
        "documents": {
            name: stats.get(name, 0)
            for name in (
                *("received", "stored", "malformed", "dropped", "waiting", "lost_by_kernel"),
                "bytes",
            )
        },
        "store": store,
        "malformed_documents": stats.get("malformed_documents", []),
        "checks": stats.get("checks", {}),
        "run": console.store.current_run(),
        "change": console.store.last_change(),
    }


def verdicts(console: Console, asked: Asked) -> dict[str, Any]:
    """GET /api/v1/traces/TRACE_ID/verdicts: what X-Ray would say of the documents of a trace."""
    trace_id = asked.path["trace_id"]
    documents = console.store.raw(trace_id)
    if not documents:
        raise not_found(f"No trace {quoted(trace_id)} is stored.", trace_id[:250])
    found = verdicts_of_all(documents)
    return {
        "trace_id": trace_id,
        "documents": len(documents),
        "verdicts": [{"document": id, **verdict._asdict()} for id, verdict in found],
        "complete": len(found) < MAX_VERDICTS_OF_ALL,
    }


def test_trace(console: Console, asked: Asked) -> dict[str, Any]:
    """POST /api/v1/test-trace."""
    now = time.time()
    trace_id = f"1-{int(now):08x}-{secrets.token_hex(12)}"
    shop, call, table, stock = (secrets.token_hex(8) for _ in range(4))
    documents = [
        {
            "trace_id": trace_id,
            "id": shop,
            "name": "test shop",
            "start_time": now - 0.12,
            "end_time": now,
            "http": {
                "request": {"method": "GET", "url": "http://shop.test/cart"},
                "response": {"status": 200},
            },
            "annotations": {"test": True},
            "subsegments": [
                {
                    "id": call,
                    "name": "test stock",
                    "namespace": "remote",
                    "start_time": now - 0.11,
                    "end_time": now - 0.03,
                    "http": {
                        "request": {"method": "GET", "url": "http://stock.test/items/17"},
                        "response": {"status": 200},
                    },
                }
            ],
        },
        {
            "trace_id": trace_id,
            "id": stock,
            "parent_id": call,
            "name": "test stock",
            "start_time": now - 0.08,
            "end_time": now - 0.04,
            "http": {
                "request": {"method": "GET", "url": "http://stock.test/items/17"},
                "response": {"status": 200},
            },
            "subsegments": [
                {
                    "id": table,
                    "name": "DynamoDB",
                    "namespace": "aws",
                    "start_time": now - 0.075,
                    "end_time": now - 0.045,
                    "aws": {"operation": "GetItem", "table_name": "test-items"},
                }
            ],
        },
    ]
    problems = console.service.ingest.take_each([orjson.dumps(each) for each in documents])
    if any(problems):
        raise StoreError("There is no room for a trace now.")
    return {"trace_id": trace_id}
