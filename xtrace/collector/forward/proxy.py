"""The X-Ray service behind the collector's TCP port: requests go on, signed, and answers come back.

SDKs ask it for sampling rules and targets, without credentials of their own.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ...delivery.http import Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from ...delivery.http import Answer
    from ...delivery.xray import XRayApi

log = logging.getLogger("xtrace.collector.forward")

SECONDS = 10.0
"""For a request."""

MAX_BODY_BYTES = 16 * 1024 * 1024

# Of the connection, not of the request; and what is made anew.
_NOT_HANDED_ON = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "host", "content-length", "expect"),
        *("authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"),
    )
)
_OF_THE_ANSWER = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length"))


class Proxy:
    """Sends requests on to the X-Ray service. All methods may be called on any thread.

    make_api: makes what calls the service; one for each request at the same time.
    """

    def __init__(self, make_api: Callable[[], XRayApi]) -> None:
        self._make_api = make_api
        self._idle: SimpleQueue[XRayApi] = SimpleQueue()

    def ask(self, path: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """What the service answers to an operation. Raises Unreachable if it answers nothing good."""
        answer = self.request("POST", path, {}, json.dumps(question).encode())
        try:
            answered = json.loads(answer.body)
        except ValueError:
            answered = None
        if answer.status != 200 or not isinstance(answered, dict):
            raise Unreachable(f"X-Ray answers {path} with status {answer.status}")
        return answered

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to any request, which is signed if there are credentials. Raises Unreachable."""
        with self._api() as api:
            deadline = time.monotonic() + SECONDS
            return api.call(path, body, deadline, headers, method=method, unsigned=True)

    async def handle(self, request: Request) -> Response:
        """Hand a request on, as an endpoint of a web server."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return Response(f"More than {MAX_BODY_BYTES} bytes.\n", 413)
        headers = {
            name.title(): value
            for name, value in request.headers.items()
            if name not in _NOT_HANDED_ON
        }
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        try:
            answer = await run_in_threadpool(
                self.request, request.method, path, headers, bytes(body)
            )
        except Unreachable as error:
            log.warning("%s %s: %s", request.method, path, error)
            return Response(f"{error}\n", 502, media_type="text/plain")
        return Response(
            answer.body,
            answer.status,
            {
                name: text
                for name, text in answer.headers.items()
                if name.lower() not in _OF_THE_ANSWER
            },
        )

    @contextmanager
    def _api(self) -> Iterator[XRayApi]:
        try:
            api = self._idle.get_nowait()
        except Empty:
            api = self._make_api()
        try:
            yield api
        finally:
            self._idle.put(api)

    def close(self) -> None:
        """Close the connections."""
        try:
            while True:
                self._idle.get_nowait().close()
        except Empty:
            pass
