"""aws_xray_sdk.ext.psycopg2.patch: statements of psycopg2."""

from __future__ import annotations

import functools

import psycopg2
import psycopg2.extensions

from xtrace.compat.ext.patching import patching
from xtrace.compat.ext.postgres import MARK, meta, traced_cursor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def patch() -> None:
    """Have connect() make connections of a subclass, whose cursors are of a subclass."""
    with patching("psycopg2") as patcher:
        if patcher is not None:
            patcher.wrap(psycopg2, "connect", _xray_traced_connect)


_FACTORY_POSITION = 1


def _xray_traced_connect(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    # connect(dsn=None, connection_factory=None, cursor_factory=None, **parameters)
    if len(args) > _FACTORY_POSITION:
        args = (args[0], _traced_connection(args[1]), *args[2:])
    else:
        factory = kwargs.get("connection_factory")
        kwargs = {**kwargs, "connection_factory": _traced_connection(factory)}
    return wrapped(*args, **kwargs)


def _traced_connection(base: Any) -> Any:
    return _subclass(base or psycopg2.extensions.connection)


@functools.lru_cache(maxsize=256)
def _subclass(base: Any) -> Any:
    if not isinstance(base, type) or hasattr(base, MARK):
        return base

    def cursor(
        self: Any, name: Any = None, cursor_factory: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        factory = cursor_factory or self.cursor_factory or psycopg2.extensions.cursor
        traced = traced_cursor(factory, _meta_of)
        return base.cursor(self, name, traced, *args, **kwargs)  # type: ignore[attr-defined]

    return type(
        base.__name__,
        (base,),
        {"__doc__": base.__doc__, "__module__": base.__module__, "cursor": cursor, MARK: True},
    )


def _meta_of(cursor: Any) -> dict[str, Any]:
    connection = cursor.connection
    known: dict[str, Any] | None = getattr(connection, "_xray_meta", None)
    if known is None:
        parameters = connection.get_dsn_parameters()
        known = connection._xray_meta = meta(parameters, connection.server_version, "Psycopg 2")
    return known
