"""Install the Debian packages that the tests need, where they are missing.

    python3 tests/support/packages.py

Needs nothing but Python's standard library. On a system without apt-get, or without the right to
install, it says what is missing and goes on: a test without its server fails and says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

LIST = Path(__file__).parents[1] / "packages.txt"


def wanted() -> list[str]:
    """The names in the list."""
    lines = [line.partition("#")[0].strip() for line in LIST.read_text().splitlines()]
    return [line for line in lines if line]


def is_installed(package: str) -> bool:
    """Whether dpkg has it, configured."""
    asked = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(asked, capture_output=True, text=True).stdout == "installed"


def main() -> None:
    """Install what is missing."""
    if shutil.which("apt-get") is None:
        print(f"No apt-get here; the tests need these packages of Debian's: {' '.join(wanted())}")
        return
    missing = [package for package in wanted() if not is_installed(package)]
    if not missing:
        return
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    if os.geteuid() != 0:
        print(f"The tests need more packages: sudo apt-get install {' '.join(missing)}")
        return
    print(f"Installing {' '.join(missing)} ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
        done = subprocess.run([*apt, *command], env=environment, capture_output=True, text=True)
        if done.returncode:
            print(done.stdout[-2000:], done.stderr[-2000:])
            raise SystemExit(f"apt-get {command[0]} failed")


if __name__ == "__main__":
    main()
