"""Trace statements of psycopg2. connect() makes connections of a subclass, by its connection factory.

psycopg2's classes are written in C and can't be changed in place; a subclass keeps isinstance,
`with`, the C-level checks (register_type, quote_ident, as_string) and the application's own factories,
of which a subclass is made too.
"""

from __future__ import annotations

import functools
from typing import Any

import psycopg2
from psycopg2 import extensions, sql

from ..default import recorder
from ._sql import (
    CALL,
    EXECUTE,
    PREPARED,
    Composed,
    Database,
    Method,
    driver_version,
    kept_with,
    on_postgresql_server,
    on_server,
    statement_call,
    subclass,
    traced,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._wrap import Patcher

_UNKNOWN = on_server("PostgreSQL", "", "", "", "", driver=driver_version(psycopg2))


def patch(patcher: Patcher) -> None:
    """Wrap what psycopg2.connect() calls: who has imported that name already is traced, too."""
    patcher.wrap(psycopg2, "_connect", _connect)


def _connect(
    connect: Callable[..., Any], instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    factory: Any = kwargs.get("connection_factory") or extensions.connection
    traced_factory = _traced_connection(factory)
    made = connect(*args, **{**kwargs, "connection_factory": traced_factory})
    if hasattr(made, "_xtrace"):  # not if a function of the application made it
        made.cursor_factory = made.cursor_factory
    return made


def _describe(connection: Any) -> Database:
    info = connection.info
    return on_postgresql_server(
        info.dbname,
        info.host,
        info.port,
        info.user,
        info.server_version,
        driver_version(psycopg2),
        info.parameter_status("standard_conforming_strings"),
    )


def _database(cursor: Any) -> Database:
    return kept_with(cursor.connection, _describe, _UNKNOWN)


def _text(cursor: Any, statement: Any) -> object:
    if statement.__class__ is str:
        return statement
    if isinstance(statement, sql.Composable):
        return Composed(statement.as_string(cursor))
    return statement


def is_traceable(factory: Any) -> bool:
    """Whether a factory is a class, of which a subclass can be made, and isn't one of those."""
    return isinstance(factory, type) and not hasattr(factory, "_xtrace")


_METHODS = {
    "execute": (EXECUTE, "query"),
    "executemany": (PREPARED, "query"),
    "callproc": (CALL, "procname"),
    "copy_expert": (EXECUTE, "sql"),
}


@functools.lru_cache(maxsize=256)
def _traced_cursor(base: Any) -> Any:
    """The subclass of a cursor class that traces its statements."""
    if not is_traceable(base):
        return base
    methods = {
        name: traced(getattr(base, name), Method(_database, kind, first=first, statement=_text))
        for name, (kind, first) in _METHODS.items()
    }
    base_copy_from, base_copy_to = base.copy_from, base.copy_to

    def copy_from(self: Any, file: Any, table: Any, *args: Any, **kwargs: Any) -> Any:
        with _copying(self, f"COPY {table} FROM STDIN"):
            return base_copy_from(self, file, table, *args, **kwargs)

    def copy_to(self: Any, file: Any, table: Any, *args: Any, **kwargs: Any) -> Any:
        with _copying(self, f"COPY {table} TO STDOUT"):
            return base_copy_to(self, file, table, *args, **kwargs)

    methods["copy_from"] = functools.wraps(base_copy_from)(copy_from)
    methods["copy_to"] = functools.wraps(base_copy_to)(copy_to)
    return subclass(base, {**methods, "_xtrace": True, "__slots__": ()})


def _copying(cursor: Any, statement: str) -> Any:
    return statement_call(recorder, _database(cursor), statement)


@functools.lru_cache(maxsize=256)
def _traced_connection(base: Any) -> Any:
    """The subclass of a connection class whose cursors are traced."""
    if not is_traceable(base):
        return base
    base_cursor = base.cursor

    def get_factory(self: Any) -> Any:
        return self.__dict__.get("_xtrace_factory")

    def set_factory(self: Any, factory: Any) -> None:
        self._xtrace_factory = factory
        _FACTORY.__set__(self, _traced_cursor(factory or extensions.cursor))

    def cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) > 1 and args[1] is not None:
            args = (args[0], _traced_cursor(args[1]), *args[2:])
        elif kwargs.get("cursor_factory") is not None:
            kwargs["cursor_factory"] = _traced_cursor(kwargs["cursor_factory"])
        made = base_cursor(self, *args, **kwargs)
        if not hasattr(made, "_xtrace"):  # of a class that the base has chosen
            kind: Any = type(made)
            try:
                made.__class__ = _traced_cursor(kind)
            except TypeError:  # one whose instances can't change
                pass
        return made

    return subclass(
        base,
        {
            "_xtrace": True,
            # C looks up the default itself; the application sees what it has set.
            "cursor_factory": property(get_factory, set_factory),
            "cursor": functools.wraps(base_cursor)(cursor),
        },
    )


_FACTORY = vars(extensions.connection)["cursor_factory"]
