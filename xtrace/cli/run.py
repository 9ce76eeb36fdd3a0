"""`xtrace run`: run a program traced, without a change to it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from . import _run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = os.path.dirname(_run.__file__)

WHAT = "XTRACE_RUN"
"""Variable by which the program, and its children, know what to do at their start."""

NOT_FOUND = 127
"""Exit status for a command that isn't there, as of a shell."""

DESCRIPTION = """\
Run a program with what it uses traced, as xtrace.patch_all() does. Arguments, exit status and
signals are the program's own; child processes and workers are traced, too.

A trace begins with a request or a job of a framework that is traced. A script has none: it opens
its own, with xtrace.in_segment("name"), and what it calls in it is recorded.

  xtrace run app.py --port 8000
  xtrace run -m gunicorn app:app
  xtrace run uvicorn app:app --workers 2
  xtrace run --compat app.py         written against aws_xray_sdk"""


def run_words(words: Sequence[str]) -> int:
    """Run what the words after `xtrace run` say; gives the exit status, if it comes back at all."""
    parser = argparse.ArgumentParser(
        prog="xtrace run",
        usage="xtrace run [--compat] PROGRAM [ARGUMENT ...]",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--compat",
        action="store_true",
        help="xtrace answers imports of aws_xray_sdk, by which the program says what is traced",
    )
    own = 0
    while own < len(words) and words[own] in ("--compat", "-h", "--help"):
        own += 1
    arguments = parser.parse_args(words[:own])
    program = list(words[own:])
    if not program:
        parser.error("no program to run. Write: xtrace run app.py, or xtrace run -m module")
    if program[0].startswith("--"):
        parser.error(f"xtrace run has no option {program[0]}; it has --compat")
    command = _command(program)
    if command is None:
        print(f"xtrace run: no program and no file named {program[0]!r}", file=sys.stderr)
        return NOT_FOUND
    return _become(command, _environment("compat" if arguments.compat else "patch"))


def _command(program: list[str]) -> list[str] | None:
    """What to execute: a command, or Python with a file, or with options such as -m."""
    first = program[0]
    if first.startswith("-"):
        return [sys.executable, *program]
    if os.path.isdir(first) or first.endswith((".py", ".pyc", ".pyz")):
        return [sys.executable, *program] if os.path.exists(first) else None
    found = shutil.which(first)
    if found is not None:
        return [found, *program[1:]]
    return [sys.executable, *program] if os.path.exists(first) else None


def _environment(what: str) -> dict[str, str]:
    paths = [FOLDER]
    paths += [each for each in [os.environ.get("PYTHONPATH")] if each]
    return {**os.environ, WHAT: what, "PYTHONPATH": os.pathsep.join(paths)}


def _become(command: list[str], environment: dict[str, str]) -> int:
    """Execute a command in this process's place, so that signals and the exit status are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execve(command[0], command, environment)
    return subprocess.call(command, env=environment)  # exec there doesn't wait for the program
