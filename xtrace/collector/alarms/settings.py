"""What alarms are configured to: read from a file or a dict, checked, with errors that name the field."""

from __future__ import annotations

import json
import os
import shutil
import sys
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeAlias

    from ..trace import NodeKey

    Source: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any]"

STATISTICS = ("average", "p50", "p90", "p99")
METRICS = ("response_time", "fault_percent", "error_percent", "throttle_percent")

OK = "OK"
ALARM = "ALARM"
INSUFFICIENT_DATA = "INSUFFICIENT_DATA"
STATES = (OK, ALARM, INSUFFICIENT_DATA)

MAX_PERIODS = 100


class AlarmsError(ValueError):
    """A configuration of alarms can't be used; names the field and says what to write."""


class Thresholds(NamedTuple):
    """One entry: for which nodes, and what is too much. None: not looked at.

    name, type: patterns with *, ? and [...], of the whole text; type None: any.
    response_time: seconds, of the statistic. The percentages: of a node's requests.
    period_seconds: a multiple of 60. An alarm is raised when in `breaching` of the last `periods`
    periods the value was above. minimum_requests: a period with fewer has no value.
    """

    name: str = "*"
    type: str | None = None
    response_time: float | None = None
    fault_percent: float | None = None
    error_percent: float | None = None
    throttle_percent: float | None = None
    statistic: str = "average"
    period_seconds: int = 60
    periods: int = 1
    breaching: int = 1
    minimum_requests: int = 1

    def match(self, node: NodeKey) -> bool:
        """Whether it is for this node."""
        return fnmatchcase(node.name, self.name) and (
            self.type is None or fnmatchcase(node.type or "", self.type)
        )


class Webhook(NamedTuple):
    """A URL that is sent state changes as JSON, by POST. on: the states it wants to know of."""

    url: str
    timeout_seconds: float = 5.0
    on: tuple[str, ...] = STATES

    def __str__(self) -> str:
        # The rest of the URL is often a secret.
        return f"webhook on {urlsplit(self.url).netloc.rpartition('@')[2]}"


class Command(NamedTuple):
    """A program that is run for state changes, without a shell; it reads the JSON on stdin."""

    argv: tuple[str, ...]
    timeout_seconds: float = 30.0
    on: tuple[str, ...] = STATES

    def __str__(self) -> str:
        return f"command {os.path.basename(self.argv[0])}"


class Configuration(NamedTuple):
    """Entries in the order in which they are tried, the default last; and what to do.

    written: `default` and `nodes`, as they were written, for those who edit them.
    """

    entries: tuple[Thresholds, ...]
    actions: tuple[Webhook | Command, ...] = ()
    written: Mapping[str, Any] = MappingProxyType({})

    def entry(self, node: NodeKey) -> Thresholds | None:
        """The first entry for a node."""
        return next((entry for entry in self.entries if entry.match(node)), None)


def load(source: Source) -> Configuration:
    """Read a configuration: a dict, or the path of a JSON file (or TOML, from Python 3.11 on).

    Raises AlarmsError.
    """
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        return _Reader(path).configuration(_read(path))
    return _Reader("alarms").configuration(source)


def edited(held: Mapping[str, Any], actions: Iterable[Webhook | Command]) -> Configuration:
    """Thresholds that somebody has edited, `default` and `nodes`; there may be none left. What is done
    stays, as whoever may edit thresholds may not run programs. Raises AlarmsError.
    """
    reader = _Reader("alarms")
    reader.object("the whole", held, ("default", "nodes"))
    return reader.configuration(held, may_be_empty=True)._replace(actions=tuple(actions))


