"""The servers that tests need start, are shared, and are gone after the run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.helpers import eventually
from tests.servers import RUN, Server, accepts, get

TEST = """
from pathlib import Path

import pytest

from tests.servers.fixtures import redis_server

@pytest.mark.parametrize("number", range(4))
def test_one(redis_server, number):
    Path({folder!r}, str(redis_server.database)).write_text(str(redis_server.port))
"""
CONFTEST = """
from tests import servers

def pytest_configure(config):
    servers.begin_run()

def pytest_unconfigure(config):
    servers.end_run()
"""


def test_each_kind_starts(
    postgresql: Server,
    mariadb: Server,
    redis_server: Server,
    rabbitmq: Server,
    memcached: Server,
) -> None:
    for server in (postgresql, mariadb, redis_server, rabbitmq, memcached):
        assert accepts(server)
    assert get("redis").port == redis_server.port


def test_all_processes_of_a_run_share_a_server_which_is_gone_after_it(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.delenv(RUN)
    monkeypatch.delenv("XTRACE_TEST_REDIS", raising=False)
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_one.py").write_text(TEST.format(folder=str(tmp_path / "seen")))
    (tmp_path / "seen").mkdir()
    root = str(Path(__file__).parents[2])
    run = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", tmp_path]
    done = subprocess.run(
        [*run, f"--override-ini=pythonpath={root}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    ports = {int(file.read_text()) for file in (tmp_path / "seen").iterdir()}
    assert len(ports) == 1
    shared = Server("redis", "127.0.0.1", ports.pop())
    eventually(lambda: not accepts(shared))
