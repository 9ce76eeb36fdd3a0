"""The errors of the X-Ray API: a type, an HTTP status, a message, sometimes the resource's name."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ApiError(Exception):
    """A request that is answered with an error of the API's model.

    type: "InvalidRequestException", ... status: of the HTTP reply. resource: what wasn't found.
    details: further members of the reply.
    """

    def __init__(
        self,
        type: str,
        status: int,
        message: str,
        resource: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.type = type
        self.status = status
        self.message = message
        self.resource = resource
        self.details = details or {}

    def body(self) -> dict[str, Any]:
        """The reply's members."""
        body = {"message": self.message, "__type": self.type, **self.details}
        if self.resource is not None:
            body["ResourceName"] = self.resource
        return body


def invalid(message: str) -> ApiError:
    """A request that can't be answered as it is; the message names the member."""
    return ApiError("InvalidRequestException", 400, message)


def not_found(message: str, resource: str) -> ApiError:
    """A request about a resource that isn't there."""
    return ApiError("ResourceNotFoundException", 404, message, resource)


def unknown_operation(message: str, status: int = 404) -> ApiError:
    """A path that isn't an operation's, or another method than POST."""
    return ApiError("UnknownOperationException", status, message)
