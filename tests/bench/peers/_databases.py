"""Queries to a PostgreSQL, ten to a segment, with the driver traced and not: once for all peers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

from . import QUERIES, clock
from ._clients import Clients

_POSTGRESQL = Path(__file__).parents[1] / "postgresql_server.py"
_PSYCOPG_QUERY = "select id, 'blue' from (values (17), (18)) as cart (id) where id = %s"
_ASYNCPG_QUERY = _PSYCOPG_QUERY.replace("%s", "$1")


class Databases(Clients):
    """Workloads with psycopg and asyncpg. A connection is made while the driver is traced, or isn't:
    some peers trace connections by how they are made.
    """

    def psycopg_traced(self, times: int) -> float:
        return self._queries_psycopg(True, times)

    def psycopg_untraced(self, times: int) -> float:
        return self._queries_psycopg(False, times)

    def _queries_psycopg(self, traced: bool, times: int) -> float:
        import psycopg

        self._set("psycopg", traced)
        with psycopg.connect(self._postgresql_url, autocommit=True) as connection:
            for _ in range(QUERIES):  # the driver prepares a statement that it has seen a few times
                connection.execute(_PSYCOPG_QUERY, (17,)).fetchone()
            begin = clock()
            for _ in range(times):
                with self.in_segment():
                    for _ in range(QUERIES):
                        connection.execute(_PSYCOPG_QUERY, (17,)).fetchone()
            return clock() - begin

    def psycopg_async_traced(self, times: int) -> float:
        self._set("psycopg", True)
        return asyncio.run(self._queries_psycopg_async(times))

    def psycopg_async_untraced(self, times: int) -> float:
        self._set("psycopg", False)
        return asyncio.run(self._queries_psycopg_async(times))

    async def _queries_psycopg_async(self, times: int) -> float:
        import psycopg

        connect = psycopg.AsyncConnection.connect
        async with await connect(self._postgresql_url, autocommit=True) as connection:
            for _ in range(QUERIES):
                await (await connection.execute(_PSYCOPG_QUERY, (17,))).fetchone()
            begin = clock()
            for _ in range(times):
                with self.in_segment():
                    for _ in range(QUERIES):
                        await (await connection.execute(_PSYCOPG_QUERY, (17,))).fetchone()
            return clock() - begin

    def asyncpg_traced(self, times: int) -> float:
        self._set("asyncpg", True)
        return asyncio.run(self._queries_asyncpg(times))

    def asyncpg_untraced(self, times: int) -> float:
        self._set("asyncpg", False)
        return asyncio.run(self._queries_asyncpg(times))

    async def _queries_asyncpg(self, times: int) -> float:
        import asyncpg

        connection: Any = await asyncpg.connect(self._postgresql_url)
        try:
            await connection.fetch(_ASYNCPG_QUERY, 17)
            begin = clock()
            for _ in range(times):
                with self.in_segment():
                    for _ in range(QUERIES):
                        await connection.fetch(_ASYNCPG_QUERY, 17)
            return clock() - begin
        finally:
            await connection.close()

    @cached_property
    def _postgresql_url(self) -> str:
        self._postgresql = subprocess.Popen(
            [sys.executable, _POSTGRESQL],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._postgresql.stdout is not None
        return self._postgresql.stdout.readline().strip()
