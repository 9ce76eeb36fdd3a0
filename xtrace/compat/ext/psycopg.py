"""aws_xray_sdk.ext.psycopg.patch: statements of psycopg 3, sync and async, and of its pools."""

from __future__ import annotations

import psycopg

from xtrace.compat.ext.patching import patching
from xtrace.compat.ext.postgres import meta, traced_cursor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def patch() -> None:
    """Have connections make cursors of a subclass. psycopg.connect is a method that was bound."""
    with patching("psycopg") as patcher:
        if patcher is not None:
            for kind in (psycopg.Connection, psycopg.AsyncConnection):
                is_async = kind is psycopg.AsyncConnection
                wrapper = _xray_traced_connect_async if is_async else _xray_traced_connect
                patcher.wrap(kind, "connect", wrapper)
            patcher.replace(psycopg, "connect", psycopg.Connection.connect)


def _xray_traced_connect(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return _traced(wrapped(*args, **kwargs))


async def _xray_traced_connect_async(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return _traced(await wrapped(*args, **kwargs))


def _traced(connection: Any) -> Any:
    for name in ("cursor_factory", "server_cursor_factory"):
        setattr(connection, name, traced_cursor(getattr(connection, name), _meta_of))
    return connection


def _meta_of(cursor: Any) -> dict[str, Any]:
    connection = cursor.connection
    known: dict[str, Any] | None = getattr(connection, "_xray_meta", None)
    if known is None:
        info = connection.info
        parameters = {
            "host": info.host,
            "port": info.port,
            "user": info.user,
            "dbname": info.dbname,
        }
        known = connection._xray_meta = meta(parameters, info.server_version, "Psycopg 3")
    return known
