"""Refresh the pinned development dependencies: the newest that fit pyproject.toml.

    python tests/support/lock.py tests/requirements.txt

They are resolved in an empty environment and written as exact versions.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HEADING = """\
# The development environment, pinned. Made from [dependency-groups] dev in pyproject.toml and the
# extras of the package by `make lock`; don't edit by hand.
"""


def main(target: Path) -> None:
    """Resolve and write."""
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "bin", "python")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--upgrade", "pip"], check=True)
        install = [python, "-m", "pip", "install", "-q", "--group", "dev", "-e"]
        subprocess.run([*install, ".[aws,collector,fast]"], check=True, cwd=root)
        frozen = subprocess.run(
            [python, "-m", "pip", "freeze", "--exclude-editable"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    lines = [line for line in frozen.splitlines() if "==" in line]
    target.write_text(HEADING + "\n".join(sorted(lines, key=str.lower)) + "\n")
    print(f"{len(lines)} packages pinned in {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
