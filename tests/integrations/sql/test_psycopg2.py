"""psycopg2: what its C code checks, its own cursors and helpers, COPY, notifications."""

from __future__ import annotations

import copy
import io
import pickle

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
import pytest
from psycopg2 import connect as connect_from_before
from psycopg2 import sql

import xtrace
from tests.helpers import eventually
from tests.marks import SECRET

pytestmark = pytest.mark.library("psycopg2-binary", "sync")


@pytest.fixture(autouse=True)
def patched():
    xtrace.patch("psycopg2")
    yield
    xtrace.unpatch("psycopg2")


@pytest.fixture
def open_connection(postgresql):
    opened = []

    def open_connection(**options):
        opened.append(psycopg2.connect(postgresql.url, **options))
        return opened[-1]

    yield open_connection
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(open_connection):
    return open_connection()


def test_a_connection_is_one_of_psycopg2_s_in_every_way(connection):
    kind = type(connection)
    assert isinstance(connection, psycopg2.extensions.connection)
    assert kind.__mro__[1] is psycopg2.extensions.connection
    assert (kind.__name__, kind.__module__) == ("connection", "psycopg2.extensions")
    cursor = connection.cursor()
    assert isinstance(cursor, psycopg2.extensions.cursor)
    assert (type(cursor).__name__, type(cursor).__module__) == ("cursor", "psycopg2.extensions")
    assert cursor.connection is connection
    assert connection.cursor_factory is None
    assert repr(connection).startswith("<connection object at")


def test_c_functions_take_connections_and_cursors(connection):
    cursor = connection.cursor()
    for place in (connection, cursor):
        assert psycopg2.extensions.quote_ident('a "b', place) == '"a ""b"'
        assert sql.Identifier("a b").as_string(place) == '"a b"'
        assert sql.SQL("select {}").format(sql.Literal("x")).as_string(place) == "select 'x'"
        psycopg2.extras.register_default_jsonb(place)
        psycopg2.extras.register_default_json(conn_or_curs=place)
        psycopg2.extras.register_uuid(None, place)
        psycopg2.extensions.register_type(psycopg2.extensions.UNICODE, place)
    quoted = psycopg2.extensions.adapt("it's")
    quoted.prepare(connection)
    assert quoted.getquoted() == b"'it''s'"
    cursor.execute("select '{\"a\": 1}'::jsonb")
    assert cursor.fetchone() == ({"a": 1},)


def test_errors_rows_and_classes_are_pickled_as_before(connection):
    cursor = connection.cursor()
    with pytest.raises(psycopg2.errors.DivisionByZero) as raised:
        cursor.execute("select 1 / 0")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (type(again), again.pgcode) == (type(raised.value), "22012")
    connection.rollback()
    rows = connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor)
    rows.execute("select 1 as a")
    row = rows.fetchone()
    assert copy.deepcopy(pickle.loads(pickle.dumps(row))) == {"a": 1}
    assert pickle.loads(pickle.dumps(psycopg2.extensions.connection)) is (
        psycopg2.extensions.connection
    )


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        (psycopg2.extras.DictConnection, [1]),
        (psycopg2.extras.RealDictConnection, {"a": 1}),
        (psycopg2.extras.NamedTupleConnection, (1,)),
        (psycopg2.extras.LoggingConnection, (1,)),
        (psycopg2.extras.MinTimeLoggingConnection, (1,)),
    ],
)
def test_connection_factories_with_cursors_of_their_own(open_connection, kind, row, queries):
    connection = open_connection(connection_factory=kind)
    assert isinstance(connection, kind)
    if hasattr(connection, "initialize"):
        connection.initialize(io.StringIO())
    with xtrace.in_segment("a"), connection.cursor() as cursor:
        cursor.execute("select 1 as a")
        assert cursor.fetchone() == row
    assert queries() == ["select ? as a"]


@pytest.mark.parametrize("way", ["connect", "attribute", "cursor", "positional"])
def test_own_cursor_classes_wherever_they_are_given(open_connection, way, queries):
    class Mine(psycopg2.extensions.cursor):
        def execute(self, query, vars=None):
            return super().execute(query + " as mine", vars)

    connection = open_connection(**({"cursor_factory": Mine} if way == "connect" else {}))
    if way == "attribute":
        connection.cursor_factory = Mine
    if way in ("connect", "attribute"):
        assert connection.cursor_factory is Mine
    arguments = {"cursor": ({"cursor_factory": Mine}, ()), "positional": ({}, (None, Mine))}
    keywords, positional = arguments.get(way, ({}, ()))
    cursor = connection.cursor(*positional, **keywords)
    assert isinstance(cursor, Mine)
    with xtrace.in_segment("a"):
        cursor.execute("select 1")
    assert cursor.description[0].name == "mine"
    assert queries() == ["select ?"]  # as the application wrote it
    assert type(connection.cursor(cursor_factory=psycopg2.extensions.cursor)).__name__ == "cursor"


def test_a_class_whose_cursor_method_chooses(open_connection, queries):
    class Mine(psycopg2.extensions.connection):
        def cursor(self, *args, **kwargs):
            kwargs.setdefault("cursor_factory", psycopg2.extras.DictCursor)
            return super().cursor(*args, **kwargs)

    connection = open_connection(connection_factory=Mine)
    cursor = connection.cursor()
    assert isinstance(cursor, psycopg2.extras.DictCursor)
    with xtrace.in_segment("a"):
        cursor.execute("select 1 as a")
    assert cursor.fetchone()["a"] == 1
    assert queries() == ["select ? as a"]


