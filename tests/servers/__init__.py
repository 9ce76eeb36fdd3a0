"""Real servers for tests: started when a test first asks for one, shared by all processes of the run,
gone after it.

A server that an environment variable names is used instead, as in
XTRACE_TEST_POSTGRESQL=postgresql://user:password@host:port/database. One that can be had neither way
fails the tests that ask for it.

Each file here says how one kind is started: `COMMAND`, the program that must be there, and
`prepare(folder, port)`, which gives the command lines and the server as clients see it. What runs
them, and ends them when the run is over, whatever becomes of it, is keep.py.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from tests.helpers import eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "XTRACE_TEST_RUN"
"""The environment variable with the folder of this run; pytest-xdist's workers inherit it."""

START_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A server, as clients see it. database is the test process's own; PostgreSQL and MariaDB have
    names there, Redis has numbers, RabbitMQ a virtual host for all.
    """

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""
    database: str = ""

    @property
    def url(self) -> str:
        """With the password."""
        login = f"{quote(self.user)}:{quote(self.password)}@" if self.user or self.password else ""
        return f"{self.scheme}://{login}{self.host}:{self.port}/{quote(self.database, safe='')}"


@dataclass(frozen=True)
class Plan:
    """How a server is started: commands that prepare its folder, then the one that serves, and
    what to run once it has stopped.
    """

    server: Server
    serve: list[str]
    before: list[list[str]] = field(default_factory=list)
    after: list[list[str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    system_user: str | None = None
    """Who runs it, where root may not."""


def begin_run() -> None:
    """Make the folder of this run, in the process that starts the others."""
    if RUN not in os.environ:
        os.environ[RUN] = tempfile.mkdtemp(prefix="xtrace-test-")
        os.chmod(os.environ[RUN], 0o755)  # a server's own user passes through
        os.environ[f"{RUN}_OWNER"] = str(os.getpid())


def end_run() -> None:
    """Remove the folder, in the process that made it. The servers' folders go with the servers."""
    if os.environ.get(f"{RUN}_OWNER") == str(os.getpid()):
        folder = Path(os.environ.pop(RUN))
        del os.environ[f"{RUN}_OWNER"]
        for file in folder.glob("*.*"):
            file.unlink()
        with suppress(OSError):  # a server that is still ending removes the last of it
            folder.rmdir()


def get(kind: str) -> Server:
    """A server of this kind: postgresql, mariadb, redis, rabbitmq or memcached; of all processes
    of the run the same one.
    """
    given = os.environ.get(f"XTRACE_TEST_{kind.upper()}")
    if given:
        return _from_url(given)
    module = import_module(f"tests.servers.{kind}")
    folder = Path(os.environ[RUN])
    with _alone(folder / f"{kind}.lock"):
        known = folder / f"{kind}.json"
        if not known.exists():
            known.write_text(json.dumps(asdict(_start(kind, module, folder / kind))))
        return Server(**json.loads(known.read_text()))


def with_database(server: Server, name: str) -> Server:
    """The same server, another database of it."""
    return replace(server, database=name)


def worker_number() -> int:
    """The number of this process among those of the run, from 0."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def run(command: list[str], **environment: str) -> None:
    """Run a client program; what it prints is told if it fails."""
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}{done.stderr}"


def program(name: str, *folders: str) -> str:
    """The path of a program, in folders where Debian keeps it, or on PATH."""
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    assert found is not None, (
        f"{name} isn't installed: run `python3 tests/support/packages.py`, or name a server that is "
        f"there, as tests/servers/__init__.py says"
    )
    return found


def _start(kind: str, module: object, folder: Path) -> Server:
    folder.mkdir(mode=0o755)
    plan: Plan = module.prepare(folder, free_port())  # type: ignore[attr-defined]
    log = folder.with_suffix(".log")
    if plan.system_user is not None:
        shutil.chown(folder, plan.system_user, plan.system_user)
    order = {
        "owner": int(os.environ[f"{RUN}_OWNER"]),
        "folder": str(folder),
        "before": plan.before,
        "serve": plan.serve,
        "after": plan.after,
        "environment": plan.environment,
        "system_user": plan.system_user,
    }
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("keep.py")), json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def answers() -> bool:
        assert keeper.poll() is None, f"{kind} didn't start:\n{log.read_text()[-3000:]}"
        return bool(module.is_ready(plan.server))  # type: ignore[attr-defined]

    eventually(answers, START_SECONDS)
    keeper.returncode = 0  # it outlives this process; nobody waits for it
    return plan.server


def accepts(server: Server) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((server.host, server.port)) == 0


def _from_url(url: str) -> Server:
    parts = urlsplit(url)
    assert parts.hostname, f"not a server's URL: {url}"
    return Server(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or 0,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.removeprefix("/")),
    )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
