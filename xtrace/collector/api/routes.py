"""What stands beside the operations: OTLP, counts, a probe, and a page that says what this is."""

from __future__ import annotations

import os

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ... import _version
from .. import otlp
from ..ingest import NO_ROOM
from ..metrics import CONTENT_TYPE
from ..occupant import PROGRAM
from .errors import ApiError
from .http import careful, received
from .replies import reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from starlette.routing import BaseRoute

    from ..ingest import Ingest
    from ..metrics import Metrics
    from .service import Service
    from .v1.web import Web

_PAGE = f"""\
xtrace collector {_version.__version__}

UDP, this port   documents in the X-Ray daemon's protocol
POST /...        the X-Ray API: point a client at this address with --endpoint-url or endpoint_url
POST /v1/traces  OpenTelemetry (OTLP), JSON or protobuf
GET  /metrics    for Prometheus
GET  /health     for probes
GET  /api/v1/stats  what was received, stored, malformed and dropped
GET  /api/v1/...    traces, map, errors and more as JSON: see docs/api.md
"""


FAILS = "documents can't be stored; the log says why"
"""The status of a collector whose disk is full, for instance."""


def routes(
    service: Service,
    metrics: Metrics,
    stats: Callable[[], dict[str, Any]],
    store_name: str,
    web: Web,
) -> list[BaseRoute]:
    """The routes. stats: what it answers. store_name: where traces are stored. web: the console's API."""
    about = {
        "program": PROGRAM,
        "version": _version.__version__,
        "pid": os.getpid(),
        "store": store_name,
        "status": "ok",
    }

    async def page(request: Request) -> Response:
        return PlainTextResponse(_PAGE)

    async def health(request: Request) -> Response:
        # Status 200 nevertheless: an orchestrator that starts it anew mends no full disk.
        return reply({**about, "status": FAILS} if service.store.fails else about)

    async def show_stats(request: Request) -> Response:
        return reply(await run_in_threadpool(stats))

    async def show_metrics(request: Request) -> Response:
        return Response(await run_in_threadpool(metrics.render), media_type=CONTENT_TYPE)

    return [
        Route("/", page),
        Route("/health", health),
        Route("/metrics", careful(show_metrics)),
        Route("/api/v1/stats", careful(show_stats)),
        *web.routes(),
        Route("/v1/traces", careful(_otlp(service.ingest)), methods=["POST"]),
    ]


def _otlp(ingest: Ingest) -> Callable[[Request], Any]:
    """OTLP over HTTP: its replies and errors are in the encoding of the request."""

    async def endpoint(request: Request) -> Response:
        content_type = request.headers.get("content-type", "")
        media_type = content_type.partition(";")[0].strip()
        try:
            try:
                body = await received(request)
            except ApiError as error:
                raise otlp.OtlpError(error.message, error.status) from error
            encoding = request.headers.get("content-encoding", "")
            answer = await run_in_threadpool(_take, ingest, body, content_type, encoding)
        except otlp.OtlpError as error:
            headers = {"connection": "close"} if error.status in (408, 413) else {}
            if error.status == 503:
                headers["retry-after"] = "1"
            answer = otlp.failure(error, content_type)
            return Response(answer, error.status, headers, media_type or otlp.JSON)
        return Response(answer, media_type=media_type)

    return endpoint


def _take(ingest: Ingest, body: bytes, content_type: str, encoding: str) -> bytes:
    converted = otlp.documents(body, content_type, encoding)
    for rejected in converted.rejected:
        ingest.refuse(b"", rejected.reason)
    problems = ingest.take_each(converted.documents)
    if any(problem is not None and problem.code == NO_ROOM for problem in problems):
        raise otlp.OtlpError("The collector has no room for this now.", 503)
    return otlp.reply(converted, content_type)
