"""aws_xray_sdk.ext.boto_utils: what is recorded of calls of AWS's API."""

from __future__ import annotations

import json
import pkgutil

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.models import http
from aws_xray_sdk.ext.util import inject_trace_header, to_snake_case
from botocore.exceptions import ClientError

from xtrace import faults
from xtrace.compat.ext.patching import argument, is_current
from xtrace.integrations._aws import message_without_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

whitelist: dict[str, Any] = json.loads(
    pkgutil.get_data(__name__, "resources/aws_para_whitelist.json") or b""
)
"""Parameters that are recorded, by service and operation. May be added to."""

_OWN_URLS = ("GetCentralizedSamplingRules", "SamplingTargets")


def inject_header(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """Wrapper of a botocore endpoint's prepare_request: the request gets the trace header."""
    with faults.absorb("compat:botocore"):
        request = argument(args, kwargs, 0, "request")
        # Those by which tracing itself works go without.
        if is_current(xray_recorder) and not any(each in request.url for each in _OWN_URLS):
            inject_trace_header(request.headers, xray_recorder.current_subsegment())
    return wrapped(*args, **kwargs)


def aws_meta_processor(
    wrapped: Any,
    instance: Any,
    args: Any,
    kwargs: Any,
    return_value: Any,
    exception: Any,
    subsegment: Any,
    stack: Any,
) -> None:
    """Describe a call of a client's _make_api_call."""
    operation = argument(args, kwargs, 0, "operation_name")
    aws_meta = {"operation": operation, "region": instance.meta.region_name}
    if return_value:
        metadata = return_value.get("ResponseMetadata") if hasattr(return_value, "get") else None
        if metadata:
            _add_response(metadata, subsegment, aws_meta)
    elif exception:
        _aws_error_handler(exception, stack, subsegment, aws_meta)
    _extract_whitelisted_params(subsegment.name, operation, aws_meta, args, kwargs, return_value)
    subsegment.set_aws(aws_meta)


def _add_response(metadata: Any, subsegment: Any, aws_meta: dict[str, Any]) -> None:
    aws_meta["request_id"] = metadata.get("RequestId")
    subsegment.put_http_meta(http.STATUS, metadata.get("HTTPStatusCode"))
    id_2 = (metadata.get("HTTPHeaders") or {}).get("x-amz-id-2")
    if id_2:
        aws_meta["id_2"] = id_2


def _aws_error_handler(
    exception: Any, stack: Any, subsegment: Any, aws_meta: dict[str, Any]
) -> None:
    """Record a refusal as what its status says, and anything else as a failure on this side."""
    if not isinstance(exception, ClientError):
        subsegment.add_exception(exception, stack)
        message = message_without_values(exception)
        if message is not None and isinstance(subsegment.cause, dict):
            for described in subsegment.cause.get("exceptions", ()):
                described.message = message
        return
    metadata = exception.response.get("ResponseMetadata") or {}
    _add_response(metadata, subsegment, aws_meta)
    status = metadata.get("HTTPStatusCode")
    if isinstance(status, int) and 400 <= status < 500:
        subsegment.add_exception(exception, stack, True, fault=False)
    else:
        subsegment.add_exception(exception, stack, True)


def _extract_whitelisted_params(
    service: str, operation: str, aws_meta: Any, args: Any, kwargs: Any, response: Any
) -> None:
    listed = whitelist["services"].get(service, {}).get("operations", {}).get(operation)
    if not listed:
        return
    params = argument(args, kwargs, 1, "api_params")
    for actual, side in ((params, "request"), (response, "response")):
        if actual:
            _record_params(listed.get(f"{side}_parameters", ()), actual, aws_meta)
            _record_special_params(listed.get(f"{side}_descriptors", {}), actual, aws_meta)


def _record_params(whitelisted: Any, actual: Any, aws_meta: Any) -> None:
    for key in whitelisted:
        if key in actual:
            aws_meta[to_snake_case(key)] = actual[key]


def _record_special_params(whitelisted: Any, actual: Any, aws_meta: Any) -> None:
    for key, descriptor in whitelisted.items():
        if key in actual:
            _process_descriptor(descriptor, actual[key], aws_meta)


def _process_descriptor(descriptor: Any, value: Any, aws_meta: Any) -> None:
    if descriptor.get("get_count"):
        value = len(value)
    elif descriptor.get("get_keys"):
        value = list(value)
    aws_meta[descriptor["rename_to"]] = value
