"""The OpenTelemetry SDK: batch span processor, and an exporter that drops what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from . import (
    CALLS,
    METADATA,
    QUERIES,
    QUERY,
    SERVICE,
    TRACEPARENT,
    clock,
    flask_application,
    serve,
    trivial,
    trivial_async,
    wsgi_environ,
)
from ._asgi import UntracedStarlette, asgi_scope, serve_asgi, starlette_application
from ._clients import AllClients
from ._databases import Databases
from ._stores import Stores


class _Dropped(SpanExporter):
    """Exports to nowhere: what serialising and sending cost is not in OpenTelemetry's figures."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def _instrumentor(library: str) -> Any:
    if library == "requests":
        from opentelemetry.instrumentation.requests import RequestsInstrumentor

        return RequestsInstrumentor()
    if library == "httpx":
        from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

        return HTTPXClientInstrumentor()
    if library == "redis":
        from opentelemetry.instrumentation.redis import RedisInstrumentor

        return RedisInstrumentor()
    if library == "psycopg":
        from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor

        return PsycopgInstrumentor()
    if library == "asyncpg":
        from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor

        return AsyncPGInstrumentor()
    from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

    return AioHttpClientInstrumentor()


def _provider(sampler: Sampler) -> TracerProvider:
    provider = TracerProvider(sampler, Resource.create({"service.name": SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(_Dropped()))
    return provider


class Peer(AllClients, Databases, Stores, UntracedStarlette):
    """OpenTelemetry: a span for each segment and subsegment, an attribute for each value."""

    sends_datagrams = False

    def __init__(self) -> None:
        self._on = _provider(ALWAYS_ON)
        self._off = _provider(ALWAYS_OFF)
        self._tracer = self._on.get_tracer("bench")
        trace.set_tracer_provider(self._on)

    def settle(self) -> None:
        """Wait until the queue is empty."""
        self._on.force_flush()

    def sampled_trace(self, times: int) -> float:
        return self._traces(times, self._tracer)

    def unsampled_trace(self, times: int) -> float:
        return self._traces(times, self._off.get_tracer("bench"))

    def _traces(self, times: int, tracer: trace.Tracer) -> float:
        span = tracer.start_as_current_span
        begin = clock()
        for _ in range(times):
            with span("shop"), span("checkout") as part:
                part.set_attribute("customer", "c-17")
                part.set_attribute("attempt", 1)
                part.set_attributes(METADATA)
                with span("price") as part:
                    part.set_attribute("customer", "c-17")
                    part.set_attribute("attempt", 1)
                    part.set_attributes(METADATA)
                    with span("stock") as part:
                        part.set_attribute("customer", "c-17")
                        part.set_attribute("attempt", 1)
                        part.set_attributes(METADATA)
                        with span("reserve") as part:
                            part.set_attribute("customer", "c-17")
                            part.set_attribute("attempt", 1)
                            part.set_attributes(METADATA)
                            with span("write") as part:
                                part.set_attribute("customer", "c-17")
                                part.set_attribute("attempt", 1)
                                part.set_attributes(METADATA)
        return clock() - begin

    def captured(self, times: int) -> float:
        span = self._tracer.start_as_current_span
        function = span("trivial")(trivial)
        begin = clock()
        for _ in range(times):
            with span("shop"):
                for value in range(CALLS):
                    function(value)
        return clock() - begin

    def captured_async(self, times: int) -> float:
        return asyncio.run(self._captured_async(times))

    async def _captured_async(self, times: int) -> float:
        span = self._tracer.start_as_current_span
        function: Any = span("trivial")(trivial_async)
        begin = clock()
        for _ in range(times):
            with span("shop"):
                for value in range(CALLS):
                    await function(value)
        return clock() - begin

    def in_segment(self) -> Any:
        return self._tracer.start_as_current_span("shop")

    def trace(self, library: str, on: bool) -> None:
        instrumentor = _instrumentor(library)
        if on:
            instrumentor.instrument(tracer_provider=self._on)
        else:
            instrumentor.uninstrument()

    def header(self, times: int) -> float:
        headers = {"traceparent": TRACEPARENT}
        with self._tracer.start_as_current_span("call"):
            begin = clock()
            for _ in range(times):
                extract(headers)
                inject({})
            return clock() - begin

    @staticmethod
    def _application(provider: TracerProvider) -> Any:
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        application = flask_application()
        FlaskInstrumentor().instrument_app(application, tracer_provider=provider)
        return application

    @cached_property
    def _flask_on(self) -> Any:
        return self._application(self._on)

    @cached_property
    def _flask_off(self) -> Any:
        return self._application(self._off)

    @cached_property
    def _untraced_flask(self) -> Any:
        return flask_application()

    def flask_sampled(self, times: int) -> float:
        return serve(self._flask_on, wsgi_environ(), times)

    def flask_unsampled(self, times: int) -> float:
        return serve(self._flask_off, wsgi_environ(), times)

    def flask_untraced(self, times: int) -> float:
        return serve(self._untraced_flask, wsgi_environ(), times)

    @staticmethod
    def _starlette(provider: TracerProvider) -> Any:
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

        return OpenTelemetryMiddleware(
            starlette_application(), tracer_provider=provider, exclude_spans=["send", "receive"]
        )

    @cached_property
    def _starlette_on(self) -> Any:
        return self._starlette(self._on)

    @cached_property
    def _starlette_off(self) -> Any:
        return self._starlette(self._off)

    def starlette_sampled(self, times: int) -> float:
        return serve_asgi(self._starlette_on, asgi_scope(), times)

    def starlette_unsampled(self, times: int) -> float:
        return serve_asgi(self._starlette_off, asgi_scope(), times)

    @cached_property
    def _untraced_connection(self) -> Any:
        import sqlite3

        return sqlite3.Connection(":memory:")

    @cached_property
    def _traced_connection(self) -> Any:
        import sqlite3

        from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor

        connection = sqlite3.Connection(":memory:")
        return SQLite3Instrumentor().instrument_connection(connection, tracer_provider=self._on)

    def sqlite_traced(self, times: int) -> float:
        return self._queries(self._traced_connection, times)

    def sqlite_untraced(self, times: int) -> float:
        return self._queries(self._untraced_connection, times)

    def _queries(self, connection: Any, times: int) -> float:
        span = self._tracer.start_as_current_span
        begin = clock()
        for _ in range(times):
            with span("shop"):
                for _ in range(QUERIES):
                    connection.cursor().execute(QUERY)
        return clock() - begin
