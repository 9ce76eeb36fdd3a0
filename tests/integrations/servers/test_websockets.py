"""Websockets of real servers: one segment for each connection."""

from __future__ import annotations

import asyncio

import aiohttp
import fastapi
import litestar
import pytest
import quart
from aiohttp import web
from litestar.handlers import websocket as litestar_websocket
from starlette.websockets import WebSocketDisconnect

import xtrace
from tests.helpers import eventually
from tests.integrations.servers.contract import framework, uvicorn_serving
from xtrace.integrations.aiohttp import middleware
from xtrace.integrations.asgi import XRayMiddleware
from xtrace.integrations.quart import XRayMiddleware as QuartMiddleware


def fastapi_application():
    app = fastapi.FastAPI()

    @app.websocket("/live/{room}")
    async def live(socket: fastapi.WebSocket, room: str):
        await socket.accept()
        try:
            while True:
                text = await socket.receive_text()
                if text == "fail":
                    raise ValueError("boom")
                with xtrace.in_subsegment("echo"):
                    await socket.send_text(f"{room} {text}")
        except WebSocketDisconnect:
            pass

    return XRayMiddleware(app)


def quart_application():
    app = quart.Quart("shop")
    app.logger.disabled = True

    @app.websocket("/live/<room>")
    async def live(room):
        while True:
            text = await quart.websocket.receive()
            if text == "fail":
                raise ValueError("boom")
            with xtrace.in_subsegment("echo"):
                await quart.websocket.send(f"{room} {text}")

    QuartMiddleware(app)
    return app


@litestar_websocket("/live/{room:str}")
async def litestar_live(socket: litestar.WebSocket) -> None:
    await socket.accept()
    while True:
        text = await socket.receive_text()
        if text == "fail":
            raise ValueError("boom")
        with xtrace.in_subsegment("echo"):
            await socket.send_text(f"{socket.path_params['room']} {text}")


def litestar_application():
    app = litestar.Litestar([litestar_live], openapi_config=None, logging_config=None)
    return XRayMiddleware(app)


def aiohttp_application():
    async def live(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.data == "fail":
                raise ValueError("boom")
            with xtrace.in_subsegment("echo"):
                await socket.send_str(f"{request.match_info['room']} {message.data}")
        return socket

    app = web.Application(middlewares=[middleware])
    app.add_routes([web.get("/live/{room}", live)])
    return app


APPLICATIONS = {
    "aiohttp": (aiohttp_application, framework("aiohttp").serving, "/live/{room}"),
    "fastapi": (fastapi_application, uvicorn_serving, "/live/{room}"),
    "litestar": (litestar_application, uvicorn_serving, "/live/{room}"),
    "quart": (quart_application, uvicorn_serving, "/live/<room>"),
}


@pytest.fixture(params=APPLICATIONS)
def served(request, traces):
    make, serving, template = APPLICATIONS[request.param]
    change_back = xtrace.recorder.override(service="shop")
    with serving(make()) as port:
        yield port, template
    eventually(lambda: not xtrace.recorder.open)
    change_back()


def talk(port, *texts, code=1000):
    """Send texts and await an answer to each; close. The answers, and the handshake's headers."""

    async def main():
        answers = []
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{port}/live/lobby") as socket,
        ):
            for text in texts:
                await socket.send_str(text)
                answers.append((await socket.receive(10)).data)
            await socket.close(code=code)
            return answers, socket._response.headers

    return asyncio.run(main())


def test_a_connection_is_one_segment(served, traces):
    port, template = served
    answers, headers = talk(port, "a", "b", code=4001)
    assert answers == ["lobby a", "lobby b"]
    eventually(lambda: not xtrace.recorder.open and traces.segments)
    in_progress, complete = (s for s in traces.documents if s.get("type") != "subsegment")
    assert (in_progress["in_progress"], in_progress["id"]) == (True, complete["id"])
    assert headers["X-Amzn-Trace-Id"] == f"Root={complete['trace_id']}"
    assert complete["annotations"] == {"http_route": template, "websocket_close_code": 4001}
    assert complete["http"]["request"]["url"].endswith("/live/lobby")
    assert complete["http"]["response"] == {"status": 101}
    assert [part["name"] for part in traces.subsegments] == ["echo", "echo"]
    assert not {"fault", "error", "cause"} & complete.keys()


def test_an_exception_ends_it_as_a_fault(served, traces):
    port, _ = served
    talk(port, "a", "fail")
    eventually(lambda: not xtrace.recorder.open and traces.segments)
    complete = traces.segments[-1]
    assert complete["fault"] is True
    assert complete["cause"]["exceptions"][0]["message"] == "boom"


def test_what_is_no_websocket_s_path_is_refused(served, traces):
    port, _ = served

    async def main():
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(f"http://127.0.0.1:{port}/nowhere")

    asyncio.run(main())
    eventually(lambda: not xtrace.recorder.open and traces.segments)
    (segment,) = traces.segments
    assert segment["error"] is True
    assert segment["http"]["response"]["status"] in (403, 404)
