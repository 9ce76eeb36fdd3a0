"""aws_xray_sdk.ext.botocore.patch: calls of AWS's API, also by boto3."""

from __future__ import annotations

import botocore.client
import botocore.endpoint
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.ext.boto_utils import aws_meta_processor, inject_header

from xtrace.compat.ext.patching import argument, patching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OWN_CALLS = ("GetSamplingRules", "GetSamplingTargets", "PutTraceSegments")
"""Operations of X-Ray by which tracing itself works."""


def patch() -> None:
    """Record what clients call, and give each request the trace header."""
    with patching("botocore", botocore.client, "_xray_enabled") as patcher:
        if patcher is not None:
            client, endpoint = botocore.client.BaseClient, botocore.endpoint.Endpoint
            patcher.wrap(client, "_make_api_call", _xray_traced_botocore)
            patcher.wrap(endpoint, "prepare_request", inject_header)


def _xray_traced_botocore(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    service = instance._service_model.metadata["endpointPrefix"]
    if service == "xray" and argument(args, kwargs, 0, "operation_name") in _OWN_CALLS:
        return wrapped(*args, **kwargs)
    return xray_recorder.record_subsegment(
        wrapped,
        instance,
        args,
        kwargs,
        name=service,
        namespace="aws",
        meta_processor=aws_meta_processor,
    )
