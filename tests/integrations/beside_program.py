"""A web application with another tracer beside ours; prints what came of one request, as JSON.

Run with the other tracer's name, and whose patches come first: theirs or ours.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import flask
import httpx
import requests
import urllib3

import xtrace
from xtrace.integrations.flask import XRayMiddleware
from xtrace.testing import Traces


class Echo(BaseHTTPRequestHandler):
    """Answers with the names of the headers that it was sent."""

    def do_GET(self) -> None:
        body = json.dumps([name.lower() for name in self.headers]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def ours():
    xtrace.configure(service="shop", emitter="memory:", sampling=False, traceparent=True)
    xtrace.configure(trace_header_targets=["*"])
    xtrace.patch_all()


def otel():
    from opentelemetry import trace
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
    from opentelemetry.instrumentation.threading import ThreadingInstrumentor
    from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    for each in (
        FlaskInstrumentor,
        HTTPXClientInstrumentor,
        RequestsInstrumentor,
        SQLite3Instrumentor,
        ThreadingInstrumentor,
        URLLib3Instrumentor,
    ):
        each().instrument()
    return lambda: len(exporter.get_finished_spans())


def sentry():
    import sentry_sdk
    from sentry_sdk.transport import Transport

    spans = []

    class Kept(Transport):
        def capture_envelope(self, envelope):
            for item in envelope.items:
                if item.type == "transaction":
                    spans.extend([item, *item.payload.json["spans"]])

    sentry_sdk.init(dsn="https://key@nowhere.invalid/1", traces_sample_rate=1.0, transport=Kept)
    return lambda: len(spans)


def main(theirs, first):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    if first == "ours":
        ours()
    spans = {"otel": otel, "sentry": sentry}[theirs]()
    if first == "theirs":
        ours()
    app = flask.Flask("shop")
    failed = []
    threading.excepthook = failed.append

    async def asynchronous():
        async with httpx.AsyncClient() as client:
            return (await client.get(url)).json()

    @app.route("/")
    def page():
        names = [
            requests.get(url).json(),
            httpx.get(url).json(),
            urllib3.PoolManager().request("GET", url).json(),
            asyncio.run(asynchronous()),
        ]
        connection = sqlite3.connect(":memory:")
        connection.cursor().execute("select 1")
        connection.close()
        thread = threading.Thread(target=xtrace.put_annotation, args=("in_thread", True))
        thread.start()
        thread.join()
        return names

    XRayMiddleware(app)
    answer = app.test_client().get("/")
    assert answer.status_code == 200, answer.text
    (segment,) = Traces(xtrace.recorder.emitters[0]).documents
    twice = [name for names in answer.json for name, times in Counter(names).items() if times > 1]
    said = {
        "calls": [each["name"] for each in segment["subsegments"]],
        "annotations": segment["annotations"],
        "carried": [{"x-amzn-trace-id", "traceparent"} <= set(names) for names in answer.json],
        "twice": twice,
        "failed": [str(each.exc_value) for each in failed],
        "faults": xtrace.stats().faults,
        "theirs": spans(),
    }
    xtrace.unpatch()
    assert app.test_client().get("/").status_code == 200
    print(json.dumps(said))


main(*sys.argv[1:])
