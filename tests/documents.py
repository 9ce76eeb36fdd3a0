"""What holds of every document of a test run, sent by a test or by a program that it has started: it
obeys the schema and holds no secret.

Passwords of servers, parameters of queries, bodies, tokens: what tests use of these has `MARK` in it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from tests.marks import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = json.loads(Path(__file__).with_name("segment.schema.json").read_text())
validator = jsonschema_rs.validator_for(SCHEMA)

_searched = 0
_leaks: list[str] = []


def checked(data: bytes) -> dict[str, Any]:
    """A document as it was sent, parsed. AssertionError if it breaks the schema; if it has a secret,
    the test fails at its end, whatever becomes of an error here.
    """
    global _searched
    _searched += 1
    if MARK.encode() in data:
        _leaks.append(data.decode(errors="replace"))
    document: dict[str, Any] = json.loads(data)
    validator.validate(document)
    return document


def assert_same(text: dict[str, Any], made: dict[str, Any]) -> None:
    """A document written as text says what one made of a dict does, in whole microseconds."""
    text, made = {**text}, {**made}
    inside = text.pop("subsegments", []), made.pop("subsegments", [])
    for key in ("start_time", "end_time"):
        assert text.pop(key, 0) == pytest.approx(made.pop(key, 0), rel=0, abs=1e-6)
    assert text == made
    for pair in zip(*inside, strict=True):
        assert_same(*pair)


def leaks() -> list[str]:
    """The documents with a secret since this was last asked."""
    found = _leaks.copy()
    _leaks.clear()
    return found


class Searched:
    """Says at the end of a run in how many documents secrets were looked for."""

    FIELD = "xtrace_documents_searched"  # of what a process of pytest-xdist's hands over

    def __init__(self) -> None:
        self._by_others = 0

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Another process of the run is done."""
        self._by_others += getattr(node, "workeroutput", {}).get(self.FIELD, 0)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the process that collects, if this is another."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[self.FIELD] = _searched

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """One line."""
        if count := _searched + self._by_others:
            terminalreporter.write_line(f"{count} documents searched for secrets ({MARK}...)")


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    """No document that was sent or received meanwhile has one."""
    leaks()
    yield
    assert leaks() == [], "a document has a secret in it"
