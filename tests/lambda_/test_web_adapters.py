"""Web applications in a function: their requests are parts of the invocation."""

from __future__ import annotations

import asyncio

import awsgi
import flask
import pytest
from mangum import Mangum
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.lambda_.conftest import PARENT, ROOT, SAMPLED
from xtrace.integrations.asgi import XRayMiddleware as AsgiMiddleware
from xtrace.integrations.wsgi import XRayMiddleware as WsgiMiddleware


def event(path):
    """A request as API Gateway hands it over, with the trace header that came with it."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "shop.example.com", "x-amzn-trace-id": f"Root={ROOT};Sampled=1"},
        "requestContext": {
            "http": {
                "method": "GET",
                "path": path,
                "sourceIp": "203.0.113.7",
                "protocol": "HTTP/1.1",
            }
        },
        "isBase64Encoded": False,
        # What version 1.0 has instead, and adapters of WSGI read.
        "path": path,
        "httpMethod": "GET",
        "queryStringParameters": {},
        "body": None,
    }


@pytest.fixture(autouse=True)
def event_loop():
    """The loop that Mangum looks for, and would make and never close."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def asgi_handler(recorder):
    async def items(request):
        with recorder.in_subsegment("query"):
            return PlainTextResponse("an item", status_code=203)

    app = AsgiMiddleware(Starlette(routes=[Route("/items", items)]), recorder)
    return Mangum(app, lifespan="off")


def wsgi_handler(recorder):
    app = flask.Flask("shop")

    @app.get("/items")
    def items():
        with recorder.in_subsegment("query"):
            return "an item", 203

    traced = WsgiMiddleware(app.wsgi_app, recorder)
    return lambda event, context: awsgi.response(traced, event, context)


@pytest.fixture(params=[asgi_handler, wsgi_handler])
def handler(request, recorder):
    return request.param(recorder)


def test_a_request_is_a_subsegment_of_the_function(recorder, sent, handler, caplog):
    answer = handler(event("/items"), None)
    assert int(answer["statusCode"]) == 203
    assert len(sent.documents) == 1
    document = sent.documents[0]
    assert (document["type"], document["trace_id"]) == ("subsegment", ROOT)
    assert (document["name"], document["parent_id"]) == ("resize", PARENT)
    assert document["http"]["request"]["method"] == "GET"
    assert document["http"]["request"]["url"].endswith("/items")
    assert document["http"]["response"]["status"] == 203
    assert document["subsegments"][0]["name"] == "query"
    assert caplog.records == []


def test_it_stands_in_the_handlers_subsegment(recorder, sent, handler):
    with recorder.in_subsegment("handler"):
        handler(event("/missing"), None)
    request = sent.documents[0]["subsegments"][0]
    assert request["http"]["response"]["status"] == 404
    assert request["error"] is True


@pytest.mark.parametrize("value", [None, SAMPLED.replace("=1", "=0"), f"Root={ROOT}"])
def test_an_invocation_that_is_not_recorded_serves_alike(
    recorder, sent, handler, invoke, value, caplog
):
    invoke(value)
    assert int(handler(event("/items"), None)["statusCode"]) == 203
    assert sent.documents == []
    assert caplog.records == []
    assert recorder.get_trace_entity() is recorder.context.function()
