"""`xtrace daemon`: the X-Ray daemon's flags and file do what they did."""

from __future__ import annotations

import argparse
import json
import logging
import re
import signal
import subprocess
import sys
from http.client import HTTPConnection

import pytest

from tests.delivery.backend import answering, backend
from tests.delivery.signatures import KEY, SECRET, is_signed
from tests.helpers import eventually, free_port
from xtrace.cli import _forwarding, collector, main
from xtrace.errors import ConfigurationError
from xtrace.recorder import Recorder

WHOLE = """
TotalBufferSizeMB: 24
Concurrency: 4
Region: "eu-north-1"
Endpoint: "https://xray.example.com"
Socket:
  UDPAddress: "127.0.0.1:2001"
  TCPAddress: "127.0.0.1:2002"
Logging:
  LogRotation: true
  LogLevel: "warn"
  LogPath: "/var/log/xray.log"
LocalMode: true
ResourceARN: "arn:aws:x"
RoleARN: "arn:aws:iam::1:role/r"
ProxyAddress: "http://proxy:3128"
NoVerifySSL: true
Version: 2
"""


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def loggers_as_before():
    """The commands say where the log goes: in a process of their own."""
    loggers = [logging.getLogger(name) for name in ("xtrace", "uvicorn.error")]
    before = [(each.handlers, each.propagate, each.level) for each in loggers]
    yield
    for each, (handlers, propagate, level) in zip(loggers, before, strict=True):
        each.handlers, each.propagate = handlers, propagate
        each.setLevel(level)


def read(*words, searches=True):
    parser = argparse.ArgumentParser()
    collector.add_arguments(parser)
    arguments = parser.parse_args(words)
    arguments.no_store = arguments.no_store or searches
    return arguments, _forwarding.read(arguments, searches)


def test_a_file_is_understood(tmp_path):
    (tmp_path / "x.yaml").write_text(WHOLE)
    arguments, found = read("-c", "x.yaml")
    assert found == (
        ["xray:"],
        "eu-north-1",
        "arn:aws:iam::1:role/r",
        "arn:aws:x",
        True,
        "http://proxy:3128",
        "https://xray.example.com",
        True,
        4,
        24,
    )
    assert (arguments.bind, arguments.bind_tcp) == ("127.0.0.1:2001", "127.0.0.1:2002")
    assert (arguments.log_level, arguments.log_file) == ("warn", "/var/log/xray.log")
    (target,) = _forwarding.targets(found)
    assert (target.url, target.concurrency) == ("xray://eu-north-1", 4)
    assert target.api().url == "https://xray.example.com"


def test_flags_win_over_the_file(tmp_path):
    (tmp_path / "x.yaml").write_text(WHOLE)
    arguments, found = read(
        *("-c", "x.yaml", "-b", "127.0.0.1:1", "-t", "127.0.0.1:2", "-m", "5", "-n", "us-east-1"),
        *("-r", "r", "-a", "a", "-o", "-l", "debug", "-f", "log", "-p", "http://other:1"),
        *("--forward", "otlp+http://127.0.0.1:4318"),
    )
    assert (arguments.bind, arguments.bind_tcp) == ("127.0.0.1:1", "127.0.0.1:2")
    assert (arguments.log_level, arguments.log_file) == ("debug", "log")
    assert (found.region, found.role_arn, found.resource_arn) == ("us-east-1", "r", "a")
    assert (found.proxy_address, found.buffer_mb) == ("http://other:1", 5)
    assert found.urls == ["otlp+http://127.0.0.1:4318"]


def test_the_long_flags_are_the_daemons():
    _, found = read(
        *("--bind", "127.0.0.1:1", "--bind-tcp", "127.0.0.1:2", "--buffer-memory", "3"),
        *("--region", "us-east-1", "--role-arn", "r", "--resource-arn", "a", "--local-mode"),
        *("--log-level", "dev", "--log-file", "x", "--proxy-address", "http://p:1"),
    )
    assert (found.region, found.buffer_mb, found.local_mode) == ("us-east-1", 3, True)


def test_a_file_is_looked_for_where_the_daemon_does(tmp_path):
    (tmp_path / "cfg.yaml").write_text("Region: eu-west-3\nVersion: 1\nSocket:\n")
    assert read()[1].region == "eu-west-3"
    assert read(searches=False)[1].region is None  # a collector doesn't look


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Region: eu-west-1", "Version: 2"),
        ("Region: eu-west-1\nVersion: 3", "Version: 2"),
        ("Regoin: eu-west-1\nVersion: 2", "Regoin"),
        ("Socket:\n  Port: 5\nVersion: 2", r"Socket\.Port"),
        ("Socket: 5\nVersion: 2", "Socket"),
        ("LocalMode: 'yes'\nVersion: 2", "true or false"),
        ("Concurrency: many\nVersion: 2", "whole number"),
        ("- a", "no keys"),
        ("", "no keys"),
        ("a: [", "Can't read"),
        ("TotalBufferSizeMB: 2\nVersion: 2", "--buffer-memory"),
        ("5: a\nVersion: 2", "5"),
    ],
)
def test_a_wrong_file_is_an_error_that_says_what(tmp_path, text, said):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read("-c", "x.yaml")


