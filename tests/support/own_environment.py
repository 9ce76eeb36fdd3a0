"""Virtual environments for what doesn't go with the development environment; each is made once."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]


def python_with(
    name: str, requirements: Iterable[str], python: str | Path = sys.executable
) -> Path:
    """The Python of the environment .venv-NAME, which is made if it isn't there yet.

    requirements: as pip takes them. python: the interpreter that it is for.
    """
    lines = list(requirements)
    folder = ROOT / f".venv-{name}"
    own, ready = folder / "bin" / "python", folder / "ready"
    wanted = "\n".join([str(python), sys.version, *lines])
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes ask for it at the same time
        if not ready.exists() or ready.read_text() != wanted:
            make = [python, "-m", "venv", "--clear", "--without-pip", folder]
            subprocess.run(make, check=True)
            # This environment's pip, and no compiling of what nobody imports: half of the time.
            pip = [sys.executable, "-m", "pip", "--python", own, "install", "-q", "--no-compile"]
            subprocess.run([*pip, "--disable-pip-version-check", *lines], check=True)
            ready.write_text(wanted)
    return own


def listed_in(file: Path) -> list[str]:
    """The requirements in a file."""
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line]


def pinned(names: Iterable[str]) -> list[str]:
    """The requirements of these names, in any case, in the development environment's versions."""
    wanted = {name.lower() for name in names}
    return [
        line
        for line in listed_in(ROOT / "tests" / "requirements.txt")
        if line.partition("==")[0].lower() in wanted
    ]
