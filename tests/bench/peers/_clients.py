"""Calls of HTTP clients, ten to a segment, with the library traced and not: once for all peers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from . import REQUESTS, clock

_WEB = Path(__file__).parents[1] / "web.py"


class Clients:
    """Workloads with requests. Subclasses say how a segment begins and how a library is traced."""

    def in_segment(self) -> Any:
        """What calls are made in."""
        raise NotImplementedError

    def trace(self, library: str, on: bool) -> None:
        """Trace the calls of a library from now on, or leave them alone."""
        raise NotImplementedError

    _traced: dict[str, bool] | None = None

    def _set(self, library: str, on: bool) -> None:
        if self._traced is None:
            self._traced = {}
        if self._traced.get(library, False) is not on:
            self.trace(library, on)
            self._traced[library] = on

    @cached_property
    def _url(self) -> str:
        self._web = subprocess.Popen(
            [sys.executable, _WEB], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._web.stdout is not None
        return f"http://127.0.0.1:{int(self._web.stdout.readline())}/items/17?page=2"

    def requests_traced(self, times: int) -> float:
        self._set("requests", True)
        return self._calls(self._session.get, times)

    def requests_untraced(self, times: int) -> float:
        self._set("requests", False)
        return self._calls(self._session.get, times)

    @cached_property
    def _session(self) -> Any:
        import requests

        session = requests.Session()
        session.trust_env = False
        return session

    def _calls(self, get: Callable[[str], Any], times: int) -> float:
        url = self._url
        get(url)
        begin = clock()
        for _ in range(times):
            with self.in_segment():
                for _ in range(REQUESTS):
                    get(url)
        return clock() - begin


class Botocore(Clients):
    """The same with a call of AWS's API."""

    def botocore_traced(self, times: int) -> float:
        self._set("botocore", True)
        return self._gets(times)

    def botocore_untraced(self, times: int) -> float:
        self._set("botocore", False)
        return self._gets(times)

    @cached_property
    def _dynamodb(self) -> Any:
        import botocore.session

        return botocore.session.Session().create_client(
            "dynamodb",
            region_name="eu-west-1",
            endpoint_url=self._url.partition("/items")[0],
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="wJalrXUtnFEMI",
        )

    def _gets(self, times: int) -> float:
        get = self._dynamodb.get_item
        key = {"id": {"S": "o-17"}}
        begin = clock()
        for _ in range(times):
            with self.in_segment():
                for _ in range(REQUESTS):
                    get(TableName="orders", Key=key)
        return clock() - begin


class AllClients(Clients):
    """The same with httpx and aiohttp."""

    def httpx_traced(self, times: int) -> float:
        self._set("httpx", True)
        return self._calls(self._httpx.get, times)

    def httpx_untraced(self, times: int) -> float:
        self._set("httpx", False)
        return self._calls(self._httpx.get, times)

    @cached_property
    def _httpx(self) -> Any:
        import httpx

        return httpx.Client(trust_env=False)

    def httpx_async_traced(self, times: int) -> float:
        self._set("httpx", True)
        return asyncio.run(self._httpx_calls(times))

    def httpx_async_untraced(self, times: int) -> float:
        self._set("httpx", False)
        return asyncio.run(self._httpx_calls(times))

    async def _httpx_calls(self, times: int) -> float:
        import httpx

        url = self._url
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(url)
            begin = clock()
            for _ in range(times):
                with self.in_segment():
                    for _ in range(REQUESTS):
                        await client.get(url)
            return clock() - begin

    def aiohttp_traced(self, times: int) -> float:
        self._set("aiohttp", True)
        return asyncio.run(self._aiohttp_calls(times))

    def aiohttp_untraced(self, times: int) -> float:
        self._set("aiohttp", False)
        return asyncio.run(self._aiohttp_calls(times))

    async def _aiohttp_calls(self, times: int) -> float:
        import aiohttp

        url = self._url
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as response:
                await response.read()
            begin = clock()
            for _ in range(times):
                with self.in_segment():
                    for _ in range(REQUESTS):
                        async with session.get(url) as response:
                            await response.read()
            return clock() - begin
