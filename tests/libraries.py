"""What the tests ran with, as data: which versions of which libraries, and what was recorded of them.

    @pytest.mark.library("psycopg", "sync", "async")

says of a test, or of one parameter of it, that it is about a library: the name of its distribution,
or of a module of Python's own, and the modes in which it is used there. If XTRACE_TEST_LIBRARIES names
a folder, a run writes there what passed, and tests/support/coverage.py makes docs/coverage.md of it.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers import entities_in

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "XTRACE_TEST_LIBRARIES"
PROPERTY = "library"
MARK = "library(distribution, *modes): what the test is about, used in these modes (sync, async)"

# Of an entity: what says how it went, and the blocks that integrations write. Annotations and
# metadata are the tests' own as often as not.
FLAGS = ("cause", "error", "fault", "links", "throttle", "user")
BLOCKS = ("aws", "http", "sql")

_recorded: set[str] = set()


def see(document: dict[str, Any]) -> None:
    """A document that the test which runs now has sent."""
    for entity in entities_in([document]):
        _recorded.update(flag for flag in FLAGS if flag in entity)
        if "namespace" in entity:
            _recorded.add(f"namespace {entity['namespace']}")
        for block in BLOCKS:
            _recorded.update(_names(entity.get(block, {}), block))


def _names(block: dict[str, Any], path: str) -> Iterator[str]:
    for key, value in block.items():
        if path == "aws" and key == "xray":
            continue  # every document's
        if path == "http" and isinstance(value, dict):
            yield from _names(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Put what a test was about into its report, which comes to the process that collects them."""
    report: Any = yield
    if report.when == "setup":
        _recorded.clear()
    elif report.when == "call" and report.passed:
        for mark in item.iter_markers("library"):
            name, *modes = mark.args
            about = [name, _version(name), modes, sorted(_recorded)]
            report.user_properties.append((PROPERTY, about))
    return report


def _version(name: str) -> str:
    if name.partition(".")[0] in sys.stdlib_module_names:
        return "Python " + ".".join(platform.python_version_tuple()[:2])
    return version(name)


class Collected:
    """What all processes of a run have told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._libraries: dict[str, dict[str, set[str]]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test was about, by library."""
        for kind, about in report.user_properties if report.when == "call" else ():
            if kind == PROPERTY:
                name, found, modes, recorded = about  # type: ignore[misc]
                library = self._libraries.setdefault(
                    name, {"versions": set(), "modes": set(), "recorded": set()}
                )
                library["versions"].add(found)
                library["modes"].update(modes)
                library["recorded"].update(recorded)

    def pytest_sessionfinish(self) -> None:
        """Write it down."""
        self._folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self._libraries, default=sorted, sort_keys=True)
        (self._folder / f"{uuid.uuid4().hex}.json").write_text(text)


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark; collect, in the first process of a run, if that is asked for."""
    config.addinivalue_line("markers", MARK)
    folder = os.environ.get(FOLDER)
    if folder and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collected(Path(folder)))
