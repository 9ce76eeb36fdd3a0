"""Trace statements of mysql-connector-python: execute, executemany and callproc of all its cursors,
written in Python or C, sync or async; and the wait for a connection of a pool.
"""

from __future__ import annotations

from mysql.connector import pooling, version

from ._sql import CALL, PREPARED, kept_with, on_mysql_server, on_server, trace_method, trace_pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._sql import Database
    from ._wrap import Patcher

_VERSION = f"mysql-connector-python-{version.VERSION_TEXT}"
_UNKNOWN = on_server("MySQL", "", "", "", "", driver=_VERSION)


def patch(patcher: Patcher) -> None:
    """Replace the methods wherever a cursor's class has its own."""
    patcher.when_imported("mysql.connector.cursor", _patch_cursors)
    patcher.when_imported("mysql.connector.cursor_cext", _patch_cursors)
    patcher.when_imported("mysql.connector.aio.cursor", _patch_cursors)
    trace_pool(patcher, pooling.MySQLConnectionPool, "get_connection", _state)


def _patch_cursors(patcher: Patcher, module: Any) -> None:
    for owner in list(vars(module).values()):
        if isinstance(owner, type) and owner.__module__ == module.__name__:
            trace_method(patcher, owner, "execute", _database)
            trace_method(patcher, owner, "executemulti", _database)
            trace_method(patcher, owner, "executemany", _database, PREPARED)
            trace_method(patcher, owner, "callproc", _database, CALL)


def _state(pool: Any) -> object:
    return {"size": pool.pool_size, "idle": pool._cnx_queue.qsize()}


def _describe(connection: Any) -> Database:
    server_version = getattr(connection, "server_info", None)
    if server_version is None:  # before version 9
        server_version = connection.get_server_info()
    return on_mysql_server(
        connection._database,
        connection._host,
        "" if connection._unix_socket else connection._port,
        connection._user,
        server_version or "",
        _VERSION,
        "NO_BACKSLASH_ESCAPES" not in (connection._sql_mode or ""),
    )


def _database(cursor: Any) -> Database:
    return kept_with(cursor._connection, _describe, _UNKNOWN)
