"""Trace opensearch-py 2.3 and later, sync and async. All requests pass the transport's perform_request."""

from __future__ import annotations

import opensearchpy
from opensearchpy import exceptions
from opensearchpy.helpers.errors import BulkIndexError

from .. import cause
from ._search import PORT, Cluster, describe_bulk, traced, type_of_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._wrap import Patcher

_DRIVER = f"opensearch-py {opensearchpy.__versionstr__}"
_HEADERS_POSITION = 6


def patch(patcher: Patcher) -> None:
    """Replace perform_request of both transports; the async one is there if aiohttp is."""
    traced(
        patcher,
        opensearchpy.Transport,
        _HEADERS_POSITION,
        _cluster,
        describe_bulk,
        _refusal,
        is_async=False,
    )
    asynchronous = getattr(opensearchpy, "AsyncTransport", None)
    if asynchronous is not None:
        traced(
            patcher,
            asynchronous,
            _HEADERS_POSITION,
            _cluster,
            describe_bulk,
            _refusal,
            is_async=True,
        )
    for kind, message in (
        (exceptions.TransportError, _message),
        (exceptions.ConnectionError, str),
        (exceptions.SerializationError, _message_of_value),
        (BulkIndexError, _message_of_bulk),
    ):
        patcher.on_undo(cause.redact_messages(kind, message, mutes=message is _message_of_value))


def _cluster(transport: Any) -> Cluster:
    node = transport.hosts[0]
    host = str(node.get("host", "localhost"))
    scheme = node.get("scheme") or ("https" if node.get("use_ssl") else "http")
    return Cluster("OpenSearch", _DRIVER, scheme, host, int(node.get("port") or PORT))


def _refusal(error: BaseException) -> tuple[int, Any] | None:
    """Of what a cluster has answered; the client tells no status of what went well."""
    if not isinstance(error, exceptions.TransportError) or not isinstance(error.status_code, int):
        return None
    return error.status_code, error.error


def _message(error: Any) -> str:
    """The status and the type of an error: its reason quotes."""
    text = str(error.status_code)
    return f"{text}, {error.error}" if type_of_error(str(error.error)) else text


def _message_of_value(error: Exception) -> str:
    return f"a value of type {type(error.args[0]).__name__} can't be sent"


def _message_of_bulk(error: Exception) -> str:
    return str(error.args[0])  # what follows are the documents
