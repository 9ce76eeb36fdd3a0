"""Answers as they go out: JSON in the form of the X-Ray API."""

from __future__ import annotations

from uuid import uuid4

from starlette.responses import Response

from ..documents import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .errors import ApiError


def reply(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer."""
    return Response(
        encode(content),
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
