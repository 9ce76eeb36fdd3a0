"""Trace statements of asyncpg: those of connections (also a pool's), of prepared statements and
cursors, COPY; and the wait for a connection of a pool.
"""

from __future__ import annotations

import functools
from weakref import ref

import asyncpg
from asyncpg import connection, cursor, pool, prepared_stmt

from ..default import recorder
from ..interruption import let_through
from ._sql import (
    PREPARED,
    Composed,
    Method,
    begin_long,
    driver_version,
    end_long,
    on_postgresql_server,
    on_server,
    put_step,
    statement_call,
    trace_method,
    trace_pool,
    traced,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._sql import Database
    from ._wrap import Patcher

_UNKNOWN = on_server("PostgreSQL", "", "", "", "", driver=driver_version(asyncpg))

# Connections have slots, so what is known of them is kept here.
_databases: dict[Any, Database] = {}


def patch(patcher: Patcher) -> None:
    """Replace the methods that run a statement. Those of a pool's connections call them."""
    one = connection.Connection
    trace_method(patcher, one, "execute", _database, given=_is_given, rows=_rows_by_status)
    trace_method(patcher, one, "executemany", _database, PREPARED, rows=_unknown)
    trace_method(patcher, one, "fetch", _database, given=_is_given, rows=_rows_fetched)
    trace_method(patcher, one, "fetchrow", _database, given=_is_given, rows=_row_fetched)
    trace_method(patcher, one, "fetchval", _database, given=_is_given, rows=_unknown)
    trace_method(patcher, one, "fetchmany", _database, PREPARED, rows=_rows_fetched)
    patcher.replace(one, "prepare", _preparing(one.prepare))
    for name in ("_copy_in", "_copy_out"):
        patcher.replace(one, name, _copying(vars(one)[name]))
    patcher.replace(one, "copy_records_to_table", _copying_records(one.copy_records_to_table))
    patcher.replace(one, "reset", _silently(one.reset))

    prepared = prepared_stmt.PreparedStatement
    _trace_prepared(patcher, prepared, "executemany", _unknown)
    _trace_prepared(patcher, prepared, "fetch", _rows_fetched)
    _trace_prepared(patcher, prepared, "fetchrow", _row_fetched)
    _trace_prepared(patcher, prepared, "fetchval", _unknown)
    _trace_prepared(patcher, prepared, "fetchmany", _rows_fetched)
    _trace_prepared(patcher, cursor.Cursor, "_init", _unknown)
    patcher.replace(
        cursor.CursorIterator, "__anext__", _tracing_first(cursor.CursorIterator.__anext__)
    )
    trace_pool(patcher, pool.Pool, "_acquire", _state)


def _state(pool: Any) -> object:
    return {"size": pool.get_size(), "most": pool.get_max_size(), "idle": pool.get_idle_size()}


# -- databases -----------------------------------------------------------------------------------


def _database(connection: Any) -> Database:
    found = _databases.get(ref(connection))
    if found is None:
        try:
            found = _describe(connection)
        except Exception as error:  # it's closed, most likely
            let_through(error)
            return _UNKNOWN
        _databases[ref(connection, _databases.pop)] = found
    return found


def _describe(connection: Any) -> Database:
    address, parameters = connection._addr, connection._params
    host, port = address[:2] if isinstance(address, tuple) else (address, "")
    version = connection.get_server_version()
    return on_postgresql_server(
        parameters.database,
        host,
        port,
        parameters.user,
        f"{version.major}.{version.micro if version.major > 9 else version.minor}",
        driver_version(asyncpg),
        getattr(connection.get_settings(), "standard_conforming_strings", "on"),
    )


def _database_of(resource: Any) -> Database:
    """Of a prepared statement or a cursor."""
    return _database(resource._connection)


# -- statements ----------------------------------------------------------------------------------


def _is_given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return len(args) > 1


def _rows_by_status(connection: Any, status: Any) -> object:
    """Of "INSERT 0 5": 5."""
    count = status.rpartition(" ")[2] if isinstance(status, str) else ""
    return int(count) if count.isdigit() else None


def _rows_fetched(connection: Any, rows: Any) -> object:
    return len(rows)


def _row_fetched(connection: Any, row: Any) -> object:
    return 0 if row is None else 1


def _unknown(connection: Any, result: Any) -> object:
    return None


def _trace_prepared(patcher: Patcher, owner: Any, name: str, rows: Any) -> None:
    if name in vars(owner):
        patcher.replace(owner, name, traced(vars(owner)[name], _prepared(rows)))


def _prepared(rows: Any = _unknown) -> Method:
    """A method of what keeps its statement itself."""
    return Method(_database_of, PREPARED, first="-", statement=_statement_of, rows=rows)


def _statement_of(resource: Any, argument: Any) -> object:
    state = resource._state
    return resource._query if state is None else state.query


def _preparing(prepare: Any) -> Any:
    """A statement is sent to be prepared, and isn't run yet."""

    @functools.wraps(prepare)
    async def traced(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        database = _database(self)
        with statement_call(recorder, database, query, database.prepared) as call:
            if call.sampled:
                put_step(call, "prepare")
            return await prepare(self, query, *args, **kwargs)

    return traced


def _tracing_first(following: Any) -> Any:
    """What gives the next row, with the first one traced: with it, the statement is run."""
    first = traced(following, _prepared())

    @functools.wraps(following)
    def __anext__(self: Any) -> Any:
        if self._portal_name or self._exhausted:
            return following(self)
        return first(self)

    return __anext__


def _silently(reset: Any) -> Any:
    """What a pool does with a connection that it is given back isn't the application's statement."""

    @functools.wraps(reset)
    async def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        if recorder._get_current() is None:
            return await reset(self, *args, **kwargs)
        with recorder.attach(None):
            return await reset(self, *args, **kwargs)

    return traced


# -- COPY ----------------------------------------------------------------------------------------


def _copying(copy: Any) -> Any:
    """copy_from_query() puts parameters into the statement, so it is masked whatever is set."""

    @functools.wraps(copy)
    async def traced(self: Any, copy_stmt: Any, *args: Any, **kwargs: Any) -> Any:
        call = begin_long(_database(self), Composed(copy_stmt), False)
        try:
            status = await copy(self, copy_stmt, *args, **kwargs)
        except BaseException as error:
            end_long(call, error)
            raise
        end_long(call, rows=_rows_by_status(self, status))
        return status

    return traced


def _copying_records(copy: Any) -> Any:
    @functools.wraps(copy)
    async def traced(self: Any, table_name: Any, *args: Any, **kwargs: Any) -> Any:
        schema = kwargs.get("schema_name")
        table = f'"{schema}"."{table_name}"' if schema else f'"{table_name}"'
        call = begin_long(_database(self), Composed(f"COPY {table} FROM STDIN"), False)
        try:
            status = await copy(self, table_name, *args, **kwargs)
        except BaseException as error:
            end_long(call, error)
            raise
        end_long(call, rows=_rows_by_status(self, status))
        return status

    return traced
