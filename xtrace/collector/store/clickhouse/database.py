"""Questions and insertions, as ClickHouse takes them over HTTP; its errors as ours."""

from __future__ import annotations

import logging

from .. import StoreError
from .schema import TABLES, tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeVar

    from .schema import Place

    T = TypeVar("T")

log = logging.getLogger("xtrace.collector")

SECONDS_TO_CONNECT = 5
SECONDS_TO_ANSWER = 60

AT_ONCE = 1_000
"""Ids that one statement names: a URL has room for them."""

_TYPES = {str: "String", bool: "UInt8", int: "Int64", float: "Float64", list: "Array(String)"}


class Refused(StoreError):
    """What is to be inserted can't be: it is never tried again."""


class Database:
    """A database on ClickHouse. All methods may be called on any thread."""

    def __init__(self, place: Place, max_age: float | None, read_only: bool) -> None:
        self.place = place
        self.closed = False
        self._read_only = read_only
        self._errors: type[Exception] = OSError
        self.client = self._connected(max_age)

    def _connected(self, max_age: float | None) -> Any:
        """A client of the database, which has the tables then. Raises StoreError."""
        try:
            import clickhouse_connect
        except ImportError as error:
            raise StoreError(
                "ClickHouse needs clickhouse-connect. Install it with: "
                "pip install 'xtrace[clickhouse,collector]'"
            ) from error
        from clickhouse_connect.driver.exceptions import Error

        self._errors = Error
        place = self.place
        options: dict[str, Any] = {
            "host": place.host,
            "port": place.port,
            "username": place.user,
            "password": place.password,
            "secure": place.secure,
            "compress": False,
            "connect_timeout": SECONDS_TO_CONNECT,
            "send_receive_timeout": SECONDS_TO_ANSWER,
            # Queries of several threads at once are no session.
            "autogenerate_session_id": False,
        }
        if place.cluster:
            # An insertion has been answered when the rows are where they belong.
            options["settings"] = {"distributed_foreground_insert": 1}
        try:
            client = clickhouse_connect.get_client(**options)
            if not self._read_only:
                client.command(f"CREATE DATABASE IF NOT EXISTS {place.database}{place.on}")
            client.database = place.database
            there: dict[str, set[str]] = {}
            for table, column in client.query(
                "SELECT table, name FROM system.columns WHERE database = currentDatabase()"
            ).result_rows:
                there.setdefault(table, set()).add(column)
            for table, statement in tables(place, max_age):
                if table not in there and not self._read_only:
                    client.command(statement)
        except Exception as error:
            raise StoreError(f"Can't use {place.url}: {_said(error)}") from error
        if any(name in there and columns.keys() - there[name] for name, columns in TABLES.items()):
            client.close()
            raise StoreError(
                f"{place.url} has tables of another version of xtrace. Name another database with --db."
            )
        return client

    def max_age(self) -> float | None:
        """The seconds after which ClickHouse deletes traces, whoever has made the tables; None: it doesn't."""
        rows = self.query(
            r"SELECT toInt64OrNull(extract(create_table_query, 'toIntervalSecond\\((\\d+)\\)')) "
            "FROM system.tables WHERE database = currentDatabase() AND name = ?",
            (self.place.local("traces"),),
        )
        return None if not rows or rows[0][0] is None else float(rows[0][0])

    def close(self) -> None:
        """Answer no more."""
        self.closed = True
        self.client.close()

    def query(
        self, statement: str, parameters: Sequence[Any] = (), *, as_bytes: bool = False
    ) -> list[Any]:
        """Rows. Parameters take the places of question marks, in order; a list is one of texts.

        as_bytes: texts are given so. Raises StoreError.
        """
        if self.closed:
            raise StoreError("The store is closed.")
        text, named = _bound(statement, parameters)
        try:
            found = self.client.query(
                text,
                parameters=named or None,
                query_formats={"String": "bytes"} if as_bytes else None,
            )
        except Exception as error:
            raise StoreError(f"Can't read {self.place.url}: {_said(error)}") from error
        rows: list[Any] = found.result_rows
        return rows

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows, with all columns of schema.TABLES. Raises StoreError."""
        if self.closed or self._read_only:
            why = "closed" if self.closed else f"open to read only: {self.place.url}"
            raise StoreError(f"The store is {why}.")
        columns = TABLES[table]
        kinds = [kind.partition(" CODEC")[0] for kind in columns.values()]
        said = f"Can't write to {self.place.url}"
        try:
            self.client.insert(table, rows, column_names=list(columns), column_type_names=kinds)
        except (self._errors, OSError) as error:
            raise StoreError(f"{said}: {_said(error)}") from error
        except Exception as error:
            if self.closed:
                raise StoreError("The store is closed.") from error
            # It wasn't even sent.
            raise Refused(f"{said}: {_said(error)}") from error

    def insert_what_goes(self, table: str, rows: Sequence[Sequence[Any]]) -> set[int]:
        """Insert rows; gives the places of those that can't be. Raises StoreError."""
        try:
            self.insert(table, rows)
        except Refused:
            if len(rows) == 1:
                log.exception("A row of %s can't be inserted", table)
                return {0}
            half = len(rows) // 2
            refused = self.insert_what_goes(table, rows[:half])
            return refused | {half + place for place in self.insert_what_goes(table, rows[half:])}
        return set()

    def command(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Do something. Raises StoreError."""
        if self._read_only:
            raise StoreError(f"{self.place.url} is open to read only.")
        text, named = _bound(statement, parameters)
        try:
            self.client.command(text, parameters=named or None)
        except Exception as error:
            raise StoreError(f"Can't write to {self.place.url}: {_said(error)}") from error

    def delete(self, table: str, column: str, ids: Sequence[str]) -> None:
        """Delete the rows with these ids. Raises StoreError."""
        place = self.place
        for some in chunks(ids):
            self.command(f"DELETE FROM {place.local(table)}{place.on} WHERE {column} IN ?", (some,))

    def truncate(self, table: str) -> None:
        """Delete all rows. Raises StoreError."""
        self.command(f"TRUNCATE TABLE {self.place.local(table)}{self.place.on}")


def chunks(ids: Sequence[T], size: int = AT_ONCE) -> list[list[T]]:
    """The same ids, some at a time."""
    listed = list(ids)
    return [listed[first : first + size] for first in range(0, len(listed), size)]


def _bound(statement: str, parameters: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """A statement with ClickHouse's placeholders, and their values."""
    head, *rest = statement.split("?")
    assert len(rest) == len(parameters), statement
    text = [head]
    for number, (value, after) in enumerate(zip(parameters, rest, strict=True)):
        text.append(f"{{p{number}:{_TYPES[type(value)]}}}{after}")
    return "".join(text), {f"p{number}": value for number, value in enumerate(parameters)}


def _said(error: Exception) -> str:
    return str(error).splitlines()[0][:500] if str(error) else type(error).__name__
