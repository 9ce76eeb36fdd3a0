"""What a filter that finds nothing may have meant."""

from __future__ import annotations

import pytest

from xtrace.collector.filters import parse
from xtrace.collector.filters.hints import anywhere


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        ("fault", "service() { fault }"),
        ('error AND user = "ann"', 'service() { error } AND user = "ann"'),
        ("http.status = 500", "service() { http.status = 500 }"),
        ("responsetime > 2 OR ok", "service() { responsetime > 2 } OR ok"),
        ("!fault", None),
        ('service("a") { fault }', None),
        ("throttle", None),
        ("annotation.x = 1", None),
        ("", None),
    ],
)
def test_what_is_asked_of_the_entry_point_is_asked_of_any_service(expression, meant):
    found = anywhere(parse(expression))
    assert (None if found is None else found.text) == meant
    if meant is not None:
        assert parse(meant) == found
