"""ddtrace, with its usual writer and no agent: what it sends is refused."""

from __future__ import annotations

import asyncio
import logging
import os
from functools import cached_property
from typing import Any

from . import (
    CALLS,
    METADATA,
    QUERIES,
    QUERY,
    SERVICE,
    clock,
    flask_application,
    serve,
    trivial,
    trivial_async,
    wsgi_environ,
)
from ._asgi import UntracedStarlette, asgi_scope, serve_asgi, starlette_application

# Read by ddtrace when it is imported. Port 9 discards; nobody listens there.
os.environ.update(
    DD_SERVICE=SERVICE,
    DD_TRACE_AGENT_URL="http://127.0.0.1:9",
    DD_TRACE_STARTUP_LOGS="false",
    DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
    DD_REMOTE_CONFIGURATION_ENABLED="false",
)
logging.getLogger("ddtrace").setLevel(logging.CRITICAL + 1)

import ddtrace  # noqa: E402
from ddtrace.propagation.http import HTTPPropagator  # noqa: E402
from ddtrace.trace import Context, tracer  # noqa: E402

_INCOMING = {
    "x-datadog-trace-id": "9532127138774266268",
    "x-datadog-parent-id": "6017420907356617206",
    "x-datadog-sampling-priority": "1",
}
_NOT_SAMPLED = {**_INCOMING, "x-datadog-sampling-priority": "-1"}


class Peer(UntracedStarlette):
    """ddtrace: a span for each segment and subsegment, a tag for each value."""

    sends_datagrams = False

    def settle(self) -> None:
        """Have the writer give up what it holds."""
        tracer.flush()

    def sampled_trace(self, times: int) -> float:
        begin = clock()
        for _ in range(times):
            with tracer.trace("shop"), tracer.trace("checkout") as part:
                part.set_tag("customer", "c-17")
                part.set_tag("attempt", 1)
                part.set_tags(METADATA)
                with tracer.trace("price") as part:
                    part.set_tag("customer", "c-17")
                    part.set_tag("attempt", 1)
                    part.set_tags(METADATA)
                    with tracer.trace("stock") as part:
                        part.set_tag("customer", "c-17")
                        part.set_tag("attempt", 1)
                        part.set_tags(METADATA)
                        with tracer.trace("reserve") as part:
                            part.set_tag("customer", "c-17")
                            part.set_tag("attempt", 1)
                            part.set_tags(METADATA)
                            with tracer.trace("write") as part:
                                part.set_tag("customer", "c-17")
                                part.set_tag("attempt", 1)
                                part.set_tags(METADATA)
        return clock() - begin

    def unsampled_trace(self, times: int) -> float:
        tracer.context_provider.activate(Context(trace_id=1, span_id=2, sampling_priority=-1))
        try:
            return self.sampled_trace(times)
        finally:
            tracer.context_provider.activate(None)

    def captured(self, times: int) -> float:
        function = tracer.wrap("trivial")(trivial)
        begin = clock()
        for _ in range(times):
            with tracer.trace("shop"):
                for value in range(CALLS):
                    function(value)
        return clock() - begin

    def captured_async(self, times: int) -> float:
        return asyncio.run(self._captured_async(times))

    async def _captured_async(self, times: int) -> float:
        function = tracer.wrap("trivial")(trivial_async)
        begin = clock()
        for _ in range(times):
            with tracer.trace("shop"):
                for value in range(CALLS):
                    await function(value)
        return clock() - begin

    def header(self, times: int) -> float:
        with tracer.trace("call") as span:
            begin = clock()
            for _ in range(times):
                HTTPPropagator.extract(_INCOMING)
                HTTPPropagator.inject(span.context, {})
            return clock() - begin

    # Flask is patched for all applications of the process: an untraced one is another peer's.

    @cached_property
    def _flask(self) -> Any:
        ddtrace.patch(flask=True)
        return flask_application()

    def flask_sampled(self, times: int) -> float:
        return serve(self._flask, wsgi_environ(), times)

    def flask_unsampled(self, times: int) -> float:
        environ = wsgi_environ(**{k.replace("-", "_"): v for k, v in _NOT_SAMPLED.items()})
        return serve(self._flask, environ, times)

    @cached_property
    def _starlette(self) -> Any:
        from ddtrace.contrib.asgi import TraceMiddleware

        return TraceMiddleware(starlette_application())

    def starlette_sampled(self, times: int) -> float:
        return serve_asgi(self._starlette, asgi_scope(), times)

    def starlette_unsampled(self, times: int) -> float:
        scope = asgi_scope(**{k.replace("-", "_"): v for k, v in _NOT_SAMPLED.items()})
        return serve_asgi(self._starlette, scope, times)

    @cached_property
    def _untraced_connection(self) -> Any:
        import sqlite3

        return sqlite3.Connection(":memory:")

    @cached_property
    def _traced_connection(self) -> Any:
        import sqlite3

        ddtrace.patch(sqlite3=True)
        return sqlite3.connect(":memory:")

    def sqlite_traced(self, times: int) -> float:
        return self._queries(self._traced_connection, times)

    def sqlite_untraced(self, times: int) -> float:
        return self._queries(self._untraced_connection, times)

    def _queries(self, connection: Any, times: int) -> float:
        begin = clock()
        for _ in range(times):
            with tracer.trace("shop"):
                for _ in range(QUERIES):
                    connection.execute(QUERY)
        return clock() - begin
