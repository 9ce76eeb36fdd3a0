"""A PostgreSQL on the loopback for as long as standard input is open: python postgresql_server.py

Prints its URL. It is the one that the tests use, or the one that XTRACE_TEST_POSTGRESQL names.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import servers


def main() -> None:
    servers.begin_run()
    try:
        print(servers.get("postgresql").url, flush=True)
        sys.stdin.read()
    finally:
        servers.end_run()


if __name__ == "__main__":
    main()
