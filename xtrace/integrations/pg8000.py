"""Trace statements of pg8000: of the cursors of its DB-API and its older API, and of its native one."""

from __future__ import annotations

import functools

import pg8000
from pg8000 import core, dbapi, legacy, native

from .. import faults
from ._sql import (
    CALL,
    PREPARED,
    driver_version,
    kept_with,
    on_postgresql_server,
    on_server,
    trace_method,
)
from ._wrap import argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._sql import Database
    from ._wrap import Patcher

_UNKNOWN = on_server("PostgreSQL", "", "", "", "", driver=driver_version(pg8000))


def patch(patcher: Patcher) -> None:
    """Replace the methods of cursors and of native connections."""
    patcher.replace(core.CoreConnection, "__init__", _told(core.CoreConnection.__init__))
    for owner in (dbapi.Cursor, legacy.Cursor):
        trace_method(patcher, owner, "execute", _database)
        trace_method(patcher, owner, "executemany", _database, PREPARED)
        trace_method(patcher, owner, "callproc", _database, CALL)
    trace_method(patcher, native.Connection, "run", _known, given=_is_given, rows=_rows)
    for prepared in (native.PreparedStatement, legacy.PreparedStatement):
        trace_method(
            patcher,
            prepared,
            "run",
            _database_of,
            PREPARED,
            statement=_statement_of,
            rows=_rows_of_prepared,
        )


# Of what a connection is given it keeps the user alone.
_GIVEN = ("user", "host", "database", "port")


def _told(init: Any) -> Any:
    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        with faults.absorb("integration:pg8000"):
            self._xtrace_given = tuple(
                argument(args, kwargs, position, name) for position, name in enumerate(_GIVEN)
            )

    return __init__


def _describe(connection: Any) -> Database:
    given = getattr(connection, "_xtrace_given", None)
    if given is None:  # it was there before it was traced
        user, database = connection.user, ""
        host, port = connection._usock.getpeername()[:2]
    else:
        user, host, database, port = given
    # Before 1.31 they were pairs of bytes.
    status = {
        _text(name): _text(value) for name, value in dict(connection.parameter_statuses).items()
    }
    return on_postgresql_server(
        database or user,
        host,
        port or 5432,
        user,
        status.get("server_version", "").partition(" ")[0],
        driver_version(pg8000),
        status.get("standard_conforming_strings"),
    )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _known(connection: Any) -> Database:
    return kept_with(connection, _describe, _UNKNOWN)


def _database(cursor: Any) -> Database:
    return _known(cursor._c)


def _database_of(prepared: Any) -> Database:
    return _known(prepared.con)


def _statement_of(prepared: Any, stream: Any) -> object:
    return getattr(prepared, "operation", None) or prepared.statement


def _is_given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Parameters of native statements are keywords."""
    return not kwargs.keys() <= {"sql", "stream", "types"}


def _rows(connection: Any, result: Any) -> object:
    return connection.row_count


def _rows_of_prepared(prepared: Any, result: Any) -> object:
    return prepared._context.row_count
