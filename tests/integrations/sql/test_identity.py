"""What a traced driver is to those who look closely: its classes, what is pickled and copied, what C
code takes. Each is asked before and after patching; nothing may differ.
"""

from __future__ import annotations

import copy
import pickle
import sqlite3
import sys
from importlib import import_module

import pytest

import xtrace
from tests.integrations.sql.drivers import DRIVERS

CLASSES = {
    "sqlite3": ("sqlite3.Connection", "sqlite3.Cursor"),
    "psycopg2": ("psycopg2.extensions.connection", "psycopg2.extensions.cursor"),
    "psycopg": ("psycopg.Connection", "psycopg.Cursor"),
    "pg8000": ("pg8000.dbapi.Connection", "pg8000.dbapi.Cursor"),
    "pg8000-legacy": ("pg8000.legacy.Connection", "pg8000.legacy.Cursor"),
    "pymysql": ("pymysql.connections.Connection", "pymysql.cursors.Cursor"),
    "mysqlclient": ("MySQLdb.connections.Connection", "MySQLdb.cursors.Cursor"),
    "mysql-connector-python": (
        "mysql.connector.connection.MySQLConnection",
        "mysql.connector.cursor.MySQLCursorBuffered",
    ),
}
"""What a driver documents as the classes of its connections and cursors, by its name in drivers.py."""


def documented(driver):
    """Those classes."""
    for name in CLASSES[driver.version]:
        module, _, of = name.rpartition(".")
        yield getattr(import_module(module), of)


def same_before_and_after(driver, outcome):
    before = outcome()
    xtrace.patch(driver.patches)
    with xtrace.in_segment("a"):
        assert outcome() == before
    return before


def test_classes_are_the_documented_ones(driver, connect, traces):
    def outcome():
        connection = connect()
        found = []
        for value, kind in zip((connection, connection.cursor()), documented(driver), strict=True):
            assert isinstance(value, kind)
            assert issubclass(type(value), kind)
            assert value.__class__ is type(value)
            named = type(value).__name__, type(value).__qualname__, type(value).__module__
            found.append((kind, *named, repr(value).partition(" at ")[0].partition("'")[0]))
        return found

    same_before_and_after(driver, outcome)


def test_documented_classes_are_pickled_and_copied_by_name(driver, connect, traces):
    def outcome():
        connect()
        kinds = list(documented(driver))
        assert pickle.loads(pickle.dumps(kinds)) == kinds
        assert copy.copy(kinds[0]) is copy.deepcopy(kinds[0]) is kinds[0]
        return kinds

    same_before_and_after(driver, outcome)


def test_rows_and_errors_are_pickled_and_copied(driver, connect, traces):
    def outcome():
        connection = connect()
        cursor = connection.cursor()
        cursor.execute("select 1, 'x'")
        rows = list(cursor.fetchall())
        assert pickle.loads(pickle.dumps(rows)) == copy.deepcopy(rows) == rows
        # Each driver has a class of its own for it; which one, and what it says, is compared below.
        with pytest.raises(Exception) as raised:  # noqa: PT011
            cursor.execute("select * from nowhere")
        found = [type(raised.value), raised.value.args]
        for again in (pickle.loads(pickle.dumps(raised.value)), copy.copy(raised.value)):
            found.append((type(again), again.args))
        return rows, found

    same_before_and_after(driver, outcome)


def test_a_class_of_one_s_own_below_the_documented_ones(driver, connect, traces):
    def outcome():
        kinds = [type(f"My{kind.__name__}", (kind,), {"mine": True}) for kind in documented(driver)]
        return [[each.__name__ for each in kind.__mro__] for kind in kinds]

    same_before_and_after(driver, outcome)


def of(name):
    return [each.param for each in DRIVERS if each.version == name]


@pytest.mark.parametrize("driver", of("sqlite3"), indirect=True)
def test_sqlite_s_c_code_takes_connections_and_cursors(driver, connect, traces):
    def outcome():
        connection, other = connect(), connect()
        connection.executescript("create table t (a, b blob); insert into t values (1, 'xyz')")
        connection.create_function("twice", 1, lambda value: 2 * value)
        cursor = sqlite3.Cursor(connection)
        cursor.execute("select twice(a) as a, b from t")
        row = cursor.fetchone()
        connection.backup(other)
        found = [
            row,
            dict(sqlite3.Row(cursor, row)),
            cursor.connection is connection,
            list(connection.iterdump()),
            other.execute("select * from t").fetchall(),
            connection.total_changes,
        ]
        if sys.version_info >= (3, 11):
            with connection.blobopen("t", "b", 1) as blob:
                found.append(blob.read())
            other.deserialize(connection.serialize())
        connection.interrupt()
        return found

    same_before_and_after(driver, outcome)


@pytest.mark.parametrize("driver", of("mysqlclient"), indirect=True)
def test_mysqlclient_s_c_code_takes_connections(driver, connect, traces):
    def outcome():
        connection = connect()
        connection.query("select 'it''s'")
        result = connection.store_result()
        return [
            result.fetch_row(),
            connection.escape_string("it's"),
            connection.string_literal("it's"),
            connection.literal(["it's", 1, None]),
            connection.escape("it's", connection.encoders),
            connection.thread_id() > 0,
        ]

    same_before_and_after(driver, outcome)


@pytest.mark.parametrize("driver", of("psycopg2") + of("psycopg"), indirect=True)
def test_postgresql_s_c_code_takes_connections_and_cursors(driver, connect, traces):
    sql = import_module(f"{driver.patches}.sql")

    def outcome():
        connection = connect()
        cursor = connection.cursor()
        text = sql.SQL("select {} as {}").format(sql.Literal("it's"), sql.Identifier('a "b'))
        found = [text.as_string(place) for place in (connection, cursor)]
        if driver.patches == "psycopg2":
            from psycopg2 import extensions, extras

            for place in (connection, cursor):
                found.append(extensions.quote_ident('a "b', place))
                extras.register_default_jsonb(place, loads=lambda text: ["loaded", text])
        else:
            from psycopg.types import json

            for place in (connection, cursor):
                found.append(sql.quote("it's", place))
                json.set_json_loads(lambda text: ["loaded", bytes(text).decode()], place)
        cursor.execute("select '{\"a\": 1}'::jsonb")
        found.append(cursor.fetchone())
        return found

    assert same_before_and_after(driver, outcome)[-1] == (["loaded", '{"a": 1}'],)
