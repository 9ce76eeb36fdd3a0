"""Every setting is there once; wrong values say what to write; the environment wins."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path

import pytest

from xtrace import settings
from xtrace.daemon import DaemonAddress
from xtrace.errors import ConfigurationError, InvalidAddress, UnknownSetting
from xtrace.settings import SETTINGS, check

NAMES_IN_ENVIRONMENT = {name: s.environment for name, s in SETTINGS.items() if s.environment}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    for name in NAMES_IN_ENVIRONMENT.values():
        monkeypatch.delenv(name, raising=False)


def arguments_of_configure():
    """The keys of settings.Arguments, which exists for type checkers only."""
    for node in ast.walk(ast.parse(Path(settings.__file__).read_text())):
        if isinstance(node, ast.ClassDef) and node.name == "Arguments":
            return [each.target.id for each in node.body if isinstance(each, ast.AnnAssign)]
    return []


def test_each_setting_is_an_argument_of_configure_and_each_argument_a_setting():
    assert arguments_of_configure() == list(SETTINGS)


def test_the_recorder_uses_each_setting():
    module = sys.modules["xtrace.recorder"]  # xtrace.recorder itself is the process's recorder
    source = inspect.getsource(module)
    known = {*module._PLAIN, *module._DELIVERY}
    assert {name for name in SETTINGS if name not in known and f'"{name}"' not in source} == set()
    assert known <= set(SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_each_setting_says_what_it_means_and_accepts_its_default(setting):
    assert setting.meaning.endswith(".")
    setting.value(setting.default)


def test_no_two_settings_share_an_environment_variable():
    assert len(set(NAMES_IN_ENVIRONMENT.values())) == len(NAMES_IN_ENVIRONMENT)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("service", "shop", "shop"),
        ("service", None, None),
        ("enabled", True, True),
        ("enabled", 0, False),
        ("enabled", "False", False),
        ("enabled", " ON ", True),
        ("sampling", "off", False),
        ("streaming_threshold", 0, 0),
        ("streaming_threshold", "12", 12),
        ("streaming_threshold", 12.0, 12),
        ("max_trace_back", 1000, 1000),
        ("max_datagram_bytes", 1024, 1024),
        ("context_missing", "IGNORE_ERROR", "IGNORE_ERROR"),
        ("dynamic_naming", "*.example.com", "*.example.com"),
        ("daemon_address", None, DaemonAddress(("127.0.0.1", 2000), ("127.0.0.1", 2000))),
        ("daemon_address", "a:1", DaemonAddress(("a", 1), ("a", 1))),
        ("daemon_address", DaemonAddress(("a", 1), ("b", 2)), DaemonAddress(("a", 1), ("b", 2))),
    ],
)
def test_a_value_is_taken_as(name, given, value):
    checked = check({name: given})
    assert checked == {name: value}
    assert type(checked[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "instead"),
    [
        ("service", "", "Write a text that isn't empty."),
        ("service", "  ", "Write a text that isn't empty."),
        ("service_version", 7, "Write a text that isn't empty."),
        ("log_groups", ["two words"], "Write names or ARNs of log groups"),
        ("log_groups", 7, "Write names or ARNs of log groups"),
        ("enabled", "maybe", "Write True or False"),
        ("enabled", None, "Write True or False"),
        ("redact", 0.5, "Write True or False"),
        ("max_datagram_bytes", 1023, "Write a whole number, 1024 to 65507."),
        ("max_datagram_bytes", 65_508, "Write a whole number, 1024 to 65507."),
        ("max_datagram_bytes", "64 KB", "Write a whole number, 1024 to 65507."),
        ("streaming_threshold", -1, "Write a whole number, 0 to"),
        ("streaming_threshold", 1.5, "Write a whole number, 0 to"),
        ("streaming_threshold", True, "Write a whole number, 0 to"),
        ("streaming_threshold", None, "Write a whole number, 0 to"),
        ("streaming_threshold", float("inf"), "Write a whole number, 0 to"),
        ("streaming_threshold", float("nan"), "Write a whole number, 0 to"),
        ("streaming_threshold", 10**400, "Write a whole number, 0 to"),
        ("context_missing", "log_error", "Write one of LOG_ERROR, RUNTIME_ERROR, IGNORE_ERROR."),
        ("context_missing", ["LOG_ERROR"], "Write one of LOG_ERROR"),
        ("sampler", object(), "Give an object with should_trace()."),
        ("context", object(), "Give an object with get(), set(), missing()."),
        ("streaming", 30, "Give an object with is_eligible()."),
        ("dynamic_naming", 7, "Give an object with get_name()."),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write(name, given, instead):
    with pytest.raises(ConfigurationError) as caught:
        check({name: given})
    assert str(caught.value).startswith(f"{name} is {given!r}. {instead}")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("service", "from outside", "from outside"),
        ("enabled", "false", False),
        ("context_missing", "RUNTIME_ERROR", "RUNTIME_ERROR"),
        ("max_datagram_bytes", "8192", 8192),
        ("daemon_address", "a:1", DaemonAddress(("a", 1), ("a", 1))),
    ],
)
def test_the_environment_wins_over_the_argument(monkeypatch, name, text, value):
    monkeypatch.setenv(NAMES_IN_ENVIRONMENT[name], text)
    given = SETTINGS[name].default
    assert check({name: given}) == {name: value}
    assert check({name: given}, environment=False) != {name: value}
    assert SETTINGS[name].is_in_environment()


def test_an_empty_environment_variable_decides_nothing(monkeypatch):
    monkeypatch.setenv("AWS_XRAY_TRACING_NAME", "")
    assert check({"service": "shop"}) == {"service": "shop"}
    assert not SETTINGS["service"].is_in_environment()


def test_an_error_names_the_environment_variable_if_the_value_came_from_there(monkeypatch):
    monkeypatch.setenv("XTRACE_MAX_DATAGRAM_BYTES", "much")
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "localhost")
    with pytest.raises(ConfigurationError, match=r"'much' \(from XTRACE_MAX_DATAGRAM_BYTES\)\. W"):
        check({"max_datagram_bytes": 2000})
    with pytest.raises(InvalidAddress, match=r"^AWS_XRAY_DAEMON_ADDRESS is 'localhost', without"):
        check({"daemon_address": "127.0.0.1:2000"})


def test_an_error_does_not_name_the_environment_variable_otherwise(monkeypatch):
    monkeypatch.setenv("XTRACE_MAX_DATAGRAM_BYTES", "2000")
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "a:1")
    with pytest.raises(ConfigurationError, match=r"^max_datagram_bytes is 5\. Write"):
        check({"max_datagram_bytes": 5}, environment=False)
    with pytest.raises(InvalidAddress, match=r"^daemon_address is 'b'"):
        check({"daemon_address": "b"}, environment=False)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("servce", "Did you mean 'service'?"),
        ("sampling_rule", "Did you mean 'sampling_rules'?"),
        ("daemon_adress", "Did you mean 'daemon_address'?"),
    ],
)
def test_an_unknown_name_gives_the_one_that_was_meant(name, hint):
    with pytest.raises(UnknownSetting, match=rf"no argument '{name}'\. {hint}".replace("?", r"\?")):
        check({name: 1})


def test_an_unknown_name_like_no_other_gives_them_all():
    with pytest.raises(UnknownSetting) as caught:
        check({"xyzzy": 1})
    assert "Did you mean" not in str(caught.value)
    assert all(name in str(caught.value) for name in SETTINGS)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("a.example, *.b ,", ("a.example", "*.b")),
        (["a.example", " *.b "], ("a.example", "*.b")),
        ((), ()),
        ("", ()),
    ],
)
def test_patterns_are_given_one_by_one_or_with_commas_between_them(given, value):
    assert SETTINGS["trace_header_targets"].value(given) == value
    assert SETTINGS["excluded_urls"].value(given) == value


@pytest.mark.parametrize("given", [None, 1, [1], {"a": 1}])
def test_what_is_no_pattern_is_an_error(given):
    with pytest.raises(ConfigurationError, match="trace_header_targets"):
        SETTINGS["trace_header_targets"].value(given)


@pytest.mark.parametrize(
    "given",
    [
        "10.0.0.7:80=orders, *.b = pay=ments ,",
        {"10.0.0.7:80": "orders", " *.b": "pay=ments "},
        (("10.0.0.7:80", "orders"), ("*.b", "pay=ments")),
    ],
)
def test_peers_are_named_in_a_dict_or_a_text(given):
    known = (("10.0.0.7:80", "orders"), ("*.b", "pay=ments"))
    assert SETTINGS["peer_names"].value(given) == known
    assert SETTINGS["peer_names"].value({}) == SETTINGS["peer_names"].value("") == ()


@pytest.mark.parametrize(
    "given", ["orders", "=orders", "10.*=", {"10.*": ""}, {1: "a"}, None, 1, ["a=b"]]
)
def test_what_names_no_peer_is_an_error(given):
    with pytest.raises(ConfigurationError, match="peer_names is .*Write names by host"):
        SETTINGS["peer_names"].value(given)
