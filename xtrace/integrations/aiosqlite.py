"""Trace statements of aiosqlite: whatever a connection has its thread run.

The thread itself is silent: sqlite3's integration must not record the same once more, under whatever
was current when the connection was made.
"""

from __future__ import annotations

import functools
import sqlite3

import aiosqlite
from aiosqlite import core

from .. import faults
from ..default import recorder
from ..noop import NO_SUBSEGMENT
from ._sql import (
    WHOLE,
    Database,
    Statement,
    driver_version,
    in_file,
    kept_with,
    put_rows,
    statement_call,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..model import Subsegment
    from ._wrap import Patcher

_VERSION = driver_version(aiosqlite)
_UNKNOWN = in_file(":memory:", sqlite3.sqlite_version, _VERSION)
_RUN = ("execute", "executemany", "executescript", "_execute_insert", "_execute_fetchall")


def patch(patcher: Patcher) -> None:
    """Replace Connection._execute, which hands every operation to the thread."""
    run: Any = core.Connection._execute

    @functools.wraps(run)
    async def _execute(self: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(fn, "__name__", "") not in _RUN:
            return await run(self, fn, *args, **kwargs)
        parent = recorder._get_current()
        if parent is None or not parent.sampled:
            return await run(self, _silent(fn), *args, **kwargs)
        with _begin(self, fn, args) as call:
            result = await run(self, _silent(fn), *args, **kwargs)
            if call.sampled:
                put_rows(call, _rows(result))
            return result

    patcher.replace(core.Connection, "_execute", _execute)


def _silent(run: Any) -> Any:
    """As it runs in the thread."""

    @functools.wraps(run)
    def silent(*args: Any, **kwargs: Any) -> Any:
        with recorder.attach(None):
            return run(*args, **kwargs)

    return silent


def _begin(connection: Any, run: Any, args: tuple[Any, ...]) -> Subsegment:
    try:
        database = kept_with(connection, _describe, _UNKNOWN)
        prepared = run.__name__ == "executemany" or (len(args) > 1 and args[1] != [])
        block = database.prepared if prepared else database.block
        call = statement_call(recorder, database, args[0], block)
        if call.__class__ is Statement:
            call.layer = WHOLE
        return call
    except Exception as error:
        faults.report("sql", "A statement isn't recorded", error)
        return NO_SUBSEGMENT


def _rows(result: Any) -> object:
    """Of a cursor of sqlite3, of the rows of execute_fetchall(), or of the row of execute_insert()."""
    return len(result) if isinstance(result, list) else getattr(result, "rowcount", None)


def _describe(connection: Any) -> Database:
    # connect() keeps the path for the function that opens the database, and nowhere else.
    connector = connection._connector
    known = dict(zip(connector.__code__.co_freevars, connector.__closure__ or (), strict=True))
    return in_file(known["database"].cell_contents, sqlite3.sqlite_version, _VERSION)
