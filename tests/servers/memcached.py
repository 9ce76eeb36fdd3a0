"""memcached."""

from __future__ import annotations

import os
from pathlib import Path

from tests.servers import Plan, Server, accepts, program


def prepare(folder: Path, port: int) -> Plan:
    """It runs as another user if it is started by root, and knows no password."""
    serve = [program("memcached"), "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "32"]
    if os.geteuid() == 0:
        serve += ["-u", "memcache"]
    return Plan(server=Server("memcached", "127.0.0.1", port), serve=serve)


is_ready = accepts
