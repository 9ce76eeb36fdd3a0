"""Run the core's tests on every supported Python that is found here, besides this one.

The core is what needs no library but wrapt. An interpreter is found on PATH, or among those that
pyenv has installed. One that is missing is named, not failed: CI may have fewer than a developer.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSIONS = ("3.10", "3.11", "3.12", "3.13")
ROOT = Path(__file__).parents[2]
REQUIREMENTS = ("hypothesis", "jsonschema_rs", "orjson", "pytest", "pytest-xdist", "wrapt")
NOT_CORE = ("xtrace.collector", "xtrace.cli", "tests.collector", "tests.cli")
NOT_CORE_FOLDERS = ("browser", "cli", "compat", "examples", "servers")
NOT_CORE_FILES = ("test_docs.py", "test_house.py", "test_examples.py")


def interpreter(version: str) -> str | None:
    """The path of a Python of this version that runs, or None."""
    candidates = [shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates += [str(found) for found in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    for candidate in candidates:
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:
            return candidate
    return None


def pinned() -> list[str]:
    """What the core's tests need, in the versions of the development environment."""
    lines = (ROOT / "tests" / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line.partition("==")[0].lower() in REQUIREMENTS]


def environment(version: str, python: str) -> Path:
    """The virtual environment for this version, made if it isn't there yet."""
    folder = ROOT / f".venv-{version}"
    wanted = "\n".join(pinned())
    ready = folder / "ready"
    if not ready.exists() or ready.read_text() != wanted:
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "-q"]
        subprocess.run([*pip, "--disable-pip-version-check", *pinned()], check=True)
        ready.write_text(wanted)
    return folder


def needs_more(file: Path) -> bool:
    """Whether a test imports anything but the core, the standard library and REQUIREMENTS."""
    known = {"tests", "xtrace", "xdist", *(name.replace("-", "_") for name in REQUIREMENTS)}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            root = name.partition(".")[0]
            if root not in known and root not in sys.stdlib_module_names:
                return True
            if name.startswith(NOT_CORE):
                return True
    return False


def core_tests() -> list[Path]:
    """The files with tests that run wherever the core does. Those of integrations need what their
    library does, whether they import it or not, but for the one that is Python's own.
    """
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    libraries = ROOT / "tests" / "integrations"
    return [
        file
        for file in files
        if file.name not in NOT_CORE_FILES
        and file.relative_to(ROOT / "tests").parts[0] not in NOT_CORE_FOLDERS
        and (libraries not in file.parents or file.name == "test_sqlite3.py")
        and not needs_more(file)
    ]


def main() -> int:
    """Run them; the exit status is 1 if any fails."""
    this = ".".join(map(str, sys.version_info[:2]))
    failed = []
    for version in VERSIONS:
        python = interpreter(version) if version != this else None
        if version == this:
            continue
        if python is None:
            print(f"Python {version}: not found here, not tested")
            continue
        print(f"Python {version}:", flush=True)
        run = [environment(version, python) / "bin" / "python", "-m", "pytest", "-q", "-n", "auto"]
        options = ["-p", "no:cacheprovider", *core_tests()]
        if subprocess.run([*run, *options], cwd=ROOT).returncode:
            failed.append(version)
    if failed:
        print(f"failed on Python {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
