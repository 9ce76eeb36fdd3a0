"""The same traces over UDP to a collector, and by other ways to what others have made: an OpenTelemetry
collector (rotel), and AWS's X-Ray as moto has it.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
from botocore.credentials import AssumeRoleCredentialFetcher

from tests.cli.test_compare_backends import work
from tests.delivery.backend import answering, backend
from tests.helpers import eventually, free_port
from tests.support.own_environment import ROOT, listed_in, python_with
from xtrace import collector
from xtrace.cli import main
from xtrace.collector.daemon import Daemon
from xtrace.collector.forward.targets import Settings, target_of
from xtrace.recorder import Recorder

HERE = Path(__file__).parent


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


class Rotel:
    """Rotel, told by environment variables what to do with the spans that it gets."""

    def __init__(self, **settings):
        import rotel

        program = Path(rotel.__file__).with_name("rotel-agent")
        self.port = free_port()
        environment = {
            "ROTEL_OTLP_HTTP_ENDPOINT": f"127.0.0.1:{self.port}",
            "ROTEL_OTLP_GRPC_ENDPOINT": f"127.0.0.1:{free_port()}",
            "ROTEL_BATCH_TIMEOUT": "50ms",
            **settings,
        }
        self.process = subprocess.Popen(
            [program, "start"],
            env={"PATH": os.environ["PATH"], **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        eventually(lambda: answers(self.port))

    def stop(self):
        """End it, which sends what it still has."""
        self.process.terminate()
        return self.process.communicate(timeout=20)[0].decode()


def compared(capsys, *words):
    status = main(["compare-backends", *words])
    out = capsys.readouterr().out
    return status, out


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_an_opentelemetry_collector_hands_on_the_same(protocol, monkeypatch, capsys):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    with collector.running() as direct, collector.running() as behind:
        agent = Rotel(
            ROTEL_EXPORTER="otlp",
            ROTEL_OTLP_EXPORTER_ENDPOINT=behind.url,
            ROTEL_OTLP_EXPORTER_PROTOCOL="http",
        )
        try:
            recorder = Recorder(
                service="shop",
                sampling=False,
                emitter=[f"udp://{direct.address}", f"otlp+http://127.0.0.1:{agent.port}"],
            )
            work(recorder)
            recorder.configure(emitter="memory:")
        finally:
            said = agent.stop()
        eventually(lambda: behind.received >= 48)
        assert direct.flush()
        assert behind.flush()
        status, out = compared(capsys, direct.url, behind.url, "--all")
        assert status == 0, out + said
        assert "48 entities are in both, and they are the same." in out


@pytest.fixture(scope="module")
def moto():
    """The URL of X-Ray as moto has it."""
    python = python_with("moto-xray", listed_in(HERE / "requirements-moto.txt"))
    program = ROOT / "tests" / "integrations" / "aws" / "moto_server.py"
    server = subprocess.Popen(
        [python, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield server.stdout.readline().strip()
    server.communicate(timeout=20)


def test_a_daemon_with_a_role_signs_with_what_moto_s_sts_gives_for_it(moto, monkeypatch):
    """One session for all of its threads, and for what it hands on for SDKs."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    asked = []
    assume = AssumeRoleCredentialFetcher.fetch_credentials

    def counting(self):
        asked.append(self._role_arn)
        return assume(self)

    monkeypatch.setattr(AssumeRoleCredentialFetcher, "fetch_credentials", counting)
    role = "arn:aws:iam::123456789012:role/to-x-ray"
    with backend(answering(200, b'{"UnprocessedTraceSegments": []}')) as x_ray:
        settings = Settings(role_arn=role, endpoint=f"http://127.0.0.1:{x_ray.port}")
        target = target_of("xray://eu-west-1", settings)
        daemon = Daemon(("127.0.0.1", 0), forward=[target], max_waiting_bytes=10**6)
        daemon.start()
        try:
            recorder = Recorder(service="shop", sampling=False, emitter=f"udp://{daemon.address}")
            work(recorder)
            recorder.configure(emitter="memory:")
            eventually(lambda: daemon.forwarding.counts()[0].delivered == daemon.counts().received)
            assert daemon.forwarding.proxy.ask("/GetSamplingRules", {}) == {
                "UnprocessedTraceSegments": []
            }
        finally:
            daemon.stop()
    keys = {
        re.search("Credential=([^/]+)/", each.headers["authorization"])[1]
        for each in x_ray.requests
    }
    tokens = {each.headers["x-amz-security-token"] for each in x_ray.requests}
    assert len(keys) == len(tokens) == 1
    assert keys != {"key"}
    assert asked == [role]


def test_x_ray_as_moto_has_it_gets_the_same(moto, monkeypatch, capsys):
    monkeypatch.setenv("AWS_ENDPOINT_URL_XRAY", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with collector.running() as direct:
        recorder = Recorder(
            service="shop",
            sampling=False,
            emitter=[f"udp://{direct.address}", "xray://eu-west-1"],
        )
        work(recorder)
        recorder.configure(emitter="memory:")
        assert direct.flush()
        status, out = compared(capsys, direct.url, "xray://eu-west-1", "--all")
    assert status == 0, out
    assert "48 entities are in both, and they are the same." in out