def _read(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise AlarmsError(f"Can't read {path}: {error.strerror}.") from error
    try:
        if not path.endswith(".toml"):
            return json.loads(data)
        if sys.version_info >= (3, 11):
            import tomllib

            return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        kind = "TOML" if path.endswith(".toml") else "JSON"
        raise AlarmsError(f"{path} isn't {kind}: {error}") from error
    raise AlarmsError(f"{path}: TOML needs Python 3.11 or newer. Write it as JSON.")


class _Reader:
    """Reads one configuration. source: what errors begin with."""

    def __init__(self, source: str) -> None:
        self._source = source

    def _wrong(self, field: str, value: object, write: str) -> AlarmsError:
        shown = repr(value)
        shown = shown if len(shown) < 60 else f"{shown[:60]}…"
        return AlarmsError(f"{self._source}: {field} is {shown}. Write {write}.")

    def configuration(self, held: Any, may_be_empty: bool = False) -> Configuration:
        held = self.object("the whole", held, ("default", "nodes", "actions"))
        default = self._thresholds("default", held.get("default", {}), Thresholds())
        entries = []
        for number, each in enumerate(self._list("nodes", held.get("nodes", []))):
            field = f"nodes[{number}]"
            entry = self._thresholds(field, each, default)
            if not isinstance(each.get("name"), str) or not each["name"]:
                wish = "the name of a node, or a pattern such as 'shop*'"
                raise self._wrong(f"{field}.name", each.get("name"), wish)
            entries.append(entry)
        actions = [
            self._action(f"actions[{number}]", each)
            for number, each in enumerate(self._list("actions", held.get("actions", [])))
        ]
        empty = all(getattr(e, name) is None for e in (*entries, default) for name in METRICS)
        if empty and not may_be_empty:
            raise AlarmsError(
                f"{self._source} has no threshold. Write at least one of {', '.join(METRICS)} "
                "under default or nodes."
            )
        written: dict[str, Any] = {"default": {**held.get("default", {})}}
        written["nodes"] = [{**each} for each in held.get("nodes", [])]
        return Configuration((*entries, default), tuple(actions), written)

    def _thresholds(self, field: str, held: Any, default: Thresholds) -> Thresholds:
        names = [name for name in Thresholds._fields if name not in ("name", "type")]
        known = names if field == "default" else Thresholds._fields
        held = self.object(field, held, known)
        found: dict[str, Any] = {}
        for name, value in held.items():
            found[name] = self._THRESHOLDS[name](self, f"{field}.{name}", value)
        if "periods" in found:
            found.setdefault("breaching", found["periods"])
        entry = default._replace(**found)
        if entry.breaching > entry.periods:
            wish = f"at most periods, which is {entry.periods}"
            raise self._wrong(f"{field}.breaching", entry.breaching, wish)
        return entry

    def _action(self, field: str, held: Any) -> Webhook | Command:
        held = self.object(field, held, ("webhook", "command", "timeout_seconds", "on"))
        more: dict[str, Any] = {}
        if "timeout_seconds" in held:
            seconds = self._number(f"{field}.timeout_seconds", held["timeout_seconds"])
            if not 0 < seconds <= 300:
                raise self._wrong(f"{field}.timeout_seconds", seconds, "seconds, at most 300")
            more["timeout_seconds"] = seconds
        if "on" in held:
            states = self._list(f"{field}.on", held["on"])
            for state in states:
                if state not in STATES:
                    raise self._wrong(f"{field}.on", state, f"a list of {', '.join(STATES)}")
            more["on"] = tuple(states)
        if ("webhook" in held) == ("command" in held):
            raise AlarmsError(f"{self._source}: {field} needs either webhook or command.")
        if "webhook" in held:
            return Webhook(self._url(f"{field}.webhook", held["webhook"]), **more)
        return Command(self._argv(f"{field}.command", held["command"]), **more)

    def _url(self, field: str, value: Any) -> str:
        good = isinstance(value, str) and value.isascii() and not any(c <= " " for c in value)
        try:
            parts = urlsplit(value if good else "")
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise self._wrong(field, value, "a URL, as in https://example.com/alarms")
        return str(value)

    def _argv(self, field: str, value: Any) -> tuple[str, ...]:
        words = self._list(field, value)
        if not words or not all(isinstance(each, str) and "\0" not in each for each in words):
            raise self._wrong(field, value, 'a list of words, as in ["notify", "--loud"]')
        if shutil.which(words[0]) is None:
            raise self._wrong(field, words[0], "a program that is found and may be run")
        return tuple(words)

    def object(self, field: str, held: Any, known: Iterable[str]) -> Any:
        """An object with no other members than those that are known."""
        if not hasattr(held, "items"):
            raise self._wrong(field, held, "an object")
        known = list(known)
        for name in held:
            if name not in known:
                near = get_close_matches(str(name), known, 1)
                hint = f"Did you mean {near[0]}?" if near else f"It may have {', '.join(known)}."
                raise AlarmsError(f"{self._source}: {field} has a field {name!r}. {hint}")
        return held

    def _list(self, field: str, held: Any) -> list[Any]:
        if not isinstance(held, (list, tuple)):
            raise self._wrong(field, held, "a list")
        return list(held)

    def _number(self, field: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(field, value, "a number")
        if not isfinite(value) or value < 0:
            raise self._wrong(field, value, "a number from 0 on")
        return float(value)

    def _threshold(self, field: str, value: Any) -> float | None:
        return None if value is None else self._number(field, value)

    def _percent(self, field: str, value: Any) -> float | None:
        number = self._threshold(field, value)
        if number is not None and number > 100:
            raise self._wrong(field, value, "a percentage from 0 to 100")
        return number

    def _text(self, field: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise self._wrong(field, value, "text; it may have *, ? and [...] in it")
        return value

    def _statistic(self, field: str, value: Any) -> str:
        if value not in STATISTICS:
            raise self._wrong(field, value, f"one of {', '.join(STATISTICS)}")
        return str(value)

    def _count(self, field: str, value: Any, most: int = MAX_PERIODS) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self._wrong(field, value, f"a whole number from 1 to {most}")
        return value

    def _requests(self, field: str, value: Any) -> int:
        return self._count(field, value, 10**9)

    def _period(self, field: str, value: Any) -> int:
        if isinstance(value, bool) or value not in range(60, 86_401, 60):
            raise self._wrong(field, value, "a multiple of 60 (whole minutes), at most 86400")
        return int(value)

    _THRESHOLDS: ClassVar[dict[str, Callable[[_Reader, str, Any], Any]]] = {
        "name": _text,
        "type": _text,
        "response_time": _threshold,
        "fault_percent": _percent,
        "error_percent": _percent,
        "throttle_percent": _percent,
        "statistic": _statistic,
        "period_seconds": _period,
        "periods": _count,
        "breaching": _count,
        "minimum_requests": _requests,
    }
