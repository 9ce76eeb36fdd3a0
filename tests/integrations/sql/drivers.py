"""Every driver under one face: DB-API's, sync or async, with what they don't have in common."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Server

SQLITE, POSTGRESQL, MARIADB = "SQLite", "PostgreSQL", "MariaDB"

# A query that gives so many rows as it says.
MANY_ROWS = {
    SQLITE: "with recursive n(i) as (select 1 union all select i + 1 from n where i < {}) "
    "select i from n",
    POSTGRESQL: "select generate_series(1, {})",
    MARIADB: "select seq from seq_1_to_{}",
}
PROCEDURES = {
    POSTGRESQL: [
        "create or replace function add_one(n int) returns int as 'select n + 1' language sql",
        "create or replace procedure keep(n int) as 'select n' language sql",
    ],
    MARIADB: [
        "drop procedure if exists add_one",
        "create procedure add_one(n int) select n + 1",
    ],
}


@dataclass(frozen=True)
class Driver:
    """A DB-API driver.

    name: of its distribution. patches: the name for xtrace.patch(). mark: its placeholder.
    in_place: whether connections that were there before patching are traced, and types stay the same.
    calls: a procedure for callproc.
    """

    name: str
    patches: str
    kind: str
    mark: str
    open: Callable[[Server | None], Any]
    version: str
    in_place: bool = True
    calls: str | None = None

    @property
    def param(self) -> Any:
        """For pytest.mark.parametrize."""
        mark = pytest.mark.library(self.name, "sync")
        return pytest.param(self, id=self.version, marks=mark)


def _arguments(server: Server, **names: str) -> dict[str, Any]:
    return {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        names.get("database", "database"): server.database,
    }


def _sqlite3(server: None) -> Any:
    return sqlite3.connect(":memory:")


def _psycopg2(server: Server) -> Any:
    import psycopg2

    return psycopg2.connect(**_arguments(server))


def _psycopg(server: Server) -> Any:
    import psycopg

    return psycopg.connect(**_arguments(server, database="dbname"))


def _pg8000(server: Server) -> Any:
    import pg8000.dbapi

    return pg8000.dbapi.connect(**_arguments(server))


def _pg8000_legacy(server: Server) -> Any:
    import pg8000

    return pg8000.connect(**_arguments(server))


def _pymysql(server: Server) -> Any:
    import pymysql

    return pymysql.connect(**_arguments(server))


def _mysqlclient(server: Server) -> Any:
    import MySQLdb

    return MySQLdb.connect(**_arguments(server))


def _mysql_connector(server: Server) -> Any:
    import mysql.connector

    return mysql.connector.connect(**_arguments(server), use_pure=True, buffered=True)


DRIVERS = [
    Driver("sqlite3", "sqlite3", SQLITE, "?", _sqlite3, "sqlite3", in_place=False),
    Driver(
        "psycopg2-binary",
        "psycopg2",
        POSTGRESQL,
        "%s",
        _psycopg2,
        "psycopg2",
        in_place=False,
        calls="add_one",
    ),
    Driver("psycopg", "psycopg", POSTGRESQL, "%s", _psycopg, "psycopg"),
    Driver("pg8000", "pg8000", POSTGRESQL, "%s", _pg8000, "pg8000", calls="keep"),
    Driver("pg8000", "pg8000", POSTGRESQL, "%s", _pg8000_legacy, "pg8000-legacy"),
    Driver("pymysql", "pymysql", MARIADB, "%s", _pymysql, "pymysql", calls="add_one"),
    Driver(
        "mysqlclient", "mysqlclient", MARIADB, "%s", _mysqlclient, "mysqlclient", calls="add_one"
    ),
    Driver(
        "mysql-connector-python",
        "mysql_connector",
        MARIADB,
        "%s",
        _mysql_connector,
        "mysql-connector-python",
        calls="add_one",
    ),
]


# -- async ---------------------------------------------------------------------------------------


class AsyncDriver:
    """An asynchronous driver.

    name: of its distribution. patches: the name for xtrace.patch(). mark: its placeholder.
    knows_rows: whether it tells how many rows executemany() has changed.
    """

    name: str
    patches: str
    kind: str
    mark: str
    knows_rows = True

    @property
    def param(self) -> Any:
        """For pytest.mark.parametrize."""
        return pytest.param(self, id=self.name, marks=pytest.mark.library(self.name, "async"))

    async def connect(self, server: Server | None) -> Any:
        """An open connection."""
        raise NotImplementedError

    async def run(self, connection: Any, statement: str, *parameters: object) -> list[Any]:
        """The rows of a statement with "?" for its placeholders."""
        cursor = await self.cursor(connection)
        statement = statement.replace("?", self.mark)
        await cursor.execute(statement, *([parameters] if parameters else []))
        return list(await cursor.fetchall()) if cursor.description else []

    async def run_many(self, connection: Any, statement: str, parameters: list[Any]) -> None:
        """executemany()"""
        cursor = await self.cursor(connection)
        await cursor.executemany(statement.replace("?", self.mark), parameters)

    async def iterate(self, connection: Any, statement: str) -> int:
        """How many rows came, one by one."""
        cursor = await self.cursor(connection)
        await cursor.execute(statement)
        return len([row async for row in cursor])

    async def cursor(self, connection: Any) -> Any:
        """A new cursor."""
        return connection.cursor()

    async def rollback(self, connection: Any) -> None:
        """After an error."""
        await connection.rollback()

    async def close(self, connection: Any) -> None:
        """Close the connection."""
        await connection.close()


class Aiosqlite(AsyncDriver):
    name = patches = "aiosqlite"
    kind, mark = SQLITE, "?"

    async def connect(self, server: Server | None) -> Any:
        import aiosqlite

        return await aiosqlite.connect(":memory:")

    async def cursor(self, connection: Any) -> Any:
        return await connection.cursor()


class Psycopg(AsyncDriver):
    name = patches = "psycopg"
    kind, mark = POSTGRESQL, "%s"

    async def connect(self, server: Server) -> Any:
        import psycopg

        return await psycopg.AsyncConnection.connect(**_arguments(server, database="dbname"))


class Asyncpg(AsyncDriver):
    name = patches = "asyncpg"
    kind, mark = POSTGRESQL, "$1"
    knows_rows = False

    async def connect(self, server: Server) -> Any:
        import asyncpg

        return await asyncpg.connect(**_arguments(server))

    def _numbered(self, statement: str) -> str:
        for number in range(1, statement.count("?") + 1):
            statement = statement.replace("?", f"${number}", 1)
        return statement

    async def run(self, connection: Any, statement: str, *parameters: object) -> list[Any]:
        run = connection.fetch if statement.startswith("select") else connection.execute
        rows = await run(self._numbered(statement), *parameters)
        return [tuple(row) for row in rows] if isinstance(rows, list) else []

    async def run_many(self, connection: Any, statement: str, parameters: list[Any]) -> None:
        await connection.executemany(self._numbered(statement), parameters)

    async def iterate(self, connection: Any, statement: str) -> int:
        async with connection.transaction():
            return len([row async for row in connection.cursor(statement)])

    async def rollback(self, connection: Any) -> None:
        pass


class Aiomysql(AsyncDriver):
    name = patches = "aiomysql"
    kind, mark = MARIADB, "%s"

    async def connect(self, server: Server) -> Any:
        import aiomysql

        return await aiomysql.connect(**_arguments(server, database="db"))

    async def cursor(self, connection: Any) -> Any:
        return await connection.cursor()

    async def close(self, connection: Any) -> None:
        connection.close()


class MysqlConnector(AsyncDriver):
    name, patches = "mysql-connector-python", "mysql_connector"
    kind, mark = MARIADB, "%s"

    async def connect(self, server: Server) -> Any:
        import mysql.connector.aio

        return await mysql.connector.aio.connect(**_arguments(server), ssl_disabled=True)

    async def cursor(self, connection: Any) -> Any:
        return await connection.cursor(buffered=True)

    async def iterate(self, connection: Any, statement: str) -> int:
        cursor = await self.cursor(connection)
        await cursor.execute(statement)
        count = 0
        while await cursor.fetchone() is not None:  # its `async for` doesn't work
            count += 1
        return count


ASYNC_DRIVERS = [Aiosqlite(), Psycopg(), Asyncpg(), Aiomysql()]
if int(version("mysql-connector-python").partition(".")[0]) >= 9:  # older ones have no such
    ASYNC_DRIVERS.append(MysqlConnector())
