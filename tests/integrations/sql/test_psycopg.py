"""psycopg 3: streams, COPY, pipelines, server-side cursors, notifications, pools; sync and async."""

from __future__ import annotations

import asyncio
import inspect
import threading
from types import SimpleNamespace

import psycopg
import psycopg_pool
import pytest
from psycopg import sql
from psycopg.rows import dict_row

import xtrace
from tests.helpers import eventually
from tests.marks import SECRET
from xtrace.integrations import _sql

pytestmark = pytest.mark.library("psycopg", "sync", "async")
STOPPED = (ZeroDivisionError, psycopg.errors.QueryCanceled)  # before psycopg 3.2, the latter


@pytest.fixture(autouse=True)
def patched():
    xtrace.patch("psycopg")
    yield
    xtrace.unpatch("psycopg")


@pytest.fixture
def connection(postgresql):
    with psycopg.connect(postgresql.url) as connection:
        connection.execute("create temporary table t (a int primary key, b text)")
        connection.commit()
        yield connection


@pytest.fixture
def run_async(postgresql):
    """Runs a coroutine function with an asynchronous connection inside a segment."""

    def run_async(work):
        async def main():
            async with await psycopg.AsyncConnection.connect(postgresql.url) as connection:
                await connection.execute("create temporary table t (a int primary key, b text)")
                await connection.commit()
                with xtrace.in_segment("a"):
                    return await work(connection)

        return asyncio.run(main())

    return run_async


def test_own_cursor_classes_and_rows_stay(connection, queries):
    class Mine(psycopg.ClientCursor):
        pass

    connection.cursor_factory = Mine
    with xtrace.in_segment("a"):
        cursor = connection.execute("select %s as a", (1,))
        assert type(cursor) is Mine
        assert connection.cursor(row_factory=dict_row).execute("select 1 as a").fetchone() == {
            "a": 1
        }
    assert queries() == ["select %s as a", "select ? as a"]


def test_c_level_helpers_take_connections(connection):
    assert sql.Identifier("a b").as_string(connection) == '"a b"'
    assert sql.quote("it's", connection) == "'it''s'"
    assert psycopg.pq.Escaping(connection.pgconn).escape_identifier(b"a b") == b'"a b"'


def test_composed_statements_are_masked_whatever_is_set(connection, queries):
    change_back = xtrace.recorder.override(stream_sql="raw")
    with xtrace.in_segment("a"):
        query = sql.SQL("select {} as {}").format(sql.Literal(SECRET), sql.Identifier("a b"))
        connection.execute(query)
        connection.execute(b"select 'bytes'")
    change_back()
    assert queries() == ['select ? as "a b"', "select ?"]


def test_of_a_template_string_only_what_is_between_values_is_recorded():
    from xtrace.integrations.psycopg import _text

    template = SimpleNamespace(strings=("select ", ", ", ""))  # Python 3.14 has them
    assert _text(None, template) == "select ?, ?"


def test_a_stream_is_one_subsegment_that_is_never_current(connection, traces):
    with xtrace.in_segment("a") as segment:
        rows = []
        for row in connection.cursor().stream("select generate_series(1, %s)", (1000,)):
            assert xtrace.recorder.get_trace_entity() is segment
            rows.append(row)
        assert len(rows) == 1000
        for _ in connection.cursor().stream("select generate_series(1, 5)"):
            break
    assert [call["sql"]["sanitized_query"] for call in traces.subsegments] == [
        "select generate_series(?, %s)",
        "select generate_series(?, ?)",
    ]
    assert not any("fault" in call or "in_progress" in call for call in traces.subsegments)


def test_what_fails_while_it_streams_is_a_fault(connection, traces):
    with xtrace.in_segment("a"), pytest.raises(psycopg.errors.DivisionByZero):
        list(connection.cursor().stream("select 1 / (3 - n) from generate_series(1, 5) n"))
    [call] = traces.subsegments
    assert call["fault"] is True


def test_copy_is_one_subsegment_that_is_never_current(connection, traces):
    with xtrace.in_segment("a") as segment:
        cursor = connection.cursor()
        with cursor.copy("copy t from stdin") as copy:
            for number in range(3):
                with xtrace.in_subsegment("own work"):
                    copy.write_row((number, SECRET))
        assert xtrace.recorder.get_trace_entity() is segment
        with cursor.copy("copy (select b from t where b = %s) to stdout", (SECRET,)) as copy:
            assert len(list(copy.rows())) == 3
    into, out = (s for s in traces.subsegments if "sql" in s)
    assert into["sql"]["sanitized_query"] == "copy t from stdin"
    assert into["metadata"]["sql"]["rows"] == 3
    assert out["sql"]["preparation"] == "statement"
    assert SECRET not in str(traces.documents)
    parents = {s["name"] for s in traces.documents[0]["subsegments"]}
    assert "own work" in parents


