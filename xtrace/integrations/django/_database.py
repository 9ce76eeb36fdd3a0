"""Statements: those of every cursor of Django's, whatever the driver below it."""

from __future__ import annotations

import functools
import os

from ... import faults
from ...default import recorder
from .._sql import Database, statement_call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._wrap import Patcher

LAYER = "django"

_TYPES = {
    "microsoft": "SQL Server",
    "mysql": "MySQL",
    "oracle": "Oracle",
    "postgresql": "PostgreSQL",
    "sqlite": "SQLite",
}
"""database_type by Django's `vendor`."""

_UNKNOWN = Database("unknown database", "standard", {}, LAYER)


def patch(patcher: Patcher, cursor: Any) -> None:
    """Replace the three methods of Django's CursorWrapper that run a statement."""
    for name, first in (("execute", "sql"), ("executemany", "sql"), ("callproc", "procname")):
        patcher.replace(cursor, name, _traced(vars(cursor)[name], first))


def _traced(run: Any, first: str) -> Any:
    """The method, traced. first: the parameter with the statement."""

    @functools.wraps(run)
    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        statement = args[0] if args else kwargs.get(first)
        with statement_call(recorder, _database(self.db), statement):
            return run(self, *args, **kwargs)

    return traced


def _database(connection: Any) -> Database:
    """What is recorded of a connection's database. Kept with the connection: tests change NAME."""
    known = connection.__dict__.get("_xtrace_database")
    name = connection.settings_dict["NAME"]
    if known is not None and known[0] is name:
        database: Database = known[1]
        return database
    try:
        database = describe(connection)
    except Exception as error:
        faults.report("integration:django", "A database isn't described", error)
        database = _UNKNOWN
    connection._xtrace_database = (name, database)
    return database


def describe(connection: Any) -> Database:
    """A database by its connection's settings: never with the password."""
    vendor = connection.vendor
    settings = connection.settings_dict
    block: dict[str, Any] = {
        "database_type": _TYPES.get(vendor, vendor),
        "driver_version": _driver(connection.Database),
    }
    if vendor == "sqlite":
        location = os.fsdecode(settings["NAME"] or ":memory:")
        location = location.removeprefix("file:").partition("?")[0]
        block["url"] = f"sqlite:///{location}"
        block["database_version"] = connection.Database.sqlite_version
        return Database(os.path.basename(location) or ":memory:", "sqlite", block, LAYER)
    name, user = str(settings["NAME"] or ""), settings.get("USER")
    host, port = str(settings.get("HOST") or ""), settings.get("PORT")
    if not host or host.startswith("/"):  # a socket in the file system
        host = "localhost"
    block["url"] = f"{vendor}://{host}{f':{port}' if port else ''}/{name}"
    if user:
        block["user"] = str(user)
    return Database(
        f"{name}@{host}" if name else host,
        "mysql" if vendor == "mysql" else "standard",
        block,
        LAYER,
    )


def _driver(module: Any) -> str:
    """ "psycopg-3.2.1" """
    name = module.__name__.partition(".")[0]
    version = getattr(module, "__version__", None)
    return f"{name}-{version.split()[0]}" if isinstance(version, str) and version else name
