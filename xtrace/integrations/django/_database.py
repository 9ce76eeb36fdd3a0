"""Statements: those of every cursor of Django's, whatever the driver below it."""

from __future__ import annotations

from ... import faults
from .._sql import (
    CALL,
    EXECUTE,
    PREPARED,
    Database,
    Method,
    driver_version,
    in_file,
    on_mysql_server,
    on_postgresql_server,
    on_server,
    trace_connect,
    traced,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._wrap import Patcher

LAYER = "django"

_KINDS = {"microsoft": "Microsoft SQL Server", "oracle": "Oracle"}
"""database_type by Django's `vendor`, of those that have no function of their own."""

_UNKNOWN = Database("unknown database", "standard", {}, LAYER)


def patch_connections(patcher: Patcher, wrapper: Any) -> None:
    """Replace connect() of Django's connections, which sets them up by statements of Django's own."""
    trace_connect(patcher, wrapper, "connect", _database_of)


def patch(patcher: Patcher, cursor: Any) -> None:
    """Replace the three methods of Django's CursorWrapper that run a statement."""
    for name, kind in (("execute", EXECUTE), ("executemany", PREPARED), ("callproc", CALL)):
        # An execute_wrapper may run statements of its own.
        method = Method(_database, kind, whole=False)
        patcher.replace(cursor, name, traced(vars(cursor)[name], method))


def _database(cursor: Any) -> Database:
    """What is recorded of a connection's database. Kept with the connection: tests change NAME."""
    return _database_of(cursor.db)


def _database_of(connection: Any) -> Database:
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
    database.layer = LAYER
    if getattr(connection, "connection", None) is not None:  # else it has yet to tell more
        connection._xtrace_database = (name, database)
    return database


def describe(connection: Any) -> Database:
    """A database by its connection's settings: never with the password."""
    vendor = connection.vendor
    settings = connection.settings_dict
    driver = driver_version(connection.Database)
    raw = getattr(connection, "connection", None)  # the driver's, which has connected by now
    if vendor == "sqlite":
        return in_file(settings["NAME"] or ":memory:", connection.Database.sqlite_version, driver)
    place = settings["NAME"], settings.get("HOST"), settings.get("PORT"), settings.get("USER")
    if vendor == "postgresql":
        info = getattr(raw, "info", None)
        version = getattr(info, "server_version", 0)
        strings = info.parameter_status("standard_conforming_strings") if info else "on"
        return on_postgresql_server(*place, version, driver, strings)
    if vendor == "mysql":
        version = raw.get_server_info() if raw is not None else ""
        return on_mysql_server(*place, version, driver)
    return on_server(_KINDS.get(vendor, vendor), *place, driver=driver)
