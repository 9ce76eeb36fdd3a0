"""Trace calls of AWS's API made with aiobotocore or aioboto3: what every client's method comes to."""

from __future__ import annotations

from functools import wraps

from ..default import recorder
from ._aws import OWN_CALLS, add_header, begin, failed, is_own_call, returned, tried, with_trace
from ._messaging import CARRIERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Wrap AioBaseClient._make_api_call and _make_request."""
    from aiobotocore.client import AioBaseClient

    original = AioBaseClient._make_api_call
    original_request = AioBaseClient._make_request

    async def _make_api_call(self: Any, operation_name: Any, api_params: Any) -> Any:
        parent = recorder._get_current()
        call = None if parent is None else begin(self, parent, operation_name, api_params)
        if operation_name in CARRIERS:
            api_params = with_trace(self, operation_name, api_params, call or parent)
        if call is None:
            if operation_name in OWN_CALLS and is_own_call(self):
                with recorder.attach(None):  # the layers below are silent, too
                    return await original(self, operation_name, api_params)
            return await original(self, operation_name, api_params)
        try:
            response = await original(self, operation_name, api_params)
        except BaseException as error:
            failed(call, error)
            raise
        returned(call, response)
        return response

    async def _make_request(
        self: Any, operation_model: Any, request_dict: Any, request_context: Any
    ) -> Any:
        add_header(request_dict)
        try:
            return await original_request(self, operation_model, request_dict, request_context)
        except BaseException:
            tried(request_context)
            raise

    patcher.replace(AioBaseClient, "_make_api_call", wraps(original)(_make_api_call))
    patcher.replace(AioBaseClient, "_make_request", wraps(original_request)(_make_request))
