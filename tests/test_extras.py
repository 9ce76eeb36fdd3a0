"""Where a library isn't installed, the message is what to type."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest

import xtrace
from xtrace.extras import BROUGHT_BY, how_to_install

PACKAGE = Path(xtrace.__file__).parent
OURS = ("cli", "collector", "delivery", "emitters", "otlp")
BARE = f"""
import sys
for name in {sorted(BROUGHT_BY)}:
    if name not in sys.argv[1].split():
        sys.modules[name] = None
from xtrace.cli import main
sys.exit(main(sys.argv[2:]))
"""
COLLECTOR = " ".join(name for name, extra in BROUGHT_BY.items() if extra == "collector")


def bare(code, *words, cwd):
    """What a program says on stderr, and its exit status."""
    environment = {"HOME": str(cwd), "PYTHONPATH": str(PACKAGE.parent), "AWS_REGION": "eu-west-1"}
    ran = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=60,
    )
    return ran.stderr, ran.returncode


@pytest.mark.parametrize(
    ("installed", "words", "extras"),
    [
        ("", "collector", "collector"),
        ("", "daemon", "aws,collector"),
        ("", "collector --forward xray://eu-west-1", "aws,collector"),
        ("", "collector --db clickhouse://127.0.0.1:1/traces", "clickhouse,collector"),
        (COLLECTOR, "daemon", "aws"),
        ("", "show --help", "collector"),
        ("", "compare-backends clickhouse://127.0.0.1:1/traces traces.jsonl", "collector"),
        ("", "migrate .", "migrate"),
    ],
)
def test_a_command_says_what_to_install(installed, words, extras, tmp_path):
    told, status = bare(BARE, installed, *words.split(), cwd=tmp_path)
    assert told.endswith(f"pip install 'xtrace[{extras}]'\n")
    assert told.startswith(f"xtrace {words.split()[0]}: ")
    assert len(told.splitlines()) == 1
    assert status == 2


def test_a_collector_in_a_program_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['orjson'] = None; from xtrace.collector import running"
    told, _ = bare(code, cwd=tmp_path)
    assert told.endswith(
        "ImportError: It needs orjson. Install it with: pip install 'xtrace[collector]'\n"
    )


def test_other_errors_are_told_as_they_are():
    assert how_to_install(ModuleNotFoundError("No module named 'mine'", name="mine")) is None
    assert how_to_install(ImportError("cannot import name 'x' from 'rich'", name="rich")) is None
    assert how_to_install(ModuleNotFoundError("no name")) is None


def test_every_library_is_brought_by_an_extra_that_exists():
    there = set(metadata("xtrace").get_all("Provides-Extra") or ())
    assert set(BROUGHT_BY.values()) <= there
    known = {*BROUGHT_BY, *sys.stdlib_module_names, "wrapt", "xtrace"}
    for room in OURS:
        for path in (PACKAGE / room).rglob("*.py"):
            for name in imported(ast.parse(path.read_text())):
                assert name in known, (
                    f"{path}: which extra brings {name}? Say it in xtrace/extras.py"
                )


def imported(tree):
    """The packages that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (re.match(r"\w+", alias.name)[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield re.match(r"\w+", node.module)[0]
