"""aws_xray_sdk.ext.aiobotocore.patch: calls of AWS's API in coroutines, also by aioboto3."""

from __future__ import annotations

import aiobotocore.client
import aiobotocore.endpoint
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.ext.boto_utils import aws_meta_processor, inject_header

from xtrace.compat.ext.patching import argument, patching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OWN_CALLS = ("GetSamplingRules", "GetSamplingTargets", "PutTraceSegments")


def patch() -> None:
    """Record what clients call, and give each request the trace header."""
    with patching("aiobotocore", aiobotocore.client, "_xray_enabled") as patcher:
        if patcher is not None:
            client, endpoint = aiobotocore.client.AioBaseClient, aiobotocore.endpoint.AioEndpoint
            patcher.wrap(client, "_make_api_call", _xray_traced_aiobotocore)
            patcher.wrap(endpoint, "prepare_request", inject_header)


async def _xray_traced_aiobotocore(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    service = instance._service_model.metadata["endpointPrefix"]
    if service == "xray" and argument(args, kwargs, 0, "operation_name") in _OWN_CALLS:
        return await wrapped(*args, **kwargs)
    return await xray_recorder.record_subsegment_async(
        wrapped,
        instance,
        args,
        kwargs,
        name=service,
        namespace="aws",
        meta_processor=aws_meta_processor,
    )