def test_a_file_that_is_not_there(capsys):
    assert main(["daemon", "-c", "nowhere.yaml"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


def test_without_a_region_it_says_what_to_write(capsys):
    assert main(["daemon", "-o", "-b", "127.0.0.1:0", "-t", "127.0.0.1:0"]) == 2
    assert "AWS_REGION" in capsys.readouterr().err


def test_a_wrong_level_in_the_file(tmp_path, capsys):
    (tmp_path / "x.yaml").write_text("Logging:\n  LogLevel: loud\nVersion: 2")
    assert main(["daemon", "-c", "x.yaml"]) == 2
    assert "loud" in capsys.readouterr().err


def test_the_region_of_an_ecs_task(tmp_path, monkeypatch):
    (tmp_path / "task.json").write_text('{"TaskARN": "arn:aws:ecs:ap-south-1:1:task/c/t"}')
    monkeypatch.setenv("ECS_CONTAINER_METADATA_FILE", str(tmp_path / "task.json"))
    (target,) = _forwarding.targets(read()[1])
    assert target.url == "xray://ap-south-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    (target,) = _forwarding.targets(read()[1])
    assert target.url == "xray://eu-west-1"
    (target,) = _forwarding.targets(read("-n", "us-west-2")[1])
    assert target.url == "xray://us-west-2"


@pytest.mark.parametrize("text", ["{", '{"TaskARN": 5}', '{"TaskARN": "x"}', "[]"])
def test_a_task_file_of_another_kind(tmp_path, monkeypatch, text):
    (tmp_path / "task.json").write_text(text)
    monkeypatch.setenv("ECS_CONTAINER_METADATA_FILE", str(tmp_path / "task.json"))
    assert _forwarding._region_of_task() is None


def test_the_region_of_an_ec2_instance(monkeypatch):
    def metadata(connection, request):
        is_token = request.path == "/latest/api/token"
        answering(200, b"token" if is_token else b"sa-east-1b")(connection, request)

    with backend(metadata) as there:
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        endpoint = f"http://127.0.0.1:{there.port}"
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint)
        (target,) = _forwarding.targets(read()[1])
        assert target.url == "xray://sa-east-1"
        assert there.requests[-1].path == "/latest/meta-data/placement/availability-zone/"
        there.requests.clear()
        with pytest.raises(ConfigurationError, match="no region"):
            _forwarding.targets(read("-o")[1])
        assert there.requests == []


def test_a_log_file_is_rotated_unless_the_file_says_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(collector, "LOG_FILE_BYTES", 100)
    for rotates, files in (("true", ["x.log", "x.log.1"]), ("false", ["x.log"])):
        (tmp_path / "x.yaml").write_text(f"Logging:\n  LogRotation: {rotates}\nVersion: 2\n")
        arguments, _ = read("-c", "x.yaml")
        collector._log_to("x.log", logging.INFO, arguments.log_rotation)
        (handler,) = logging.getLogger("xtrace").handlers
        for _ in range(9):
            logging.getLogger("xtrace.collector").info("a line of some length")
        handler.close()
        assert sorted(path.name for path in tmp_path.glob("x.log*")) == files
        for path in tmp_path.glob("x.log*"):
            path.unlink()


def test_its_version(capsys):
    with pytest.raises(SystemExit):
        main(["daemon", "-v"])
    assert capsys.readouterr().out.startswith("xtrace ")


def test_a_proxy_that_is_none_is_an_error_at_the_start(capsys):
    words = ["daemon", "-b", "127.0.0.1:0", "-t", "127.0.0.1:0", "-n", "eu-west-1"]
    assert main([*words, "-p", "https://proxy:3128"]) == 2
    assert "http://host:port" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["daemon"], ["collector", "--db", "traces.db"]])
def test_what_would_forward_to_itself_is_an_error_at_the_start(words, monkeypatch, capsys):
    """As where AWS_ENDPOINT_URL_XRAY is set so that the AWS CLI asks the collector."""
    port = free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_XRAY", f"http://localhost:{port}")
    listen = ["--listen", f"127.0.0.1:{port}"]
    assert main([*words, *listen, "--forward", "xray://eu-west-1"]) == 2
    assert "AWS_ENDPOINT_URL_XRAY" in capsys.readouterr().err
    own = f"otlp+http://127.0.0.1:{port}"
    assert main([*words, *listen, "--forward", own]) == 2
    assert own in capsys.readouterr().err


def test_the_buffer_is_a_share_of_the_memory():
    assert 3 <= _forwarding.default_buffer_mb() <= 64
    assert read()[1].buffer_mb == _forwarding.default_buffer_mb()


def test_a_manifest_changes_only_its_command(tmp_path, monkeypatch):
    """The flags of AWS's image and a file, as a DaemonSet has them, in a process of its own."""
    x_ray = answering(200, b'{"UnprocessedTraceSegments": []}')
    with backend(x_ray) as there:
        (tmp_path / "cfg.yaml").write_text(
            "Region: eu-west-1\nTotalBufferSizeMB: 16\nSocket:\n  UDPAddress: 127.0.0.1:0\n"
            "  TCPAddress: 127.0.0.1:0\nVersion: 2\n"
            f"Endpoint: http://127.0.0.1:{there.port}\n"
        )
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        process = subprocess.Popen(
            [sys.executable, "-m", "xtrace", "daemon", "-c", "cfg.yaml", "-l", "debug"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            line = process.stdout.readline()
            udp, tcp = re.match(
                r"Listening on udp (\S+), http://(\S+), forwarding to", line
            ).groups()
            recorder = Recorder(service="shop", sampling=False, emitter=f"udp://{udp}")
            with recorder.in_segment(), recorder.in_subsegment("part"):
                pass
            eventually(lambda: there.requests)
            connection = HTTPConnection(tcp, timeout=10)
            connection.request("GET", "/health")
            told = json.loads(connection.getresponse().read())
            connection.close()
            assert (told["received"], told["store"]) == (1, None)
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert out == "Stopped: received 1, malformed 0; xray://eu-west-1: delivered 1, lost 0\n"
        assert "Sent 1 segments to xray://eu-west-1" in err
        assert is_signed(there.requests[0], "eu-west-1")