def test_a_factory_that_is_a_function_is_left_alone(open_connection):
    connection = open_connection(
        connection_factory=lambda dsn, **_: psycopg2.extensions.connection(dsn)
    )
    assert type(connection) is psycopg2.extensions.connection


def test_connect_as_it_was_imported_before(postgresql, queries):
    connection = connect_from_before(postgresql.url)
    with xtrace.in_segment("a"):
        connection.cursor().execute("select 1")
    connection.close()
    assert queries() == ["select ?"]


def test_with_commits_and_rolls_back(connection, queries):
    with connection, connection.cursor() as cursor:
        cursor.execute("create temporary table t (a int)")
    with pytest.raises(ZeroDivisionError):
        with xtrace.in_segment("a"), connection as entered, entered.cursor() as cursor:
            assert entered is connection
            cursor.execute("insert into t values (1)")
            raise ZeroDivisionError
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from t")
        assert cursor.fetchone() == (0,)
    assert queries() == ["insert into t values (?)"]


def test_a_named_cursor_fetches_in_batches_and_is_one_subsegment(connection, queries):
    with xtrace.in_segment("a"), connection.cursor("named") as cursor:
        cursor.itersize = 100
        cursor.execute("select generate_series(1, 10000)")
        assert sum(1 for _ in cursor) == 10_000
    assert queries() == ["select generate_series(?, ?)"]


def test_helpers_that_put_many_rows_into_a_statement(connection, traces, queries):
    with connection.cursor() as cursor:
        cursor.execute("create temporary table t (a int, b text)")
    change_back = xtrace.recorder.override(stream_sql="raw")
    with xtrace.in_segment("a"), connection.cursor() as cursor:
        rows = [(number, SECRET) for number in range(3)]
        psycopg2.extras.execute_values(cursor, "insert into t values %s", rows)
        psycopg2.extras.execute_batch(cursor, "insert into t values (%s, %s)", rows)
    change_back()
    assert queries() == [
        "insert into t values (?,?),(?,?),(?,?)",
        ";".join(["insert into t values (?, ?)"] * 3),
    ]
    assert SECRET not in str(traces.documents)


def test_composed_statements_are_masked_whatever_is_set(connection, queries):
    change_back = xtrace.recorder.override(stream_sql="raw")
    with xtrace.in_segment("a"), connection.cursor() as cursor:
        query = sql.SQL("select {} as {}").format(sql.Literal(SECRET), sql.Identifier("a b"))
        cursor.execute(query)
        cursor.execute(b"select 'bytes'")
    change_back()
    assert queries() == ['select ? as "a b"', "select ?"]


def test_copy(connection, traces, queries):
    with xtrace.in_segment("a"), connection.cursor() as cursor:
        cursor.execute("create temporary table t (a int, b text)")
        cursor.copy_from(io.StringIO(f"1\t{SECRET}\n"), "t")
        cursor.copy_expert("copy t from stdin with (format csv)", io.StringIO(f"2,{SECRET}\n"))
        out = io.StringIO()
        cursor.copy_to(out, "t")
        cursor.copy_expert(sql=f"copy (select a from t where b = '{SECRET}') to stdout", file=out)
    assert out.getvalue().splitlines() == [f"1\t{SECRET}", f"2\t{SECRET}", "1", "2"]
    assert queries()[1:] == [
        "COPY t FROM STDIN",
        "copy t from stdin with (format csv)",
        "COPY t TO STDOUT",
        "copy (select a from t where b = ?) to stdout",
    ]
    assert SECRET not in str(traces.documents)


def test_notifications_arrive(connection, queries):
    connection.autocommit = True
    with xtrace.in_segment("a"), connection.cursor() as cursor:
        cursor.execute("listen channel")
        cursor.execute("select pg_notify('channel', 'hello')")
        eventually(lambda: connection.poll() or connection.notifies)
    assert [(note.channel, note.payload) for note in connection.notifies] == [("channel", "hello")]
    assert queries() == ["listen channel", "select pg_notify(?, ?)"]


def test_an_asynchronous_connection_works(postgresql, queries):
    connection = psycopg2.connect(postgresql.url, async_=True)
    psycopg2.extras.wait_select(connection)
    with xtrace.in_segment("a"):
        cursor = connection.cursor()
        cursor.execute("select 1")
        psycopg2.extras.wait_select(connection)
        assert cursor.fetchone() == (1,)
    connection.close()
    assert queries() == ["select ?"]


def test_a_pool_s_connections_are_traced(postgresql, queries):
    pool = psycopg2.pool.ThreadedConnectionPool(1, 2, postgresql.url)
    with xtrace.in_segment("a"):
        connection = pool.getconn()
        connection.cursor().execute("select 1")
        pool.putconn(connection)
    pool.closeall()
    assert queries() == ["select ?"]


def test_backslashes_in_strings_are_read_as_the_server_does(open_connection, queries):
    connection = open_connection(options="-c standard_conforming_strings=off")
    with xtrace.in_segment("a"), connection.cursor() as cursor:
        cursor.execute(r"select 'it\'s secret', 1")
    assert queries() == ["select ?, ?"]


def test_statements_in_another_encoding_than_utf_8_have_no_text(connection, queries):
    connection.set_client_encoding("LATIN1")
    with xtrace.in_segment("a"), connection.cursor() as cursor:
        cursor.execute("select 'größe'".encode("latin-1"))
        assert cursor.fetchone() == ("größe",)
    assert queries() == [""]


def test_a_connection_made_while_patched_works_after_unpatch(connection):
    xtrace.unpatch("psycopg2")
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)
