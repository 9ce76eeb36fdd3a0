"""Rule files: what is read, what is refused and how, and which rule a request falls under."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtrace.errors import InvalidSamplingRules
from xtrace.sampling import matching
from xtrace.sampling.matching import Matcher
from xtrace.sampling.rules import DEFAULT_RULES, load

DEFAULT = {"fixed_target": 1, "rate": 0.05}
ANY = {"host": "*", "http_method": "*", "url_path": "*", "fixed_target": 0, "rate": 0}


def file(*rules, version=2, default=DEFAULT, **more):
    return {"version": version, "default": default, "rules": list(rules), **more}


def decided_by(rules, **request):
    """The name of the rule that a request falls under, found both ways."""
    matcher = load(rules).matcher()
    name = matcher.find(request).name
    assert matcher.find(request).name == name, "the second time"
    if all(isinstance(request.get(field, 0), str) for field in matcher._names):
        assert load(rules).matcher()[matcher.key(request)].name == name, "by the short way"
    return name


# -- files ---------------------------------------------------------------------------------------


def test_version_2_is_read():
    rules = load(
        file(
            {
                "description": "moves",
                "host": "a.example.com",
                "http_method": "PUT",
                "url_path": "/move/*",
                "fixed_target": 2,
                "rate": 0.5,
            },
            ANY,
            default={"fixed_target": 3, "rate": 1, "description": "the rest"},
        )
    ).rules
    assert [rule.name for rule in rules] == ["moves", "rules[1]", "default"]
    assert rules[0].patterns == {"path": "/move/*", "method": "PUT", "host": "a.example.com"}
    assert [(rule.fixed_target, rule.rate) for rule in rules] == [(2, 0.5), (0, 0), (3, 1)]


def test_version_1_calls_the_host_service_name():
    rule = {**ANY, "service_name": "a.example.com"}
    del rule["host"]
    assert load(file(rule, version=1)).rules[0].patterns["host"] == "a.example.com"


@pytest.mark.parametrize("as_path", [str, Path])
def test_a_path_is_read(tmp_path, as_path):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(file(ANY)))
    rules = load(as_path(path))
    assert len(rules.rules) == 2
    assert repr(str(path)) in rules.source


def test_a_file_without_rules_has_its_default():
    (rule,) = load({"version": 1, "default": DEFAULT}).rules
    assert (rule.name, rule.patterns) == ("default", {})
    assert len(load(DEFAULT_RULES).rules) == 1


def without(field, rule=ANY):
    return {key: value for key, value in rule.items() if key != field}


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ([], "sampling rules is list"),
        (file(version=3), "version is 3; write 1 or 2"),
        (file(version=True), "version is True"),
        (file(version="2"), "version is '2'"),
        (file(version=[2]), "version is [2]"),
        ({"default": DEFAULT}, "version is None"),
        ({"version": 2}, "default is missing; write"),
        (file(default=1), "default is missing"),
        (file(default={"rate": 1}), "default.fixed_target is None; write a number"),
        (file(default={"fixed_target": 1}), "default.rate is None"),
        (file(default={**DEFAULT, "url_path": "*"}), "default.url_path isn't allowed"),
        ({**file(), "rules": {}}, "rules is dict, not a list"),
        (file(7), "rules[0] is int, not an object"),
        (file(ANY, without("host")), "rules[1].host is None; write a pattern"),
        (file(without("http_method")), "rules[0].http_method is None"),
        (file(without("url_path")), "rules[0].url_path is None"),
        (file({**ANY, "url_path": ""}), "rules[0].url_path is ''"),
        (file({**ANY, "url_path": ["/"]}), "rules[0].url_path is ['/']"),
        (file({**ANY, "url": "/"}), "rules[0].url is unknown in version 2"),
        (file({**ANY, "service_name": "*"}), "rules[0].service_name is unknown in version 2"),
        (file(ANY, version=1), "rules[0].host is unknown in version 1"),
        (file(without("host"), version=1), "rules[0].service_name is None"),
        (file(without("rate")), "rules[0].rate is None; write a number of at least 0"),
        (file({**ANY, "rate": -0.1}), "rules[0].rate is -0.1"),
        (file({**ANY, "rate": 1.1}), "rules[0].rate is 1.1; write a fraction"),
        (file({**ANY, "rate": "1"}), "rules[0].rate is '1'"),
        (file({**ANY, "rate": True}), "rules[0].rate is True"),
        (file({**ANY, "fixed_target": -1}), "rules[0].fixed_target is -1"),
        (file({**ANY, "fixed_target": float("nan")}), "rules[0].fixed_target is nan"),
    ],
)
def test_an_error_names_rule_and_field(rules, where, tmp_path):
    with pytest.raises(InvalidSamplingRules) as caught:
        load(rules)
    assert where in str(caught.value)
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(rules))
    with pytest.raises(InvalidSamplingRules, match="sampling rules '.*rules.json'"):
        load(path)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b""])
def test_a_file_that_is_no_json_is_named(tmp_path, content):
    path = tmp_path / "rules.json"
    path.write_bytes(content)
    with pytest.raises(InvalidSamplingRules, match=r"rules.json' isn't JSON"):
        load(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InvalidSamplingRules, match="Can't read sampling rules '.*none.json'"):
        load(tmp_path / "none.json")
    with pytest.raises(InvalidSamplingRules, match="Can't read"):
        load(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["version", "default", "rules", "rate", "fixed_target", "host"]), inner
        )
    ),
)


@given(json_values | st.builds(file, json_values, default=json_values))
def test_whatever_stands_in_a_file_is_rules_or_an_error_in_words(content):
    if not isinstance(content, str):
        with suppress(InvalidSamplingRules):
            load(content)


# -- which rule ------------------------------------------------------------------------------------


RULES = file(
    {**ANY, "description": "health", "url_path": "/health"},
    {**ANY, "description": "post", "http_method": "POST", "host": "*.example.com"},
    {**ANY, "description": "number", "url_path": "/r/20??", "host": "shop.example.com"},
    {**ANY, "description": "items", "url_path": "/*/items"},
)


@pytest.mark.parametrize(
    ("path", "method", "host", "name"),
    [
        ("/health", "GET", "x", "health"),
        ("/HEALTH", "POST", "shop.example.com", "health"),
        ("/health/", "GET", "x", "default"),
        ("/", "post", "Shop.Example.Com", "post"),
        ("/", "POST", "example.com", "default"),
        ("/r/2024", "GET", "shop.example.com", "number"),
        ("/r/2024", "GET", "other.example.com", "default"),
        ("/r/20244", "GET", "shop.example.com", "default"),
        ("/cart/7/items", "GET", "x", "items"),
        ("/items", "GET", "x", "default"),
        # What a request doesn't say matches.
        (None, "GET", "x", "health"),
        ("", "GET", "x", "health"),
        ("/", "POST", None, "post"),
        ("/", None, "a.example.com", "post"),
        ("/", None, "", "post"),
    ],
)
def test_the_first_rule_that_matches_decides(path, method, host, name):
    assert decided_by(RULES, path=path, method=method, host=host) == name


def test_a_request_may_lack_anything_and_have_more():
    assert decided_by(RULES) == "health"
    assert decided_by(RULES, service="shop") == "health"
    assert decided_by(RULES, path="/other", color="red") == "post"
    assert decided_by(RULES, path="/other", method="GET") == "default"
    assert load(RULES).matcher().find(None).name == "health"


def test_what_is_no_text_is_compared_as_text():
    assert decided_by(RULES, path=b"/health", method="GET", host="x") == "health"
    assert decided_by(RULES, path=["/health"], method=7, host="x") == "default"


def matches(pattern, text):
    """The meaning of a pattern, as plainly as can be."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(matches(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:])


