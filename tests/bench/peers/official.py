"""The official SDK, by its documented interface."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any

from aws_xray_sdk.core import AsyncAWSXRayRecorder, AWSXRayRecorder, patch, xray_recorder
from aws_xray_sdk.core.async_context import AsyncContext
from aws_xray_sdk.core.models.trace_header import TraceHeader
from aws_xray_sdk.core.sampling.local.sampler import LocalSampler
from aws_xray_sdk.ext.util import inject_trace_header

from . import SERVICE, TRACE_HEADER, clock
from ._clients import Botocore
from ._xray import XRayPeer


class _Unsent:
    """An emitter that makes the document and drops it."""

    def send_entity(self, entity: Any) -> None:
        entity.serialize()


class Peer(Botocore, XRayPeer):
    """The official SDK."""

    def __init__(self) -> None:
        self.recorder = xray_recorder
        self.recorder.configure(service=SERVICE, sampling=False)

    @cached_property
    def unsent_recorder(self) -> Any:
        recorder = AWSXRayRecorder()
        recorder.configure(service=SERVICE, sampling=False, emitter=_Unsent())
        return recorder

    @cached_property
    def _async_recorder(self) -> Any:
        recorder = AsyncAWSXRayRecorder()
        recorder.configure(service=SERVICE, sampling=False)
        return recorder

    def async_recorder(self) -> Any:
        recorder = self._async_recorder
        # Its context works in one event loop only.
        recorder.context = AsyncContext(loop=asyncio.get_running_loop())
        return recorder

    def capture_async(self, recorder: Any) -> Any:
        return recorder.capture_async("trivial")

    def end_sibling(self, recorder: Any, subsegment: Any) -> None:
        # The steps of end_subsegment(), which ends none but the current one.
        subsegment.close()
        recorder.stream_subsegments()

    def sampler(self, rules: dict[str, Any]) -> Any:
        return LocalSampler(rules)

    def trace_flask(self, application: Any) -> None:
        from aws_xray_sdk.ext.flask.middleware import XRayMiddleware

        XRayMiddleware(application, self.recorder)

    django_app = "aws_xray_sdk.ext.django"
    django_middleware = "aws_xray_sdk.ext.django.middleware.XRayMiddleware"

    def traced_connection(self) -> Any:
        import sqlite3

        patch(["sqlite3"])
        return sqlite3.connect(":memory:")

    def in_segment(self) -> Any:
        return self.recorder.in_segment("shop")

    def trace(self, library: str, on: bool) -> None:
        # Of these it gives none back: by hand.
        if library == "requests":
            import requests

            places = [(requests.Session, "request"), (requests.Session, "prepare_request")]
        else:
            import botocore.client
            import botocore.endpoint

            places = [
                (botocore.client.BaseClient, "_make_api_call"),
                (botocore.endpoint.Endpoint, "prepare_request"),
            ]
        if on and library not in self._patched:
            patch([library])
            self._patched[library] = [vars(owner)[name] for owner, name in places]
        for (owner, name), patched in zip(places, self._patched[library], strict=True):
            setattr(owner, name, patched if on else patched.__wrapped__)

    @cached_property
    def _patched(self) -> dict[str, list[Any]]:
        return {}

    def header(self, times: int) -> float:
        recorder = self.recorder
        with recorder.in_segment("shop"), recorder.in_subsegment("call"):
            begin = clock()
            for _ in range(times):
                TraceHeader.from_header_str(TRACE_HEADER)
                inject_trace_header({}, recorder.current_subsegment())
            return clock() - begin

    def open_segment(self) -> Any:
        segment = self.recorder.begin_segment("shop")
        self.recorder.begin_subsegment("write")
        self.recorder.clear_trace_entities()
        return segment  # it is enough to keep both
