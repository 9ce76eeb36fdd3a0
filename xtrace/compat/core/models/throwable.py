"""aws_xray_sdk.core.models.throwable: an exception as an entity's cause holds it."""

from __future__ import annotations

import logging
import os

from xtrace import cause, ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

log = logging.getLogger(__name__)

# Frames of the tracing library itself say nothing about the application.
_OWN_FOLDERS = ("aws_xray_sdk/", os.path.dirname(cause.__file__) + os.sep)

_FIELDS = ("id", "message", "type", "remote", "stack", "cause")


class Throwable:
    """id, message, type, remote, stack; and `cause`, the id of the exception behind this one.

    stack: entries with path, line and label in their first three places, as traceback's have; the
    attribute isn't there if none is given.
    """

    def __init__(
        self, exception: BaseException, stack: Iterable[Any] | None, remote: bool = False
    ) -> None:
        self.id = ids.segment_id()
        try:
            self.message = str(exception)
        except Exception:  # a __str__ that fails
            pass
        self.type = type(exception).__name__
        self.remote = remote
        if stack is not None:
            self.stack: list[dict[str, Any]] | None = None
            try:
                self.stack = self._normalize_stack_trace(stack)
            except Exception:
                log.warning("The stack of a %s can't be read", self.type)
        try:
            exception._recorded = True  # type: ignore[attr-defined]
            exception._cause_id = self.id  # type: ignore[attr-defined]
        except Exception:  # it has slots
            pass

    def to_dict(self) -> dict[str, Any]:
        """What of it goes into a document."""
        found = vars(self)
        return {
            key: value for key, value in found.items() if isinstance(value, bool) or bool(value)
        }

    def _normalize_stack_trace(self, stack: Iterable[Any]) -> list[dict[str, Any]]:
        return [
            {
                "path": os.path.basename(path.replace('"', " ").strip()),
                "line": line,
                "label": label.strip(),
            }
            for path, line, label in ((entry[0], entry[1], entry[2]) for entry in stack)
            if not is_own(path)
        ]


def is_own(path: str) -> bool:
    """Whether a file is of the tracing library itself."""
    return any(folder in path for folder in _OWN_FOLDERS)


def as_document(throwable: Any) -> dict[str, Any]:
    """The same as xtrace writes it: only what the format knows."""
    if isinstance(throwable, dict):
        return throwable
    found = {field: getattr(throwable, field, None) for field in _FIELDS}
    return {field: value for field, value in found.items() if value}
