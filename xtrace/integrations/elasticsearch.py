"""Trace elasticsearch 8 and later, sync and async. All requests pass the transport's perform_request."""

from __future__ import annotations

import re

import elastic_transport
import elasticsearch

from .. import cause
from ._search import Cluster, answer, describe_bulk, traced, type_of_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._outgoing import Call
    from ._wrap import Patcher

_DRIVER = "elasticsearch-py " + ".".join(map(str, elasticsearch.__version__))
_kind = re.compile(r"\(type: ([\w.]+)\)$").search


def patch(patcher: Patcher) -> None:
    """Replace perform_request of both transports."""
    for transport, is_async in (
        (elastic_transport.Transport, False),
        (elastic_transport.AsyncTransport, True),
    ):
        traced(patcher, transport, None, _cluster, _describe, _refusal, is_async)
    for kind, message in (
        (elasticsearch.ApiError, _message),
        (elasticsearch.SerializationError, _message_of_value),
    ):
        patcher.on_undo(cause.redact_messages(kind, message, mutes=message is _message_of_value))


def _cluster(transport: Any) -> Cluster:
    node = transport.node_pool.all()[0].config
    return Cluster("Elasticsearch", _DRIVER, node.scheme, node.host, node.port)


def _describe(call: Call, response: Any) -> None:
    body = response.body
    status = response.meta.status
    error = body.get("error") if status >= 400 and isinstance(body, dict) else None
    answer(call, status, error.get("type") if isinstance(error, dict) else None)
    describe_bulk(call, body)


def _refusal(error: BaseException) -> None:
    return None  # the transport raises none for what a cluster answers


def _message(error: Any) -> str:
    """The status and the type of an error: its reason quotes."""
    text = str(error.meta.status)
    return f"{text}, {error.message}" if type_of_error(str(error.message)) else text


def _message_of_value(error: Exception) -> str:
    found = _kind(str(error))
    return f"a value of type {found[1]} can't be sent" if found else "a value can't be sent"
