"""aws_xray_sdk.ext.pymysql.patch: statements of PyMySQL."""

from __future__ import annotations

import pymysql
from aws_xray_sdk.core.patcher import _PATCHED_MODULES  # type: ignore[attr-defined]
from aws_xray_sdk.ext.dbapi2 import XRayTracedConn

from xtrace.compat.ext.patching import patching, undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def patch() -> None:
    """Trace the connections that connect() makes."""
    with patching("pymysql") as patcher:
        if patcher is not None:
            for name in ("connect", "Connect"):
                if hasattr(pymysql, name):
                    patcher.wrap(pymysql, name, _xray_traced_connect)


def unpatch() -> None:
    """Put back what patch() replaced."""
    _PATCHED_MODULES.discard("pymysql")
    undo("pymysql")


def _xray_traced_connect(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    conn = wrapped(*args, **kwargs)
    meta = {"database_type": "MySQL", "driver_version": "PyMySQL"}
    user = getattr(conn, "user", None)
    if user:
        meta["user"] = user.decode("utf-8") if isinstance(user, bytes) else user
    version = sanitize_db_ver(getattr(conn, "server_version", None))
    if version:
        meta["database_version"] = version
    return XRayTracedConn(conn, meta)


def sanitize_db_ver(raw: Any) -> Any:
    """A version as text: (8, 0, 36) -> "8.0.36"."""
    if not raw or not isinstance(raw, tuple):
        return raw
    return ".".join(str(number) for number in raw)
