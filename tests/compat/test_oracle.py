"""The same programs on the official SDK and on the layer: what differs is meant to."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.compat import differences
from tests.compat.oracle import compare
from tests.support import official

ROOT = Path(__file__).parents[2]
OUTPUT = "XTRACE_ORACLE_OUTPUT"
"""Variable with a file that gets what all programs did, to look at."""
RUNNER = ROOT / "tests" / "compat" / "oracle" / "runner.py"


def run(side, folder, postgresql, mariadb):
    """What each program did on a side, by its name."""
    folder.mkdir()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        "ORACLE_POSTGRESQL": postgresql.url,
        "ORACLE_MARIADB": mariadb.url,
        "PYTHONHASHSEED": "0",
    }
    if side == "layer":
        environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [official.environment(), RUNNER, side, folder],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory, postgresql, mariadb):
    """Each difference: the program, the path in what it did, and both sides."""
    folder = tmp_path_factory.mktemp("oracle")
    theirs, ours = (run(s, folder / s, postgresql, mariadb) for s in ("official", "layer"))
    assert list(theirs) == list(ours)
    assert len(theirs) > 60
    failed = {program: done["failed"] for program, done in ours.items() if done["failed"]}
    assert not failed, "\n".join(f"{name}: {why}" for name, why in failed.items())
    if OUTPUT in os.environ:
        Path(os.environ[OUTPUT]).write_text(json.dumps([theirs, ours]))
    return [
        (program, *difference)
        for program in theirs
        for difference in compare.differences(
            *(compare.Masked(side[program]).results for side in (theirs, ours))
        )
        if not difference[0].startswith("logged")  # words and their number are free
    ]


def matches(program, path, seen):
    return re.fullmatch(seen[0], program) and re.fullmatch(seen[1], path)


def test_differences_are_decisions(found):
    # One test, so that the programs run once.
    rows = [(each, seen) for each in differences.ALL for seen in each.seen]
    unknown = [
        f"{program}: {path}\n  official {theirs!s:.300}\n  ours     {ours!s:.300}"
        for program, path, theirs, ours in found
        if not any(matches(program, path, seen) for _, seen in rows)
    ]
    assert not unknown, "\n".join(unknown)
    unseen = [
        f"{each.behaviour}: {seen}"
        for each, seen in rows
        if not any(matches(program, path, seen) for program, path, *_ in found)
    ]
    assert not unseen, "\n".join(unseen)
