"""The clients under one face, so that one suite can ask of each what it asks of all."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import urllib.request
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
import requests
import urllib3

TIMEOUT_SECONDS = 5


class Answer(NamedTuple):
    status: int
    body: bytes
    response: Any


def attempts(retries):
    """How often urllib3 tries again."""
    return urllib3.Retry(
        None,
        connect=retries,
        read=retries,
        status=retries,
        redirect=5,
        status_forcelist=[503],
        backoff_factor=0,
    )


class Facade:
    """One client library.

    name: as patch() knows it. follows: whether it follows redirects. failures: what it raises
    where nobody listens. broken: what it raises for a body that breaks off. retries: whether it
    can try again by itself.
    """

    name: str
    follows = True
    retries = False
    failures: Any = OSError
    broken: Any = Exception
    cancelled: Any = None

    def make(self, verify=None):
        """A client that serves many calls."""

    def close(self, client):
        """Give it up."""

    def get(self, url, *, client=None, method="GET", headers=None, body=None, timeout=None):
        """The answer to a request, read to its end."""
        raise NotImplementedError

    def stream(self, url, meanwhile, reads_on=True):
        """Read a body's first bytes, call meanwhile(), read the rest; or close it there."""
        raise NotImplementedError


class Requests(Facade):
    name = "requests"
    retries = True
    failures = requests.ConnectionError
    broken = requests.exceptions.RequestException

    def make(self, verify=None, retries=0):
        session = requests.Session()
        session.trust_env = False
        session.verify = verify if verify is not None else True
        if retries:
            adapter = requests.adapters.HTTPAdapter(max_retries=attempts(retries))
            session.mount("http://", adapter)
        return session

    def close(self, client):
        client.close()

    def get(self, url, *, client=None, method="GET", headers=None, body=None, timeout=None):
        with requests.Session() as session:
            response = (client or session).request(
                method, url, headers=headers, data=body, timeout=timeout or TIMEOUT_SECONDS
            )
            return Answer(response.status_code, response.content, response)

    def stream(self, url, meanwhile, reads_on=True):
        with (
            requests.Session() as session,
            session.get(url, stream=True, timeout=TIMEOUT_SECONDS) as response,
        ):
            parts = response.iter_content(5)
            first = next(parts)
            meanwhile()
            return first + b"".join(parts) if reads_on else first


class Urllib3(Facade):
    name = "urllib3"
    retries = True
    failures = urllib3.exceptions.HTTPError
    broken = urllib3.exceptions.HTTPError

    def make(self, verify=None, retries=0):
        options = {"ca_certs": verify} if verify else {}
        policy = attempts(retries)
        return urllib3.PoolManager(retries=policy, **options)

    def close(self, client):
        client.clear()

    def get(self, url, *, client=None, method="GET", headers=None, body=None, timeout=None):
        manager = client or self.make()
        try:
            response = manager.request(
                method, url, headers=headers, body=body, timeout=timeout or TIMEOUT_SECONDS
            )
            return Answer(response.status, response.data, response)
        finally:
            if client is None:
                manager.clear()

    def stream(self, url, meanwhile, reads_on=True):
        manager = self.make()
        response = manager.request("GET", url, preload_content=False, timeout=TIMEOUT_SECONDS)
        try:
            parts = response.stream(5)
            first = next(parts)
            meanwhile()
            return first + b"".join(parts) if reads_on else first
        finally:
            response.close()
            manager.clear()


class Pool(Urllib3):
    """A pool without a manager."""

    follows = True

    def make(self, verify=None, retries=0):
        return verify, retries

    def close(self, client):
        pass

    def get(self, url, *, client=None, method="GET", headers=None, body=None, timeout=None):
        verify, retries = client or (None, 0)
        options = {"ca_certs": verify} if verify else {}
        parts = urlsplit(url)
        policy = attempts(retries)
        with urllib3.connection_from_url(f"{parts.scheme}://{parts.netloc}", **options) as pool:
            response = pool.urlopen(
                method,
                url.partition(parts.netloc)[2] or "/",
                body,
                headers,
                policy,
                timeout=timeout or TIMEOUT_SECONDS,
            )
            return Answer(response.status, response.data, response)

    def stream(self, url, meanwhile, reads_on=True):
        parts = urlsplit(url)
        with urllib3.connection_from_url(f"{parts.scheme}://{parts.netloc}") as pool:
            response = pool.urlopen("GET", parts.path, preload_content=False)
            first = response.read(5)
            meanwhile()
            rest = response.read() if reads_on else b""
            response.close()
            return first + rest


class HttpClient(Facade):
    name = "http_client"
    follows = False
    broken = http.client.HTTPException

    def make(self, verify=None):
        return verify

    def _connection(self, url, verify, timeout):
        parts = urlsplit(url)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=verify)
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout, context=context
            )
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)

    def get(self, url, *, client=None, method="GET", headers=None, body=None, timeout=None):
        connection = self._connection(url, client, timeout or TIMEOUT_SECONDS)
        try:
            parts = urlsplit(url)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.read(), response)
        finally:
            connection.close()

    def stream(self, url, meanwhile, reads_on=True):
        connection = self._connection(url, None, TIMEOUT_SECONDS)
        try:
            connection.request("GET", urlsplit(url).path)
            with connection.getresponse() as response:
                first = response.read(5)
                meanwhile()
                return first + response.read() if reads_on else first
        finally:
            connection.close()