def test_copy_passes_on_what_stops_it(connection, traces):
    with xtrace.in_segment("a"), pytest.raises(STOPPED):
        with connection.cursor().copy("copy t from stdin") as copy:
            copy.write_row((1, "x"))
            raise ZeroDivisionError
    [call] = traces.subsegments
    assert call["fault"] is True
    connection.rollback()
    with (
        pytest.raises((StopIteration, psycopg.errors.QueryCanceled)),
        connection.cursor().copy("copy t from stdin"),
    ):
        raise StopIteration
    connection.rollback()
    assert connection.execute("select count(*) from t").fetchone() == (0,)


def test_a_server_side_cursor_is_one_subsegment(connection, queries):
    with xtrace.in_segment("a"), connection.cursor("named") as cursor:
        cursor.itersize = 100
        cursor.execute("select generate_series(1, 10000)")
        assert sum(1 for _ in cursor) == 10_000
    assert queries() == ["select generate_series(?, ?)"]


def test_in_a_pipeline_the_sync_waits_and_fails(connection, traces):
    with xtrace.in_segment("a"):
        with connection.pipeline() as pipeline:
            connection.execute("insert into t values (1)")
            cursor = connection.execute("select a from t")
            pipeline.sync()
            assert cursor.fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.UniqueViolation), connection.pipeline():
            # The server takes its time: a fast answer would be met by execute itself.
            connection.execute("insert into t select 1 from pg_sleep(0.2)")
    steps = [s.get("metadata", {}).get("sql", {}).get("step") for s in traces.subsegments]
    assert steps == [None, None, "pipeline sync", "pipeline sync", None, "pipeline sync"]
    failed = traces.subsegments[-1]
    assert failed["fault"] is True
    assert "sanitized_query" not in failed["sql"]


def test_many_executions_are_one_subsegment_though_they_are_a_pipeline(connection, queries):
    with xtrace.in_segment("a"):
        cursor = connection.cursor()
        cursor.executemany(
            "insert into t values (%s, %s) returning a",
            [(n, "x") for n in range(20)],
            returning=True,
        )
        assert cursor.fetchone() == (0,)
    assert queries() == ["insert into t values (%s, %s) returning a"]


def test_transactions_are_silent_and_keep_their_meaning(connection, queries):
    with xtrace.in_segment("a"), pytest.raises(ZeroDivisionError), connection.transaction():
        connection.execute("insert into t values (1)")
        raise ZeroDivisionError
    assert connection.execute("select count(*) from t").fetchone() == (0,)
    assert queries() == ["insert into t values (?)"]


def test_notifications_arrive(postgresql, queries):
    heard = []
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.add_notify_handler(heard.append)
        with xtrace.in_segment("a"):
            connection.execute("listen channel")
            connection.execute("select pg_notify('channel', 'hello')")
            connection.execute("select 1")
    assert [(note.channel, note.payload) for note in heard] == [("channel", "hello")]
    assert queries() == ["listen channel", "select pg_notify(?, ?)", "select ?"]


def test_async_everything(run_async, traces, queries):
    async def work(connection):
        cursor = connection.cursor()
        await cursor.executemany("insert into t values (%s, %s)", [(1, "x"), (2, "y")])
        assert [row async for row in cursor.stream("select a from t")] == [(1,), (2,)]
        async for _ in cursor.stream("select a from t"):
            break
        async with cursor.copy("copy t from stdin") as copy:
            await copy.write_row((3, SECRET))
        async with connection.cursor("named") as named:
            await named.execute("select a from t")
            assert len(await named.fetchall()) == 3
        async with connection.pipeline():
            await connection.execute("select 1")
        with pytest.raises(psycopg.errors.UniqueViolation):
            async with connection.pipeline():
                await connection.execute("insert into t values (1)")

    run_async(work)
    assert queries() == [
        "insert into t values (%s, %s)",
        "select a from t",
        "select a from t",
        "copy t from stdin",
        "select a from t",
        "select ?",
        None,
        "insert into t values (?)",
        None,
    ]
    assert traces.subsegments[-1]["fault"] is True
    assert SECRET not in str(traces.documents)


def test_async_copy_and_stream_pass_on_what_stops_them(run_async, traces):
    async def work(connection):
        with pytest.raises(STOPPED):
            async with connection.cursor().copy("copy t from stdin"):
                raise ZeroDivisionError
        await connection.rollback()
        with pytest.raises(psycopg.errors.DivisionByZero):
            async for _ in connection.cursor().stream("select 1 / 0"):
                pass

    run_async(work)
    assert [call["fault"] for call in traces.subsegments] == [True, True]


