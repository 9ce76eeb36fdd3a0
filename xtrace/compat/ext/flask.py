"""aws_xray_sdk.ext.flask.middleware: the requests that a Flask application serves."""

from __future__ import annotations

import flask
import flask.templating
from aws_xray_sdk.core.lambda_launcher import check_in_lambda
from aws_xray_sdk.core.models import http
from aws_xray_sdk.ext.util import (
    calculate_sampling_decision,
    calculate_segment_name,
    construct_xray_header,
    prepare_response_header,
)
from flask import request

from xtrace import faults
from xtrace.compat.aws_xray_sdk import on_uninstall
from xtrace.compat.ext import requests_served as served
from xtrace.compat.ext.patching import is_current
from xtrace.integrations._wrap import Patcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KEY = "aws_xray_sdk.entity"
"""Key of the environ with a request's segments: several middlewares have one each."""


class XRayMiddleware:
    """Traces the requests of an application, and the templates that it renders.

    app: a flask.Flask. recorder: a configured recorder.
    """

    def __init__(self, app: Any, recorder: Any) -> None:
        self.app = app
        self._recorder = recorder
        self.in_lambda_ctx = served.is_in_lambda(check_in_lambda(), recorder)
        app.before_request(self._before_request)
        app.after_request(self._after_request)
        app.teardown_request(self._teardown_request)
        _patch_render(recorder)

    def _before_request(self) -> None:
        with faults.absorb("compat:flask"):
            recorder = self._recorder
            header = construct_xray_header(request.headers)
            name = calculate_segment_name(request.host, recorder)
            asked = {
                "host": request.host,
                "method": request.method,
                "path": request.path,
                "service": name,
            }
            decision = calculate_sampling_decision(header, recorder, asked)
            entity = served.begin(recorder, name, header, decision, self.in_lambda_ctx)
            if entity is None:
                return
            request.environ.setdefault(_KEY, {})[id(self)] = entity
            served.describe(
                entity,
                request.base_url,
                request.method,
                request.headers.get("User-Agent"),
                request.headers.get("X-Forwarded-For"),
                request.remote_addr,
            )

    def _after_request(self, response: Any) -> Any:
        with faults.absorb("compat:flask"):
            entity = request.environ.get(_KEY, {}).get(id(self))
            if entity is not None and entity.in_progress:
                entity.put_http_meta(http.STATUS, response.status_code)
                origin = entity.get_origin_trace_header()
                response.headers[http.XRAY_HEADER] = prepare_response_header(origin, entity)
                served.describe_length(entity, response.headers.get("Content-Length"))
        return response

    def _teardown_request(self, exception: Any) -> None:
        with faults.absorb("compat:flask"):
            entity = request.environ.get(_KEY, {}).pop(id(self), None)
            if entity is None or not entity.in_progress:
                return
            if exception is not None:
                entity.put_http_meta(http.STATUS, 500)
                entity.add_exception(exception, None)
            served.end(self._recorder, entity, self.in_lambda_ctx)


_rendering: dict[int, Any] = {}
"""The recorders that rendering is recorded by, by id()."""


def _patch_render(recorder: Any) -> None:
    """Record each template that is rendered; once, however many applications there are."""
    if id(recorder) in _rendering:
        return
    _rendering[id(recorder)] = recorder
    patcher = Patcher("flask")
    patcher.wrap(flask.templating, "_render", _wrapper(recorder))
    patcher.on_undo(lambda: _rendering.pop(id(recorder), None) and None)
    on_uninstall(patcher.undo)


def _wrapper(recorder: Any) -> Any:
    def render(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if not is_current(recorder):  # outside of any request
            return wrapped(*args, **kwargs)
        with recorder.in_subsegment("template_render") as subsegment:
            for each in (*args, *kwargs.values()):
                if subsegment is not None and hasattr(each, "render") and hasattr(each, "blocks"):
                    subsegment.name = each.name or subsegment.name
            return wrapped(*args, **kwargs)

    return render
