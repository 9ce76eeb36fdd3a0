"""What a request asks: its parameters, read and checked; the window, filter, group and run in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ... import filters
from ...filters import Filter, FilterError
from ...filters.tree import And
from ...store import Window
from ..errors import ApiError, not_found
from ..shapes import Boolean, Integer, Many, Number, Text, quoted, seconds_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..shapes import Shape
    from .console import Console

LONGEST_SECONDS = 10 * 366 * 86_400.0
AHEAD_SECONDS = 1.0
"""A window that ends now ends so much later: clocks of hosts differ a little."""

NEVER_ENDS = 253_402_300_799.0

EVER = Window(0.0, NEVER_ENDS + 2.0)

DEFAULT_RANGE = "PT15M"
ALL = "all"

COMMON: dict[str, Shape] = {
    "range": Text(1, 100),
    "filter": Text(0, 20_000),
    "group": Text(1, 32),
    "run": Text(1, 100),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """Texts separated by commas."""

    item: Shape
    most: int

    def read(self, value: object, name: str) -> list[Any]:
        """The texts."""
        parts = [part.strip() for part in str(value).split(",")]
        return Many(self.item, most=self.most).read([part for part in parts if part], name)


_DURATION = re.compile(
    r"P(?:(?P<d>\d{1,5})D)?(?:T(?:(?P<h>\d{1,6})H)?(?:(?P<m>\d{1,7})M)?(?:(?P<s>\d{1,9})S)?)?"
)
_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


def wrong(parameter: str, message: str, **details: Any) -> ApiError:
    """A request that can't be answered because of one parameter."""
    return ApiError(
        "InvalidRequestException", 400, message, details={"parameter": parameter, **details}
    )


class Asked:
    """A request. path: what stands in place of the names in the path. body: parsed, or bytes.

    known: shapes of the parameters that there are.
    """

    def __init__(
        self,
        console: Console,
        known: Mapping[str, Shape],
        given: Sequence[tuple[str, str]] = (),
        path: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> None:
        self._console = console
        self._values = _read(known, given)
        self.path = path or {}
        self.body = body

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter's value."""
        return self._values.get(name, default)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def needed(self, name: str) -> Any:
        """A parameter that must be there."""
        if name not in self._values:
            raise wrong(name, f"{name} is missing.")
        return self._values[name]

    def window(self, name: str = "range") -> Window:
        """The time range to look in."""
        text = self.get(name, DEFAULT_RANGE)
        return EVER if text == ALL else window_of(text, self._console.now(), name)

    def shown(self, name: str = "range") -> Window:
        """The time range to show: if all was asked for, from the first trace to the last."""
        if self.get(name) == ALL:
            return whole(self._console)
        return self.window(name)

    def filter(self, name: str = "filter") -> Filter | None:
        """The filter and the group's together, None if every trace is asked for."""
        groups = self._console.service.groups
        found = []
        if self.get("group") is not None:
            try:
                group = groups.filter({"GroupName": self.get("group")})
            except ApiError as error:
                raise wrong("group", error.message) from error
            found.append(group)
        expression = self.get(name, "")
        if expression.strip():
            found.append(parsed(self._console, expression, name))
        trees = [each.tree for each in found if each is not None]
        if not trees:
            return None
        if len(trees) == 1:
            return next(each for each in found if each is not None)
        return Filter(And(tuple(trees)))

    def run(self, name: str = "run") -> str | None:
        """The run."""
        run: str | None = self.get(name)
        if run is not None and all(each.name != run for each in self._console.store.runs()):
            raise wrong(name, f"{name}: there is no run {quoted(run)}.")
        return run


def parsed(console: Console, expression: str, parameter: str) -> Filter:
    """The filter of an expression, with its groups in place. Raises ApiError."""
    try:
        return console.service.groups.resolved(filters.parse(expression))
    except FilterError as error:
        raise wrong(
            parameter,
            f"{parameter}: {error}",
            position=error.position,
            line=error.line,
            column=error.column,
        ) from error


def whole(console: Console) -> Window:
    """The window in which all traces began; a minute before now if there are none."""
    extent = console.store.extent()
    if extent is None:
        now = console.now()
        return Window(now - 60.0, now + AHEAD_SECONDS)
    return Window(extent.start, extent.end + AHEAD_SECONDS)


def window_of(text: str, now: float, parameter: str = "range") -> Window:
    """The window that a range means. Raises ApiError."""
    if "~" in text:
        ends = [seconds_of(each.replace(" ", "+")) for each in text.split("~")]
        start, end = ends if len(ends) == 2 else (None, None)
        if start is None or end is None or not 0 <= start <= end <= NEVER_ENDS:
            raise wrong(
                parameter,
                f"{parameter} is {quoted(text)}; write START~END, the earlier first, each ISO 8601 or "
                "seconds since the epoch, as in 2026-01-31T12:00:00Z~2026-01-31T13:00:00Z.",
            )
        return Window(start, end)
    match = _DURATION.fullmatch(text)
    seconds = 0.0
    if match is not None:
        seconds = float(sum(int(match[unit] or 0) * size for unit, size in _UNITS.items()))
    if not 0 < seconds <= LONGEST_SECONDS:
        raise wrong(
            parameter,
            f"{parameter} is {quoted(text)}; write how long ago it begins, as in PT15M, PT6H or P1D, "
            "or START~END, or all.",
        )
    return Window(now - seconds, now + AHEAD_SECONDS)


# -- parameters ----------------------------------------------------------------------------------


def _read(known: Mapping[str, Shape], given: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The values of what was given. Raises ApiError."""
    texts: dict[str, list[str]] = {}
    for name, text in given:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise wrong(name[:100], f"There is no parameter {quoted(name)} here. Known: {names}.")
        texts.setdefault(name, []).append(text)
    values = {}
    for name, each in texts.items():
        shape = known[name]
        if len(each) > 1 and not isinstance(shape, Many):
            raise wrong(name, f"{name} is given more than once.")
        try:
            values[name] = shape.read(_converted(shape, each), name)
        except ApiError as error:
            raise wrong(name, error.message) from error
    return values


def _converted(shape: Shape, texts: list[str]) -> Any:
    """What texts stand for, if they are of the right form; else as they are."""
    if isinstance(shape, Many):
        return [_converted(shape.item, [text]) for text in texts]
    text = texts[0]
    try:
        if isinstance(shape, Integer) and len(text) <= 20:
            return int(text)
        if isinstance(shape, Number):
            return float(text)
    except ValueError:
        return text
    if isinstance(shape, Boolean):
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    return text


def stored(console: Console, trace_id: str) -> Any:
    """The trace of that id, compiled. Raises ApiError if it isn't stored."""
    found = console.store.traces([trace_id])
    if not found:
        raise not_found(f"No trace {quoted(trace_id)} is stored.", trace_id[:250])
    return found[0]
