"""aws_xray_sdk.ext.sqlite3.patch: statements of sqlite3."""

from __future__ import annotations

import os
import sqlite3

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.ext.dbapi2 import XRayTracedConn, add_sql_meta

from xtrace.compat.ext.patching import argument, patching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def patch() -> None:
    """Trace the connections that connect() makes."""
    with patching("sqlite3") as patcher:
        if patcher is not None:
            patcher.wrap(sqlite3, "connect", _xray_traced_connect)


def _xray_traced_connect(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    conn = wrapped(*args, **kwargs)
    database = argument(args, kwargs, 0, "database", "")
    name = os.fsdecode(database) if isinstance(database, (bytes, os.PathLike)) else str(database)
    meta = {"name": name, "database_version": sqlite3.sqlite_version}
    return XRayTracedSQLite(conn, meta)


class XRayTracedSQLite(XRayTracedConn):
    """A connection; its own shortcuts for statements are recorded, too."""

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Run a statement, with a new cursor."""
        return self.cursor().execute(*args, **kwargs)

    def executemany(self, *args: Any, **kwargs: Any) -> Any:
        """Run a statement several times, with a new cursor."""
        return self.cursor().executemany(*args, **kwargs)

    def executescript(self, *args: Any, **kwargs: Any) -> Any:
        """Run several statements, with a new cursor."""
        cursor: Any = self.cursor()
        with xray_recorder.in_subsegment("executescript"):
            add_sql_meta(cursor._xray_meta)
            return cursor.executescript(*args, **kwargs)
