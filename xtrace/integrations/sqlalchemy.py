"""Trace statements of SQLAlchemy 1.4 and 2 by its events: of Core and ORM, sync and async, of engines
made before and after; and the wait for a connection of a pool.

The driver below is silent meanwhile, if it is traced too.
"""

from __future__ import annotations

import functools
import os
import sys

import sqlalchemy
from sqlalchemy import event, pool
from sqlalchemy.engine import Engine

from .. import faults
from ..default import recorder
from ._sql import (
    Database,
    Statement,
    driver_version,
    in_file,
    on_mysql_server,
    on_postgresql_server,
    on_server,
    put_rows,
    statement_call,
    trace_pool,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._wrap import Patcher

LAYER = "sqlalchemy"

_KINDS = {"mssql": "Microsoft SQL Server", "oracle": "Oracle"}
"""database_type by the name of a dialect, of those that have no function of their own."""

_FILES = (os.path.dirname(sqlalchemy.__file__) + os.sep, "<sqlalchemy generated")

_UNKNOWN = Database("unknown database", "standard", {}, LAYER)


def patch(patcher: Patcher) -> None:
    """Listen to the events of all engines, and replace what gives a pool's connections."""
    for name, listener in (
        ("before_cursor_execute", _before),
        ("after_cursor_execute", _after),
        ("handle_error", _failed),
    ):
        event.listen(Engine, name, listener)
        patcher.on_undo(functools.partial(event.remove, Engine, name, listener))
    for owner in list(vars(pool).values()):
        if isinstance(owner, type) and issubclass(owner, pool.Pool) and "connect" in vars(owner):
            trace_pool(patcher, owner, "connect", _state)


def _state(pool: Any) -> object:
    if not hasattr(pool, "checkedout"):
        return {"kind": type(pool).__name__}
    return {
        "size": pool.size(),
        "most": pool.size() + pool._max_overflow if pool._max_overflow >= 0 else None,
        "used": pool.checkedout(),
    }


# -- statements ----------------------------------------------------------------------------------


def _before(
    conn: Any, cursor: Any, statement: Any, parameters: Any, context: Any, executemany: bool
) -> None:
    parent = recorder._get_current()
    if parent is None or not parent.sampled or context is None:
        return
    try:
        if conn.get_execution_options().get("skip_user_error_events"):
            return  # SQLAlchemy's own try, of whose error nobody would tell
        database = _database(conn)
        block = database.prepared if executemany or parameters else database.block
        call = statement_call(recorder, database, statement, block)
        if isinstance(call, Statement):
            call.library = _FILES
            call.__enter__()
            context._xtrace_call = call
    except Exception as error:
        faults.report("sql", "A statement isn't recorded", error)


def _after(
    conn: Any, cursor: Any, statement: Any, parameters: Any, context: Any, executemany: bool
) -> None:
    call = None if context is None else context.__dict__.pop("_xtrace_call", None)
    if call is not None:
        try:
            put_rows(call, cursor.rowcount)
        except Exception as error:
            faults.report("sql", "The rows of a statement aren't recorded", error)
        call.__exit__(None, None, None)


def _failed(failure: Any) -> None:
    context = failure.execution_context
    call = None if context is None else context.__dict__.pop("_xtrace_call", None)
    if call is not None:
        original, error = failure.original_exception, failure.sqlalchemy_exception
        if error is None:
            error = original
        elif error.__cause__ is None:
            error.__cause__ = original  # as it will be when SQLAlchemy raises it
        call.__exit__(type(error), error, None)


# -- databases -----------------------------------------------------------------------------------


def _database(conn: Any) -> Database:
    """Of a connection, kept with its engine's dialect: every engine has one of its own."""
    dialect = conn.dialect
    known: Database | None = dialect.__dict__.get("_xtrace_database")
    if known is None:
        try:
            known = _describe(conn)
        except Exception as error:
            faults.report("integration:sqlalchemy", "A database isn't described", error)
            known = _UNKNOWN
        known.layer = LAYER
        dialect._xtrace_database = known
    return known


def _describe(conn: Any) -> Database:
    url, dialect = conn.engine.url, conn.dialect
    version = ".".join(
        str(part) for part in (dialect.server_version_info or ())[:3] if isinstance(part, int)
    )
    driver = _driver(dialect)
    if dialect.name == "sqlite":
        return in_file(url.database or ":memory:", version, driver)
    host, name = url.host or url.query.get("host"), url.database
    place = (name, host, url.port, url.username)
    if host is None and name is None:  # a function of the application connects
        place = _told_by(conn.connection.dbapi_connection)
    escape = getattr(dialect, "_backslash_escapes", None)
    if dialect.name == "postgresql":
        return on_postgresql_server(*place, version, driver, "off" if escape else "on")
    if dialect.name in ("mysql", "mariadb"):
        kind = "-mariadb" if getattr(dialect, "is_mariadb", False) else ""
        return on_mysql_server(*place, version + kind, driver, escape is not False)
    kind = _KINDS.get(dialect.name, dialect.name)
    return on_server(kind, *place, version, driver)


def _told_by(connection: Any) -> tuple[Any, Any, Any, Any]:
    """Name, host, port and user, as far as a driver's connection tells them."""
    connection = getattr(connection, "driver_connection", connection)
    told: Any = getattr(connection, "info", None)  # psycopg's
    if hasattr(told, "dbname"):
        return told.dbname, told.host, told.port, told.user
    name, host = getattr(connection, "db", None), getattr(connection, "host", None)
    return name, host, getattr(connection, "port", None), getattr(connection, "user", None)


# Where a dialect has another name for a driver than its module.
_MODULES = {"mysqlconnector": "mysql.connector", "mysqldb": "MySQLdb", "pysqlite": "sqlite3"}


def _driver(dialect: Any) -> str:
    """ "psycopg2-2.9.9" """
    name = dialect.driver
    module = sys.modules.get(_MODULES.get(name, name.removesuffix("_async")))
    return name if module is None else driver_version(module)
