"""Run integrations' tests against the oldest supported versions of their libraries.

    python tests/support/versions.py [NAME ...]

The newest are those of the development environment, in which `make unit` runs the same tests.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.own_environment import ROOT, pinned, python_with

TESTS = ROOT / "tests" / "integrations"


class Environment(NamedTuple):
    """A virtual environment: distributions in their oldest versions; others that the tests need, in
    those of the development environment; and the tests, with pytest's options.
    """

    oldest: tuple[str, ...]
    tools: tuple[str, ...]
    tests: tuple[str, ...]


ALWAYS = ("hypothesis", "jsonschema_rs", "pytest", "pytest-xdist", "wrapt")

ENVIRONMENTS = {
    "clients": Environment(
        oldest=("aiohttp==3.9.0", "httpx==0.24.0", "requests==2.28.0", "urllib3==1.26.9"),
        tools=("trustme",),
        tests=("clients",),
    ),
    "servers": Environment(
        oldest=(
            "aiohttp==3.9.0",
            "bottle==0.13.0",
            "Django==4.2",
            "fastapi==0.110.0",
            "Flask==3.0.0",
            "litestar==2.12.0",
            "pyramid==2.0",
            "Quart==0.19.0",
            "setuptools==65.5.0",  # whose pkg_resources pyramid 2.0 imports
            "sniffio==1.3.1",  # which litestar of then imports and does not ask for
            "starlette==0.36.3",
            "Werkzeug==3.0.0",
        ),
        tools=("requests", "uvicorn"),
        tests=("servers/test_servers.py", "test_django.py", "test_flask.py"),
    ),
    "sql": Environment(
        oldest=(
            "aiomysql==0.1.1",
            "aiosqlite==0.18.0",
            "asyncpg==0.27.0",
            "Flask-SQLAlchemy==3.0.0",
            "mysql-connector-python==8.0.33",
            "mysqlclient==2.1.1",
            "pg8000==1.30.1",
            "psycopg-binary==3.1.9",
            "psycopg-pool==3.1.7",
            "psycopg2-binary==2.9.5",
            "psycopg==3.1.9",
            "PyMySQL==1.0.3",
            "SQLAlchemy==1.4.46",
        ),
        tools=("greenlet",),
        tests=("sql",),
    ),
    "stores": Environment(
        oldest=(
            "aiohttp==3.9.0",
            "elastic-transport==8.0.0",
            "elasticsearch==8.0.0",
            "grpcio==1.60.0",
            "Jinja2==3.1.0",
            "loguru==0.7.0",
            "motor==3.4.0",
            "opensearch-py==2.3.2",
            "pymemcache==4.0.0",
            "pymongo==4.6.0",
            "redis==5.0.1",
            "requests==2.28.0",
            "structlog==24.1.0",
            "urllib3==1.26.9",
        ),
        tools=(),
        tests=("stores", "grpc/test_grpc.py", "test_jinja2.py", "test_logging.py"),
    ),
}


def python_of(name: str) -> Path:
    """The Python of a virtual environment, which is made if it isn't there yet."""
    environment = ENVIRONMENTS[name]
    tools = pinned([*ALWAYS, *environment.tools])
    return python_with(f"oldest-{name}", [*environment.oldest, *tools])


def main(names: list[str]) -> int:
    """Run them; the exit status is 1 if any fails."""
    failed = []
    with ThreadPoolExecutor(1) as making:  # the next, while tests run
        pythons = {name: making.submit(python_of, name) for name in names or ENVIRONMENTS}
        for name, python in pythons.items():
            environment = ENVIRONMENTS[name]
            run = [python.result(), "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider"]
            print(f"{name}: {' '.join(environment.oldest)}", flush=True)
            tests = [TESTS / path for path in environment.tests]
            if subprocess.run([*run, *tests], cwd=ROOT).returncode:
                failed.append(name)
    if failed:
        print(f"failed with the oldest versions: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
