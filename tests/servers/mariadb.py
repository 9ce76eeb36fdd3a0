"""MariaDB in a folder of its own."""

from __future__ import annotations

import os
from pathlib import Path

from tests.marks import password
from tests.servers import Plan, Server, accepts, program, run

USER, PASSWORD = "shopkeeper", password("mariadb")


def prepare(folder: Path, port: int) -> Plan:
    """Who is root gives it to the user that Debian's package makes."""
    data = str(folder / "data")
    first = folder / "first.sql"
    first.write_text(
        f"create or replace user {USER}@'%' identified by '{PASSWORD}';\n"
        f"grant all on *.* to {USER}@'%' with grant option;\n"
    )
    install = [program("mariadb-install-db"), "--no-defaults", f"--datadir={data}"]
    serve = [program("mariadbd", "/usr/sbin"), "--no-defaults", f"--datadir={data}"]
    return Plan(
        server=Server("mysql", "127.0.0.1", port, USER, PASSWORD, "mysql"),
        before=[[*install, "--auth-root-authentication-method=normal", "--skip-test-db"]],
        serve=[
            *serve,
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder}/socket",
            f"--pid-file={folder}/pid",
            f"--init-file={first}",
            "--innodb-flush-log-at-trx-commit=0",
            "--local-infile=1",
            "--max-connections=300",
            "--skip-name-resolve",
        ],
        system_user="mysql" if os.geteuid() == 0 else None,
    )


def is_ready(server: Server) -> bool:
    """Whether it answers."""
    if not accepts(server):
        return False
    try:
        _sql(server, "select 1")
    except AssertionError:
        return False
    return True


def make_database(server: Server, name: str) -> None:
    """An empty one."""
    _sql(server, f"drop database if exists {name}; create database {name}")


def _sql(server: Server, statement: str) -> None:
    options = ["-h", server.host, "-P", str(server.port), "-u", server.user, "--protocol=tcp"]
    client = [program("mariadb"), "--no-defaults", *options, "-e", statement]
    run(client, MYSQL_PWD=server.password)
