"""aws_xray_sdk.ext.pg8000.patch: statements of pg8000, by both of its interfaces."""

from __future__ import annotations

import pg8000
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.patcher import _PATCHED_MODULES  # type: ignore[attr-defined]
from aws_xray_sdk.ext.dbapi2 import XRayTracedConn, add_sql_meta

from xtrace.compat.ext.patching import patching, undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def patch() -> None:
    """Trace the connections that connect() makes, and run() of pg8000.native's."""
    with patching("pg8000") as patcher:
        if patcher is None:
            return
        patcher.wrap(pg8000, "connect", _xray_traced_connect)
        try:
            import pg8000.native as native
        except ImportError:  # versions before 1.16
            return
        patcher.wrap(native.Connection, "run", _xray_traced_run)


def unpatch() -> None:
    """Put back what patch() replaced."""
    _PATCHED_MODULES.discard("pg8000")
    undo("pg8000")


def _xray_traced_connect(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    conn = wrapped(*args, **kwargs)
    return XRayTracedConn(conn, _meta(conn))


def _xray_traced_run(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    with xray_recorder.in_subsegment("run"):
        add_sql_meta(_meta(instance))
        return wrapped(*args, **kwargs)


def _meta(conn: Any) -> dict[str, Any]:
    meta = {"database_type": "PostgreSQL", "driver_version": "Pg8000"}
    user = getattr(conn, "user", None)
    if user:
        meta["user"] = user.decode("utf-8") if isinstance(user, bytes) else str(user)
    version = getattr(conn, "_server_version", None)
    if version is None:
        told = getattr(conn, "parameter_statuses", {})
        version = told.get("server_version") or told.get(b"server_version")
    if version is not None:
        meta["database_version"] = version.decode() if isinstance(version, bytes) else str(version)
    return meta
