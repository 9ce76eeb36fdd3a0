"""What a real database takes for a value is a value: whatever it reads in random text, masking hides.

The text is a select list of literals, or of something near. If the server runs it, what it gives back
is what it took for values; none of that may stay, and the shape of the statement must.
"""

from __future__ import annotations

import sqlite3

import psycopg
import pymysql
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from xtrace import redaction

MARK = "zq7"


# What may stand in a literal, and means something elsewhere.
SIGNS = ["a", "b ", ",", "\n", "$", "`", "#", "--", "-- ", "/*", "*/", MARK, MARK]
QUOTES = {  # a literal's begin and end, and what may stand in it besides
    redaction.SQLITE: [("'", "'", ["''", "\\", '"'])],
    redaction.POSTGRESQL: [
        *[(begin, "'", ["''", "\\", '"']) for begin in ("'", "N'", "'a'\n'", "'a' --\n '")],
        *[
            (begin, "'", ["''", "\\\\", "\\'", '"'])
            for begin in ("E'", "e'", "E'a'\n'", "E'a' --'\n --\n '")
        ],
        ("U&'", "'", ["''", '"']),
        *[(tag, tag, ["'", "\\", '"', "$b$"]) for tag in ("$$", "$a$")],
    ],
    redaction.MYSQL: [
        *[(begin, "'", ["''", "\\\\", "\\'", '"']) for begin in ("'", "N'", "_utf8mb4'", "'a' '")],
        ('"', '"', ['""', "\\\\", '\\"', "'"]),
    ],
    redaction.MYSQL_PLAIN: [
        *[(begin, "'", ["''", "\\", '"']) for begin in ("'", "N'", "_utf8mb4'", "'a' '")],
        ('"', '"', ['""', "\\", "'"]),
    ],
}
QUOTES[redaction.POSTGRESQL_ESCAPED] = [
    *QUOTES[redaction.POSTGRESQL],
    *[(begin, "'", ["''", "\\\\", "\\'", '"']) for begin in ("'", "N'", "'a'\n'")],
]
BETWEEN = [", ", ",", "\n,\n", " , -- '\n", " /* ' */, ", ' /* " */ , ']
NESTED = [" /* /* ' */ ' */, ", ' /* /* */ " */, ']
WILD = [*SIGNS, "'", '"', "\\", "E'", "$$", "$a$", "\r", "U&"]


def statements(dialect):
    """Select lists of literals, perhaps with something odd among them."""
    literal = st.sampled_from(QUOTES[dialect]).flatmap(
        lambda q: st.lists(st.sampled_from([*SIGNS, *q[2], *q[2], *q[2]]), max_size=8).map(
            lambda inside: q[0] + "".join(inside) + q[1]
        )
    )
    # For SQLite "text" is a name or a string, as it turns out; masking takes it for a name here.
    wild_signs = [sign for sign in WILD if sign != '"' or dialect != redaction.SQLITE]
    wild = st.lists(st.sampled_from(wild_signs), max_size=6).map("".join)
    nested = NESTED if dialect.startswith(redaction.POSTGRESQL) else []
    between = st.sampled_from([*BETWEEN, *nested])
    parts = st.lists(st.tuples(literal, between), min_size=1, max_size=3)
    lists = parts.map(lambda parts: "".join(a + b for a, b in parts))
    odd = st.one_of(*[st.just("null")] * 7, wild)
    return st.tuples(lists, odd).map(lambda p: f"select {p[0]}{p[1]}")


SLOW = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def check(run, statement, dialect):
    """Run it. Of the marks in a statement that is one, as many must go as come back in values."""
    masked = redaction.sql(statement, dialect)
    try:
        values = [str(value) for row in run(statement) for value in row]
    except Exception:  # none that this server knows
        return
    read = sum(value.count(MARK) for value in values)
    event("values" if read else "no value")
    assert masked.count(MARK) <= statement.count(MARK) - read, (masked, values)
    assert redaction.sql(masked, dialect) == masked


@pytest.fixture(scope="module")
def sqlite():
    connection = sqlite3.connect(":memory:")
    yield lambda statement: connection.execute(statement).fetchall()
    connection.close()


def postgresql_with(server, strings):
    connection = psycopg.connect(server.url, autocommit=True, cursor_factory=psycopg.ClientCursor)
    connection.execute("set client_min_messages to error")
    connection.execute(f"set standard_conforming_strings to {strings}")
    connection.execute("set backslash_quote to on")
    return connection


@pytest.fixture(scope="module", params=["on", "off"])
def a_postgresql(request, postgresql):
    dialect = redaction.POSTGRESQL if request.param == "on" else redaction.POSTGRESQL_ESCAPED
    with postgresql_with(postgresql, request.param) as connection:
        yield dialect, lambda statement: connection.execute(statement).fetchall()


@pytest.fixture(scope="module", params=["", "NO_BACKSLASH_ESCAPES"])
def a_mariadb(request, mariadb):
    dialect = redaction.MYSQL_PLAIN if request.param else redaction.MYSQL
    connection = pymysql.connect(
        host=mariadb.host,
        port=mariadb.port,
        user=mariadb.user,
        password=mariadb.password,
        sql_mode=request.param,
    )

    def run(statement):
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    yield dialect, run
    connection.close()


@SLOW
@given(data=st.data())
def test_sqlite(sqlite, data):
    check(sqlite, data.draw(statements(redaction.SQLITE)), redaction.SQLITE)


@SLOW
@given(data=st.data())
def test_postgresql(a_postgresql, data):
    dialect, run = a_postgresql
    check(run, data.draw(statements(dialect)), dialect)


@SLOW
@given(data=st.data())
def test_mariadb(a_mariadb, data):
    dialect, run = a_mariadb
    check(run, data.draw(statements(dialect)), dialect)
