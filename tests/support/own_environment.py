"""Virtual environments for what doesn't go with the development environment; each is made once."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = "Scripts" if os.name == "nt" else "bin"


def python_with(name: str, requirements: Path) -> Path:
    """The Python of the environment .venv-NAME, which is made if it isn't there yet."""
    folder = ROOT / f".venv-{name}"
    ready = folder / "ready"
    wanted = f"{sys.version}\n{requirements.read_text()}"
    python = folder / BIN / "python"
    if not ready.exists() or ready.read_text() != wanted:
        venv.create(folder, clear=True, with_pip=True)
        pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", requirements], check=True)
        ready.write_text(wanted)
    return python
