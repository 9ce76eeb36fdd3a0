"""Databases."""

import os
from types import SimpleNamespace
from urllib.parse import urlsplit

from aws_xray_sdk.core import patch


def _server(name):
    return urlsplit(os.environ[f"ORACLE_{name}"])


def sqlite_statements(x):
    patch(["sqlite3"])
    import sqlite3

    with x.recorder.in_segment("a"):
        connection = sqlite3.connect(":memory:")
        connection.execute("create table t (a)")
        cursor = connection.cursor()
        cursor.executemany("insert into t values (?)", [(1,), (2,)])
        x.note(cursor.execute("select count(*) from t").fetchall())
        x.attempt(cursor.execute, "nonsense")
        connection.close()


def sqlite_with(x):
    patch(["sqlite3"])
    import sqlite3

    with x.recorder.in_segment("a"):
        with sqlite3.connect("file.db") as connection:
            connection.execute("select 1")
        connection.executescript("select 1; select 2")
        connection.close()


def sqlite_by_keyword(x):
    patch(["sqlite3"])
    import sqlite3

    with x.recorder.in_segment("a"):
        x.attempt(lambda: type(sqlite3.connect(database=":memory:")).__name__)


class _Cursor:
    arraysize = 5

    def execute(self, query, parameters=None):
        return "executed"

    def executemany(self, query, parameters):
        return "many"

    def callproc(self, name, arguments=()):
        return "called"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class _Connection:
    def cursor(self, *args, **kwargs):
        return _Cursor()

    def commit(self):
        return "committed"


def cursors_of_any_driver(x):
    from aws_xray_sdk.ext.dbapi2 import XRayTracedConn, add_sql_meta

    connection = XRayTracedConn(_Connection(), {"name": "db", "user": "u"})
    with x.recorder.in_segment("a"):
        cursor = connection.cursor()
        x.note(connection.commit(), cursor.arraysize, type(cursor).__name__)
        x.note(cursor.execute("q"), cursor.executemany("q", [1]), cursor.callproc("p", (1,)))
        with cursor as entered:
            entered.execute("q", 5)
        x.attempt(lambda: cursor.callproc("p"))
        x.attempt(lambda: cursor.execute(query="q"))
        with x.recorder.in_subsegment("mine") as subsegment:
            add_sql_meta({"name": "n", "database_type": "t"})
            x.note(subsegment.name, subsegment.sql, subsegment.namespace)
    x.note(connection.cursor().execute("outside"))


def psycopg2_statements(x):
    patch(["psycopg2"])
    import psycopg2
    import psycopg2.extras

    url = _server("POSTGRESQL")
    with x.recorder.in_segment("a"):
        connection = psycopg2.connect(
            dbname=url.path[1:],
            user=url.username,
            password=url.password,
            host=url.hostname,
            port=url.port,
        )
        cursor = connection.cursor()
        cursor.execute("select 1")
        x.note(cursor.fetchall())
        x.attempt(cursor.execute, "nonsense")
        connection.rollback()
        psycopg2.extras.register_default_jsonb(conn_or_curs=connection, loads=lambda each: each)
        psycopg2.extensions.register_type(psycopg2.extensions.UNICODE, connection)
        x.note(psycopg2.extensions.quote_ident("a b", connection))
        with connection.cursor() as other:
            other.execute("select 2")
        connection.close()


def psycopg2_by_url(x):
    patch(["psycopg2"])
    import psycopg2
    import psycopg2.extras

    with x.recorder.in_segment("a"):
        connection = psycopg2.connect(os.environ["ORACLE_POSTGRESQL"])
        with connection as entered:
            entered.cursor().execute("select 1")
        x.attempt(psycopg2.extras.register_default_jsonb, connection)
        connection.close()


def psycopg_statements(x):
    patch(["psycopg"])
    import psycopg

    with x.recorder.in_segment("a"):
        with psycopg.connect(os.environ["ORACLE_POSTGRESQL"]) as connection:
            connection.cursor().execute("select 1")
        url = _server("POSTGRESQL")
        connection = psycopg.connect(
            f"dbname={url.path[1:]} user={url.username} password={url.password or ''}"
            f" host={url.hostname} port={url.port}"
        )
        cursor = connection.cursor()
        cursor.execute("select 1")
        cursor.executemany("select %s", [(1,), (2,)])
        connection.close()


