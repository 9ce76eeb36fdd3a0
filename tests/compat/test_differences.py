"""The page that lists what differs."""

from __future__ import annotations

from pathlib import Path

from tests.compat.differences import table

PAGE = Path(__file__).parents[2] / "docs" / "compat.md"


def test_the_page_has_all_differences():
    assert table() in PAGE.read_text(), "write tests.compat.differences.table() into the page"
