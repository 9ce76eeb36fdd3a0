"""Results for people, 106 columns wide, and for programs, as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from catalogue import NOTES, OFFICIAL, PEERS, Bar, growth
from figures import Result, Verdict

WIDTH = 106
_TITLE = 26


# -- the table ---------------------------------------------------------------------------------


def table(results: Sequence[Result], notes: Sequence[str]) -> str:
    """All results, with notes on how they were made."""
    names = [name for name in PEERS if any(name in result.measured for result in results)]
    columns = {name: max(7, len(PEERS[name].title) + 1) for name in names}
    rows = _Rows(columns)
    has_bars = any(result.workload.bars for result in results)
    lines = [rows.head(has_bars), *(line for result in results for line in rows.of(result))]
    return "\n".join([_machine(), "", *lines, *_count(results), "", *_notes(results, notes)])


def _machine() -> str:
    return (
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    )


class _Rows:
    """The lines of the table. columns: the peers, with the width of each."""

    def __init__(self, columns: dict[str, int]) -> None:
        self._columns = columns

    def head(self, has_bars: bool) -> str:
        titles = "".join(f"{PEERS[name].title:>{width}}" for name, width in self._columns.items())
        return f"{'':{_TITLE}}{titles}{'ratio':>7}" + (
            f"{'rounds':>7}{'bar':>6}" if has_bars else ""
        )

    def of(self, result: Result) -> Iterator[str]:
        """A line for each part that has a title, the workload's, and one for each further bar."""
        workload = result.workload
        for index, part in enumerate(workload.parts):
            if part.title:
                figures = {name: each.parts()[index] for name, each in result.measured.items()}
                yield self._line(part.title, figures)
        figures = {name: result.figure(name) for name in result.measured}
        first, *others = workload.bars or (None,)
        yield self._line(workload.title, figures, _standing(result, first))
        for bar in others:
            yield self._line(bar.title, {}, _standing(result, bar))

    def _line(self, title: str, figures: dict[str, float], standing: str = "") -> str:
        columns = "".join(
            f"{_short(figures[name]) if name in figures else '':>{width}}"
            for name, width in self._columns.items()
        )
        return f"{title:{_TITLE}}{columns}{standing}".rstrip()


def _standing(result: Result, bar: Bar | None) -> str:
    """ratio, rounds, bar and verdict, as far as there are any."""
    if bar is not None:
        verdict = result.verdict(bar)
        if verdict is None:
            return ""
        word = "ok" if verdict.ok else "MISSED"
        return f"{_ratio(verdict.ratio)}{_ratio(verdict.rounds)}{bar.most:6g} {word}"
    if result.workload.figure is growth or not {"xtrace", OFFICIAL} <= set(result.measured):
        return ""
    ratio, rounds = result.ratio("xtrace", OFFICIAL)
    return _ratio(ratio) + (_ratio(rounds) if len(result.rounds("xtrace")) > 1 else "")


def _ratio(value: float) -> str:
    return f"{value:7.3f}" if value < 10 else f"{value:7.0f}"


def _short(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def _count(results: Sequence[Result]) -> Iterator[str]:
    verdicts = list(all_verdicts(results))
    if verdicts:
        missed = sum(not verdict.ok for verdict in verdicts)
        yield ""
        yield f"{len(verdicts)} bars, {missed or 'none'} missed"


def all_verdicts(results: Sequence[Result]) -> Iterator[Verdict]:
    """How the results stand against all bars for which there are figures."""
    for result in results:
        for bar in result.workload.bars:
            verdict = result.verdict(bar)
            if verdict is not None:
                yield verdict


def _notes(results: Sequence[Result], notes: Sequence[str]) -> Iterator[str]:
    for note in (*notes, *NOTES):
        yield from _paragraph("", note)
    for result in results:
        yield from _paragraph(f"{result.workload.name}: ", result.workload.note + ".")
        busy = [each for each in result.measured.values() if each.background >= 0.01]
        if busy:
            told = ", ".join(f"{PEERS[each.peer].title} {_short(each.background)}" for each in busy)
            yield from _paragraph("", f"On other threads besides, per unit: {told}.", "  ")


def _paragraph(begin: str, text: str, indent: str = "") -> list[str]:
    return wrap(
        begin + text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent="  ",
        break_on_hyphens=False,
    )


# -- JSON --------------------------------------------------------------------------------------


def as_json(results: Sequence[Result], unit: str) -> dict[str, Any]:
    """Everything that was measured, with every round."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "unit": unit,
        "workloads": [_workload(result) for result in results],
    }


def _workload(result: Result) -> dict[str, Any]:
    workload = result.workload
    verdicts = [verdict for bar in workload.bars if (verdict := result.verdict(bar)) is not None]
    return {
        "name": workload.name,
        "note": workload.note,
        "peers": {
            name: {
                "figure": result.figure(name),
                "background": measured.background,
                "parts": {
                    part.method: {"figure": figure, "rounds": rounds}
                    for part, figure, rounds in zip(
                        workload.parts, measured.parts(), measured.values, strict=True
                    )
                },
            }
            for name, measured in result.measured.items()
        },
        "bars": [
            {**asdict(each.bar), "ratio": each.ratio, "rounds": each.rounds, "ok": each.ok}
            for each in verdicts
        ],
    }
