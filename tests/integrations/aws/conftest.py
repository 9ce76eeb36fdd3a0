"""What the tests of AWS's clients share: moto, a stub, boto3 and aioboto3 under one face."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

import xtrace
from tests.integrations.aws.stub import KEY, Stub
from tests.marks import SECRET
from xtrace.testing import recording

REGION = "eu-west-1"
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def moto():
    """The URL of AWS's services, as moto has them: in another process."""
    server = subprocess.Popen(
        [sys.executable, HERE / "moto_server.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield server.stdout.readline().strip()
    server.communicate(timeout=20)


@pytest.fixture
def stub():
    """A service that answers as it is told."""
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def traces():
    """What the process's recorder sends, which has a name."""
    with recording(service="shop") as traces:
        yield traces


def settings(url, **config):
    """The arguments of a client."""
    from botocore.config import Config

    return {
        "endpoint_url": url,
        "region_name": REGION,
        "aws_access_key_id": KEY,
        "aws_secret_access_key": SECRET,
        "config": Config(**{"retries": {"total_max_attempts": 1}, "read_timeout": 5, **config}),
    }


class Boto3:
    """Calls with boto3."""

    patches = "boto3"

    def client(self, service, url, **config):
        return self._session().client(service, **settings(url, **config))

    @staticmethod
    @functools.cache
    def _session():
        """One for all tests: it keeps the services' models, which take long to read."""
        import boto3

        return boto3.session.Session()

    def call(self, client, method, **parameters):
        return getattr(client, method)(**parameters)

    def read(self, client, method, **parameters):
        """The length of the body, and whether it was whole when the call came back."""
        body = self.call(client, method, **parameters)["Body"]
        return body.read()

    def close(self, client):
        client.close()


class Aioboto3:
    """Calls with aioboto3, in an event loop of their own."""

    patches = "aioboto3"

    def client(self, service, url, **config):
        return service, settings(url, **config)

    def call(self, client, method, **parameters):
        return asyncio.run(self._call(client, method, parameters))

    async def _call(self, client, method, parameters, read=False):
        service, options = client
        async with self._session().client(service, **options) as made:
            answer = await getattr(made, method)(**parameters)
            return await answer["Body"].read() if read else answer

    @staticmethod
    @functools.cache
    def _session():
        import aioboto3

        return aioboto3.Session()

    def read(self, client, method, **parameters):
        return asyncio.run(self._call(client, method, parameters, read=True))

    def close(self, client):
        pass


FACADES = {"boto3": Boto3, **({"aioboto3": Aioboto3} if find_spec("aioboto3") else {})}


library = pytest.mark.library
PARAMETERS = [pytest.param("boto3", marks=library("boto3", "sync"))]
if "aioboto3" in FACADES:
    PARAMETERS = [
        *PARAMETERS,
        pytest.param(
            "aioboto3", marks=[library("aioboto3", "async"), library("aiobotocore", "async")]
        ),
    ]


@pytest.fixture(params=PARAMETERS)
def facade(request):
    """One library after the other; not patched."""
    yield FACADES[request.param]()
    xtrace.unpatch()


@pytest.fixture(params=["alone", "with all others"])
def patching(request):
    """Which libraries are patched: the one, or HTTP clients below it as well."""
    return request.param


@pytest.fixture
def api(facade, patching):
    """The same, patched, with clients that end with the test."""
    below = ["http_client", "urllib3", "aiohttp"] if patching != "alone" else []
    xtrace.patch([*below, facade.patches])
    clients = []

    def client(service, url, **config):
        made = facade.client(service, url, **config)
        clients.append(made)
        return made

    yield SimpleNamespace(client=client, call=facade.call, read=facade.read)
    for each in clients:
        facade.close(each)


@pytest.fixture
def boto(monkeypatch):
    """boto3's clients, patched."""
    xtrace.patch("boto3")
    clients = []
    facade = Boto3()

    def client(service, url, **config):
        clients.append(facade.client(service, url, **config))
        return clients[-1]

    yield client
    for each in clients:
        each.close()
    xtrace.unpatch()
