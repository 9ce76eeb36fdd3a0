"""From values to figures, and from figures to verdicts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import mean, median

from catalogue import EVERY_PEER, NOTHING, Bar, Workload, added_in_turn


@dataclass(frozen=True)
class Measured:
    """What one peer's workload gave.

    values: for each part, one value a round. processes: how many have given them, one after the other,
    equally many each. background: CPU microseconds per unit of its other threads. by_median: the
    figure is the median of the rounds, not their lower decile.
    """

    peer: str
    values: list[list[float]]
    background: float = 0.0
    by_median: bool = False
    processes: int = 1

    def parts(self) -> list[float]:
        """The figure of each part: the mean of its processes'."""
        figure = median if self.by_median else lower_decile
        return [mean(map(figure, self.by_process(part))) for part in self.values]

    def by_process(self, values: Sequence[float]) -> Iterator[Sequence[float]]:
        """Values of all rounds, those of each process by themselves."""
        each = len(values) // self.processes
        for begin in range(0, each * self.processes, each):
            yield values[begin : begin + each]


def joined(several: Sequence[Measured]) -> Measured:
    """What several processes of one peer gave."""
    parts = zip(*(each.values for each in several), strict=True)
    return Measured(
        several[0].peer,
        [list(chain(*part)) for part in parts],
        background=mean(each.background for each in several),
        processes=len(several),
    )


def lower_decile(values: Sequence[float]) -> float:
    """The value that a tenth of the values are below."""
    return sorted(values)[len(values) // 10]


@dataclass(frozen=True)
class Verdict:
    """How a figure stands against a bar. ratio: held against it. rounds: median over the rounds."""

    bar: Bar
    ratio: float
    rounds: float

    @property
    def ok(self) -> bool:
        """Whether the bar is met."""
        return self.ratio <= self.bar.most


@dataclass(frozen=True)
class Result:
    """A workload with what was measured."""

    workload: Workload
    measured: Mapping[str, Measured]

    def figure(self, peer: str) -> float:
        """The figure of a peer."""
        measured = self.measured[peer]
        if self.workload.figure is added_in_turn:
            return mean(map(median, measured.by_process(self.rounds(peer))))
        return self.workload.figure(measured.parts())

    def rounds(self, peer: str) -> list[float]:
        """The figure of a peer in each round."""
        return [
            self.workload.figure(parts) for parts in zip(*self.measured[peer].values, strict=True)
        ]

    def ratio(self, peer: str, against: str) -> tuple[float, float]:
        """The figure of one peer to another's, and the median of the same round by round."""
        pairs = zip(self.rounds(peer), self.rounds(against), strict=True)
        return self.figure(peer) / self.figure(against), median(
            ours / other for ours, other in pairs
        )

    def verdict(self, bar: Bar) -> Verdict | None:
        """How the workload stands against a bar; None if a peer that it needs wasn't measured."""
        if bar.peer not in self.measured:
            return None
        if bar.against == NOTHING:
            return Verdict(bar, self.figure(bar.peer), median(self.rounds(bar.peer)))
        against = bar.against
        if against == EVERY_PEER:
            others = [name for name in self.measured if not name.startswith("xtrace")]
            against = min(others, key=self.figure, default="")
        if against not in self.measured:
            return None
        return Verdict(bar, *self.ratio(bar.peer, against))
