"""Commands to stores, ten to a segment, with the client traced and not: once for all peers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

from . import REQUESTS, clock
from ._clients import Clients

_REDIS = Path(__file__).parents[1] / "redis_server.py"


class Stores(Clients):
    """Workloads with redis-py."""

    def redis_traced(self, times: int) -> float:
        self._set("redis", True)
        return self._gets_redis(times)

    def redis_untraced(self, times: int) -> float:
        self._set("redis", False)
        return self._gets_redis(times)

    def _gets_redis(self, times: int) -> float:
        client = self._redis
        client.get("cart:17")
        begin = clock()
        for _ in range(times):
            with self.in_segment():
                for _ in range(REQUESTS):
                    client.get("cart:17")
        return clock() - begin

    def redis_async_traced(self, times: int) -> float:
        self._set("redis", True)
        return asyncio.run(self._gets_redis_async(times))

    def redis_async_untraced(self, times: int) -> float:
        self._set("redis", False)
        return asyncio.run(self._gets_redis_async(times))

    async def _gets_redis_async(self, times: int) -> float:
        import redis.asyncio

        async with redis.asyncio.Redis.from_url(self._redis_url) as client:
            await client.get("cart:17")
            begin = clock()
            for _ in range(times):
                with self.in_segment():
                    for _ in range(REQUESTS):
                        await client.get("cart:17")
            return clock() - begin

    def redis_pipeline_traced(self, times: int) -> float:
        self._set("redis", True)
        return self._pipelines(times)

    def redis_pipeline_untraced(self, times: int) -> float:
        self._set("redis", False)
        return self._pipelines(times)

    def _pipelines(self, times: int) -> float:
        client = self._redis
        begin = clock()
        for _ in range(times):
            with self.in_segment():
                pipeline = client.pipeline(transaction=False)
                for _ in range(1000):
                    pipeline.get("cart:17")
                pipeline.execute()
        return clock() - begin

    @cached_property
    def _redis(self) -> Any:
        import redis

        client = redis.Redis.from_url(self._redis_url)
        client.set("cart:17", "2 x 6464865908071")
        return client

    @cached_property
    def _redis_url(self) -> str:
        self._redis_process = subprocess.Popen(
            [sys.executable, _REDIS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._redis_process.stdout is not None
        return f"redis://127.0.0.1:{int(self._redis_process.stdout.readline())}/0"
