"""Flask on werkzeug's server."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import flask
from werkzeug.serving import WSGIRequestHandler, make_server

import xtrace
from tests.integrations.servers.contract import GATE
from xtrace.integrations.flask import XRayMiddleware

LIBRARY = "flask"
ENTRIES = "xtrace.integrations._wsgi"
TEMPLATE = "/items/<int:item>"


def application():
    app = flask.Flask("shop")
    app.logger.disabled = True

    @app.get("/plain")
    def plain():
        return "plain"

    @app.get("/items/<int:item>")
    def item(item):
        with xtrace.in_subsegment("work"):
            return f"item {item}"

    @app.get("/echo/<text>")
    def echo(text):
        return f"{text} {flask.request.headers.get('X-Text')}"

    @app.get("/fails")
    def fails():
        raise ValueError("boom")

    @app.get("/busy")
    def busy():
        return "later", 429

    @app.get("/unchanged")
    def unchanged():
        return "", 304

    @app.get("/stream")
    def stream():
        def parts():
            for number in range(3):
                with xtrace.in_subsegment(f"part {number}"):
                    yield f"{number}"

        return flask.Response(parts())

    @app.get("/gate/<name>")
    def gate(name):
        def parts():
            yield "here"
            GATE.arrive(name)
            GATE.wait()
            with xtrace.in_subsegment(name):
                yield "there"

        return flask.Response(parts())

    return app


def trace(app):
    XRayMiddleware(app)
    return app


class _Quiet(WSGIRequestHandler):
    def log(self, type, message, *args):
        pass


@contextmanager
def serving(app):
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
