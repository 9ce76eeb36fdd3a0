"""What psycopg2 and psycopg have in common: connections and cursors of subclasses of their own.

A subclass passes the checks that the drivers make in C, where a proxy doesn't.
"""

from __future__ import annotations

import functools
import inspect

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.ext.dbapi2 import add_sql_meta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

METHODS = ("execute", "executemany", "callproc")
MARK = "_xray_traced"
UNKNOWN = "unknown"


def meta(parameters: dict[str, Any], version: Any, driver: str) -> dict[str, Any]:
    """What is recorded of a connection. parameters: of libpq, never the password."""
    get = parameters.get
    host, port = get("host") or UNKNOWN, get("port") or UNKNOWN
    user, dbname = get("user") or UNKNOWN, get("dbname") or UNKNOWN
    return {
        "database_type": "PostgreSQL",
        "url": f"postgresql://{user}@{host}:{port}/{dbname}",
        "user": user,
        "database_version": str(version),
        "driver_version": driver,
    }


@functools.lru_cache(maxsize=256)
def traced_cursor(base: Any, meta_of: Callable[[Any], dict[str, Any]]) -> Any:
    """The subclass of a cursor class that records its statements. meta_of: of a cursor."""
    if not isinstance(base, type) or hasattr(base, MARK):
        return base
    namespace: dict[str, Any] = {
        "__doc__": base.__doc__,
        "__module__": base.__module__,
        MARK: True,
    }
    for name in METHODS:
        method = getattr(base, name, None)
        if method is not None:
            namespace[name] = _recorded(name, method, meta_of)
    return type(base.__name__, (base,), namespace)


def _recorded(name: str, method: Any, meta_of: Callable[[Any], dict[str, Any]]) -> Any:
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def run_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            with xray_recorder.in_subsegment(name):
                add_sql_meta(meta_of(self))
                return await method(self, *args, **kwargs)

        return run_async

    @functools.wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        with xray_recorder.in_subsegment(name):
            add_sql_meta(meta_of(self))
            return method(self, *args, **kwargs)

    return run
