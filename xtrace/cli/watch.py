"""`xtrace watch`: look at the traces that a running collector receives; exit 1 when a condition is met.

For CI: start it beside a load test, with conditions on the share of traces that failed and on their
response times. It asks the collector through its HTTP API and needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import json
import operator
import os
import re
import time
from http.client import HTTPConnection, HTTPException
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from ..daemon import DEFAULT_ADDRESS, DaemonAddress, endpoint_text, parse
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

TIMES = ("average", "p50", "p90", "p95", "p99", "max")
SHARES = ("fault", "error", "throttle")
TRACES = "traces"

GRAMMAR = (
    "Write METRIC, one of > >= < <=, and a number, as in 'fault>1%', 'p99>0.5' or 'traces<10'. "
    f"Shares of the traces, with %: {', '.join(SHARES)}; without % they are counts. Response "
    f"times in seconds, or in ms with that unit: {', '.join(TIMES)}. A count: {TRACES}."
)

OVERLAP_SECONDS = 10.0
"""A window begins so long before the last one ended: documents come late, traces go on."""

SETTLE_SECONDS = 1.0
"""A collector shows a document so long after it arrived, at the latest."""

TIMEOUT_SECONDS = 10.0
MAX_PAGES = 10_000

_CONDITION = re.compile(r"([a-z0-9]+)(>=|<=|>|<)([0-9]+\.?[0-9]*|\.[0-9]+)(%|ms|s)?")
_DURATION = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class Unreachable(ConfigurationError):
    """No collector answers at the address, or it can't, or what answers is none."""


class Condition(NamedTuple):
    """When to fail. value: a percentage if it is a share, seconds if a time, or a count."""

    text: str
    metric: str
    operator: str
    value: float
    share: bool

    @property
    def waits(self) -> bool:
        """Whether it can only be judged when all has been seen: at first there is little of all."""
        return self.operator in ("<", "<=")

    def met(self, seen: Seen) -> bool:
        """Whether it holds for what was seen."""
        found = seen.value(self.metric, self.share)
        return found is not None and _OPERATORS[self.operator](found, self.value)


def condition(text: str) -> Condition:
    """Read a condition. Raises ConfigurationError with what to write."""
    match = _CONDITION.fullmatch("".join(text.lower().split()))
    if match is None:
        raise ConfigurationError(f"--fail-on is {text!r}. {GRAMMAR}")
    metric, comparison, number, unit = match.groups()
    if metric not in (*TIMES, *SHARES, TRACES):
        raise ConfigurationError(f"--fail-on is {text!r}: there is no {metric!r}. {GRAMMAR}")
    good_units = {"%", None} if metric in SHARES else {None}
    if metric in TIMES:
        good_units = {"s", "ms", None}
    if unit not in good_units:
        raise ConfigurationError(f"--fail-on is {text!r}: {metric} has no {unit}. {GRAMMAR}")
    value = float(number)
    if unit == "%" and value > 100:
        raise ConfigurationError(f"--fail-on is {text!r}, more than 100%. {GRAMMAR}")
    value *= _SECONDS[unit] if metric in TIMES else 1
    return Condition(text, metric, comparison, value, unit == "%")


