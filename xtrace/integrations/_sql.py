"""SQL, once for all drivers: a statement is a subsegment of its database."""

from __future__ import annotations

from .. import faults, redaction
from ..document import MAX_SQL_CHARS
from ..model import Subsegment
from ..noop import NO_SUBSEGMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..recorder import Recorder

DRIVER = "driver"
"""The layer of what speaks to the database itself."""


class Database:
    """A database as one connection sees it: what every statement's subsegment says of it.

    name: of the subsegments, "database@host". block: the constant part of their `sql` block (url
    without password, user, database_type, database_version, driver_version).
    dialect: of the statements, as redaction.sql knows them.
    layer: what runs them: DRIVER, or the name of a library that uses drivers.
    """

    __slots__ = ("block", "dialect", "layer", "masked", "name")

    def __init__(self, name: str, dialect: str, block: dict[str, Any], layer: str = DRIVER) -> None:
        self.name = name
        self.layer = layer
        self.dialect = dialect
        self.masked = redaction.masked(dialect)
        self.block = block


class Statement(Subsegment):
    """A statement, in which the layers below the one that runs it are silent."""

    __slots__ = ("layer",)

    layer: str


def statement_call(recorder: Recorder, database: Database, statement: object) -> Subsegment:
    """The subsegment of a statement, for `with` around its execution.

    Inside a statement of another layer it is an entity on which nothing is kept: what a library
    hands to a driver is one statement, not two.
    """
    parent = recorder._get_current()
    if parent is None or not parent.sampled:
        return NO_SUBSEGMENT
    layer = database.layer
    if parent.__class__ is Statement and parent.layer != layer and parent.end_time is None:
        return NO_SUBSEGMENT
    call = Statement(database.name, parent, parent.segment, "remote")
    call.layer = layer
    if not recorder.stream_sql or not isinstance(statement, str):
        call._more = {"sql": {**database.block}}
        return call
    try:
        text = database.masked[statement] if recorder.redact else statement
    except Exception as error:
        faults.report("sql", "A statement isn't recorded", error)
        text = ""
    if len(text) > MAX_SQL_CHARS:
        call._checked = False  # it is cut when it is sent
    call._more = {"sql": {**database.block, "sanitized_query": text}}
    return call
