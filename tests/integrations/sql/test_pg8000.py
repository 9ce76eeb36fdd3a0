"""pg8000's native API, its prepared statements and COPY."""

from __future__ import annotations

import io

import pg8000
import pg8000.dbapi
import pg8000.native
import pytest

import xtrace
from tests.marks import SECRET

pytestmark = pytest.mark.library("pg8000", "sync")


def arguments(server):
    return {
        "user": server.user,
        "host": server.host,
        "port": server.port,
        "password": server.password,
        "database": server.database,
    }


@pytest.fixture(autouse=True)
def patched():
    xtrace.patch("pg8000")
    yield
    xtrace.unpatch("pg8000")


@pytest.fixture
def native(postgresql):
    connection = pg8000.native.Connection(**arguments(postgresql))
    yield connection
    connection.close()


def test_native_statements(native, postgresql, traces, queries):
    with xtrace.in_segment("a"):
        assert native.run("select 'x'") == [["x"]]
        assert native.run("select cast(:a as text)", a=SECRET) == [[SECRET]]
        native.run("create temporary table t (a int primary key, b text)")
        native.run("insert into t values (1, :b), (2, :b)", b=SECRET)
        with pytest.raises(pg8000.native.DatabaseError):
            native.run("insert into t values (:a, :b)", a=1, b=SECRET)
    assert queries() == [
        "select ?",
        "select cast(:a as text)",
        "create temporary table t (a int primary key, b text)",
        "insert into t values (?, :b), (?, :b)",
        "insert into t values (:a, :b)",
    ]
    first, second, _, insert, failed = traces.subsegments
    assert first["name"] == f"{postgresql.database}@{postgresql.host}"
    assert "preparation" not in first["sql"]
    assert second["sql"]["preparation"] == "statement"
    assert insert["metadata"]["sql"]["rows"] == 2
    assert failed["fault"] is True
    assert "violates unique constraint" in failed["cause"]["exceptions"][0]["message"]
    assert SECRET not in str(traces.documents)


def test_native_prepared_statements(native, queries, traces):
    statement = native.prepare("select cast(:a as text)")
    with xtrace.in_segment("a"):
        assert statement.run(a=SECRET) == [[SECRET]]
    statement.close()
    assert queries() == ["select cast($1 as text)"]
    assert SECRET not in str(traces.documents)


def test_copy(native, postgresql, queries, traces):
    connection = pg8000.dbapi.connect(**arguments(postgresql))
    with xtrace.in_segment("a"):
        native.run("create temporary table t (a int, b text)")
        native.run("copy t from stdin", stream=io.StringIO(f"1\t{SECRET}\n"))
        out = io.BytesIO()
        native.run("copy t to stdout", stream=out)
        assert out.getvalue() == f"1\t{SECRET}\n".encode()
        cursor = connection.cursor()
        cursor.execute("create temporary table t (a int, b text)")
        cursor.execute("copy t from stdin", stream=io.StringIO(f"1\t{SECRET}\n"))
    connection.close()
    assert [text for text in queries() if "copy" in text] == [
        "copy t from stdin",
        "copy t to stdout",
        "copy t from stdin",
    ]
    assert SECRET not in str(traces.documents)


def test_the_older_api_s_prepared_statements(postgresql, queries):
    connection = pg8000.connect(**arguments(postgresql))
    statement = connection.prepare("select cast(:a as text)")
    with xtrace.in_segment("a"):
        assert list(statement.run(a="x")) == [["x"]]
    connection.close()
    assert queries() == ["select cast(:a as text)"]


def test_notifications_arrive(native, queries):
    with xtrace.in_segment("a"):
        native.run("listen channel")
        native.run("notify channel, 'hello'")
        native.run("select 1")
    assert [(channel, payload) for _, channel, payload in native.notifications] == [
        ("channel", "hello")
    ]
    assert queries() == ["listen channel", "notify channel, ?", "select ?"]


def test_a_connection_from_before_is_named_by_its_socket(postgresql, traces):
    xtrace.unpatch("pg8000")
    connection = pg8000.dbapi.connect(**arguments(postgresql))
    xtrace.patch("pg8000")
    with xtrace.in_segment("a"):
        connection.cursor().execute("select 1")
    connection.close()
    [call] = traces.subsegments
    assert call["name"].endswith(f"@{postgresql.host}")
    assert call["sql"]["user"] == postgresql.user