def psycopg_pools(x):
    patch(["psycopg"])
    import psycopg_pool

    with psycopg_pool.ConnectionPool(os.environ["ORACLE_POSTGRESQL"], min_size=1) as pool:
        with x.recorder.in_segment("a"):
            with pool.connection() as connection:
                with connection.cursor() as cursor:
                    cursor.execute("select 1")


def pg8000_statements(x):
    patch(["pg8000"])
    import pg8000

    url = _server("POSTGRESQL")
    with x.recorder.in_segment("a"):
        connection = pg8000.connect(
            url.username,
            host=url.hostname,
            port=url.port,
            database=url.path[1:],
            password=url.password or None,
        )
        cursor = connection.cursor()
        cursor.execute("select 1")
        x.note(len(cursor.fetchall()))
        connection.close()
        from aws_xray_sdk.ext.pg8000 import unpatch

        unpatch()


def pymysql_statements(x):
    patch(["pymysql"])
    import pymysql

    url = _server("MARIADB")
    with x.recorder.in_segment("a"):
        connection = pymysql.connect(
            user=url.username,
            host=url.hostname,
            port=url.port,
            database=url.path[1:],
            password=url.password or "",
        )
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            x.note(cursor.fetchall())
        connection.close()


def mysql_statements(x):
    patch(["mysql"])
    import mysql.connector

    url = _server("MARIADB")
    with x.recorder.in_segment("a"):
        connection = mysql.connector.connect(
            user=url.username,
            host=url.hostname,
            port=url.port,
            database=url.path[1:],
            password=url.password or "",
        )
        cursor = connection.cursor()
        cursor.execute("select 1")
        x.note(cursor.fetchall())
        connection.close()


def mongodb_commands(x):
    from aws_xray_sdk.ext.pymongo.patch import XrayCommandListener

    event = SimpleNamespace(
        connection_id=("h", 27017),
        database_name="db",
        command_name="find",
        operation_id=1,
        request_id=2,
        command={"find": "c"},
        reply={"ok": 1},
        duration_micros=5,
        failure={"e": 1},
    )
    with x.recorder.in_segment("a"):
        for full in (False, True):
            listener = XrayCommandListener(full)
            listener.started(event)
            listener.succeeded(event)
            listener.started(event)
            listener.failed(event)
    listener.started(event)
    x.attempt(listener.succeeded, event)


def sqlalchemy_core(x):
    patch(["sqlalchemy_core"])
    import sqlalchemy

    engine = sqlalchemy.create_engine("sqlite://")
    with x.recorder.in_segment("a"):
        with engine.connect() as connection:
            x.note(connection.execute(sqlalchemy.text("select 1")).scalar())
            x.attempt(connection.execute, sqlalchemy.text("nonsense"))
        x.recorder.stream_sql = False
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("select 2"))


def sqlalchemy_of_a_server(x):
    patch(["sqlalchemy_core"])
    import sqlalchemy

    url = os.environ["ORACLE_POSTGRESQL"].replace("postgresql://", "postgresql+psycopg2://")
    engine = sqlalchemy.create_engine(url)
    with x.recorder.in_segment("a"):
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("select 1"))


def sqlalchemy_sessions(x):
    patch(["sqlalchemy_core"])
    import sqlalchemy
    from sqlalchemy.orm import Session

    engine = sqlalchemy.create_engine("sqlite://")
    with x.recorder.in_segment("a"):
        with Session(engine) as session:
            x.note(session.execute(sqlalchemy.select(sqlalchemy.literal(5))).scalar())
        from aws_xray_sdk.ext.sqlalchemy_core import unpatch

        unpatch()
        with Session(engine) as session:
            session.execute(sqlalchemy.text("select 1"))


def sqlalchemy_orm(x):
    import sqlalchemy
    from aws_xray_sdk.ext.sqlalchemy.query import XRaySessionMaker
    from sqlalchemy.orm import declarative_base

    class User(declarative_base()):
        __tablename__ = "users"
        id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
        name = sqlalchemy.Column(sqlalchemy.String)

    engine = sqlalchemy.create_engine("sqlite://")
    User.metadata.create_all(engine)
    session = XRaySessionMaker(bind=engine)()
    with x.recorder.in_segment("a"):
        session.add(User(name="n"))
        x.note([each.name for each in session.query(User).filter(User.name == "n").all()])
        session.query(User).first()
    session.close()
