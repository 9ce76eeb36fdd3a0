"""aws_xray_sdk.ext.pynamodb.patch: what pynamodb sends past botocore's clients."""

from __future__ import annotations

import json
import re

import botocore.httpsession
import pynamodb
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.models import http
from aws_xray_sdk.ext.boto_utils import _extract_whitelisted_params  # type: ignore[attr-defined]

from xtrace.compat.ext.patching import argument, is_current, patching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PYNAMODB4 = int(pynamodb.__version__.partition(".")[0]) >= 4

_scope = re.compile(rb"Credential=[^/]+/\d+/([^/]+)/").search
_host = re.compile(r"//dynamodb\.([^./:]+)\.").search


def patch() -> None:
    """Record what is sent to DynamoDB, unless it is a call of a client's, which botocore's patch
    records.
    """
    with patching("pynamodb", botocore.httpsession, "_xray_enabled") as patcher:
        if patcher is not None:
            session = botocore.httpsession.URLLib3Session
            patcher.wrap(session, "send", _xray_traced_pynamodb)


def _xray_traced_pynamodb(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    request = argument(args, kwargs, 0, "request")
    target = request.headers.get("X-Amz-Target", b"")
    if isinstance(target, str):
        target = target.encode()
    if not target.lower().startswith(b"dynamodb_") or _is_called_by_a_client():
        return wrapped(*args, **kwargs)
    return xray_recorder.record_subsegment(
        wrapped,
        instance,
        (request, *args[1:]),
        kwargs if args else {},
        name="dynamodb",
        namespace="aws",
        meta_processor=pynamodb_meta_processor,
    )


def _is_called_by_a_client() -> bool:
    if not is_current(xray_recorder):
        return False
    subsegment: Any = xray_recorder.current_subsegment()
    return getattr(subsegment, "namespace", None) == "aws" and subsegment.name == "dynamodb"


def pynamodb_meta_processor(
    wrapped: Any,
    instance: Any,
    args: Any,
    kwargs: Any,
    return_value: Any,
    exception: Any,
    subsegment: Any,
    stack: Any,
) -> None:
    """Describe a request."""
    request = args[0]
    target = request.headers["X-Amz-Target"]
    operation = (target.decode() if isinstance(target, bytes) else target).partition(".")[2]
    aws_meta = {"operation": operation, "region": _region(request)}
    answer: Any = {}
    if exception is not None:
        subsegment.add_error_flag()
        subsegment.add_exception(exception, stack, True)
    elif return_value is not None:
        subsegment.put_http_meta(http.STATUS, return_value.status_code)
        request_id = return_value.headers.get("x-amzn-RequestId")
        if request_id:
            aws_meta["request_id"] = request_id
        answer = json.loads(return_value.content or b"{}")
    body = request.body or b"{}"
    parameters = json.loads(body if isinstance(body, (str, bytes)) else bytes(body))
    _extract_whitelisted_params(
        subsegment.name, operation, aws_meta, [None, parameters], {}, answer
    )
    subsegment.set_aws(aws_meta)


def _region(request: Any) -> str | None:
    """As the request is signed for, or else as its host says."""
    signature = request.headers.get("Authorization", b"")
    found = _scope(signature.encode() if isinstance(signature, str) else signature)
    if found is not None:
        return str(found[1].decode())
    by_host = _host(str(request.url))
    return by_host[1] if by_host is not None else None
