"""The code in README.md and docs/ runs, page by page, from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from xtrace.settings import SETTINGS

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def code(page):
    """The Python of a page as one program, its lines where they stand in the page."""
    text = page.read_text()
    lines = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        first = text[: block.start(1)].count("\n")
        lines[first : first + block[1].count("\n")] = block[1].splitlines()
    return "\n".join(lines)


@pytest.mark.parametrize("page", [p for p in PAGES if code(p).strip()], ids=lambda p: p.name)
def test_the_code_of_a_page_runs(page, tmp_path):
    program = tmp_path / f"{page.stem}_page.py"  # not logging.py
    program.write_text(code(page))
    done = subprocess.run(
        [sys.executable, "-W", "error", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        # A page on EC2 needn't find one.
        env={**os.environ, "PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true"},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def settings_table():
    """The table of docs/settings.md, from the settings themselves."""
    lines = ["| argument | environment | default | meaning |", "| --- | --- | --- | --- |"]
    for setting in SETTINGS.values():
        unit = f" {setting.unit}" if setting.unit else ""
        environment = f"`{setting.environment}`" if setting.environment else ""
        default = f"`{setting.default!r}`{unit}"
        lines.append(f"| `{setting.name}` | {environment} | {default} | {setting.meaning} |")
    return "\n".join(lines)


def test_the_table_of_settings_is_the_settings():
    assert settings_table() in (ROOT / "docs" / "settings.md").read_text()


def test_the_readme_names_the_two_commands():
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme
