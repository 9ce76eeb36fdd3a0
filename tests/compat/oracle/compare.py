"""Masks what differs from run to run, and finds where two sides differ."""

from __future__ import annotations

import re
from typing import Any

ID = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}|\b[0-9a-f]{16}\b")
# As they are, because programs give them.
GIVEN = re.compile(
    r"1-[56]759e988-bd862e3fe1be46a994272793|[56]3995c3f42cd8ad8|[01]{16}|1-00000000-0{24}"
)
MASKED = {
    *("start_time", "end_time", "working_directory"),
    *("sdk", "sdk_version", "runtime_version", "database_version", "driver_version"),
}
PLACES = re.compile(r"127\.0\.0\.1:\d+|0x[0-9a-f]+|/tmp/[\w./-]+")


class Masked:
    """A copy of what one side did in a program, with names in place of ids.

    An entity's is its name, an exception's its type, a trace's a number.
    """

    def __init__(self, results: Any) -> None:
        self._names: dict[str, str] = {}
        self._collect(results)
        self.results = self._masked("", results)

    def _collect(self, value: Any) -> None:
        if isinstance(value, dict):
            found = value.get("id")
            if isinstance(found, str):
                what = value.get("name") or value.get("type") or "nameless"
                self._names.setdefault(found, f"<id of {what}>")
            value = list(value.values())
        if isinstance(value, list):
            for each in value:
                self._collect(each)

    def _masked(self, key: str, value: Any) -> Any:
        if key in MASKED:
            return f"<{key}>"
        if isinstance(value, dict):
            return {each: self._masked(each, found) for each, found in value.items()}
        if isinstance(value, list):
            if key == "stack":
                value = [entry for entry in value if entry["path"].startswith("programs_")]
            return [self._masked("", each) for each in value]
        if isinstance(value, str):
            return PLACES.sub("<place>", ID.sub(self._named, value))
        return value

    def _named(self, found: re.Match[str]) -> str:
        if GIVEN.fullmatch(found[0]):
            return found[0]
        return self._names.setdefault(found[0], f"<id {len(found[0])}>")


def differences(official: Any, ours: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Where two values differ: the path to it, and both; an absent one is "<absent>"."""
    if isinstance(official, dict) and isinstance(ours, dict):
        found = []
        for key in [*official, *(key for key in ours if key not in official)]:
            one, other = official.get(key, "<absent>"), ours.get(key, "<absent>")
            found += differences(one, other, f"{path}.{key}" if path else key)
        return found
    if isinstance(official, list) and isinstance(ours, list):
        found = []
        for number in range(max(len(official), len(ours))):
            one = official[number] if number < len(official) else "<absent>"
            other = ours[number] if number < len(ours) else "<absent>"
            found += differences(one, other, f"{path}[{number}]")
        return found
    return [] if official == ours and type(official) is type(ours) else [(path, official, ours)]
