"""Trace statements of PyMySQL: execute, executemany and callproc of all its cursors."""

from __future__ import annotations

import pymysql
from pymysql import cursors
from pymysql.constants import SERVER_STATUS

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

_UNKNOWN = on_server("MySQL", "", "", "", "", driver=driver_version(pymysql))


def patch(patcher: Patcher) -> None:
    """Replace the methods of Cursor, which the other cursors have from it."""
    trace_method(patcher, cursors.Cursor, "execute", _database)
    trace_method(patcher, cursors.Cursor, "executemany", _database, PREPARED)
    trace_method(patcher, cursors.Cursor, "callproc", _database, CALL)


def _describe(connection: Any) -> Database:
    return on_mysql_server(
        connection.db,
        connection.host,
        "" if connection.unix_socket else connection.port,
        connection.user,
        connection.server_version,
        driver_version(pymysql),
        not connection.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES,
    )


def _database(cursor: Any) -> Database:
    return kept_with(cursor.connection, _describe, _UNKNOWN)
