"""aws_xray_sdk.ext.bottle.middleware: the requests that a Bottle application serves."""

from __future__ import annotations

import functools
from urllib.parse import urlsplit

from aws_xray_sdk.core.lambda_launcher import check_in_lambda
from aws_xray_sdk.core.models import http
from aws_xray_sdk.ext.util import (
    calculate_sampling_decision,
    calculate_segment_name,
    construct_xray_header,
    prepare_response_header,
)
from bottle import HTTPResponse, SimpleTemplate, request, response  # type: ignore[import-untyped]

from xtrace import faults
from xtrace.compat.aws_xray_sdk import on_uninstall
from xtrace.compat.ext import requests_served as served
from xtrace.compat.ext.patching import is_current
from xtrace.integrations._wrap import Patcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class XRayMiddleware:
    """A plugin: app.install(XRayMiddleware(recorder)). Traces its routes, and templates."""

    name = "xray"
    api = 2

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder
        self._in_lambda_ctx = served.is_in_lambda(check_in_lambda(), recorder)
        _patch_render(recorder)

    def apply(self, callback: Callable[..., Any], route: Any) -> Callable[..., Any]:
        """A route's function, with each call in a segment."""

        @functools.wraps(callback)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            entity = None
            with faults.absorb("compat:bottle"):
                entity = self._begin()
            if entity is None:
                return callback(*args, **kwargs)
            outcome: Any = response
            error: BaseException | None = None
            try:
                found = callback(*args, **kwargs)
                if isinstance(found, HTTPResponse):
                    outcome = found
                return found
            except HTTPResponse as answer:  # abort(), redirect()
                outcome = answer
                raise
            except BaseException as raised:
                error = raised
                raise
            finally:
                with faults.absorb("compat:bottle"):
                    self._end(entity, outcome, error)

        return wrapper

    def _begin(self) -> Any:
        recorder = self._recorder
        header = construct_xray_header(request.headers)
        parts = urlsplit(request.url)
        name = calculate_segment_name(parts.netloc, recorder)
        asked = {
            "host": parts.netloc,
            "method": request.method,
            "path": parts.path,
            "service": name,
        }
        decision = calculate_sampling_decision(header, recorder, asked)
        entity = served.begin(recorder, name, header, decision, self._in_lambda_ctx)
        if entity is not None:
            served.describe(
                entity,
                request.url,
                request.method,
                request.headers.get("User-Agent"),
                request.headers.get("X-Forwarded-For"),
                request.environ.get("REMOTE_ADDR"),
            )
        return entity

    def _end(self, entity: Any, outcome: Any, error: BaseException | None) -> None:
        if error is not None:
            entity.put_http_meta(http.STATUS, getattr(error, "status_code", 500))
            entity.add_exception(error, None)
        else:
            entity.put_http_meta(http.STATUS, outcome.status_code)
            cause = getattr(outcome, "exception", None)
            if isinstance(cause, BaseException):
                entity.add_exception(cause, None)
            origin = entity.get_origin_trace_header()
            outcome.set_header(http.XRAY_HEADER, prepare_response_header(origin, entity))
            served.describe_length(entity, outcome.headers.get("Content-Length"))
        served.end(self._recorder, entity, self._in_lambda_ctx)


_rendering: dict[int, Any] = {}
"""The recorders that rendering is recorded by, by id()."""


def _patch_render(recorder: Any) -> None:
    """Record each template that is rendered; once, however many plugins there are."""
    if id(recorder) in _rendering:
        return
    _rendering[id(recorder)] = recorder

    def render(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if not is_current(recorder):  # outside of any request
            return wrapped(*args, **kwargs)
        with recorder.in_subsegment("template_render") as subsegment:
            name = getattr(instance, "filename", None)
            if name and subsegment is not None:
                subsegment.name = name
            return wrapped(*args, **kwargs)

    patcher = Patcher("bottle")
    patcher.wrap(SimpleTemplate, "render", render)
    patcher.on_undo(_rendering.clear)
    on_uninstall(patcher.undo)
