"""Trace statements of mysqlclient (MySQLdb): execute, executemany and callproc of all its cursors."""

from __future__ import annotations

import MySQLdb
from MySQLdb import cursors

from ._sql import (
    CALL,
    PREPARED,
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

_VERSION = "mysqlclient-" + ".".join(str(part) for part in MySQLdb.version_info[:3])
_UNKNOWN = on_server("MySQL", "", "", "", "", driver=_VERSION)


def patch(patcher: Patcher) -> None:
    """Replace the methods of BaseCursor, which all cursors have from it."""
    trace_method(patcher, cursors.BaseCursor, "execute", _database)
    trace_method(patcher, cursors.BaseCursor, "executemany", _database, PREPARED)
    trace_method(patcher, cursors.BaseCursor, "callproc", _database, CALL)


def _describe(connection: Any) -> Database:
    host = getattr(connection, "host", None)
    if host is None:  # "127.0.0.1 via TCP/IP"
        host = connection.get_host_info().partition(" ")[0]
    return on_mysql_server(
        getattr(connection, "db", ""),
        host,
        getattr(connection, "port", ""),
        getattr(connection, "user", ""),
        connection.get_server_info(),
        _VERSION,
        connection.escape_string(b"'") != b"''",
    )


def _database(cursor: Any) -> Database:
    return kept_with(cursor.connection, _describe, _UNKNOWN)
