"""A collector without a store: what the X-Ray daemon is. Documents go through memory to where they are
forwarded, and HTTP requests to the X-Ray service.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import _version
from . import otlp
from .api.guard import Guard
from .api.serving import HttpServer
from .endpoints import WILDCARDS, address, check_elsewhere, check_local, open_both, text
from .forward.forwarding import Forwarding
from .occupant import PROGRAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .endpoints import Endpoint
    from .forward.targets import Target

log = logging.getLogger("xtrace.collector")

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")


class DaemonCounts(NamedTuple):
    """received: documents that arrived. malformed: datagrams that are none, and spans that are no
    documents.
    """

    received: int
    malformed: int


class Daemon:
    """Receives documents and forwards them, and keeps nothing.

    endpoint, tcp, allow_hosts, allow_remote, forward, resource_arn: as of a Collector.
    max_waiting_bytes: of documents that wait to be delivered, for each target; beyond it the oldest
    are lost, and counted. Raises OSError, NotLocal, ToItself.
    """

    def __init__(
        self,
        endpoint: Endpoint = ("127.0.0.1", 2000),
        *,
        tcp: Endpoint | None = None,
        allow_hosts: Sequence[str] = (),
        allow_remote: bool = False,
        forward: Sequence[Target],
        resource_arn: str | None = None,
        max_waiting_bytes: int,
    ) -> None:
        self._received = self._malformed = 0
        with ExitStack() as undo:
            listener, self._receiver = open_both(endpoint, tcp, self._take, self._refuse)
            undo.callback(listener.close)
            undo.callback(self._receiver.stop)
            self.http_endpoint: Endpoint = listener.getsockname()[:2]
            if not allow_remote:
                check_local(self.endpoint[0], self.http_endpoint[0])
            for target in forward:
                check_elsewhere(target, self.http_endpoint)
            self.forwarding = Forwarding(
                forward,
                store=None,
                received=lambda: self._received,
                resource_arn=resource_arn,
                max_waiting_bytes=max_waiting_bytes,
            )
            proxy = self.forwarding.proxy
            routes = [
                Route("/health", self._health, methods=["GET"]),
                Route("/v1/traces", self._spans, methods=["POST"]),
                Route("/{path:path}", proxy.handle if proxy else _nothing, methods=METHODS),
            ]
            hosts = [host for host, _ in (endpoint, tcp or endpoint) if host not in WILDCARDS]
            known = (*hosts, self.http_endpoint[0], *allow_hosts)
            self._http = HttpServer(Guard(Starlette(routes=routes), known, allow_remote), listener)
            undo.pop_all()

    @property
    def endpoint(self) -> Endpoint:
        """Host and port that documents are received on."""
        return self._receiver.endpoint

    @property
    def address(self) -> str:
        """Where it listens, as programs are told it."""
        return address(self.endpoint, self.http_endpoint)

    @property
    def url(self) -> str:
        """Where HTTP requests are answered."""
        return f"http://{text(self.http_endpoint)}"

    def start(self) -> None:
        """Begin to receive, to forward and to answer."""
        self._receiver.start()
        self._http.start()
        self.forwarding.start()

    def stop(self) -> None:
        """Deliver what has arrived, for a few seconds at most, and end."""
        self._receiver.stop()
        self._http.stop()
        self.forwarding.stop()

    def close(self) -> None:
        """Nothing is left to give up."""

    def counts(self) -> DaemonCounts:
        """What arrived."""
        return DaemonCounts(self._received, self._malformed)

    def summary(self) -> str:
        """One line of counts."""
        lines = [f"received {self._received}, malformed {self._malformed}"]
        if self._receiver.kernel_drops:
            lines.append(f"lost by the kernel {self._receiver.kernel_drops}")
        lines += map(str, self.forwarding.counts())
        return "; ".join(lines)

    def _take(self, bodies: list[bytes]) -> None:
        documents: list[bytes] = []
        for body in bodies:
            if not otlp.is_datagram(body):
                documents.append(body)  # as it is: who reads it says what is wrong with it
                continue
            try:
                converted = otlp.from_datagram(body)
            except otlp.OtlpError:
                self._malformed += 1
                continue
            self._malformed += len(converted.rejected)
            documents += converted.documents
        self._received += len(documents)
        self.forwarding.put(documents)

    def _refuse(self, datagram: bytes) -> None:
        self._malformed += 1

    async def _health(self, request: Request) -> Response:
        forwarded = await run_in_threadpool(self.forwarding.counts)
        about: dict[str, Any] = {
            "program": PROGRAM,
            "version": _version.__version__,
            "pid": os.getpid(),
            "store": None,
            "status": "ok",
            **self.counts()._asdict(),
            "lost_by_kernel": self._receiver.kernel_drops,
            "forwarded": [each.as_dict() for each in forwarded],
        }
        return JSONResponse(about)

    async def _spans(self, request: Request) -> Response:
        """OTLP over HTTP: spans as documents."""
        content_type = request.headers.get("content-type", "")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > otlp.MAX_BYTES:
                return Response(status_code=413)
        try:
            answer = await run_in_threadpool(
                self._converted, bytes(body), content_type, request.headers
            )
        except otlp.OtlpError as error:
            return Response(otlp.failure(error, content_type), error.status)
        return Response(answer, media_type=content_type.partition(";")[0].strip())

    def _converted(self, body: bytes, content_type: str, headers: Any) -> bytes:
        converted = otlp.documents(body, content_type, headers.get("content-encoding", ""))
        self._malformed += len(converted.rejected)
        self._received += len(converted.documents)
        self.forwarding.put(converted.documents)
        return otlp.reply(converted, content_type)


async def _nothing(request: Request) -> Response:
    message = "This daemon forwards to no X-Ray service that could answer.\n"
    return Response(message, 404, media_type="text/plain")