def duration(text: str) -> float:
    """Seconds of "60", "60s", "1.5m", "2h" or "500ms"."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 60s, 500ms, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


class Seen:
    """The traces seen so far, each as its newest summary says."""

    def __init__(self) -> None:
        # (response time, None while it lasts; fault, error, throttle) by trace id
        self._traces: dict[str, tuple[float | None, bool, bool, bool]] = {}

    def add(self, summary: dict[str, Any]) -> None:
        """Add a trace, or what is new of it."""
        took = summary.get("ResponseTime")
        done = isinstance(took, (int, float)) and not summary.get("IsPartial")
        self._traces[str(summary.get("Id"))] = (
            took if done else None,
            summary.get("HasFault") is True,
            summary.get("HasError") is True,
            summary.get("HasThrottle") is True,
        )

    def value(self, metric: str, share: bool) -> float | None:
        """A metric of what was seen; None if nothing was."""
        if metric == TRACES:
            return float(len(self._traces))
        if metric in SHARES:
            place = 1 + SHARES.index(metric)
            count = sum(bool(each[place]) for each in self._traces.values())
            if not share:
                return float(count)
            return 100.0 * count / len(self._traces) if self._traces else None
        times = sorted(each[0] for each in self._traces.values() if each[0] is not None)
        if not times:
            return None
        if metric == "average":
            return sum(times) / len(times)
        percent = 100 if metric == "max" else int(metric[1:])
        return times[max(0, ceil(len(times) * percent / 100) - 1)]

    def __len__(self) -> int:
        return len(self._traces)

    def __str__(self) -> str:
        shares = [f"{name} {_shown(self.value(name, True), '%')}" for name in SHARES]
        times = [f"{name} {_shown(self.value(name, False), 's')}" for name in ("p50", "p99")]
        return ", ".join([f"{len(self)} trace{'s' * (len(self) != 1)}", *shares, *times])


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if not unit:
        return str(round(value))
    if unit == "s" and value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g}{unit if unit == '%' else ' ' + unit}"


# -- the collector -----------------------------------------------------------------------------


class Api:
    """What is asked of a collector."""

    def __init__(self, address: DaemonAddress) -> None:
        self._endpoint = address.tcp

    def summaries(self, start: float, end: float, filter: str | None) -> Iterator[dict[str, Any]]:
        """The traces active in a window. Raises Unreachable, or ConfigurationError for the filter."""
        request: dict[str, Any] = {
            "StartTime": start,
            "EndTime": end,
            "TimeRangeType": "Event",
        }
        if filter:
            request["FilterExpression"] = filter
        for _ in range(MAX_PAGES):
            answer = self._post("/TraceSummaries", request)
            found = answer.get("TraceSummaries")
            if not isinstance(found, list):
                raise self._no_collector("it doesn't answer as one")
            yield from (each for each in found if isinstance(each, dict))
            token = answer.get("NextToken")
            if not token or token == request.get("NextToken"):
                return
            request["NextToken"] = token

    def _post(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        connection = HTTPConnection(*self._endpoint, timeout=TIMEOUT_SECONDS)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(request), headers)
            response = connection.getresponse()
            status, body = response.status, response.read()
        except (OSError, HTTPException) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise self._no_collector(said) from error
        finally:
            connection.close()
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._no_collector(f"it answers {status} without JSON")
        if status == 400 and "FilterExpression" in request:
            said = answer.get("Message") or answer.get("message")
            raise ConfigurationError(f"--filter is refused: {said}")
        if status != 200:
            said = answer.get("Message") or answer.get("message") or "no reason"
            where = endpoint_text(self._endpoint)
            raise Unreachable(f"What listens at {where} answers {status}: {said}")
        return answer

    def _no_collector(self, why: str) -> Unreachable:
        return Unreachable(
            f"No collector answers at {endpoint_text(self._endpoint)}: {why}. Start one with "
            "`xtrace collector`, or name another address with --address."
        )


# -- the command -------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of the collector (default: AWS_XRAY_DAEMON_ADDRESS, or " + DEFAULT_ADDRESS + ")",
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        metavar="TIME",
        help="how long to watch: 60s, 5m (default: until Ctrl-C)",
    )
    parser.add_argument(
        "--every",
        type=duration,
        default=5.0,
        metavar="TIME",
        help="how often to look (default: 5s)",
    )
    parser.add_argument(
        "--filter", metavar="EXPRESSION", help="only traces that match: 'service(\"shop\")'"
    )
    parser.add_argument(
        "--min-traces",
        type=int,
        default=1,
        metavar="COUNT",
        help="judge shares and times before the end only from so many traces on (default: 1)",
    )
    parser.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="CONDITION",
        help="exit with 1 when this is so, as in 'fault>1%%', 'p99>0.5', 'traces<10'; may be "
        "given several times",
    )


def run(arguments: argparse.Namespace) -> int:
    """Watch for the time that was given; 1 as soon as a condition is met, 0 if none is."""
    conditions = [condition(text) for text in arguments.fail_on]
    given = arguments.address or os.environ.get("AWS_XRAY_DAEMON_ADDRESS") or DEFAULT_ADDRESS
    api = Api(parse(given, "--address" if arguments.address else "AWS_XRAY_DAEMON_ADDRESS"))
    seen = Seen()
    begun = time.time()
    looked = begun
    ends = time.monotonic() + arguments.seconds if arguments.seconds else None
    try:
        _look(api, seen, arguments.filter, begun, begun)  # say at once if that can't work
        while ends is None or time.monotonic() < ends:
            left = arguments.every if ends is None else ends - time.monotonic()
            time.sleep(max(0.0, min(arguments.every, left)))
            now = time.time()
            _look(api, seen, arguments.filter, max(begun, looked - OVERLAP_SECONDS), now)
            looked = now
            print(f"{time.strftime('%H:%M:%S')}  {seen}", flush=True)
            soon = [each for each in conditions if _is_due(each, seen, arguments.min_traces)]
            met = _met(soon, seen)
            if met:
                return met
        time.sleep(SETTLE_SECONDS)
        _look(api, seen, arguments.filter, max(begun, looked - OVERLAP_SECONDS), time.time())
        print(f"In all  {seen}", flush=True)
    except KeyboardInterrupt:
        pass
    return _met(conditions, seen)


def _look(api: Api, seen: Seen, filter: str | None, start: float, end: float) -> None:
    for summary in api.summaries(start, end + 1.0, filter):
        seen.add(summary)


def _is_due(each: Condition, seen: Seen, least: int) -> bool:
    """Whether a condition can be judged before the end."""
    if each.waits:
        return False
    return len(seen) >= least or each.metric == TRACES or (each.metric in SHARES and not each.share)


def _met(conditions: Iterable[Condition], seen: Seen) -> int:
    """The exit status, and a line for each condition that is met."""
    status = 0
    for each in conditions:
        if each.met(seen):
            value = seen.value(each.metric, each.share)
            unit = "%" if each.share else "s" if each.metric in TIMES else ""
            print(f"Failed: {each.text} ({each.metric} is {_shown(value, unit)})", flush=True)
            status = 1
    return status
