"""What a request's members may be: types, lengths, ranges, and what is required.

A shape reads a JSON value and gives what handlers work with, or raises InvalidRequestException
with the member's name. Members that a shape doesn't know are ignored, and null is absent, as the
X-Ray service has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from math import isfinite

from .errors import invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol, TypeAlias

    # Whatever the member's shape gives.
    Value: TypeAlias = Any

    class Shape(Protocol):
        """Reads the value of one member."""

        def read(self, value: object, name: str) -> Value:
            """The value for handlers. name: of the member, for the error: "SamplingRule.Host"."""
            ...


MAX_INTEGER = 2**31 - 1
MAX_TIME = 253_402_300_799
"""Seconds since the epoch at the end of the year 9999."""

_QUOTED_CHARACTERS = 60


def quoted(value: object) -> str:
    """A value as an error quotes it, at most a line."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = str(value).lower() if isinstance(value, bool) or value is None else repr(value)
    return text if len(text) <= _QUOTED_CHARACTERS else f"{text[:_QUOTED_CHARACTERS]}…"


@dataclass(frozen=True, slots=True)
class Text:
    """Text of so many characters; one of `choices` if there are any; all of it like `pattern`."""

    least: int = 0
    most: int | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None

    def read(self, value: object, name: str) -> str:
        """The text."""
        if not isinstance(value, str):
            raise invalid(f"{name} is {quoted(value)}; it must be text.")
        if self.choices and value not in self.choices:
            raise invalid(f"{name} is {quoted(value)}; it must be {_one_of(self.choices)}.")
        _check_length(len(value), "characters", self.least, self.most, name)
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            raise invalid(f"{name} is {quoted(value)}; it must be like {self.pattern}.")
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number within a range."""

    least: float | None = None
    most: float | None = None

    def read(self, value: object, name: str) -> float:
        """The number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(f"{name} is {quoted(value)}; it must be a number.")
        number = _finite(value)
        if number is None:
            raise invalid(f"{name} is {quoted(value)}; it must be a finite number.")
        _check_range(number, self.least, self.most, name)
        return number


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number of 32 bits within a range."""

    least: int | None = None
    most: int | None = None

    def read(self, value: object, name: str) -> int:
        """The number."""
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole:
            raise invalid(f"{name} is {quoted(value)}; it must be a whole number.")
        number = int(value)  # type: ignore[call-overload]
        low = -MAX_INTEGER - 1 if self.least is None else self.least
        _check_range(number, low, MAX_INTEGER if self.most is None else self.most, name)
        return int(number)


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""

    def read(self, value: object, name: str) -> bool:
        """The truth value."""
        if not isinstance(value, bool):
            raise invalid(f"{name} is {quoted(value)}; it must be true or false.")
        return value


@dataclass(frozen=True, slots=True)
class Time:
    """A point in time: seconds since the epoch, as a number or text, or ISO 8601 text."""

    def read(self, value: object, name: str) -> float:
        """Seconds since the epoch."""
        seconds = seconds_of(value)
        if seconds is None:
            raise invalid(
                f"{name} is {quoted(value)}; it must be a time: seconds since the epoch, or text "
                "such as 2026-01-31T12:00:00Z."
            )
        if not 0 <= seconds <= MAX_TIME:
            raise invalid(f"{name} is {quoted(value)}; it must be between the years 1970 and 9999.")
        return seconds


@dataclass(frozen=True, slots=True)
class Many:
    """A list of so many items."""

    item: Shape
    least: int = 0
    most: int | None = None

    def read(self, value: object, name: str) -> list[Value]:
        """The items."""
        if not isinstance(value, list):
            raise invalid(f"{name} is {quoted(value)}; it must be a list.")
        _check_length(len(value), "items", self.least, self.most, name)
        return [self.item.read(item, f"{name}[{at}]") for at, item in enumerate(value)]


@dataclass(frozen=True, slots=True)
class Pairs:
    """A mapping with so many keys."""

    key: Shape
    value: Shape
    most: int | None = None

    def read(self, value: object, name: str) -> dict[str, Value]:
        """The mapping."""
        if not isinstance(value, dict):
            raise invalid(f"{name} is {quoted(value)}; it must be an object.")
        _check_length(len(value), "keys", 0, self.most, name)
        return {
            self.key.read(key, f"a key of {name}"): self.value.read(held, f"{name}.{quoted(key)}")
            for key, held in value.items()
        }


@dataclass(frozen=True, slots=True)
class Members:
    """An object with named members. What is absent or null is left out of what `read` gives.

    required: must be there. also_known_as: other names that clients in use give to members.
    """

    members: dict[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    also_known_as: dict[str, str] = field(default_factory=dict)

    def read(self, value: object, name: str = "") -> dict[str, Value]:
        """The members that are there."""
        if not isinstance(value, dict):
            raise invalid(f"{name or 'The request'} is {quoted(value)}; it must be an object.")
        prefix = f"{name}." if name else ""
        given = {
            known: value[other] for other, known in self.also_known_as.items() if other in value
        }
        given.update((key, held) for key, held in value.items() if held is not None)
        found = {}
        for member, shape in self.members.items():
            if given.get(member) is not None:
                found[member] = shape.read(given[member], prefix + member)
            elif member in self.required:
                raise invalid(f"{prefix}{member} is missing.")
        return found


def _check_length(length: int, unit: str, least: int, most: int | None, name: str) -> None:
    if length < least:
        raise invalid(f"{name} has {length} {unit}; it must have at least {least}.")
    if most is not None and length > most:
        raise invalid(f"{name} has {length} {unit}; it may have at most {most}.")


def _check_range(value: float, least: float | None, most: float | None, name: str) -> None:
    if least is not None and value < least:
        raise invalid(f"{name} is {quoted(value)}; it must be at least {least}.")
    if most is not None and value > most:
        raise invalid(f"{name} is {quoted(value)}; it may be at most {most}.")


def _one_of(choices: tuple[str, ...]) -> str:
    return " or ".join(choices)


def _finite(value: float | str) -> float | None:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def seconds_of(value: object) -> float | None:
    """Seconds since the epoch, of a number or text; None if it is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    number = _finite(value)
    if number is not None or not isinstance(value, str):
        return number
    try:
        # Python 3.10 reads no "Z" and no fraction of other than 3 or 6 digits.
        text = re.sub(r"\.(\d+)", lambda m: "." + m[1][:6].ljust(6, "0"), value.strip(), count=1)
        time = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None
