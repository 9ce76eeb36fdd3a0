"""aws_xray_sdk.ext.dbapi2: connections and cursors of PEP 249 whose statements are recorded."""

from __future__ import annotations

import copy

import wrapt
from aws_xray_sdk.core import xray_recorder

from xtrace.compat.ext.patching import is_current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self

    _Proxy = wrapt.ObjectProxy[Any]
else:
    _Proxy = wrapt.ObjectProxy


class XRayTracedConn(_Proxy):
    """A connection whose cursors are traced.

    meta: what is recorded of each statement, and under "name" the name of its subsegment.
    """

    _xray_meta: Any = None

    def __init__(self, conn: Any, meta: Any = {}) -> None:  # noqa: B006 # it is copied
        super().__init__(conn)
        self._xray_meta = dict(meta)

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """A traced cursor."""
        return XRayTracedCursor(self.__wrapped__.cursor(*args, **kwargs), self._xray_meta)

    def __enter__(self) -> Any:
        entered = self.__wrapped__.__enter__()
        return self if entered is self.__wrapped__ else entered


class XRayTracedCursor(_Proxy):
    """A cursor whose statements are recorded."""

    _xray_meta: Any = None

    def __init__(self, cursor: Any, meta: Any = {}) -> None:  # noqa: B006 # it is copied
        super().__init__(cursor)
        self._xray_meta = dict(meta)
        if not self._xray_meta.get("database_type"):
            self._xray_meta["database_type"] = type(cursor).__module__.partition(".")[0]

    def __enter__(self) -> Self:
        entered: Any = self.__wrapped__.__enter__()
        return self if entered is self.__wrapped__ else entered

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Run a statement."""
        return self._recorded("execute", args, kwargs)

    def executemany(self, *args: Any, **kwargs: Any) -> Any:
        """Run a statement several times."""
        return self._recorded("executemany", args, kwargs)

    def callproc(self, *args: Any, **kwargs: Any) -> Any:
        """Call a procedure."""
        return self._recorded("callproc", args, kwargs)

    def _recorded(self, name: str, args: Any, kwargs: Any) -> Any:
        with xray_recorder.in_subsegment(name):
            add_sql_meta(self._xray_meta)
            result = getattr(self.__wrapped__, name)(*args, **kwargs)
        return self if result is self.__wrapped__ else result


def add_sql_meta(meta: Any) -> None:
    """Make the current subsegment one of a statement: with a sql block, and its name from meta."""
    subsegment = xray_recorder.current_subsegment() if is_current(xray_recorder) else None
    if not subsegment:
        return
    sql_meta = copy.copy(meta)
    name = sql_meta.pop("name", None)
    if name:
        subsegment.name = name if isinstance(name, str) else str(name)
    subsegment.set_sql(sql_meta)
    subsegment.namespace = "remote"
