"""What the tests of drivers share: each driver, patched, connected to its real server."""

from __future__ import annotations

import contextlib

import pytest

import xtrace
from tests.integrations.sql.drivers import DRIVERS, MARIADB, POSTGRESQL, PROCEDURES
from xtrace.testing import recording


@pytest.fixture
def traces():
    """What the process's recorder sends, which has a name."""
    with recording(service="shop") as traces:
        yield traces


@pytest.fixture
def queries(traces):
    """The recorded statements, in order."""
    return lambda: [s["sql"].get("sanitized_query") for s in traces.subsegments if "sql" in s]


@pytest.fixture
def server_of(request):
    """From a kind of database to its server."""
    names = {POSTGRESQL: "postgresql", MARIADB: "mariadb"}
    return lambda kind: request.getfixturevalue(names[kind]) if kind in names else None


@pytest.fixture(params=[driver.param for driver in DRIVERS])
def driver(request):
    """One driver after the other; not patched."""
    yield request.param
    xtrace.unpatch()


@pytest.fixture
def database(driver, server_of):
    """Its server; None for SQLite."""
    return server_of(driver.kind)


@pytest.fixture
def connect(driver, database):
    """Opens connections, which the end of the test closes."""
    opened = []

    def connect():
        opened.append(driver.open(database))
        return opened[-1]

    yield connect
    for connection in opened:
        with contextlib.suppress(Exception):
            connection.close()


@pytest.fixture
def connection(driver, connect):
    """One with the driver patched, with an empty table t (a int primary key, b text)."""
    xtrace.patch(driver.patches)
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("create temporary table t (a int primary key, b varchar(100))")
    cursor.close()
    connection.commit()
    return connection


@pytest.fixture
def run(connection, driver):
    """Runs a statement with "?" for its placeholders, and gives the cursor."""

    def run(statement, *parameters):
        cursor = connection.cursor()
        statement = statement.replace("?", driver.mark)
        cursor.execute(statement, *([parameters] if parameters else []))
        return cursor

    return run


@pytest.fixture
def procedures(connection, driver):
    """Those of PROCEDURES are there."""
    cursor = connection.cursor()
    for statement in PROCEDURES[driver.kind]:
        cursor.execute(statement)
    cursor.close()
    connection.commit()