def test_functions_stay_generators_and_context_managers():
    assert inspect.isgeneratorfunction(psycopg.Cursor.stream)
    assert inspect.isasyncgenfunction(psycopg.AsyncCursor.stream)
    for cursor in (psycopg.Cursor, psycopg.AsyncCursor):
        parameters = list(inspect.signature(cursor.copy).parameters)
        assert parameters == ["self", "statement", "params", "writer"]


# -- pools -----------------------------------------------------------------------------------------


def waits(traces):
    return [s for s in traces.subsegments if s["name"] == _sql.POOL_WAIT]


def test_a_wait_for_a_connection_is_a_subsegment_of_its_own(postgresql, traces):
    with psycopg_pool.ConnectionPool(postgresql.url, min_size=1, max_size=1) as pool:
        pool.wait()
        held, release = threading.Event(), threading.Event()

        def hold():
            with pool.connection():
                held.set()
                release.wait(15)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(15)

        def let_go():
            eventually(lambda: pool.get_stats().get("requests_waiting"))
            release.set()

        helper = threading.Thread(target=let_go)
        helper.start()
        with xtrace.in_segment("a"):
            with pool.connection() as connection:
                connection.execute("select 1")
        holder.join()
        helper.join()
    [wait] = waits(traces)
    assert "namespace" not in wait
    assert wait["end_time"] - wait["start_time"] >= _sql.SHORTEST_WAIT_SECONDS
    assert wait["metadata"]["sql"]["pool"]["most"] == 1
    assert [s["name"] for s in traces.documents[0]["subsegments"]] == [
        "pool wait",
        f"{postgresql.database}@{postgresql.host}",
    ]


def test_who_doesn_t_wait_has_no_such_subsegment(postgresql, traces, monkeypatch):
    monkeypatch.setattr(_sql, "SHORTEST_WAIT_SECONDS", 15.0)
    with psycopg_pool.ConnectionPool(postgresql.url, min_size=1) as pool:
        pool.wait()
        with xtrace.in_segment("a"), pool.connection() as connection:
            connection.execute("select 1")
    assert waits(traces) == []
    assert xtrace.stats().open == 0


def test_a_wait_that_fails_is_a_fault_with_the_state_of_the_pool(postgresql, traces):
    with psycopg_pool.ConnectionPool(postgresql.url, min_size=1, max_size=1) as pool:
        with pool.connection(), xtrace.in_segment("a"):
            with pytest.raises(psycopg_pool.PoolTimeout):
                pool.getconn(timeout=0.02)
    [wait] = waits(traces)
    assert wait["fault"] is True
    assert wait["metadata"]["sql"]["pool"] == {"size": 1, "most": 1, "idle": 0, "waiting": 1}
    assert wait["cause"]["exceptions"][0]["message"] == "couldn't get a connection after 0.02 sec"


def test_a_wait_that_goes_on_when_the_process_ends_is_sent_as_in_progress(postgresql, traces):
    with psycopg_pool.ConnectionPool(postgresql.url, min_size=1, max_size=1) as pool:
        with pool.connection():
            seen = []

            def look():
                eventually(lambda: pool.get_stats().get("requests_waiting"))
                xtrace.recorder._send_open(segment_too=True)  # as at exit
                seen.extend(s["name"] for s in traces.subsegments if s.get("in_progress"))

            thread = threading.Thread(target=look)
            thread.start()
            with xtrace.in_segment("a"), pytest.raises(psycopg_pool.PoolTimeout):
                pool.getconn(timeout=1.0)
            thread.join()
    assert "pool wait" in seen


def test_an_asynchronous_pool_s_waits_too(postgresql, traces):
    async def main():
        async with psycopg_pool.AsyncConnectionPool(
            postgresql.url, min_size=1, max_size=1, open=False
        ) as pool:
            with xtrace.in_segment("a"):
                async with pool.connection():
                    with pytest.raises(psycopg_pool.PoolTimeout):
                        await pool.getconn(timeout=0.02)

    asyncio.run(main())
    assert waits(traces)[-1]["fault"] is True


def test_a_pool_that_is_imported_later_is_traced_too(postgresql):
    import subprocess
    import sys

    program = """
import xtrace
xtrace.configure(service="a", sampling=False, emitter="memory:")
xtrace.patch("psycopg")
import psycopg, psycopg_pool
assert hasattr(psycopg_pool.ConnectionPool.getconn, "__wrapped__")
xtrace.unpatch()
assert not hasattr(psycopg_pool.ConnectionPool.getconn, "__wrapped__")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
