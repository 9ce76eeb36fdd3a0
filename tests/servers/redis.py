"""Redis, in memory only."""

from __future__ import annotations

from pathlib import Path

from tests.marks import password
from tests.servers import Plan, Server, accepts, program

PASSWORD = password("redis")
DATABASES = 64  # one for each process of a run


def prepare(folder: Path, port: int) -> Plan:
    """The default user, with a password."""
    settings = {
        "--port": str(port),
        "--bind": "127.0.0.1",
        "--save": "",
        "--appendonly": "no",
        "--databases": str(DATABASES),
        "--requirepass": PASSWORD,
    }
    options = [part for setting in settings.items() for part in setting]
    return Plan(
        server=Server("redis", "127.0.0.1", port, "", PASSWORD, "0"),
        serve=[program("redis-server"), *options],
    )


is_ready = accepts
