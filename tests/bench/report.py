"""Results for people, 100 columns wide, and for programs, as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from catalogue import NOTES, OFFICIAL, PEERS, Bar, growth
from figures import Result, Verdict

WIDTH = 100
_TITLE = 26
_COLUMNS = {name: max(7, len(peer.title) + 1) for name, peer in PEERS.items()}


# -- the table ---------------------------------------------------------------------------------


def table(results: Sequence[Result], unit: str) -> str:
    """All results, with notes. unit: of the figures that don't name theirs."""
    return "\n".join([*_head(unit), *_lines(results), *_verdicts(results), "", *_notes(results)])


def _head(unit: str) -> Iterator[str]:
    yield f"{_machine()}; {unit}"
    yield ""
    titles = "".join(f"{PEERS[name].title:>{width}}" for name, width in _COLUMNS.items())
    yield f"{'':{_TITLE}}{titles}{'ratio':>7}{'rounds':>7}{'bar':>6}"


def _machine() -> str:
    return (
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    )


def _lines(results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        workload = result.workload
        if len(workload.parts) > 1 and workload.parts[0].title:
            for index, part in enumerate(workload.parts):
                figures = {name: each.parts()[index] for name, each in result.measured.items()}
                yield _line(part.title, figures)
        figures = {name: result.figure(name) for name in result.measured}
        first, *others = workload.bars or (None,)
        yield _line(workload.title, figures, _standing(result, first))
        for bar in others:
            yield _line(bar.title, {}, _standing(result, bar))


def _line(title: str, figures: dict[str, float], standing: str = "") -> str:
    columns = "".join(
        f"{_short(figures[name]) if name in figures else '':>{width}}"
        for name, width in _COLUMNS.items()
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
    return "".join(map(_ratio, result.ratio("xtrace", OFFICIAL)))


def _ratio(value: float) -> str:
    return f"{value:7.3f}" if value < 10 else f"{value:7.0f}"


def _short(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def _verdicts(results: Sequence[Result]) -> Iterator[str]:
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


def _notes(results: Sequence[Result]) -> Iterator[str]:
    for note in NOTES:
        yield from _paragraph("", note)
    for result in results:
        yield from _paragraph(f"{result.workload.name}: ", result.workload.note + ".")
        busy = [each for each in result.measured.values() if each.background >= 0.01]
        if busy:
            told = ", ".join(f"{PEERS[each.peer].title} {_short(each.background)}" for each in busy)
            yield from _paragraph("", f"On other threads besides, per unit: {told}.", "  ")


def _paragraph(begin: str, text: str, indent: str = "") -> list[str]:
    return wrap(begin + text, WIDTH, initial_indent=indent, subsequent_indent="  ")


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
                        workload.parts, measured.parts(), measured.values
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
