"""The servers as fixtures; each test process has a database of its own there."""

from __future__ import annotations

import pytest

from tests import servers
from tests.servers import Server
from tests.servers import mariadb as _mariadb
from tests.servers import postgresql as _postgresql
from tests.servers.redis import DATABASES


@pytest.fixture(scope="session")
def postgresql() -> Server:
    """With an empty database."""
    server, name = servers.get("postgresql"), f"shop{servers.worker_number()}"
    _postgresql.make_database(server, name)
    return servers.with_database(server, name)


@pytest.fixture(scope="session")
def mariadb() -> Server:
    """With an empty database."""
    server, name = servers.get("mariadb"), f"shop{servers.worker_number()}"
    _mariadb.make_database(server, name)
    return servers.with_database(server, name)


@pytest.fixture(scope="session")
def redis_server() -> Server:
    """With a database that other processes of the run don't use."""
    return servers.with_database(servers.get("redis"), str(servers.worker_number() % DATABASES))


@pytest.fixture(scope="session")
def rabbitmq() -> Server:
    """Shared by all processes of the run: name your queues so that nobody else has them."""
    return servers.get("rabbitmq")


@pytest.fixture(scope="session")
def memcached() -> Server:
    """Shared by all processes of the run: name your keys so that nobody else has them."""
    return servers.get("memcached")
