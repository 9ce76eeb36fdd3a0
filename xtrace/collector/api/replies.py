"""Answers as they go out: JSON in the form of the X-Ray API."""

from __future__ import annotations

import json
from uuid import uuid4

import orjson
from starlette.responses import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .errors import ApiError


def encoded(content: Any) -> bytes:
    """Content as JSON. What orjson refuses, integers past 64 bits and lone surrogates, goes too."""
    try:
        return orjson.dumps(content)
    except TypeError:
        return json.dumps(content, separators=(",", ":")).encode()


def reply(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer."""
    return Response(
        encoded(content),
        status,
        {"x-amzn-RequestId": str(uuid4()), **(headers or {})},
        media_type="application/json",
    )


def error_reply(error: ApiError) -> Response:
    """An answer that says what is wrong."""
    headers = {"x-amzn-ErrorType": error.type}
    if error.status in (408, 413):
        headers["connection"] = "close"  # the rest of the request isn't read
    return reply(error.body(), error.status, headers)
