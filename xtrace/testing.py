"""For tests of programs that use xtrace: kept documents, a clock that doesn't move by itself, ids
that count.

    from xtrace.testing import recording

    def test_a_checkout_is_one_segment():
        with recording() as traces:
            checkout()
        assert traces.segment("shop")["annotations"] == {"items": 3}

With pytest, the fixture `traces` does this for each test (see docs/testing.md).
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count

from . import ids
from .default import recorder as default_recorder
from .emitters.memory import MemoryEmitter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .recorder import Recorder

FIRST_SECOND = 1_000_000_000.0
"""What the fixed clock shows at first: 2001-09-09T01:46:40Z."""


class FixedClock:
    """A clock that moves on by `step` seconds each time it is read, and by advance()."""

    def __init__(self, now: float = FIRST_SECOND, step: float = 0.0) -> None:
        self.now = now
        self.step = step

    def read(self) -> float:
        """The time, in seconds; then the clock moves on by a step."""
        now = self.now
        self.now += self.step
        return now

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.now += seconds


@contextmanager
def fixed_clock(now: float = FIRST_SECOND, step: float = 0.0) -> Iterator[FixedClock]:
    """All times of xtrace come from a clock that stands still, or moves by `step` at each look."""
    clock = FixedClock(now, step)
    before = ids.wall_clock, ids.monotonic_clock
    ids.wall_clock = ids.monotonic_clock = clock.read
    try:
        yield clock
    finally:
        ids.wall_clock, ids.monotonic_clock = before


@contextmanager
def counted_ids() -> Iterator[None]:
    """New ids are 1, 2, 3 ..., in hex with leading zeros."""
    numbers = count(1)
    before = ids.random_bits
    ids.random_bits = lambda bits: next(numbers)
    try:
        yield
    finally:
        ids.random_bits = before


class Traces:
    """The documents that a recorder sent, parsed, in the order in which they were sent."""

    def __init__(self, emitter: MemoryEmitter) -> None:
        self._emitter = emitter

    @property
    def documents(self) -> list[dict[str, Any]]:
        """All documents: segments, independent subsegments, and those in progress."""
        return self._emitter.documents

    @property
    def segments(self) -> list[dict[str, Any]]:
        """The documents of whole segments."""
        return [d for d in self.documents if d.get("type") != "subsegment"]

    @property
    def subsegments(self) -> list[dict[str, Any]]:
        """Every subsegment, embedded or independent, parents before their children."""
        found = []
        waiting = list(reversed(self.documents))
        while waiting:
            document = waiting.pop()
            if "trace_id" not in document or document.get("type") == "subsegment":
                found.append(document)
            waiting.extend(reversed(document.get("subsegments", [])))
        return found

    def segment(self, name: str) -> dict[str, Any]:
        """The one segment of this name. AssertionError if there is none, or several."""
        return _only(name, self.segments, "segment")

    def subsegment(self, name: str) -> dict[str, Any]:
        """The one subsegment of this name. AssertionError if there is none, or several."""
        return _only(name, self.subsegments, "subsegment")

    def clear(self) -> None:
        """Forget what was sent so far."""
        self._emitter.clear()

    def __str__(self) -> str:
        from .waterfall import draw

        by_trace: dict[str, list[dict[str, Any]]] = {}
        for document in self.documents:
            by_trace.setdefault(document["trace_id"], []).append(document)
        return "\n".join(map(draw, by_trace.values())) or "(no traces)"


def _only(name: str, documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    found = [document for document in documents if document.get("name") == name]
    if len(found) != 1:
        names = ", ".join(str(document.get("name")) for document in documents) or "none at all"
        raise AssertionError(f"{len(found)} {kind}s named {name!r}; there are: {names}")
    return found[0]


@contextmanager
def recording(recorder: Recorder = default_recorder, **settings: Any) -> Iterator[Traces]:
    """Keep what a recorder sends inside, with every request recorded; as before afterwards.

    settings: arguments for configure(), for the time inside.
    """
    emitter = MemoryEmitter()
    change_back = recorder.override(**{"emitter": emitter, "sampling": False, **settings})
    try:
        yield Traces(emitter)
    finally:
        change_back()
