"""MySQL's drivers: bulk inserts, unbuffered and prepared cursors, procedures, modes, pools."""

from __future__ import annotations

import asyncio
import warnings

import pytest

import xtrace
from tests.integrations.sql.drivers import DRIVERS, MARIADB, PROCEDURES
from tests.marks import SECRET
from xtrace.integrations import _sql


@pytest.fixture(autouse=True)
def patched():
    xtrace.patch(["pymysql", "mysqlclient", "mysql_connector", "aiomysql"])
    yield
    xtrace.unpatch()


def of(patches):
    return next(driver for driver in DRIVERS if driver.patches == patches)


@pytest.fixture
def opened():
    """Closes what is put there."""
    connections = []
    yield connections
    for connection in connections:
        connection.close()


def unbuffered_pymysql(server):
    import pymysql.cursors

    connection = of("pymysql").open(server)
    return connection, pymysql.cursors.SSCursor(connection)


def unbuffered_mysqlclient(server):
    import MySQLdb.cursors

    connection = of("mysqlclient").open(server)
    return connection, MySQLdb.cursors.SSCursor(connection)


def unbuffered_mysql_connector(server):
    connection = of("mysql_connector").open(server)
    return connection, connection.cursor(buffered=False)


@pytest.mark.parametrize(
    "open_cursor",
    [
        pytest.param(unbuffered_pymysql, marks=pytest.mark.library("pymysql", "sync")),
        pytest.param(unbuffered_mysqlclient, marks=pytest.mark.library("mysqlclient", "sync")),
        pytest.param(
            unbuffered_mysql_connector, marks=pytest.mark.library("mysql-connector-python", "sync")
        ),
    ],
)
def test_cursors_on_the_server_are_one_subsegment(mariadb, open_cursor, traces, opened):
    connection, cursor = open_cursor(mariadb)
    opened.append(connection)
    with xtrace.in_segment("a"):
        cursor.execute("select seq from seq_1_to_10000")
        assert len(cursor.fetchall()) == 10_000
        cursor.close()
    [call] = traces.subsegments
    assert "metadata" not in call  # nobody knows yet how many rows there are


@pytest.mark.parametrize("driver", [d.param for d in DRIVERS if d.kind == MARIADB])
def test_rows_that_become_one_statement_are_never_shown(mariadb, driver, traces, queries, opened):
    connection = driver.open(mariadb)
    opened.append(connection)
    cursor = connection.cursor()
    cursor.execute("create temporary table t (a int, b varchar(100))")
    change_back = xtrace.recorder.override(stream_sql="raw", redact=False)
    with xtrace.in_segment("a"):
        insert = "insert into t values (%s, %s)"
        cursor.executemany(insert, [(number, SECRET) for number in range(100)])
        cursor.executemany("update t set b = %s where a = %s", [(SECRET, 1), (SECRET, 2)])
    change_back()
    assert queries() == [insert, "update t set b = %s where a = %s"]
    assert traces.subsegments[0]["metadata"]["sql"]["rows"] == 100
    assert SECRET not in str(traces.documents)


@pytest.mark.filterwarnings("ignore:.*stored_results")  # which has nothing else to offer yet
@pytest.mark.parametrize("driver", [d.param for d in DRIVERS if d.kind == MARIADB])
def test_arguments_of_a_procedure_are_never_shown(mariadb, driver, traces, queries, opened):
    connection = driver.open(mariadb)
    opened.append(connection)
    cursor = connection.cursor()
    for statement in PROCEDURES[MARIADB]:
        cursor.execute(statement)
    cursor.close()
    with xtrace.in_segment("a"):
        cursor = connection.cursor()
        cursor.callproc("add_one", (7654321,))
        results = getattr(cursor, "stored_results", None)
        found = [r.fetchall() for r in results()] if results is not None else [cursor.fetchall()]
        cursor.close()
    assert [list(row) for rows in found for row in rows] == [[7654322]]
    assert queries() == ["add_one"]
    assert "7654321" not in str(traces.documents)


