"""The floor: the same document written by hand, and the same applications with no tracing at all."""

from __future__ import annotations

import json
import os
import platform
import random
import socket
import time
from functools import cached_property
from typing import Any

from . import METADATA, SERVICE, clock, django_application, flask_application, serve, wsgi_environ
from ._asgi import UntracedStarlette

_RUNTIME = {
    "runtime": platform.python_implementation(),
    "runtime_version": platform.python_version(),
}
_PREFIX = b'{"format":"json","version":1}\n'


class Peer(UntracedStarlette):
    """No SDK: a dict, json.dumps and a datagram."""

    sends_datagrams = True

    def __init__(self) -> None:
        host, _, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].rpartition(":")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((host, int(port)))

    def settle(self) -> None:
        """Everything is sent already."""

    def sampled_trace(self, times: int) -> float:
        send = self._socket.send
        dumps = json.dumps
        begin = clock()
        for _ in range(times):
            send(_PREFIX + dumps(_trace(), separators=(",", ":")).encode())
        return clock() - begin

    @cached_property
    def _flask(self) -> Any:
        return flask_application()

    def flask_untraced(self, times: int) -> float:
        return serve(self._flask, wsgi_environ(), times)

    @cached_property
    def _django(self) -> Any:
        return django_application()

    def django_untraced(self, times: int) -> float:
        return serve(self._django, wsgi_environ(), times)


def _trace() -> dict[str, Any]:
    """A segment with five subsegments, one inside the other, as tracing it would record it."""
    now = time.time
    started = now()
    segment: dict[str, Any] = {
        "name": SERVICE,
        "id": _id(),
        "start_time": started,
        "trace_id": f"1-{int(started):08x}-{random.getrandbits(96):024x}",
        "service": _RUNTIME,
        "aws": {"xray": {"sdk": "none", "sdk_version": "1"}},
    }
    outermost_first = [segment]
    for name in ("checkout", "price", "stock", "reserve", "write"):
        part = {
            "name": name,
            "id": _id(),
            "start_time": now(),
            "annotations": {"customer": "c-17", "attempt": 1},
            "metadata": {"default": {"cart": METADATA}},
        }
        outermost_first[-1]["subsegments"] = [part]
        outermost_first.append(part)
    for part in reversed(outermost_first):
        part["end_time"] = now()
    return segment


def _id() -> str:
    return f"{random.getrandbits(64):016x}"
