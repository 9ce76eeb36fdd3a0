"""Real servers with the layer's middlewares: `xtrace run --compat`, and a daemon that listens."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import urllib.request
from contextlib import contextmanager

import pytest

from tests.helpers import Received, eventually, listening, port_of

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
HEADER = f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=?"

CALLS = """
    import sqlite3
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(2)

    @xray_recorder.capture("priced")
    def priced():
        xray_recorder.put_annotation("items", 3)
        sqlite3.connect(":memory:").execute("SELECT 1")

    def handed(entity):
        xray_recorder.set_trace_entity(entity)
        priced()
        xray_recorder.clear_trace_entities()

    def work():
        priced()
        pool.submit(handed, xray_recorder.get_trace_entity()).result()
"""

FLASK = """
    import flask
    from aws_xray_sdk.core import patch, xray_recorder
    from aws_xray_sdk.ext.flask.middleware import XRayMiddleware

    app = flask.Flask("shop")
    xray_recorder.configure(service="shop", sampling=False)
    XRayMiddleware(app, xray_recorder)
    patch(["sqlite3"])
    {calls}
    @app.get("/items")
    def items():
        work()
        return "items"
"""

DJANGO = """
    import sys
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path

    settings.configure(
        ROOT_URLCONF="app",
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="x",
        INSTALLED_APPS=["aws_xray_sdk.ext.django"],
        MIDDLEWARE=["aws_xray_sdk.ext.django.middleware.XRayMiddleware"],
        XRAY_RECORDER={{
            "AWS_XRAY_TRACING_NAME": "shop", "SAMPLING": False, "PATCH_MODULES": ["sqlite3"],
        }},
    )
    app = get_wsgi_application()
    from aws_xray_sdk.core import xray_recorder
    {calls}
    def items(request):
        work()
        return HttpResponse("items")

    urlpatterns = [path("items", items)]
"""

AIOHTTP = """
    import asyncio
    from aiohttp import web
    from aws_xray_sdk.core import patch, xray_recorder
    from aws_xray_sdk.core.async_context import AsyncContext
    from aws_xray_sdk.ext.aiohttp.middleware import middleware

    patch(["sqlite3"])
    {calls}
    async def items(request):
        async with xray_recorder.in_subsegment_async("waited"):
            await asyncio.sleep(0)
        await asyncio.gather(*(asyncio.to_thread(priced) for _ in range(2)))
        return web.Response(text="items")

    async def main():
        xray_recorder.configure(service="shop", sampling=False, context=AsyncContext())
        app = web.Application(middlewares=[middleware])
        app.router.add_get("/items", items)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        open({address!r}, "w").write(f"{{host}}:{{port}}")
        await asyncio.Event().wait()

    if __name__ == "__main__":
        asyncio.run(main())
"""

GUNICORN = """
    workers = 2
    bind = "127.0.0.1:0"
    accesslog = None

    def when_ready(server):
        host, port = server.LISTENERS[0].sock.getsockname()
        open({address!r}, "w").write(f"{{host}}:{{port}}")
"""


def write(folder, name, text, **fields):
    filled = textwrap.dedent(text)
    for field, value in fields.items():
        filled = filled.replace("{" + field + "!r}", repr(value)).replace("{" + field + "}", value)
    (folder / name).write_text(filled.replace("{{", "{").replace("}}", "}"))


@contextmanager
def serving(folder, app, by_gunicorn, daemon):
    """A server's process; gives its URL."""
    address = folder / "address"
    write(folder, "app.py", app, calls=textwrap.dedent(CALLS), address=str(address))
    write(folder, "gunicorn_config.py", GUNICORN, address=str(address))
    words = ["-m", "gunicorn", "-c", "gunicorn_config.py", "app:app"] if by_gunicorn else ["app.py"]
    server = subprocess.Popen(
        [sys.executable, "-m", "xtrace", "run", "--compat", *words],
        cwd=folder,
        env={**os.environ, "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{port_of(daemon)}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        eventually(
            lambda: server.poll() is not None or (address.exists() and address.read_text()), 60
        )
        assert server.poll() is None, server.stdout.read()
        yield f"http://{address.read_text()}"
    finally:
        server.terminate()
        server.communicate()


@pytest.mark.parametrize(
    ("app", "by_gunicorn"),
    [
        pytest.param(FLASK, True, marks=pytest.mark.library("Flask", "sync"), id="flask"),
        pytest.param(DJANGO, True, marks=pytest.mark.library("Django", "sync"), id="django"),
        pytest.param(AIOHTTP, False, marks=pytest.mark.library("aiohttp", "async"), id="aiohttp"),
    ],
)
def test_a_server_with_the_layers_middleware(tmp_path, app, by_gunicorn):
    requests = 5
    with listening() as daemon, Received(daemon) as received:
        with serving(tmp_path, app, by_gunicorn, daemon) as url:
            for number in range(requests):
                request = urllib.request.Request(
                    f"{url}/items", headers={"X-Amzn-Trace-Id": HEADER, "User-Agent": str(number)}
                )
                with urllib.request.urlopen(request, timeout=15) as answer:
                    assert answer.read() == b"items"
                    assert answer.headers["X-Amzn-Trace-Id"] == f"Root={ROOT};Sampled=1"
            eventually(lambda: len(received.documents) >= requests)
    assert len(received.documents) == requests
    for number, document in enumerate(received.documents):
        assert (document["name"], document["trace_id"]) == ("shop", ROOT)
        assert document["parent_id"] == "53995c3f42cd8ad8"
        seen = document["http"]
        assert seen["request"]["url"] == f"{url}/items"
        assert seen["request"]["user_agent"] == str(number)
        assert seen["response"]["status"] == 200
        work = [each for each in document["subsegments"] if each["name"] == "priced"]
        assert [each["annotations"] for each in work] == [{"items": 3}] * 2
        assert [[part["name"] for part in each["subsegments"]] for each in work] == [
            [":memory:"]
        ] * 2
