"""What holds for every asynchronous driver, against its real server."""

from __future__ import annotations

import asyncio
import contextlib
import inspect

import pytest

import xtrace
from tests.integrations.sql.drivers import ASYNC_DRIVERS, MANY_ROWS, POSTGRESQL
from tests.marks import MARK, SECRET
from xtrace.integrations import _sql

TABLE = "create temporary table t (a int primary key, b varchar(100))"
SLEEP = {"PostgreSQL": "select pg_sleep(60)", "MariaDB": "select sleep(60)"}


@pytest.fixture(params=[driver.param for driver in ASYNC_DRIVERS])
def driver(request):
    """One driver after the other; patched, and the ones below it, too."""
    xtrace.patch(["sqlite3", "pymysql", "threading", request.param.patches])
    yield request.param
    xtrace.unpatch()


@pytest.fixture
def database(driver, server_of):
    """Its server; None for SQLite."""
    return server_of(driver.kind)


@pytest.fixture
def with_connection(driver, database):
    """Runs a coroutine function with a connection, which has an empty table t."""

    def with_connection(work):
        async def main():
            connection = await driver.connect(database)
            try:
                await driver.run(connection, TABLE)
                return await work(connection)
            finally:
                await driver.close(connection)

        return asyncio.run(main())

    return with_connection


def test_a_statement_is_a_subsegment_of_its_database(driver, database, with_connection, traces):
    async def work(connection):
        with xtrace.in_segment("a"):
            return await driver.run(connection, "select 'blue', cast(? as char(1))", "5")

    assert [tuple(row) for row in with_connection(work)] == [("blue", "5")]
    [call] = traces.subsegments
    assert call["namespace"] == "remote"
    sql = call["sql"]
    assert sql.pop("database_version")[0].isdigit()
    assert sql.pop("driver_version").startswith(driver.name)
    expected = {
        "url": "sqlite:///:memory:",
        "database_type": driver.kind,
        "preparation": "statement",
        "sanitized_query": f"select ?, cast({driver.mark} as char(?))",
    }
    name = ":memory:"
    if database is not None:
        name = f"{database.database}@{database.host}"
        scheme = "postgresql" if driver.kind == POSTGRESQL else "mysql"
        place = f"{database.host}:{database.port}/{database.database}"
        expected |= {"url": f"{scheme}://{place}", "user": database.user}
    assert sql == expected
    assert call["name"] == name


def test_many_executions_are_one_subsegment_and_rows_are_counted(driver, with_connection, traces):
    async def work(connection):
        with xtrace.in_segment("a"):
            await driver.run_many(
                connection, "insert into t values (?, ?)", [(n, "x") for n in range(3)]
            )
            await driver.run(connection, "update t set b = 'y' where a > 0")

    with_connection(work)
    many, update = traces.subsegments
    assert many["sql"]["preparation"] == "statement"
    if driver.knows_rows:
        assert many["metadata"]["sql"]["rows"] == 3
    assert update["metadata"]["sql"]["rows"] == 2


def test_a_loop_over_many_rows_adds_no_more_than_a_short_one(driver, with_connection, traces):
    counts = []

    async def work(connection):
        for number in (1, 100_000):
            with xtrace.in_segment("a"):
                statement = MANY_ROWS[driver.kind].format(number)
                counts.append(await driver.iterate(connection, statement))

    with_connection(work)
    assert counts == [1, 100_000]
    short, long = (len(document["subsegments"]) for document in traces.documents)
    assert short == long <= 3  # asyncpg's cursors live in a transaction, with BEGIN and COMMIT


