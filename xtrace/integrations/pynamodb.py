"""Trace pynamodb: one subsegment for each operation, with or without botocore traced below it.

Since version 6 pynamodb calls botocore's client; before, it signed and sent requests by itself.
"""

from __future__ import annotations

from functools import wraps

from .. import faults
from ..default import recorder
from ._aws import AWS, add_header, begin, failed, returned
from ._outgoing import EVERY_LAYER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._wrap import Patcher

_HANDLER = "xtrace-pynamodb"
_patchers: set[Patcher] = set()


def patch(patcher: Patcher) -> None:
    """Wrap Connection._make_api_call, and what makes requests."""
    from pynamodb.connection.base import Connection

    _patchers.add(patcher)
    patcher.on_undo(lambda: _patchers.discard(patcher))
    original = Connection._make_api_call
    prepares = getattr(Connection, "_create_prepared_request", None)

    def _make_api_call(
        self: Any, operation_name: Any, operation_kwargs: Any, *args: Any, **kwargs: Any
    ) -> Any:
        parent = recorder._get_current()
        if parent is None:
            return original(self, operation_name, operation_kwargs, *args, **kwargs)
        client = self.client
        if prepares is None:
            _have_header_added(client)
        call = begin(client, parent, operation_name, operation_kwargs, EVERY_LAYER | AWS)
        if call is None:
            return original(self, operation_name, operation_kwargs, *args, **kwargs)
        try:
            response = original(self, operation_name, operation_kwargs, *args, **kwargs)
        except BaseException as error:
            failed(call, error)
            raise
        returned(call, response)
        return response

    patcher.replace(Connection, "_make_api_call", wraps(original)(_make_api_call))
    if prepares is not None:

        def _create_prepared_request(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            add_header(request)
            return prepares(self, request, *args, **kwargs)

        patcher.replace(
            Connection, "_create_prepared_request", wraps(prepares)(_create_prepared_request)
        )


def _have_header_added(client: Any) -> None:
    """Have a client add the trace header before it signs a request, unless that is seen to."""
    with faults.absorb("integration:pynamodb"):
        if "_xtrace_adds_header" not in vars(client):
            client.meta.events.register("before-call.dynamodb", _before_call, unique_id=_HANDLER)
            client._xtrace_adds_header = True


def _before_call(params: Any, **_: Any) -> None:
    if _patchers:
        add_header(params)
