"""SQL, once for all drivers: a statement is a subsegment of its database."""

from __future__ import annotations

from .. import faults, redaction
from ..document import MAX_SQL_CHARS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..model import Subsegment
    from ..recorder import Recorder


class Database:
    """A database as one connection sees it: what every statement's subsegment says of it.

    name: of the subsegments, "database@host". block: the constant part of their `sql` block (url
    without password, user, database_type, database_version, driver_version).
    dialect: of the statements, as redaction.sql knows them.
    """

    __slots__ = ("block", "dialect", "masked", "name")

    def __init__(self, name: str, dialect: str, block: dict[str, Any]) -> None:
        self.name = name
        self.dialect = dialect
        self.masked = redaction.masked(dialect)
        self.block = block


def statement_call(recorder: Recorder, database: Database, statement: object) -> Subsegment:
    """The subsegment of a statement, for `with` around its execution."""
    call = recorder.in_call(database.name, "remote")
    if call.sampled:
        block = dict(database.block)
        call._more = {"sql": block}
        if recorder.stream_sql and isinstance(statement, str):
            try:
                text = database.masked[statement] if recorder.redact else statement
                if len(text) > MAX_SQL_CHARS:
                    call._checked = False  # it is cut when it is sent
                block["sanitized_query"] = text
            except Exception as error:
                faults.report("sql", "A statement isn't recorded", error)
    return call
