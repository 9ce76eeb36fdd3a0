"""`xtrace sampling explain`, as a user runs it."""

from __future__ import annotations

import json

import pytest

from tests.sampling.daemon import RULES, answering, rule
from xtrace.cli import main

FILE = {
    "version": 2,
    "rules": [
        {
            "description": "health",
            "host": "*",
            "http_method": "*",
            "url_path": "/health",
            "fixed_target": 0,
            "rate": 0,
        },
        {
            "host": "*.example.com",
            "http_method": "POST",
            "url_path": "*",
            "fixed_target": 10,
            "rate": 0.125,
        },
    ],
    "default": {"fixed_target": 1, "rate": 0.05},
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ("XTRACE_SAMPLER", "XTRACE_SAMPLING_RULES", "AWS_XRAY_DAEMON_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(FILE))
    return str(path)


def explain(capsys, *words):
    status = main(["sampling", "explain", *words])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_the_rules_before_the_one_that_decides_say_why_not(capsys, file):
    status, out, err = explain(capsys, "GET", "a.example.com", "/x", "--rules", file)
    assert (status, err) == (0, "")
    assert (
        out
        == f"""\
Rules: sampling rules {file!r}
Request: method GET, host a.example.com, path /x

  'health': 0 a second, then 0 %
    is for path '/health', not '/x'
  'rules[1]': 10 a second, then 12.5 %
    is for method 'POST', not 'GET'
* 'default': 1 a second, then 5 %
    decides
"""
    )


def test_what_comes_after_the_one_that_decides_is_left_out(capsys, file):
    _, out, _ = explain(capsys, "POST", "a.example.com", "/x", "--rules", file)
    assert "* 'rules[1]'" in out
    assert "default" not in out


def test_without_options_the_environment_says_which_rules(capsys, file, monkeypatch):
    _, out, _ = explain(capsys, "GET", "x", "/")
    assert "Rules: built-in default\n" in out
    monkeypatch.setenv("XTRACE_SAMPLING_RULES", file)
    _, out, _ = explain(capsys, "GET", "x", "/health")
    assert "* 'health'" in out
    with answering() as daemon:
        monkeypatch.setenv("XTRACE_SAMPLER", "central")
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", daemon.address)
        _, out, _ = explain(capsys, "GET", "x", "/health")
    assert f"Rules: 1 from the daemon at {daemon.address}\n" in out
    assert "* 'Default' (priority 10000): 1 a second, shared by all processes, then 5 %" in out


def test_the_daemons_rules_are_compared_with_all_that_is_said(capsys):
    with answering() as daemon:
        daemon.rules = [
            rule("type", Priority=1, ServiceType="AWS::ECS::*"),
            rule("name", Priority=2, ServiceName="shop", Attributes={"tier": "gold"}),
            rule("arn", Priority=3, ResourceARN="arn:*"),
            rule("plain", Priority=4, URLPath="/x"),
        ]
        words = ["--service", "shop", "--service-type", "AWS::EC2::Instance"]
        words += ["--attribute", "tier=tin", "--daemon", daemon.address]
        status, out, _ = explain(capsys, "GET", "x", "/x", *words)
        assert status == 0
        assert daemon.paths() == [RULES], "nothing is decided or reported"
    assert "service type 'AWS::ECS::*', not 'AWS::EC2::Instance'" in out
    assert "is for attribute tier 'gold', not 'tin'" in out
    assert "is for resource ARN 'arn:*', not one that isn't said" in out
    assert "* 'plain'" in out


def test_where_none_of_the_daemons_matches_the_local_ones_follow(capsys):
    with answering() as daemon:
        daemon.rules = [rule("plain", URLPath="/x")]
        _, out, _ = explain(capsys, "GET", "x", "/y", "--daemon", daemon.address)
    assert "is for path '/x', not '/y'" in out
    assert "* 'default': 1 a second, then 5 %" in out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--rules", "none.json"], "Can't read sampling rules 'none.json'"),
        (["--daemon", "nowhere"], "--daemon is 'nowhere'"),
        (["--daemon", "127.0.0.1:9"], "Start one with `xtrace collector`"),
        (["--attribute", "gold"], "--attribute 'gold' isn't KEY=VALUE"),
    ],
)
def test_an_error_says_what_to_do(capsys, words, why):
    status, out, err = explain(capsys, "GET", "x", "/", *words)
    assert (status, out) == (2, "")
    assert why in err


def test_a_daemon_without_rules_is_an_error(capsys):
    with answering() as daemon:
        daemon.rules = []
        status, _, err = explain(capsys, "GET", "x", "/", "--daemon", daemon.address)
    assert status == 2
    assert "it has none" in err


def test_a_wrong_choice_in_the_environment_is_an_error(capsys, monkeypatch):
    monkeypatch.setenv("XTRACE_SAMPLER", "remote")
    status, _, err = explain(capsys, "GET", "x", "/")
    assert status == 2
    assert "Write 'local' or 'central'" in err


@pytest.mark.parametrize("words", [["explain", "GET", "x"], [], ["explain", "GET"]])
def test_what_is_missing_is_named(capsys, words):
    with pytest.raises(SystemExit) as caught:
        main(["sampling", *words])
    assert caught.value.code == 2
    assert "the following arguments are required" in capsys.readouterr().err