def test_an_error_is_a_fault_with_its_cause_and_quotes_nothing(driver, with_connection, traces):
    async def work(connection):
        await driver.run(connection, "insert into t values (?, ?)", 7654321, "x")
        with xtrace.in_segment("a"):
            with pytest.raises(Exception) as raised:  # noqa: PT011
                await driver.run(connection, "insert into t values (?, ?)", 7654321, SECRET)
            for statement in ("select ? from nowhere", "selec ?", "select cast(? as int)"):
                with contextlib.suppress(Exception):
                    await driver.rollback(connection)
                    await driver.run(connection, statement, SECRET)
        return raised.value

    error = with_connection(work)
    call = traces.subsegments[0]
    assert call["fault"] is True
    cause = call["cause"]["exceptions"][0]
    assert cause["type"] == type(error).__name__
    assert any(word in cause["message"].lower() for word in ("unique", "duplicate"))
    labels = [frame["label"] for frame in cause["stack"]]
    assert len(labels) == 10 or "work" in labels
    sent = str(traces.documents)
    assert MARK not in sent
    assert "7654321" not in sent


def test_a_statement_that_is_cancelled_says_so(driver, with_connection, traces):
    if driver.kind not in SLEEP:
        pytest.skip("SQLite can't sleep")

    async def work(connection):
        with xtrace.in_segment("a"), contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(driver.run(connection, SLEEP[driver.kind]), 0.05)

    with contextlib.suppress(Exception):  # the connection may be unusable then
        with_connection(work)
    [call] = traces.subsegments
    assert call["annotations"] == {"cancelled": "CancelledError"}
    assert "fault" not in call


def test_tasks_keep_their_statements_apart(driver, database, traces):
    async def task(number):
        connection = await driver.connect(database)
        with xtrace.in_segment(f"segment {number}"):
            for _ in range(5):
                with xtrace.in_subsegment("work") as work:
                    await driver.run(connection, "select 1")
                    assert xtrace.current_subsegment() is work
        await driver.close(connection)

    async def main():
        await asyncio.gather(*(task(number) for number in range(8)))

    asyncio.run(main())
    assert len(traces.documents) == 8
    for document in traces.documents:
        assert [len(work["subsegments"]) for work in document["subsegments"]] == [1] * 5


def test_without_a_segment_nothing_is_recorded_or_said(driver, with_connection, traces, caplog):
    async def work(connection):
        await driver.run(connection, "select 1")
        with xtrace.in_segment("a", sampling=False):
            await driver.run(connection, "select 1")

    with_connection(work)
    assert traces.documents == []
    assert [record for record in caplog.records if record.name == "xtrace"] == []


def test_unpatching_puts_back_what_was_there(driver, with_connection, traces):
    async def work(connection):
        kind = type(connection)
        xtrace.unpatch()
        with xtrace.in_segment("a"):
            await driver.run(connection, "select 1")
        return kind

    kind = with_connection(work)
    assert traces.subsegments == []
    assert kind.__module__.split(".")[0] in (driver.name, "mysql")


def test_functions_stay_what_they_are(driver, database):
    async def looks():
        connection = await driver.connect(database)
        found = [type(connection)]
        cursor = await driver.cursor(connection) if driver.name != "asyncpg" else connection
        found.append(type(cursor))
        for name in ("execute", "executemany", "fetch", "fetchrow", "callproc", "stream", "copy"):
            method = getattr(cursor, name, None)
            if method is not None:
                kinds = (
                    inspect.iscoroutinefunction(method),
                    inspect.isasyncgenfunction(method),
                    inspect.signature(method),
                    method.__doc__,
                    method.__qualname__,
                )
                found.append(kinds)
        await driver.close(connection)
        return found

    patched = asyncio.run(looks())
    xtrace.unpatch()
    assert asyncio.run(looks()) == patched


@pytest.mark.parametrize("function", ["statement_call", "put_rows", "Statement"])
def test_what_fails_inside_is_not_the_application_s(
    driver, with_connection, traces, monkeypatch, lenient_faults, function
):
    def fail(*args, **kwargs):
        raise RuntimeError("ours")

    async def work(connection):
        monkeypatch.setattr(_sql, function, fail)
        with xtrace.in_segment("a"):
            return await driver.run(connection, "select 1")

    assert [tuple(row) for row in with_connection(work)] == [(1,)]
    assert len(traces.documents) == 1
