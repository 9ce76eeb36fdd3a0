"""Trace statements of aiomysql: execute, executemany and callproc of all its cursors, and the wait for
a connection of a pool.
"""

from __future__ import annotations

import aiomysql
from aiomysql import cursors, pool
from pymysql.constants import SERVER_STATUS

from ._sql import (
    CALL,
    PREPARED,
    driver_version,
    kept_with,
    on_mysql_server,
    on_server,
    trace_method,
    trace_pool,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._sql import Database
    from ._wrap import Patcher

_UNKNOWN = on_server("MySQL", "", "", "", "", driver=driver_version(aiomysql))


def patch(patcher: Patcher) -> None:
    """Replace the methods of Cursor, which the other cursors have from it."""
    trace_method(patcher, cursors.Cursor, "execute", _database)
    trace_method(patcher, cursors.Cursor, "executemany", _database, PREPARED)
    trace_method(patcher, cursors.Cursor, "callproc", _database, CALL)
    trace_pool(patcher, pool.Pool, "_acquire", _state)


def _state(pool: Any) -> object:
    return {"size": pool.size, "most": pool.maxsize, "idle": pool.freesize}


def _describe(connection: Any) -> Database:
    return on_mysql_server(
        connection.db,
        connection.host,
        "" if connection.unix_socket else connection.port,
        connection.user,
        connection.server_version,
        driver_version(aiomysql),
        not connection.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES,
    )


def _database(cursor: Any) -> Database:
    return kept_with(cursor.connection, _describe, _UNKNOWN)
