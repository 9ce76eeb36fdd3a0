"""sqlite3: types stay, statements are subsegments, literals are masked."""

from __future__ import annotations

import sqlite3
import warnings

import pytest

import xtrace

pytestmark = pytest.mark.library("sqlite3", "sync")


@pytest.fixture(autouse=True)
def patched():
    xtrace.patch("sqlite3")
    yield
    xtrace.unpatch("sqlite3")


@pytest.fixture
def connect():
    """sqlite3.connect as it is at the time; closes what it has opened."""
    opened = []

    def connect(*args, **kwargs):
        opened.append(sqlite3.connect(*args, **kwargs))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def queries(traces):
    """The recorded statements, in order."""
    return lambda: [s["sql"].get("sanitized_query") for s in traces.subsegments]


def test_a_statement_is_a_subsegment_of_its_database(tmp_path, traces, connect):
    path = tmp_path / "shop.db"
    with xtrace.in_segment("a"):
        connect(path).execute("select 'secret', ?", (5,))
    call = traces.subsegment("shop.db")
    assert call["namespace"] == "remote"
    assert call["sql"] == {
        "url": f"sqlite:///{path}",
        "database_type": "SQLite",
        "database_version": sqlite3.sqlite_version,
        "driver_version": "sqlite3",
        "preparation": "statement",
        "sanitized_query": "select ?, ?",
    }


def test_every_way_to_run_a_statement_is_traced(queries, connect):
    connection = connect(":memory:")
    with xtrace.in_segment("a"):
        connection.execute("create table t (a)")
        connection.executemany("insert into t values (?)", [(1,), (2,)])
        connection.executescript("insert into t values (3); select 4")
        cursor = connection.cursor()
        cursor.execute("select a from t where a > 1")
        cursor.executemany("insert into t values (?)", iter([(5,)]))
        cursor.executescript("select 6")
    assert queries() == [
        "create table t (a)",
        "insert into t values (?)",
        "insert into t values (?); select ?",
        "select a from t where a > ?",
        "insert into t values (?)",
        "select ?",
    ]


def test_results_cursors_and_connections_behave_as_before(connect):
    with connect(":memory:") as connection:
        assert isinstance(connection, sqlite3.Connection)
        cursor = connection.execute("select 1 union select 2")
        assert isinstance(cursor, sqlite3.Cursor)
        assert cursor.connection is connection
        assert list(cursor) == [(1,), (2,)]
        connection.row_factory = sqlite3.Row
        assert connection.execute("select 1 as one").fetchone()["one"] == 1
        assert connection.cursor().execute("select 1") is not None
    assert type(connection).__name__ == "Connection"
    assert type(connection).__module__ == "sqlite3"


def test_own_factories_are_kept(queries, connect):
    class Mine(sqlite3.Connection):
        def greet(self):
            return "hello"

    class MyCursor(sqlite3.Cursor):
        pass

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.13, for the second
        made = [
            connect(":memory:", factory=Mine),
            connect(":memory:", 5.0, 0, None, True, Mine),
        ]
    for connection in made:
        assert isinstance(connection, Mine)
        assert connection.greet() == "hello"
        with xtrace.in_segment("a"):
            cursor = connection.cursor(MyCursor)
            assert isinstance(cursor, MyCursor)
            cursor.execute("select 1")
    assert queries() == ["select ?"] * 2


def test_a_factory_that_is_a_function_is_left_alone(connect):
    def factory(*args, **kwargs):
        return sqlite3.Connection(*args, **kwargs)

    assert connect(":memory:", factory=factory).execute("select 1").fetchone() == (1,)


def test_a_transaction_is_committed_by_with_and_rolled_back(tmp_path, connect):
    connection = connect(tmp_path / "x.db")
    with connection:
        connection.execute("create table t (a)")
    with pytest.raises(ZeroDivisionError), connection:
        connection.execute("insert into t values (1)")
        raise ZeroDivisionError
    assert connection.execute("select count(*) from t").fetchone() == (0,)


def test_an_error_is_a_fault_and_passes_unchanged(traces, connect):
    connection = connect(":memory:")
    with xtrace.in_segment("a"), pytest.raises(sqlite3.OperationalError, match="no such table"):
        connection.execute("select * from nowhere")
    call = traces.subsegment(":memory:")
    assert call["fault"] is True
    assert call["cause"]["exceptions"][0]["type"] == "OperationalError"


@pytest.mark.parametrize("arguments", [(), (5,), ("select 1", (), "more")])
def test_wrong_arguments_are_sqlite3_s_own_errors(arguments, connect):
    connection = connect(":memory:")
    with pytest.raises(TypeError):
        connection.execute(*arguments)


def test_a_loop_over_many_rows_adds_one_subsegment(traces, connect):
    connection = connect(":memory:")
    many = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000) "
    with xtrace.in_segment("a"):
        assert sum(1 for _ in connection.execute(many + "select i from n")) == 100000
    assert len(traces.subsegments) == 1


@pytest.mark.parametrize(
    ("settings", "text"),
    [({}, "select ?"), ({"redact": False}, "select 'secret'"), ({"stream_sql": False}, None)],
)
def test_text_is_masked_raw_or_left_out(traces, queries, settings, text, connect):
    change_back = xtrace.recorder.override(**settings)
    try:
        with xtrace.in_segment("a"):
            connect(":memory:").execute("select 'secret'")
    finally:
        change_back()
    assert queries() == [text]


@pytest.mark.parametrize("path", ["file:shop?mode=memory&cache=private", b":memory:", ""])
def test_every_form_of_a_database_name_opens(traces, path, connect):
    with xtrace.in_segment("a"):
        connection = connect(path, uri=isinstance(path, str) and path.startswith("file:"))
        connection.execute("select 1")
        connection.close()
    assert len(traces.subsegments) == 1


def test_a_connection_made_while_patched_works_after_unpatch(traces, connect):
    connection = connect(":memory:")
    xtrace.unpatch("sqlite3")
    assert connection.execute("select 1").fetchone() == (1,)
    assert type(connect(":memory:")) is sqlite3.Connection


def test_without_a_segment_nothing_is_recorded_or_said(traces, caplog, connect):
    connect(":memory:").execute("select 1")
    assert traces.documents == []
    assert caplog.records == []
