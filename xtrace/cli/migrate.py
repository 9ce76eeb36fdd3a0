"""`xtrace migrate`: say what in a code base uses aws_xray_sdk, and rewrite it to xtrace."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

from ..errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ._migration import Finding

SKIPPED = frozenset(("build", "dist", "node_modules", "site-packages", "venv"))
"""Folders that hold other people's code, beside those whose name begins with a dot."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a file, or a folder with all below"
    )
    parser.add_argument("--write", action="store_true", help="change the files; else show a diff")


def run(arguments: argparse.Namespace) -> int:
    """Report and rewrite; the exit status is 1 if something is left to do by hand."""
    from . import _migration

    changed = 0
    findings = []
    for path in _files(arguments.paths):
        text = path.read_text(encoding="utf-8")
        if "aws_xray_sdk" not in text:
            continue
        try:
            migrated = _migration.migrate(text)
        except Exception as error:  # what LibCST says of code that isn't Python
            print(f"{path}: not read: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        findings += [(path, finding) for finding in migrated.findings]
        if migrated.text == text:
            continue
        changed += 1
        if arguments.write:
            path.write_text(migrated.text, encoding="utf-8")
        else:
            before, after = (each.splitlines(keepends=True) for each in (text, migrated.text))
            sys.stdout.writelines(difflib.unified_diff(before, after, str(path), str(path)))
    by_hand = sorted((path, each) for path, each in findings if each.is_left)
    notes = sorted({each.text for _, each in findings if not each.is_left})
    _print_report(changed, by_hand, notes, arguments.write)
    return 1 if by_hand else 0


def _print_report(
    changed: int, by_hand: list[tuple[Path, Finding]], notes: list[str], write: bool
) -> None:
    if notes:
        print("\nWhat differs in what is used here:")
        for note in notes:
            print(f"  - {note}")
    if by_hand:
        print("\nLeft as it is; it runs with `xtrace run --compat`, or change it by hand:")
        for path, each in by_hand:
            print(f"  {path}:{each.line}: {each.text}")
    verb = "changed" if write else "would change"
    files = "1 file" if changed == 1 else f"{changed} files"
    print(f"\n{files} {verb}, {len(by_hand)} places left.")
    if changed and not write:
        print("Nothing is written yet: add --write.")


def _files(paths: list[str]) -> Iterator[Path]:
    for given in paths:
        path = Path(given)
        if path.is_file():
            yield path
        elif path.is_dir():
            for found in sorted(path.rglob("*.py")):
                folders = found.relative_to(path).parts[:-1]
                if not any(each.startswith(".") or each in SKIPPED for each in folders):
                    yield found
        else:
            raise ConfigurationError(f"There is no file and no folder {given!r}.")
