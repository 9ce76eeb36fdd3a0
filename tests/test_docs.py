"""The code in README.md and docs/ runs, page by page, from top to bottom."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from xtrace.cli import COMMANDS
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


FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_json_of_a_page_is_json(page):
    for language, text in FENCED.findall(page.read_text()):
        if language == "json" and "..." not in text:
            json.loads(text)


def commands(page):
    """The words of each command `xtrace` in the shell blocks of a page."""
    for language, text in FENCED.findall(page.read_text()):
        for line in re.sub(r"\\\n\s*", " ", text).splitlines():
            is_typed = line.startswith("$ ") if language == "console" else language in ("", "sh")
            if is_typed and "xtrace " in line:
                yield from _commands(line)


def _commands(line):
    tokens = shlex.shlex(line, posix=True, punctuation_chars=True)
    tokens.whitespace_split = True
    words = None
    for token in tokens:
        if token.strip("|&;()<>") == "":
            if words:
                yield words
            words = None
        elif words is not None:
            words.append(token)
        elif token == "xtrace":
            words = []
    if words:
        yield words


@pytest.mark.parametrize("page", [p for p in PAGES if any(commands(p))], ids=lambda p: p.name)
def test_the_commands_of_a_page_are_there_with_their_options(page):
    for words in commands(page):
        assert words[0] in COMMANDS, words
        if words[0] != "run":  # whose words are another program's
            parser = argparse.ArgumentParser()
            import_module(f"xtrace.cli.{words[0].replace('-', '_')}").add_arguments(parser)
            parser.parse_args([word for word in words[1:] if word != "..."])


def anchors(page):
    """What a heading of a page may be called in a link, as GitHub makes it."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_a_link_into_a_page_finds_its_heading(page):
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text()):
        target = (page.parent / link).resolve() if link else page
        if target.suffix == ".md":
            assert anchor in anchors(target), f"{link}#{anchor}"