patterns = st.text("aB/.*?é", min_size=1, max_size=6)
texts = st.text("AbB/.*?é\n", max_size=6)
fields = st.sampled_from(["path", "method", "host", "service", "service_type"])


@given(
    st.lists(st.dictionaries(fields, patterns, max_size=3), max_size=5),
    st.lists(st.dictionaries(fields, st.none() | texts), max_size=5),
)
def test_the_matcher_finds_what_a_plain_search_finds(rules, requests):
    matcher = Matcher([(patterns, number) for number, patterns in enumerate(rules)], "none")
    for request in requests:
        wanted = [
            number
            for number, rule in enumerate(rules)
            if all(
                not request.get(field) or matches(pattern.lower(), request[field].lower())
                for field, pattern in rule.items()
            )
        ]
        assert matcher.find(request) == (wanted or ["none"])[0]
        explained = matcher.explain(request)
        assert [number for number, against in explained if not against] == wanted


@given(
    st.sampled_from(["resource_arn", "attributes.tier"]),
    patterns,
    st.none() | texts,
)
def test_a_resource_and_an_attribute_must_be_there(field, pattern, text):
    matcher = Matcher([({field: pattern}, "rule")], "none")
    if field == "resource_arn":
        request = {"method": "GET", "path": "/", "resource_arn": text}
        asks = bool(pattern.strip("*"))
    else:
        request = {"method": "GET", "path": "/", "attributes": {"tier": text, "other": "x"}}
        asks = True
    takes = text is not None and matches(pattern.lower(), text.lower())
    found = "rule" if takes or not asks else "none"
    assert matcher[matcher.key(request)] == matcher.find(request) == found
    assert matcher.find({"attributes": "not a mapping"}) == ("none" if asks else "rule")


def test_a_made_up_path_keeps_no_pattern_busy():
    rule = {**ANY, "url_path": "/" + "a*" * 40 + "b"}
    assert decided_by(file(rule), path="/" + "a" * 5000, method="GET") == "default"


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(matching, "_MOST_REMEMBERED", 10)
    matcher = load(RULES).matcher()
    for number in range(100):
        request = {"path": f"/{number}", "method": "GET", "host": f"{number}.example.com"}
        assert matcher.find(request).name == "default"
        assert len(matcher) <= 10
        assert len(matcher._allowed) <= 10


@pytest.mark.parametrize("field", ["path", "host"])
def test_long_texts_are_not_remembered(field):
    matcher = load(RULES).matcher()
    request = {"path": "/", "method": "GET", "host": "x", field: "/" + "x" * 10_000}
    assert matcher.find(request).name == "default"
    assert len(matcher) == 0
    assert matcher.find({**request, field: "short"}).name == "default"
    assert len(matcher) == 1
