"""Trace statements of sqlite3. connect() makes connections of a subclass, by its own `factory`.

sqlite3's classes can't be changed in place; a subclass keeps isinstance, `with`, the C-level
checks and the application's own factories, of which a subclass is made too.
"""

from __future__ import annotations

import functools
import sqlite3

from .. import faults
from ..default import recorder
from ._sql import Database, in_file, put_rows, statement_call, subclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..model import Subsegment
    from ._wrap import Patcher

_FACTORY_POSITION = 5


def patch(patcher: Patcher) -> None:
    """Wrap connect, under both names that it has."""
    patcher.wrap(sqlite3, "connect", _connect)
    patcher.wrap(sqlite3.dbapi2, "connect", _connect)


def _connect(
    connect: Callable[..., Any], instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if len(args) > _FACTORY_POSITION:
        before, factory, after = args[:_FACTORY_POSITION], args[_FACTORY_POSITION], args[6:]
        args = (*before, _traced_connection(factory), *after)
    else:
        factory = kwargs.get("factory") or sqlite3.Connection
        kwargs = {**kwargs, "factory": _traced_connection(factory)}
    connection = connect(*args, **kwargs)
    if hasattr(connection, "_xtrace_database"):  # not if a function of the application made it
        with faults.absorb("integration:sqlite3"):
            path = args[0] if args else kwargs.get("database")
            connection._xtrace_database = _describe(path)
    return connection


def _describe(path: Any) -> Database:
    return in_file(path, sqlite3.sqlite_version, "sqlite3")


_UNKNOWN = _describe(":memory:")


@functools.lru_cache(maxsize=256)
def _traced_cursor(base: Any) -> Any:
    """The subclass of a cursor class that traces its statements."""
    if not _is_class(base) or hasattr(base, "_xtrace"):
        return base

    base_execute, base_executemany = base.execute, base.executemany
    base_executescript = base.executescript

    def execute(self: Any, *args: Any) -> Any:
        with _begin(_database(self), args) as call:
            result = base_execute(self, *args)
            if call.sampled:
                put_rows(call, self.rowcount)
            return result

    def executemany(self: Any, *args: Any) -> Any:
        with _begin(_database(self), args) as call:
            result = base_executemany(self, *args)
            if call.sampled:
                put_rows(call, self.rowcount)
            return result

    def executescript(self: Any, *args: Any) -> Any:
        with _begin(_database(self), args):
            return base_executescript(self, *args)

    return subclass(
        base,
        {
            "__slots__": (),
            "_xtrace": True,
            "execute": functools.wraps(base_execute)(execute),
            "executemany": functools.wraps(base_executemany)(executemany),
            "executescript": functools.wraps(base_executescript)(executescript),
        },
    )


@functools.lru_cache(maxsize=256)
def _traced_connection(base: Any) -> Any:
    """The subclass of a connection class whose cursors are traced."""
    if not _is_class(base) or hasattr(base, "_xtrace_database"):
        return base

    base_cursor = base.cursor
    has_plain_cursors = base_cursor is sqlite3.Connection.cursor
    cursor_class = _traced_cursor(sqlite3.Cursor)
    cursor_execute = sqlite3.Cursor.execute

    def cursor(self: Any, factory: Any = sqlite3.Cursor) -> Any:
        return base_cursor(self, _traced_cursor(factory))

    # The shortcuts make their cursors in C, past cursor().
    def execute(self: Any, *args: Any) -> Any:
        if not has_plain_cursors:
            return self.cursor().execute(*args)
        made = base_cursor(self, cursor_class)
        if len(args) == 1:  # the steps of _begin(), without the call
            sql = args[0]
            with statement_call(recorder, self._xtrace_database, sql) as call:
                cursor_execute(made, sql)
                if made.rowcount >= 0 and call.sampled:
                    put_rows(call, made.rowcount)
            return made
        with _begin(self._xtrace_database, args) as call:
            cursor_execute(made, *args)
            if made.rowcount >= 0 and call.sampled:
                put_rows(call, made.rowcount)
        return made

    def executemany(self: Any, *args: Any) -> Any:
        return self.cursor().executemany(*args)

    def executescript(self: Any, *args: Any) -> Any:
        return self.cursor().executescript(*args)

    return subclass(
        base,
        {
            "_xtrace_database": _UNKNOWN,
            "cursor": functools.wraps(base_cursor)(cursor),
            "execute": functools.wraps(base.execute)(execute),
            "executemany": functools.wraps(base.executemany)(executemany),
            "executescript": functools.wraps(base.executescript)(executescript),
        },
    )


def _is_given(parameters: Any) -> bool:
    # Anything may be given, also what has no truth value.
    return bool(parameters) if parameters.__class__ in (tuple, list, dict) else True


def _begin(database: Database, args: tuple[Any, ...]) -> Subsegment:
    """The subsegment of a statement, by the arguments of execute(); wrong ones are sqlite3's to tell."""
    block = database.prepared if len(args) > 1 and _is_given(args[1]) else database.block
    return statement_call(recorder, database, args[0] if args else None, block)


def _is_class(factory: Any) -> bool:
    """Whether a factory is a class: of a function, no subclass can be made."""
    return isinstance(factory, type)


def _database(cursor: Any) -> Database:
    database: Database = getattr(cursor.connection, "_xtrace_database", _UNKNOWN)
    return database
