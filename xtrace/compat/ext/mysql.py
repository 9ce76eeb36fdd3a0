"""aws_xray_sdk.ext.mysql.patch: statements of MySQL's own driver."""

from __future__ import annotations

import mysql.connector
from aws_xray_sdk.ext.dbapi2 import XRayTracedConn

from xtrace.compat.ext.patching import patching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MYSQL_ATTR = {"_host": "name", "_user": "user"}
"""What of a connection is recorded, and under which key."""


def patch() -> None:
    """Trace the connections that connect() makes."""
    with patching("mysql") as patcher:
        if patcher is not None:
            for name in ("connect", "Connect"):
                if hasattr(mysql.connector, name):
                    patcher.wrap(mysql.connector, name, _xray_traced_connect)


def _xray_traced_connect(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    conn = wrapped(*args, **kwargs)
    meta: dict[str, Any] = {}
    for attribute, key in MYSQL_ATTR.items():
        value = getattr(conn, attribute, None)
        if value is not None:
            meta[key] = value
    version = getattr(conn, "_server_version", None) or getattr(conn, "server_info", None)
    if version:
        meta["database_version"] = sanitize_db_ver(version)
    return XRayTracedConn(conn, meta)


def sanitize_db_ver(raw: Any) -> Any:
    """A version as text: (8, 0, 36) -> "8.0.36"."""
    if not raw or not isinstance(raw, tuple):
        return raw
    return ".".join(str(number) for number in raw)
