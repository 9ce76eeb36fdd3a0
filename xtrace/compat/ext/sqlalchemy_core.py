"""aws_xray_sdk.ext.sqlalchemy_core.patch: statements of SQLAlchemy, whatever the driver below it."""

from __future__ import annotations

import logging

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.patcher import _PATCHED_MODULES  # type: ignore[attr-defined]
from sqlalchemy.engine import base

from xtrace.compat.ext.patching import argument, patching, undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)


def patch() -> None:
    """Record what connections execute: sessions execute by them, too."""
    with patching("sqlalchemy_core") as patcher:
        if patcher is not None:
            patcher.wrap(base.Connection, "execute", _xray_traced_sqlalchemy_execute)


def unpatch() -> None:
    """Put back what patch() replaced."""
    _PATCHED_MODULES.discard("sqlalchemy_core")
    undo("sqlalchemy_core")


def _xray_traced_sqlalchemy_execute(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    statement = argument(args, kwargs, 0, "statement")
    name, sql = "", None
    try:
        name, sql = _sql_meta(instance, statement)
    except Exception:
        log.exception("A statement isn't recorded")
    if sql is None:
        return wrapped(*args, **kwargs)
    with xray_recorder.in_subsegment(name, namespace="remote") as subsegment:
        if subsegment:
            subsegment.set_sql(sql)
        return wrapped(*args, **kwargs)


def _sql_meta(connection: Any, statement: Any) -> tuple[str, dict[str, Any]]:
    """The name of a statement's subsegment, and its sql block."""
    engine = connection.engine
    url, dialect = engine.url, engine.dialect
    sql: dict[str, Any] = {"database_type": engine.name}
    host = f"{url.host or ''}{f':{url.port}' if url.port else ''}"
    sql["url"] = str(url._replace(password=None, query={}))
    if url.username:
        sql["user"] = url.username
    driver = getattr(dialect, "driver", None)
    driver_version = getattr(getattr(dialect, "dbapi", None), "__version__", None)
    if driver:
        sql["driver_version"] = f"{driver}-{driver_version}" if driver_version else driver
    version = getattr(dialect, "server_version_info", None)
    if version:
        sql["database_version"] = ".".join(str(number) for number in version)
    if xray_recorder.stream_sql:
        compiled = statement.compile(engine) if hasattr(statement, "compile") else statement
        sql["sanitized_query"] = str(compiled)
    return host or str(url.database or engine.name), sql
