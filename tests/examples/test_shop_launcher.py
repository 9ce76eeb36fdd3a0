"""`make demo`, without and with a terminal; and that nothing is left when it ends, however it does."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.examples.conftest import SHOP
from tests.helpers import eventually

ROOT = SHOP.parents[1]
URL = re.compile(r"http://127\.0\.0\.1:(\d+)")


@pytest.fixture
def start(tmp_path):
    """Starts the launcher; whatever is left of it afterwards is ended."""
    programs = []

    def start(*words, **options):
        program = subprocess.Popen(
            [sys.executable, "-u", str(SHOP), "--free-ports", *words],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        )
        programs.append(program)
        return program

    yield start
    for program in programs:
        if program.poll() is None:
            program.kill()
        program.wait()
        if program.stdout is not None:
            program.stdout.close()


def processes_of(folder):
    """The processes whose command or environment has to do with a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if folder in (path / "environ").read_bytes().decode(errors="replace"):
                found.append(int(path.name))
        except OSError:
            continue  # gone, or another user's
    return [pid for pid in found if pid != os.getpid()]


def assert_nothing_is_left(tmp_path, ports):
    eventually(lambda: not processes_of(str(tmp_path)))
    for port in ports:
        with socket.socket() as trial:
            assert trial.connect_ex(("127.0.0.1", port)) != 0
    assert list(tmp_path.iterdir()) == []


def until(program, text):
    """What it prints until it has printed this."""
    said = b""
    while text not in said:
        ready, _, _ = select.select([program.stdout], [], [], 60)
        part = os.read(program.stdout.fileno(), 65536) if ready else b""
        assert part, said.decode()
        said += part
    return said.decode()


def test_without_a_terminal_it_runs_through_and_misses_nothing(start, tmp_path):
    program = start("--seed", "1", "--duration", "6")
    said, _ = program.communicate(timeout=120)
    said = said.decode()
    assert program.returncode == 0, said
    assert said.endswith("12 nodes and 16 edges\nNothing is missing.\n")
    assert "A product page, through all services that it took:" in said
    assert "recommenderservice" in said
    assert_nothing_is_left(tmp_path, map(int, URL.findall(said)[:2]))


def test_ctrl_c_leaves_nothing(start, tmp_path):
    program = start("--forever", "--chaos", "--users", "2")
    said = until(program, b" requests, ")
    assert len(processes_of(str(tmp_path))) > 8
    program.send_signal(signal.SIGINT)
    rest, _ = program.communicate(timeout=30)
    assert program.returncode == 0, rest
    assert rest.decode().endswith("Stopped; nothing is left running.\n")
    assert "Traceback" not in rest.decode()
    assert_nothing_is_left(tmp_path, map(int, URL.findall(said)[:2]))


def test_when_the_launcher_is_killed_its_processes_end_too(start, tmp_path):
    program = start("--forever", "--users", "1")
    until(program, b"Ctrl-C stops everything")
    program.kill()
    eventually(lambda: not processes_of(str(tmp_path)))


def test_at_a_terminal_it_stays_until_ctrl_c(start, tmp_path):
    ours, theirs = os.openpty()
    program = start("--duration", "2", "--seed", "1", stdout=theirs, stdin=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while b"the shop is open, and yours" not in said:
            ready, _, _ = select.select([ours], [], [], 60)
            assert ready, said.decode()
            said += os.read(ours, 65536)
        assert program.poll() is None
        program.send_signal(signal.SIGINT)
        assert program.wait(30) == 0
    finally:
        os.close(ours)
    assert b"\r\x1b[K" in said  # one line for the status
    assert_nothing_is_left(tmp_path, map(int, URL.findall(said.decode())[:2]))


def test_a_taken_port_is_said_and_another_is_found(tmp_path):
    from launcher import COLLECTOR_PORT, Shop

    from xtrace.collector import running

    with running() as other:
        shop = Shop()
        wanted, shop_port = other.endpoint[1], shop._port(other.endpoint[1])
        assert shop_port != wanted
        assert shop._port(0) > 0
        shop.release_ports()
    assert COLLECTOR_PORT == 2000


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere shops don't know of each other")
def test_of_two_shops_one_has_the_ports_that_everybody_knows():
    from launcher import Shop

    first, second = Shop(), Shop()
    # Somebody's shop may be open on this machine; the second of ours never has the ports.
    first._is_alone()
    assert not second._is_alone()
    first.release_ports(), second.release_ports()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--users", "-1"), "-1 isn't 0 or more"),
        (("--users", "x"), "invalid int value: 'x'"),
        (("--throttle", "7"), "7 isn't from 0 to 1"),
        (("--duration", "-5"), "-5 isn't 0 or more"),
    ],
)
def test_a_number_that_cannot_be_is_said(words, said, start):
    program = start(*words)
    assert said in program.communicate(timeout=30)[0].decode()
    assert program.returncode == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ports can't be reserved so")
def test_a_port_that_was_found_free_is_kept_for_the_service():
    from launcher import Shop

    shop = Shop(free_ports=True)
    endpoint = ("127.0.0.1", shop._port(0))
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(endpoint)
    with socket.create_server(endpoint), socket.create_connection(endpoint):
        pass
    shop.release_ports()


def test_the_plain_shop_serves_and_sends_nothing():
    import httpx
    from launcher import Shop

    with Shop("plain", free_ports=True, sample_all=True) as shop:
        for path in ("/", "/product", "/product/1051094507639", "/cart", "/static"):
            answer = httpx.get(shop.url + path, timeout=10, trust_env=False)
            assert answer.status_code == 200
            assert "x-amzn-trace-id" not in answer.headers
        stats = httpx.get(f"{shop.collector_url}/api/v1/stats", trust_env=False).json()
    assert stats["received"] == 0


def test_its_traces_can_be_kept(start, tmp_path):
    file = tmp_path / "traces.db"
    in_background = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)  # as a shell's `&` has it
    program = start("--forever", "--users", "1", "--db", str(file), preexec_fn=in_background)
    until(program, b" requests, ")
    program.send_signal(signal.SIGTERM)  # which is as good as Ctrl-C
    program.communicate(timeout=30)
    assert program.returncode == 0
    shown = subprocess.run(
        [sys.executable, "-m", "xtrace", "show", "--db", str(file)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
    )
    assert "Frontend" in shown.stdout, shown.stderr
