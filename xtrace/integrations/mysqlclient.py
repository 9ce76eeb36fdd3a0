"""Trace statements of mysqlclient (MySQLdb): execute, executemany and callproc of all its cursors."""

from __future__ import annotations

import functools

import MySQLdb
from MySQLdb import connections, cursors

from .. import faults
from ._sql import (
    CALL,
    PREPARED,
    driver_version,
    kept_with,
    on_mysql_server,
    on_server,
    trace_method,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._sql import Database
    from ._wrap import Patcher

_VERSION = driver_version(MySQLdb)
_UNKNOWN = on_server("MySQL", "", "", "", "", driver=_VERSION)


def patch(patcher: Patcher) -> None:
    """Replace the methods of BaseCursor, which all cursors have from it."""
    patcher.replace(connections.Connection, "__init__", _told(connections.Connection.__init__))
    trace_method(patcher, cursors.BaseCursor, "execute", _database)
    trace_method(patcher, cursors.BaseCursor, "executemany", _database, PREPARED)
    trace_method(patcher, cursors.BaseCursor, "callproc", _database, CALL)


_GIVEN = ("host", "user", "password", "database", "port")


def _told(init: Any) -> Any:
    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        with faults.absorb("integration:mysqlclient"):
            given = {**kwargs, **dict(zip(_GIVEN, args, strict=False))}
            database = given.get("database") or given.get("db")
            self._xtrace_given = database, given.get("host"), given.get("port"), given.get("user")

    return __init__


def _describe(connection: Any) -> Database:
    # Before 2.2 a connection doesn't keep what it is given.
    database, host, port, user = getattr(connection, "_xtrace_given", ("", "", "", ""))
    if not host:  # "127.0.0.1 via TCP/IP"
        host = connection.get_host_info().partition(" ")[0]
    return on_mysql_server(
        database or getattr(connection, "db", ""),
        host,
        port or getattr(connection, "port", ""),
        user or getattr(connection, "user", ""),
        connection.get_server_info(),
        _VERSION,
        connection.escape_string(b"'") != b"''",
    )


def _database(cursor: Any) -> Database:
    return kept_with(cursor.connection, _describe, _UNKNOWN)
