"""asyncpg: prepared statements, cursors, COPY, listeners, pools."""

from __future__ import annotations

import asyncio
import io

import asyncpg
import pytest

import xtrace
from tests.marks import SECRET
from xtrace.integrations import _sql

pytestmark = pytest.mark.library("asyncpg", "async")


@pytest.fixture(autouse=True)
def patched():
    xtrace.patch("asyncpg")
    yield
    xtrace.unpatch("asyncpg")


@pytest.fixture
def run(postgresql):
    """Runs a coroutine function with a connection inside a segment."""

    def run(work):
        async def main():
            connection = await asyncpg.connect(postgresql.url)
            try:
                await connection.execute("create temporary table t (a int primary key, b text)")
                with xtrace.in_segment("a"):
                    return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(main())

    return run


def rows(traces):
    return [s.get("metadata", {}).get("sql", {}).get("rows") for s in traces.subsegments]


def test_every_way_to_run_a_statement(run, traces, queries):
    async def work(connection):
        assert (
            await connection.execute("insert into t values ($1, 'x'), (2, 'y')", 1) == "INSERT 0 2"
        )
        assert await connection.fetch("select a from t") == [(1,), (2,)]
        assert await connection.fetchrow("select a from t where a = $1", 1) == (1,)
        assert await connection.fetchrow("select a from t where a = 7") is None
        assert await connection.fetchval("select b from t where a = 1") == "x"
        await connection.executemany("insert into t values ($1, $2)", [(3, "z"), (4, SECRET)])

    run(work)
    assert queries() == [
        "insert into t values ($1, ?), (?, ?)",
        "select a from t",
        "select a from t where a = $1",
        "select a from t where a = ?",
        "select b from t where a = ?",
        "insert into t values ($1, $2)",
    ]
    assert rows(traces) == [2, 2, 1, 0, None, None]
    prepared = [s["sql"].get("preparation") for s in traces.subsegments]
    assert prepared == ["statement", None, "statement", None, None, "statement"]
    assert SECRET not in str(traces.documents)


def test_prepared_statements(run, traces, queries):
    async def work(connection):
        statement = await connection.prepare("select $1::text as a")
        assert await statement.fetch(SECRET) == [(SECRET,)]
        assert await statement.fetchrow(SECRET) == (SECRET,)
        assert await statement.fetchval(SECRET) == SECRET
        assert await statement.executemany([(SECRET,)]) is None
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await connection.prepare("selec 1")

    run(work)
    assert queries() == ["select $1::text as a"] * 5 + ["selec ?"]
    steps = [s.get("metadata", {}).get("sql", {}).get("step") for s in traces.subsegments]
    assert steps == ["prepare", None, None, None, None, "prepare"]
    assert traces.subsegments[-1]["fault"] is True
    assert SECRET not in str(traces.documents)


def test_cursors_are_one_subsegment_each(run, queries):
    async def work(connection):
        async with connection.transaction():
            cursor = await connection.cursor("select generate_series(1, 100)")
            assert len(await cursor.fetch(60)) == 60
            assert await cursor.fetchrow() == (61,)
            assert await cursor.forward(5) == 5
            statement = await connection.prepare("select generate_series(1, $1)")
            assert len([row async for row in statement.cursor(1000)]) == 1000

    run(work)
    assert queries() == [
        "BEGIN;",
        "select generate_series(?, ?)",
        "select generate_series(?, $1)",
        "select generate_series(?, $1)",
        "COMMIT;",
    ]


def test_what_fails_in_a_cursor_is_a_fault(run, traces):
    async def work(connection):
        with pytest.raises(asyncpg.PostgresSyntaxError):
            async with connection.transaction():
                async for _ in connection.cursor("selec 1"):
                    pass
        with pytest.raises(asyncpg.NoActiveSQLTransactionError):
            async for _ in connection.cursor("select 1"):
                pass

    run(work)
    assert [s.get("fault") for s in traces.subsegments] == [None, True, None, True]


