"""What the status of a call means for a trace."""

from __future__ import annotations

from grpc import StatusCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATUS = "grpc_status"
"""Key of the annotation with the status, where it isn't OK: "NOT_FOUND"."""

DETAILS = "details"
"""Key of the metadata, namespace "grpc", with what the server says about it."""

# The HTTP status that stands for each, as google/rpc/code.proto gives it. Cancelled calls have none.
HTTP_STATUS = {
    StatusCode.OK: 200,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ABORTED: 409,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.DATA_LOSS: 500,
    StatusCode.INTERNAL: 500,
    StatusCode.UNKNOWN: 500,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}

_BY_NUMBER = {code.value[0]: code for code in StatusCode}


def status_of(code: Any) -> StatusCode | None:
    """A status code as what it is: asyncio's contexts have numbers. None if there is none."""
    if code is None or isinstance(code, StatusCode):
        return code
    return _BY_NUMBER.get(code, StatusCode.UNKNOWN)


def text_of(details: Any) -> str:
    """What is said about a status."""
    if isinstance(details, bytes):
        return details.decode("utf-8", "replace")
    return str(details or "")
