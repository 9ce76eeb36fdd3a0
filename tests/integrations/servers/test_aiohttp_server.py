"""aiohttp's server, beyond the contract: what its responses and handlers do differently."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

import xtrace
from tests.helpers import eventually
from xtrace.integrations.aiohttp import middleware, middleware_for


@pytest.fixture(autouse=True)
def named(traces):
    change_back = xtrace.recorder.override(service="shop")
    yield
    change_back()


@asynccontextmanager
async def serving(app, **options):
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def ask(app, path="/"):
    """The status, headers and body of one answer."""

    async def main():
        async with serving(app) as port, aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                return response.status, response.headers, await response.read()

    return asyncio.run(main())


def application(handler, *others, path="/"):
    app = web.Application(middlewares=[*others, middleware])
    app.add_routes([web.get(path, handler)])
    return app


def test_a_file_s_segment_lasts_until_it_is_sent(traces, tmp_path):
    file = tmp_path / "large"
    file.write_bytes(b"x" * 3_000_000)

    async def handler(request):
        return web.FileResponse(file)

    _, headers, body = ask(application(handler))
    segment = traces.segment("shop")
    assert len(body) == 3_000_000
    assert headers["X-Amzn-Trace-Id"] == f"Root={segment['trace_id']}"
    assert segment["http"]["response"] == {"status": 200, "content_length": 3_000_000}


def test_a_plain_body_is_sent_within_the_segment(traces):
    begun = []

    class Slow(web.Response):
        async def write_eof(self, data=b""):
            begun.append(list(traces.documents))
            await super().write_eof(data)

    async def handler(request):
        return Slow(text="ok")

    ask(application(handler))
    assert begun == [[]]
    assert traces.segment("shop")["http"]["response"]["content_length"] == 2


@pytest.mark.parametrize(
    ("exception", "flags"),
    [
        (web.HTTPFound("/elsewhere"), set()),
        (web.HTTPForbidden(), {"error"}),
        (web.HTTPServiceUnavailable(), {"fault"}),
    ],
)
def test_an_exception_that_is_a_response_is_no_cause(traces, exception, flags):
    async def handler(request):
        raise exception

    async def main():
        async with serving(application(handler)) as port, aiohttp.ClientSession() as session:
            address = f"http://127.0.0.1:{port}/"
            async with session.get(address, allow_redirects=False) as response:
                return response.headers

    headers = asyncio.run(main())
    segment = traces.segment("shop")
    assert headers["X-Amzn-Trace-Id"] == f"Root={segment['trace_id']}"
    assert segment["http"]["response"]["status"] == exception.status
    assert {"error", "fault", "cause"} & segment.keys() == flags


def test_an_exception_that_an_outer_middleware_answers_is_no_fault(traces):
    @web.middleware
    async def answering(request, handler):
        try:
            return await handler(request)
        except KeyError:
            return web.Response(status=404)

    async def handler(request):
        raise KeyError("none")

    assert ask(application(handler, answering))[0] == 404
    segment = traces.segment("shop")
    assert segment["error"] is True
    assert not {"fault", "cause"} & segment.keys()


def test_an_exception_in_a_stream_is_a_fault(traces, caplog):
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one")
        raise ValueError("in the stream")

    with pytest.raises(aiohttp.ClientPayloadError):
        ask(application(handler))
    segment = traces.segment("shop")
    assert segment["http"]["response"]["status"] == 200
    assert segment["cause"]["exceptions"][0]["message"] == "in the stream"


def test_a_handler_that_is_cancelled_for_its_client_is_marked(traces):
    async def main():
        begun = asyncio.Event()

        async def handler(request):
            begun.set()
            await asyncio.Event().wait()

        async with serving(application(handler), handler_cancellation=True) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await begun.wait()
            writer.close()
            await writer.wait_closed()
            await asyncio.to_thread(eventually, lambda: traces.segments)

    asyncio.run(main())
    segment = traces.segment("shop")
    assert segment["annotations"]["cancelled"] == "CancelledError"
    assert not {"fault", "cause", "error"} & segment.keys()


def test_a_sub_application_s_route_has_its_prefix_and_its_middleware_no_segment(traces):
    async def handler(request):
        return web.Response(text="ok")

    app = application(handler)
    app.add_subapp("/inner", application(handler, path="/items/{item}"))
    ask(app, "/inner/items/7")
    assert traces.segment("shop")["annotations"] == {"http_route": "/inner/items/{item}"}


def test_many_requests_on_one_connection_are_a_segment_each(traces):
    async def handler(request):
        with xtrace.in_subsegment("work"):
            return web.Response(text="ok")

    async def main():
        async with serving(application(handler)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
            writer.write(request * 2 + request.replace(b"Host", b"Connection: close\r\nHost"))
            answers = await reader.read()
            writer.close()
            return answers

    assert asyncio.run(main()).count(b"X-Amzn-Trace-Id") == 3
    assert len({segment["trace_id"] for segment in traces.segments}) == 3
    assert all(len(segment["subsegments"]) == 1 for segment in traces.segments)


def test_another_recorder_may_be_given(traces, recorder, sent):
    async def handler(request):
        return web.Response(text="ok")

    app = web.Application(middlewares=[middleware_for(recorder)])
    app.add_routes([web.get("/", handler)])
    ask(app)
    assert sent.segment("test")["http"]["response"]["status"] == 200
    assert traces.documents == []


def test_without_a_host_nobody_is_asked_for_a_name(traces, monkeypatch):
    def refuse(*args):
        raise AssertionError("asked the resolver")

    async def handler(request):
        return web.Response(text="ok")

    async def main():
        async with serving(application(handler)) as port:
            monkeypatch.setattr(socket, "getfqdn", refuse)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            assert b"200 OK" in await reader.read()
            writer.close()
            return port

    port = asyncio.run(main())
    assert traces.segment("shop")["http"]["request"]["url"] == f"http://127.0.0.1:{port}/"