class Urllib(Facade):
    name = "urllib"
    failures = URLError
    broken = http.client.HTTPException

    def make(self, verify=None):
        context = ssl.create_default_context(cafile=verify) if verify else None
        handlers = [urllib.request.HTTPSHandler(context=context)] if context else []
        return urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)

    def get(self, url, *, client=None, method="GET", headers=None, body=None, timeout=None):
        opener = client or self.make()
        request = urllib.request.Request(url, body, headers or {}, method=method)
        try:
            with opener.open(request, timeout=timeout or TIMEOUT_SECONDS) as response:
                return Answer(response.status, response.read(), response)
        except HTTPError as error:
            with error:
                return Answer(error.code, error.read(), error)

    def stream(self, url, meanwhile, reads_on=True):
        with self.make().open(url, timeout=TIMEOUT_SECONDS) as response:
            first = response.read(5)
            meanwhile()
            return first + response.read() if reads_on else first


class HttpxSync(Facade):
    name = "httpx"
    failures = httpx.ConnectError
    broken = httpx.HTTPError

    def make(self, verify=None):
        context = ssl.create_default_context(cafile=verify) if verify else True
        return httpx.Client(follow_redirects=True, verify=context, trust_env=False)

    def close(self, client):
        client.close()

    def get(self, url, *, client=None, method="GET", headers=None, body=None, timeout=None):
        made = None if client else self.make()
        try:
            response = (client or made).request(
                method, url, headers=headers, content=body, timeout=timeout or TIMEOUT_SECONDS
            )
            return Answer(response.status_code, response.content, response)
        finally:
            if made:
                made.close()

    def stream(self, url, meanwhile, reads_on=True):
        with self.make() as client, client.stream("GET", url) as response:
            parts = response.iter_raw(5)
            first = next(parts)
            meanwhile()
            return first + b"".join(parts) if reads_on else first


class HttpxAsync(Facade):
    name = "httpx"
    failures = httpx.ConnectError
    broken = httpx.HTTPError
    cancelled = "CancelledError"

    def make(self, verify=None):
        context = ssl.create_default_context(cafile=verify) if verify else True
        return httpx.AsyncClient(follow_redirects=True, verify=context, trust_env=False)

    def get(self, url, **options):
        return asyncio.run(self.aget(url, **options))

    async def aget(self, url, *, client=None, method="GET", headers=None, body=None, timeout=None):
        async with client or self.make() as client:
            response = await client.request(
                method, url, headers=headers, content=body, timeout=timeout or TIMEOUT_SECONDS
            )
            return Answer(response.status_code, response.content, response)

    def stream(self, url, meanwhile, reads_on=True):
        async def read():
            async with self.make() as client, client.stream("GET", url) as response:
                parts = response.aiter_raw(5)
                first = await anext(parts)
                meanwhile()
                return first + b"".join([part async for part in parts]) if reads_on else first

        return asyncio.run(read())


class Aiohttp(Facade):
    name = "aiohttp"
    failures = aiohttp.ClientConnectionError
    broken = aiohttp.ClientError
    cancelled = "CancelledError"

    def make(self, verify=None):
        return verify

    def get(self, url, **options):
        return asyncio.run(self.aget(url, **options))

    async def aget(self, url, *, client=None, method="GET", headers=None, body=None, timeout=None):
        context = ssl.create_default_context(cafile=client) if client else None
        options = {"ssl": context} if context else {}
        limit = aiohttp.ClientTimeout(total=timeout or TIMEOUT_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.request(method, url, headers=headers, data=body, **options) as response,
        ):
            return Answer(response.status, await response.read(), response)

    def stream(self, url, meanwhile, reads_on=True):
        async def read():
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                first = await response.content.read(5)
                meanwhile()
                return first + await response.content.read() if reads_on else first

        return asyncio.run(read())


_library = pytest.mark.library

FACADES = {
    "requests": Requests(),
    "urllib3": Urllib3(),
    "urllib3 pool": Pool(),
    "http.client": HttpClient(),
    "urllib": Urllib(),
    "httpx": HttpxSync(),
    "httpx async": HttpxAsync(),
    "aiohttp": Aiohttp(),
}

PARAMETERS = [
    pytest.param("requests", marks=_library("requests", "sync")),
    pytest.param("urllib3", marks=_library("urllib3", "sync")),
    pytest.param("urllib3 pool", marks=_library("urllib3", "sync")),
    pytest.param("http.client", marks=_library("http.client", "sync")),
    pytest.param("urllib", marks=_library("urllib.request", "sync")),
    pytest.param("httpx", marks=_library("httpx", "sync")),
    pytest.param("httpx async", marks=_library("httpx", "async")),
    pytest.param("aiohttp", marks=_library("aiohttp", "async")),
]
"""Their names, each with the library that a test of it is about."""
