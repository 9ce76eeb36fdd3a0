"""Names as X-Ray takes them, patterns, and names by host."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, strategies

from xtrace import naming
from xtrace.ledger import Ledger
from xtrace.naming import HostNaming, clean, wildcard, without_port


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("shop", "shop"),
        ("_.:/%&#=+-@ 09", "_.:/%&#=+-@ 09"),
        ("a?b;c*d(e)f!g$h~i^j<k>l", "abcdefghijkl"),
        ("a\\b\"c'd|e{f}g[h]i,j`k", "abcdefghijk"),
        ("größe Ωμέγα 商店 ४२", "größe Ωμέγα 商店 ४२"),
        ("😀 shop", "shop"),
        ("a\tb\nc\u00a0d\u2003e\u2028f", "a b c d e f"),
        ("a\x00b\x1b[31mc", "ab31mc"),
        ("\ud800", "unnamed"),
        ("  shop  ", "shop"),
        ("x" * 300, "x" * 200),
        ("x" * 199 + " yz", "x" * 199),
        ("", "unnamed"),
        ("???", "unnamed"),
        (None, "unnamed"),
        (42, "42"),
        (b"shop", "bshop"),
    ],
)
def test_a_name_has_what_x_ray_accepts_and_nothing_else(name, cleaned):
    assert clean(name) == cleaned


@given(strategies.text() | strategies.text('"\\\x00\x1f\x7f\u2028a'))
def test_a_cleaned_name_is_json_as_it_stands(name):
    assert json.dumps(clean(name), ensure_ascii=False) == f'"{clean(name)}"'


def test_a_name_whose_text_cannot_be_read_is_its_types():
    class Odd:
        def __str__(self):
            raise RuntimeError

    assert clean(Odd()) == "Odd"


def test_only_names_that_change_are_counted():
    ledger = Ledger()
    for name in ("shop", "shop", "shop?", "shop?", "x" * 201, ""):
        clean(name, ledger)
    assert ledger.repaired == {"name": 4}


def test_names_that_are_fine_are_known_and_no_others(monkeypatch):
    monkeypatch.setattr(naming, "known", {})
    clean("shop")
    clean("shop?")
    assert naming.known == {"shop": "shop"}


def test_a_program_with_ever_new_names_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(naming, "known", {})
    for number in range(3 * naming._CACHED_NAMES):
        clean(f"name {number}")
    assert len(naming.known) <= naming._CACHED_NAMES


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("", [""], ["a"]),
        ("*", ["", "anything", "a\nb"], []),
        ("**", ["", "anything"], []),
        ("?", ["a", "é"], ["", "ab"]),
        ("shop", ["shop", "SHOP", "Shop"], ["shops", "a shop", ""]),
        ("/api/*", ["/api/", "/API/x/y"], ["/api", "/v1/api/"]),
        ("*.example.com", ["a.example.com", "a.b.EXAMPLE.com"], ["example.com", "a.example.comx"]),
        ("*ab*ab*", ["abab", "xabyabz", "aababb"], ["ab", "aba", "abxba"]),
        ("a?c*e", ["abce", "abcdee", "ABC E"], ["ace", "abcd", "abc"]),
        ("a*b?d*e*f", ["abxdef", "aXbYdZeWf"], ["abdef", "abxdf"]),
        ("?*?", ["ab", "abc"], ["", "a"]),
        ("a.c+[d]", ["a.c+[d]"], ["abc+[d]", "a.cc[d]"]),
        ("*aab", ["aaab", "aabaab"], ["aaba"]),
    ],
)
def test_a_pattern_matches(pattern, matching, others):
    match = wildcard(pattern).fullmatch
    assert [text for text in matching if not match(text)] == []
    assert [text for text in others if match(text)] == []


@pytest.mark.parametrize("pattern", ["*a*a*a*b", "*a*a*a*b*", "*/*/*/x"])
def test_no_text_keeps_a_pattern_busy(pattern):
    before = time.process_time()
    assert not wildcard(pattern).fullmatch("a/" * 1000)
    assert time.process_time() - before < 1  # with ".*" for each "*" it takes ten seconds


@pytest.mark.parametrize(
    ("host", "bare"),
    [
        ("example.com", "example.com"),
        ("example.com:8080", "example.com"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("example.com:", "example.com:"),
        ("example.com:http", "example.com:http"),
        (":80", ""),
        ("", ""),
    ],
)
def test_a_host_without_its_port(host, bare):
    assert without_port(host) == bare


@pytest.mark.parametrize(
    ("pattern", "host", "name"),
    [
        ("*.example.com", "shop.example.com", "shop.example.com"),
        ("*.example.com", "shop.example.com:8080", "shop.example.com"),
        ("*.example.com", "SHOP.Example.com", "SHOP.Example.com"),
        ("*.example.com", "evil.example.org", None),
        ("*.example.com:8080", "shop.example.com:8080", "shop.example.com"),
        ("*", "[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::*", "[2001:db8::1]:443", "2001:db8::1"),
        ("*", "", None),
        ("*", None, None),
        ("*", ":80", None),
        ("*", "[", None),
    ],
)
def test_a_host_names_a_segment_only_if_the_pattern_allows_it(pattern, host, name):
    assert HostNaming(pattern).get_name(host) == name
