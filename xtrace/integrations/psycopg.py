"""Trace statements of psycopg 3: execute, executemany, stream and COPY of all its cursors, sync and
async; in pipeline mode the waiting for results; and the wait for a connection of psycopg_pool.
"""

from __future__ import annotations

import functools
from contextlib import aclosing, asynccontextmanager, contextmanager

import psycopg
from psycopg import sql

from .. import faults
from ..default import recorder
from ..noop import NO_SUBSEGMENT
from ._sql import (
    PREPARED,
    Composed,
    begin_long,
    driver_version,
    end_long,
    is_given,
    kept_with,
    on_postgresql_server,
    on_server,
    put_step,
    statement_call,
    trace_method,
    trace_pool,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..model import Subsegment
    from ._sql import Database
    from ._wrap import Patcher

_UNKNOWN = on_server("PostgreSQL", "", "", "", "", driver=driver_version(psycopg))


def patch(patcher: Patcher) -> None:
    """Replace the methods of the four classes that all other cursors derive from."""
    for cursor in (psycopg.Cursor, psycopg.AsyncCursor):
        trace_method(patcher, cursor, "execute", _database, statement=_text)
        trace_method(patcher, cursor, "executemany", _database, PREPARED, statement=_text)
    for server_cursor in (psycopg.ServerCursor, psycopg.AsyncServerCursor):
        trace_method(patcher, server_cursor, "execute", _database, statement=_text)
    patcher.replace(psycopg.Cursor, "stream", _streaming(psycopg.Cursor.stream))
    patcher.replace(psycopg.Cursor, "copy", _copying(psycopg.Cursor.copy))
    patcher.replace(psycopg.AsyncCursor, "stream", _streaming_async(psycopg.AsyncCursor.stream))
    patcher.replace(psycopg.AsyncCursor, "copy", _copying_async(psycopg.AsyncCursor.copy))
    patcher.replace(psycopg.Pipeline, "sync", _syncing(psycopg.Pipeline.sync))
    patcher.replace(psycopg.Pipeline, "__exit__", _syncing(psycopg.Pipeline.__exit__))
    patcher.replace(psycopg.AsyncPipeline, "sync", _syncing_async(psycopg.AsyncPipeline.sync))
    patcher.replace(
        psycopg.AsyncPipeline, "__aexit__", _syncing_async(psycopg.AsyncPipeline.__aexit__)
    )
    patcher.when_imported("psycopg_pool", _patch_pool)


def _patch_pool(patcher: Patcher, psycopg_pool: Any) -> None:
    for pool in (psycopg_pool.ConnectionPool, psycopg_pool.AsyncConnectionPool):
        trace_pool(patcher, pool, "getconn", _state)


def _state(pool: Any) -> object:
    stats = pool.get_stats()
    return {
        "size": stats.get("pool_size"),
        "most": stats.get("pool_max"),
        "idle": stats.get("pool_available"),
        "waiting": stats.get("requests_waiting", 0),
    }


def _describe(connection: Any) -> Database:
    info = connection.info
    return on_postgresql_server(
        info.dbname,
        info.host,
        info.port,
        info.user,
        info.server_version,
        driver_version(psycopg),
        info.parameter_status("standard_conforming_strings"),
    )


def _database(cursor: Any) -> Database:
    return kept_with(cursor._conn, _describe, _UNKNOWN)


def _text(cursor: Any, statement: Any) -> object:
    if statement.__class__ is str:
        return statement
    if isinstance(statement, sql.Composable):
        return Composed(statement.as_string(cursor))
    strings = getattr(statement, "strings", None)  # of a template string, between its values
    return Composed("?".join(strings)) if isinstance(strings, tuple) else statement


def _begin(cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Subsegment:
    parent = recorder._get_current()
    if parent is None or not parent.sampled:
        return NO_SUBSEGMENT
    statement = args[0] if args else kwargs.get("query", kwargs.get("statement"))
    with faults.absorb("sql"):
        statement = _text(cursor, statement)
    return begin_long(_database(cursor), statement, is_given(args, kwargs))


def _streaming(stream: Any) -> Any:
    @functools.wraps(stream)
    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin(self, args, kwargs)
        try:
            yield from stream(self, *args, **kwargs)
        except BaseException as error:
            end_long(call, error)
            raise
        end_long(call)

    return traced


def _streaming_async(stream: Any) -> Any:
    @functools.wraps(stream)
    async def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin(self, args, kwargs)
        try:
            async with aclosing(stream(self, *args, **kwargs)) as rows:
                async for row in rows:
                    yield row
        except BaseException as error:
            end_long(call, error)
            raise
        end_long(call)

    return traced


def _copying(copy: Any) -> Any:
    @functools.wraps(copy)
    @contextmanager
    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin(self, args, kwargs)
        try:
            with copy(self, *args, **kwargs) as copying:
                yield copying
        except BaseException as error:
            end_long(call, error)
            raise
        end_long(call, rows=self.rowcount)

    return traced


def _copying_async(copy: Any) -> Any:
    @functools.wraps(copy)
    @asynccontextmanager
    async def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin(self, args, kwargs)
        try:
            async with copy(self, *args, **kwargs) as copying:
                yield copying
        except BaseException as error:
            end_long(call, error)
            raise
        end_long(call, rows=self.rowcount)

    return traced


def _sync_call(pipeline: Any) -> Subsegment:
    """In pipeline mode statements are queued; what waits for their results, and tells of their errors,
    is the sync.
    """
    try:
        database = kept_with(pipeline._conn, _describe, _UNKNOWN)
        call = statement_call(recorder, database, None)
        if call.sampled:
            put_step(call, "pipeline sync")
        return call
    except Exception as error:
        faults.report("sql", "A pipeline's sync isn't recorded", error)
        return NO_SUBSEGMENT


def _syncing(sync: Any) -> Any:
    @functools.wraps(sync)
    def traced(self: Any, *args: Any) -> Any:
        with _sync_call(self):
            return sync(self, *args)

    return traced


def _syncing_async(sync: Any) -> Any:
    @functools.wraps(sync)
    async def traced(self: Any, *args: Any) -> Any:
        with _sync_call(self):
            return await sync(self, *args)

    return traced
