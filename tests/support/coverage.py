"""Make docs/coverage.md of what the tests ran, or check that it is that.

    python tests/support/coverage.py FOLDER [--check]

FOLDER: what the runs of `make test` have written, as tests/libraries.py says.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"
HEADING = """\
# Which versions are tested, and what do they record?

Made by `make coverage` from what `make test` ran: each library with the versions that its tests passed
with, the modes they used it in, and the fields of segment documents that were seen meanwhile. What is
recorded of a call, and when, says [libraries](libraries.md).

| library | versions | modes | recorded |
| --- | --- | --- | --- |
"""
ROW = re.compile(r"^\| (\S+) \| (.*?) \| (.*?) \| (.*?) \|$", re.MULTILINE)

Libraries = dict[str, dict[str, set[str]]]


def read(folder: Path) -> Libraries:
    """All runs together."""
    libraries: Libraries = {}
    for file in folder.glob("*.json"):
        for name, found in json.loads(file.read_text()).items():
            library = libraries.setdefault(name, defaultdict(set))
            for key, values in found.items():
                library[key].update(values)
    return libraries


def page(libraries: Libraries) -> str:
    """The whole page."""
    rows = [row(name, libraries[name]) for name in sorted(libraries, key=str.lower)]
    return HEADING + "\n".join(rows) + "\n"


def row(name: str, library: dict[str, set[str]]) -> str:
    """A library's."""
    versions = ", ".join(sorted(library["versions"], key=numbers))
    modes = ", ".join(sorted(library["modes"], reverse=True))
    return f"| {name} | {versions} | {modes} | {fields(library['recorded'])} |"


def numbers(version: str) -> list[int]:
    """For the order of versions."""
    return [int(part) for part in re.findall(r"\d+", version)]


def fields(recorded: set[str]) -> str:
    """Grouped by the block that they stand in: "http.request: method, url; fault"."""
    groups = defaultdict(list)
    for path in sorted(recorded):
        block, _, name = path.rpartition(".")
        groups[block].append(name)
    texts = [f"{block}: {', '.join(names)}" for block, names in sorted(groups.items()) if block]
    return "; ".join([*texts, *groups[""]])


def differences(libraries: Libraries, text: str) -> tuple[list[str], list[str]]:
    """What the page says wrongly of what ran here, and what it might say better: which fields are
    seen in passing may differ from run to run. Another machine may have more versions of Python.
    """
    rows = ROW.findall(text)[2:]  # the first two are the table's head
    said = {name: (versions, modes, what) for name, versions, modes, what in rows}
    wrong = [
        f"{name} is on the page, and was not tested" for name in said.keys() - libraries.keys()
    ]
    stale = []
    for name, library in libraries.items():
        versions, modes, what = said.get(name, ("", "", ""))
        missing = library["versions"] - set(versions.split(", "))
        wrong += [f"{name}: {each} is missing" for each in missing]
        expected = row(name, {**library, "versions": set(versions.split(", "))})
        if expected.split(" | ")[2] != modes:
            wrong.append(f"{name}: it is used in other modes\n  {expected}")
        elif expected != f"| {name} | {versions} | {modes} | {what} |":
            stale.append(f"{name}: {expected}")
    return sorted(wrong), sorted(stale)


def main(folder: Path, check: bool) -> int:
    """Write, or compare; the exit status is 1 if the page has to be made again."""
    libraries = read(folder)
    if not libraries:
        print(f"Nothing in {folder}: run `make test` first.")
        return 1
    if not check:
        PAGE.write_text(page(libraries))
        print(f"{len(libraries)} libraries in {PAGE}")
        return 0
    wrong, stale = differences(libraries, PAGE.read_text())
    if stale:
        print("docs/coverage.md names other fields than were seen this time:", *stale, sep="\n")
    if wrong:
        print("docs/coverage.md isn't what the tests ran; run `make coverage`:", *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "--check" in sys.argv))
