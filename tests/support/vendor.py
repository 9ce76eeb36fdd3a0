"""Refresh the libraries that the console brings along, from npm.

    python tests/support/vendor.py              the versions below, checked against what is here
    python tests/support/vendor.py --newest     the newest ones

Each is one file as its authors published it. Two things are changed: the names by which they import
each other become relative paths, as browsers need without a build, and the references to source maps,
which aren't here, go. NOTICE.json beside them lists origin, version, licence and hash.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[2] / "xtrace" / "collector" / "console" / "static" / "vendor"
NOTICE = FOLDER / "NOTICE.json"


class Library(NamedTuple):
    """What to take from a package, and why."""

    package: str
    file: str
    target: str
    why: str


LIBRARIES = [
    Library("preact", "dist/preact.mjs", "preact.js", "draws the pages"),
    Library("preact", "hooks/dist/hooks.mjs", "hooks.js", "state of their components"),
    Library("htm", "dist/htm.module.js", "htm.js", "their markup, without a build"),
    Library("@dagrejs/dagre", "dist/dagre.esm.js", "dagre.js", "lays out the map"),
]
IMPORTS = {'from"preact"': 'from"./preact.js"'}


def main(newest: bool) -> None:
    """Fetch, change, write, list."""
    known = json.loads(NOTICE.read_text()) if NOTICE.exists() else []
    pinned = {entry["package"]: entry["version"] for entry in known}
    before = {entry["file"]: entry["sha256"] for entry in known}
    listed = []
    with tempfile.TemporaryDirectory() as folder:
        unpacked: dict[str, Path] = {}
        for library in LIBRARIES:
            name = library.package
            if name not in unpacked:
                unpacked[name] = fetched(name, None if newest else pinned.get(name), Path(folder))
            listed.append(taken(library, unpacked[name]))
    NOTICE.write_text(json.dumps(listed, indent=2) + "\n")
    for entry in listed:
        same = before.get(entry["file"]) == entry["sha256"]
        print(
            f"{entry['package']} {entry['version']}: {entry['file']}{'' if same else ', changed'}"
        )


def fetched(package: str, version: str | None, folder: Path) -> Path:
    """A package from npm, unpacked."""
    wanted = f"{package}@{version}" if version else package
    packed = subprocess.run(
        ["npm", "pack", "--silent", wanted], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    target = folder / package.replace("/", "-")
    with tarfile.open(folder / packed) as archive:
        archive.extractall(target, filter="data")
    return target / "package"


def taken(library: Library, package: Path) -> dict[str, str]:
    """Write a library's file and its licence; gives its entry in the list."""
    about = json.loads((package / "package.json").read_text())
    code = (package / library.file).read_text()
    code = re.sub(r"^//# sourceMappingURL=.*\n?", "", code, flags=re.MULTILINE)
    for name, path in IMPORTS.items():
        code = code.replace(name, path)
    (FOLDER / library.target).write_text(code)
    licence = FOLDER / f"LICENSE.{library.package.rpartition('/')[2]}.txt"
    licence.write_text((package / "LICENSE").read_text())
    return {
        "file": library.target,
        "package": library.package,
        "version": about["version"],
        "source": f"https://www.npmjs.com/package/{library.package}/v/{about['version']}",
        "path": library.file,
        "licence": about["license"],
        "licence_file": licence.name,
        "sha256": hashlib.sha256(code.encode()).hexdigest(),
        "why": library.why,
    }


if __name__ == "__main__":
    main("--newest" in sys.argv)