@pytest.mark.parametrize("driver", [d.param for d in DRIVERS if d.kind == MARIADB])
def test_backslashes_in_strings_are_read_as_the_server_does(mariadb, driver, queries, opened):
    arguments = {
        "host": mariadb.host,
        "port": mariadb.port,
        "user": mariadb.user,
        "password": mariadb.password,
        "sql_mode": "NO_BACKSLASH_ESCAPES",
    }
    if driver.patches == "pymysql":
        import pymysql as module
    elif driver.patches == "mysqlclient":
        import MySQLdb as module
    else:
        import mysql.connector as module

        arguments |= {"buffered": True, "use_pure": True}
    connection = module.connect(**arguments)
    opened.append(connection)
    with xtrace.in_segment("a"):
        connection.cursor().execute("select 'a\\', 'secret'")
    assert queries() == ["select ?, ?"]


@pytest.mark.library("mysql-connector-python", "sync")
def test_prepared_and_dictionary_cursors(mariadb, queries, opened):
    import mysql.connector

    connection = mysql.connector.connect(
        host=mariadb.host,
        port=mariadb.port,
        user=mariadb.user,
        password=mariadb.password,
        use_pure=True,
    )
    opened.append(connection)
    with xtrace.in_segment("a"):
        cursor = connection.cursor(prepared=True)
        cursor.execute("select %s + 1", (1,))
        assert cursor.fetchall() == [(2,)]
        cursor.close()
        cursor = connection.cursor(dictionary=True)
        cursor.execute("select 1 as a")
        assert cursor.fetchall() == [{"a": 1}]
    assert queries() == ["select %s + ?", "select ? as a"]


@pytest.mark.library("mysql-connector-python", "sync")
def test_an_exhausted_pool_is_a_fault(mariadb, traces):
    import mysql.connector
    from mysql.connector.pooling import MySQLConnectionPool

    pool = MySQLConnectionPool(
        pool_size=1,
        host=mariadb.host,
        port=mariadb.port,
        user=mariadb.user,
        password=mariadb.password,
        use_pure=True,
    )
    with xtrace.in_segment("a"):
        connection = pool.get_connection()
        with pytest.raises(mysql.connector.errors.PoolError):
            pool.get_connection()
        cursor = connection.cursor()
        cursor.execute("select 1")
        cursor.fetchall()
        cursor.close()
    connection.close()
    pool._remove_connections()
    waits = [s for s in traces.subsegments if s["name"] == _sql.POOL_WAIT]
    assert waits[-1]["fault"] is True
    assert waits[-1]["metadata"]["sql"]["pool"] == {"size": 1, "idle": 0}


@pytest.mark.library("aiomysql", "async")
def test_of_aiomysql_everything(mariadb, traces, queries):
    import aiomysql

    async def main():
        pool = await aiomysql.create_pool(
            host=mariadb.host,
            port=mariadb.port,
            user=mariadb.user,
            password=mariadb.password,
            db=mariadb.database,
            minsize=1,
            maxsize=1,
        )
        with xtrace.in_segment("a"):
            async with pool.acquire() as connection:
                assert type(connection) is aiomysql.Connection
                async with connection.cursor(aiomysql.SSDictCursor) as cursor:
                    await cursor.execute("select seq from seq_1_to_1000")
                    assert len([row async for row in cursor]) == 1000
                async with connection.cursor() as cursor:
                    await cursor.execute("create temporary table t (a int, b varchar(100))")
                    insert = "insert into t values (%s, %s)"
                    await cursor.executemany(insert, [(n, SECRET) for n in range(10)])
                    for statement in PROCEDURES[MARIADB]:
                        await cursor.execute(statement)
                    await cursor.callproc("add_one", (7654321,))
                    assert await cursor.fetchall() == ((7654322,),)
                with pytest.raises((TimeoutError, asyncio.TimeoutError)):
                    await asyncio.wait_for(pool._acquire(), 0.05)
        pool.close()
        await pool.wait_closed()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "drop if exists" warns where there is nothing to drop
        asyncio.run(main())
    assert queries()[0] == "select seq from seq_1_to_1000"
    assert queries()[2] == "insert into t values (%s, %s)"
    assert queries()[-1] == "add_one"
    sent = str(traces.documents)
    assert SECRET not in sent
    assert "7654321" not in sent
    wait = [s for s in traces.subsegments if s["name"] == _sql.POOL_WAIT][-1]
    assert wait["annotations"] == {"cancelled": "CancelledError"}
    assert wait["metadata"]["sql"]["pool"] == {"size": 1, "most": 1, "idle": 0}
