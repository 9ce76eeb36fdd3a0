"""Run the core's tests on every supported Python that is found here, besides this one.

The core is what needs no library but wrapt; the first of the interpreters is without orjson, too, as
most applications are. An interpreter is found on PATH, or among those that pyenv has installed. One
that is missing is named, not failed: CI may have fewer than a developer.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.own_environment import ROOT, pinned, python_with

VERSIONS = ("3.10", "3.11", "3.12", "3.13")
REQUIREMENTS = ("hypothesis", "jsonschema_rs", "pytest", "pytest-xdist", "wrapt")
FASTER = "orjson"
NOT_CORE = ("xtrace.collector", "xtrace.cli", "tests.collector", "tests.cli")
NOT_CORE_FOLDERS = ("browser", "cli", "compat", "examples", "integrations", "servers")
NOT_CORE_FILES = ("test_docs.py", "test_extras.py", "test_house.py", "test_examples.py")
CORE_FILES = ("test_release.py", "test_sqlite3.py")
"""Among what isn't the core: what depends on how Python counts references, and on its own library."""


def interpreter(version: str) -> str | None:
    """The path of a Python of this version that runs, or None."""
    candidates = [shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates += [str(found) for found in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    for candidate in candidates:
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:
            return candidate
    return None


def needs_more(file: Path, requirements: tuple[str, ...]) -> bool:
    """Whether a test imports anything but the core, the standard library and these."""
    known = {"tests", "xtrace", "xdist", *(name.replace("-", "_") for name in requirements)}
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


def core_tests(requirements: tuple[str, ...]) -> list[Path]:
    """The files with tests that run wherever the core and these are. Those of integrations need what their
    library does, whether they import it or not.
    """
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [
        file
        for file in files
        if file.name not in NOT_CORE_FILES
        and (
            file.relative_to(ROOT / "tests").parts[0] not in NOT_CORE_FOLDERS
            or file.name in CORE_FILES
        )
        and not needs_more(file, requirements)
    ]


def main() -> int:
    """Run them; the exit status is 1 if any fails."""
    this = ".".join(map(str, sys.version_info[:2]))
    found = {version: interpreter(version) for version in VERSIONS if version != this}
    for version in [version for version in found if found[version] is None]:
        print(f"Python {version}: not found here, not tested")
        del found[version]
    failed = []
    with ThreadPoolExecutor(1) as making:  # the next, while tests run
        runs = {}
        for number, (version, python) in enumerate(found.items()):
            needed = REQUIREMENTS if number == 0 else (*REQUIREMENTS, FASTER)
            made = making.submit(python_with, version, pinned(needed), python)
            runs[version] = (needed, made)
        for version, (needed, made) in runs.items():
            run = [made.result(), "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider"]
            print(
                f"Python {version}{'' if FASTER in needed else f', without {FASTER}'}:", flush=True
            )
            if subprocess.run([*run, *core_tests(needed)], cwd=ROOT).returncode:
                failed.append(version)
    if failed:
        print(f"failed on Python {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
