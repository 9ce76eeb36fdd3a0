"""PostgreSQL in a folder of its own, with nothing kept safe on disk: it is quick, and gone after."""

from __future__ import annotations

import os
from pathlib import Path

from tests.marks import password
from tests.servers import Plan, Server, accepts, program, run

USER, PASSWORD = "shopkeeper", password("postgresql")


def prepare(folder: Path, port: int) -> Plan:
    """Who is root gives it to the user that Debian's package makes: it refuses to run as root."""
    binaries = sorted(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    data = str(folder / "data")
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "max_connections": "300",
        "max_prepared_transactions": "10",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    initdb = [program("initdb", *binaries), "-D", data, "-U", USER, "-A", "scram-sha-256"]
    return Plan(
        server=Server("postgresql", "127.0.0.1", port, USER, PASSWORD, "postgres"),
        before=[[*initdb, "-E", "UTF8", "--no-sync", f"--pwfile={secret}"]],
        serve=[program("postgres", *binaries), "-D", data, "-p", str(port), *options],
        environment={"LC_ALL": "C.UTF-8"},
        system_user="postgres" if os.geteuid() == 0 else None,
    )


def is_ready(server: Server) -> bool:
    """Whether it answers."""
    return accepts(server) and _psql(server, "select 1")


def make_database(server: Server, name: str) -> None:
    """An empty one."""
    for statement in (f"drop database if exists {name}", f"create database {name}"):
        run(["psql", "-q", "-c", statement, server.url])


def _psql(server: Server, statement: str) -> bool:
    try:
        run(["psql", "-q", "-c", statement, server.url])
    except AssertionError:
        return False
    return True
