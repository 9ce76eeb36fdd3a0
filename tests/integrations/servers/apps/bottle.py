"""Bottle on the standard library's server."""

from __future__ import annotations

import bottle

import xtrace
from tests.integrations.servers.contract import GATE, wsgi_serving
from xtrace.integrations.bottle import XRayMiddleware

LIBRARY = "bottle"
ENTRIES = "xtrace.integrations._wsgi"
TEMPLATE = "/items/<item:int>"

serving = wsgi_serving


def application():
    app = bottle.Bottle()

    @app.get("/plain")
    def plain():
        return "plain"

    @app.get("/items/<item:int>")
    def item(item):
        with xtrace.in_subsegment("work"):
            return f"item {item}"

    @app.get("/echo/<text>")
    def echo(text):
        return f"{text} {bottle.request.headers.get('X-Text')}"

    @app.get("/fails")
    def fails():
        raise ValueError("boom")

    @app.get("/busy")
    def busy():
        raise bottle.HTTPResponse("later", 429)

    @app.get("/unchanged")
    def unchanged():
        raise bottle.HTTPResponse(status=304)

    @app.get("/stream")
    def stream():
        for number in range(3):
            with xtrace.in_subsegment(f"part {number}"):
                yield f"{number}"

    @app.get("/gate/<name>")
    def gate(name):
        yield "here"
        GATE.arrive(name)
        GATE.wait()
        with xtrace.in_subsegment(name):
            yield "there"

    return app


def trace(app):
    app.install(XRayMiddleware())
    return app
