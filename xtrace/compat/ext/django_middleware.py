"""aws_xray_sdk.ext.django.middleware: the requests that a Django project serves."""

from __future__ import annotations

import logging

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.lambda_launcher import check_in_lambda
from aws_xray_sdk.core.models import http
from aws_xray_sdk.ext.django.conf import settings
from aws_xray_sdk.ext.util import (
    calculate_sampling_decision,
    calculate_segment_name,
    construct_xray_header,
    prepare_response_header,
)

from xtrace import faults
from xtrace.compat.ext import requests_served as served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

USER_AGENT_KEY = "HTTP_USER_AGENT"
X_FORWARDED_KEY = "HTTP_X_FORWARDED_FOR"
REMOTE_ADDR_KEY = "REMOTE_ADDR"
HOST_KEY = "HTTP_HOST"
CONTENT_LENGTH_KEY = "content-length"

_EXCEPTION = "_xray_exception"
"""Attribute of a request with what its view has raised."""


class XRayMiddleware:
    """The first entry of MIDDLEWARE. Serves sync and async handlers as what they are."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        self.in_lambda_ctx = served.is_in_lambda(check_in_lambda(), xray_recorder)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Serve a request in a segment."""
        if self._is_async:
            return self._serve_async(request)
        entity = self._begin(request)
        response = error = None
        try:
            response = self.get_response(request)
            return response
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._end(entity, request, response, error)

    async def _serve_async(self, request: Any) -> Any:
        entity = self._begin(request)
        response = error = None
        try:
            response = await self.get_response(request)
            return response
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._end(entity, request, response, error)

    def _begin(self, request: Any) -> Any:
        with faults.absorb("compat:django"):
            meta = request.META
            header = construct_xray_header(meta)
            name = calculate_segment_name(meta.get(HOST_KEY), xray_recorder)
            asked = {
                "host": meta.get(HOST_KEY),
                "method": request.method,
                "path": request.path,
                "service": name,
            }
            decision = calculate_sampling_decision(header, xray_recorder, asked)
            entity = served.begin(xray_recorder, name, header, decision, self.in_lambda_ctx)
            if entity is None:
                return None
            found = served.describe(
                entity,
                request.build_absolute_uri(),
                request.method,
                meta.get(USER_AGENT_KEY),
                meta.get(X_FORWARDED_KEY),
                meta.get(REMOTE_ADDR_KEY),
            )
            self._annotate(entity, found)
            return entity

    def _end(self, entity: Any, request: Any, response: Any, error: BaseException | None) -> None:
        if entity is None:
            return
        with faults.absorb("compat:django"):
            raised = getattr(request, _EXCEPTION, error)
            if response is not None:
                entity.put_http_meta(http.STATUS, response.status_code)
                self._annotate(entity, {http.STATUS: response.status_code})
                if response.has_header(CONTENT_LENGTH_KEY):
                    length = int(response[CONTENT_LENGTH_KEY])
                    entity.put_http_meta(http.CONTENT_LENGTH, length)
                    self._annotate(entity, {http.CONTENT_LENGTH: length})
                origin = entity.get_origin_trace_header()
                response[http.XRAY_HEADER] = prepare_response_header(origin, entity)
                # What Django has answered with a 404 or a 403 is no failure.
                if raised is not None and response.status_code >= 500:
                    entity.add_exception(raised, None)
            elif raised is not None:
                entity.put_http_meta(http.STATUS, 500)
                if isinstance(raised, Exception):
                    entity.add_exception(raised, None)
                else:
                    entity._stopped_by(raised)
            served.end(xray_recorder, entity, self.in_lambda_ctx)

    def process_exception(self, request: Any, exception: Exception) -> None:
        """Called by Django with what a view has raised; the final response decides what it means."""
        setattr(request, _EXCEPTION, exception)

    def _annotate(self, entity: Any, found: dict[str, Any]) -> None:
        if self._urls_as_annotation():
            for key, value in found.items():
                entity.put_annotation(key, value)

    def _urls_as_annotation(self) -> bool:
        wanted = settings.URLS_AS_ANNOTATION
        return wanted == "ALL" or (wanted == "LAMBDA" and self.in_lambda_ctx)
