"""xtrace, from this checkout; with orjson if the environment has it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import xtrace
from xtrace import header, model
from xtrace.emitters import Emitter
from xtrace.sampling.local import LocalSampler

from . import NOT_SAMPLED, SERVICE, TRACE_HEADER, clock
from ._asgi import UntracedStarlette, asgi_scope, serve_asgi, starlette_application
from ._clients import AllClients, Botocore
from ._databases import Databases
from ._stores import Stores
from ._xray import XRayPeer

# Open entities beyond this are forgotten, which is not what is measured here.
model.MAX_OPEN = 1_000_000


class _Unsent(Emitter):
    """Is given the documents, encoded, and does nothing with them."""

    def send_documents(self, packed: list[tuple[bytes, int]]) -> None:
        pass


class Peer(AllClients, Botocore, Databases, Stores, UntracedStarlette, XRayPeer):
    """xtrace."""

    def __init__(self) -> None:
        self.recorder = xtrace.recorder
        self.recorder.configure(service=SERVICE, sampling=False)

    @cached_property
    def unsent_recorder(self) -> xtrace.Recorder:
        return xtrace.Recorder(service=SERVICE, sampling=False, emitter=_Unsent("unsent:"))

    def async_recorder(self) -> xtrace.Recorder:
        return self.recorder

    def capture_async(self, recorder: xtrace.Recorder) -> Any:
        return recorder.capture("trivial")

    def end_sibling(self, recorder: xtrace.Recorder, subsegment: xtrace.Subsegment) -> None:
        subsegment.close()

    def sampler(self, rules: dict[str, Any]) -> LocalSampler:
        return LocalSampler(rules)

    def trace_flask(self, application: Any) -> None:
        from xtrace.integrations.flask import XRayMiddleware

        XRayMiddleware(application, self.recorder)

    django_app = "xtrace.integrations.django"
    django_middleware = "xtrace.integrations.django.XRayMiddleware"

    @cached_property
    def _starlette(self) -> Any:
        from xtrace.integrations.asgi import XRayMiddleware

        return XRayMiddleware(starlette_application(), self.recorder)

    def starlette_sampled(self, times: int) -> float:
        return serve_asgi(self._starlette, asgi_scope(), times)

    def starlette_unsampled(self, times: int) -> float:
        return serve_asgi(self._starlette, asgi_scope(x_amzn_trace_id=NOT_SAMPLED), times)

    def traced_connection(self) -> Any:
        import sqlite3

        xtrace.patch("sqlite3")
        return sqlite3.connect(":memory:")

    def in_segment(self) -> Any:
        return self.recorder.in_segment("shop")

    def trace(self, library: str, on: bool) -> None:
        (xtrace.patch if on else xtrace.unpatch)(library)

    def header(self, times: int) -> float:
        recorder = self.recorder
        with recorder.in_segment("shop"), recorder.in_subsegment("call"):
            begin = clock()
            for _ in range(times):
                header.parse(TRACE_HEADER)
                recorder.inject({})
            return clock() - begin

    def log_filter(self, times: int) -> float:
        import logging

        from xtrace.integrations.logging import TraceFilter

        records = [logging.LogRecord("shop", 20, "", 0, "", (), None) for _ in range(times)]
        add = TraceFilter().filter
        with self.recorder.in_segment("shop"), self.recorder.in_subsegment("part"):
            begin = clock()
            for record in records:
                add(record)
            return clock() - begin

    def open_segment(self) -> Any:
        segment = self.recorder.begin_segment("shop")
        self.recorder.begin_subsegment("write")
        self.recorder.clear_trace_entities()
        return segment  # it is enough to keep both