def test_copy(run, traces, queries):
    async def records():
        for number in range(3):
            with xtrace.in_subsegment("own work"):
                yield number, SECRET

    async def work(connection):
        await connection.copy_records_to_table("t", records=records())
        out = io.BytesIO()
        await connection.copy_from_query("select a from t where b = $1", SECRET, output=out)
        assert out.getvalue() == b"0\n1\n2\n"
        await connection.copy_from_table("t", output=out)
        await connection.copy_to_table("t", source=io.BytesIO(b"7\tx\n"))
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.copy_records_to_table("t", records=[(7, SECRET)], schema_name=None)

    change_back = xtrace.recorder.override(stream_sql="raw")
    run(work)
    change_back()
    copies = [
        s for s in traces.subsegments if "COPY" in s.get("sql", {}).get("sanitized_query", "")
    ]
    assert [s["sql"]["sanitized_query"].strip() for s in copies] == [
        'COPY "t" FROM STDIN',
        "COPY (select a from t where b = ?) TO STDOUT",
        'COPY "t" TO STDOUT',
        'COPY "t" FROM STDIN',
        'COPY "t" FROM STDIN',
    ]
    assert [s.get("metadata", {}).get("sql", {}).get("rows") for s in copies] == [3, 3, 3, 1, None]
    assert copies[-1]["fault"] is True
    assert SECRET not in str(traces.documents)
    own = [s for s in traces.documents[0]["subsegments"] if s["name"] == "own work"]
    assert len(own) == 3  # beside the COPY, not in it


def test_listeners_are_called(run):
    async def work(connection):
        heard = asyncio.get_running_loop().create_future()
        await connection.add_listener("channel", lambda *args: heard.set_result(args[1:]))
        await connection.execute("notify channel, 'hello'")
        (_, channel, payload) = await asyncio.wait_for(heard, 5)
        assert (channel, payload) == ("channel", "hello")

    run(work)


def test_a_pool_s_connections_are_traced_and_its_waits(postgresql, traces, queries):
    async def main():
        async with asyncpg.create_pool(postgresql.url, min_size=1, max_size=1) as pool:
            with xtrace.in_segment("a"):
                assert await pool.fetchval("select 1") == 1
                async with pool.acquire() as connection:
                    assert isinstance(connection, asyncpg.Connection)
                    assert type(connection).__name__ == "PoolConnectionProxy"
                    await connection.execute("select 2")
                    statement = await connection.prepare("select 3")
                    await statement.fetch()
                    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
                        await pool.acquire(timeout=0.02)

    asyncio.run(main())
    assert queries() == ["select ?"] * 4
    wait = next(s for s in traces.subsegments if s["name"] == _sql.POOL_WAIT)
    assert wait["metadata"]["sql"]["pool"] == {"size": 1, "most": 1, "idle": 0}
    assert wait.get("fault") is True or "cancelled" in wait["annotations"]


def test_own_connection_classes(postgresql, queries):
    class Mine(asyncpg.Connection):
        async def fetch(self, query, *args, **kwargs):
            return await super().fetch(query + " as mine", *args, **kwargs)

    async def main():
        connection = await asyncpg.connect(postgresql.url, connection_class=Mine)
        with xtrace.in_segment("a"):
            [row] = await connection.fetch("select 1")
        assert dict(row) == {"mine": 1}
        assert type(connection) is Mine
        await connection.close()

    asyncio.run(main())
    assert queries() == ["select ? as mine"]


def test_a_closed_connection_s_errors_are_asyncpg_s_own(postgresql, traces):
    async def main():
        connection = await asyncpg.connect(postgresql.url)
        await connection.close()
        with xtrace.in_segment("a"), pytest.raises(asyncpg.InterfaceError, match="closed"):
            await connection.execute("select 1")

    asyncio.run(main())
    assert traces.subsegments[0]["fault"] is True


def test_nothing_is_kept_of_a_connection_that_is_gone(postgresql):
    import gc

    from xtrace.integrations import asyncpg as integration

    async def main():
        connection = await asyncpg.connect(postgresql.url)
        with xtrace.in_segment("a"):
            await connection.execute("select 1")
        await connection.close()

    asyncio.run(main())
    gc.collect()
    assert integration._databases == {}
