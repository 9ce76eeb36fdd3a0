"""Trace calls of AWS's API made with botocore or boto3: what every client's method comes to.

The wrapped methods are those of the class, so that clients made earlier are traced too. A presigned
URL is no call. boto3's transfers to and from S3 run in threads, which go on with the trace.
"""

from __future__ import annotations

from functools import wraps

from ..default import recorder
from ._aws import (
    OWN_CALLS,
    add_header,
    begin,
    failed,
    is_own_call,
    record_parameters,
    returned,
    tried,
    with_trace,
)
from ._messaging import CARRIERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._wrap import Patcher

__all__ = ["patch", "record_parameters"]


def patch(patcher: Patcher) -> None:
    """Wrap BaseClient._make_api_call and _make_request, and the tasks of transfers."""
    from botocore.client import BaseClient

    original = BaseClient._make_api_call
    original_request = BaseClient._make_request

    def _make_api_call(self: Any, operation_name: Any, api_params: Any) -> Any:
        parent = recorder._get_current()
        call = None if parent is None else begin(self, parent, operation_name, api_params)
        if operation_name in CARRIERS:
            api_params = with_trace(self, operation_name, api_params, call or parent)
        if call is None:
            if operation_name in OWN_CALLS and is_own_call(self):
                with recorder.attach(None):  # the layers below are silent, too
                    return original(self, operation_name, api_params)
            return original(self, operation_name, api_params)
        try:
            response = original(self, operation_name, api_params)
        except BaseException as error:
            failed(call, error)
            raise
        returned(call, response)
        return response

    def _make_request(
        self: Any, operation_model: Any, request_dict: Any, request_context: Any
    ) -> Any:
        add_header(request_dict)
        try:
            return original_request(self, operation_model, request_dict, request_context)
        except BaseException:
            tried(request_context)
            raise

    patcher.replace(BaseClient, "_make_api_call", wraps(original)(_make_api_call))
    patcher.replace(BaseClient, "_make_request", wraps(original_request)(_make_request))
    _when_imported("s3transfer.tasks", patcher)


def _when_imported(module: str, patcher: Patcher) -> None:
    from wrapt import register_post_import_hook

    is_over: list[bool] = []
    patcher.on_undo(lambda: is_over.append(True))

    def imported(tasks: Any) -> None:
        if not is_over:
            _patch_tasks(patcher, tasks.Task)

    register_post_import_hook(imported, module)


def _patch_tasks(patcher: Patcher, task: Any) -> None:
    """The parts of a transfer belong to whoever has asked for it, or to the part that has."""
    original_init, original_call = task.__init__, task.__call__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original_init(self, *args, **kwargs)
        self._xtrace_entity = recorder._get_current()

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        entity = getattr(self, "_xtrace_entity", None)
        if entity is None:
            return original_call(self, *args, **kwargs)
        with recorder.attach(entity):
            return original_call(self, *args, **kwargs)

    patcher.replace(task, "__init__", wraps(original_init)(__init__))
    patcher.replace(task, "__call__", wraps(original_call)(__call__))
