"""Log lines in documents: what programs put into the metadata of the entity that was current. Pure.

A list under the key `logs`, in any namespace, of objects with a `message`, and if known `time` (seconds
since the epoch), `level` and `logger`.
"""

from __future__ import annotations

from typing import NamedTuple

from .documents import text, time_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KEY = "logs"


class Line(NamedTuple):
    """time: None if the document doesn't say."""

    time: float | None
    level: str | None
    message: str
    logger: str | None


def has_logs(entity: dict[str, Any]) -> bool:
    """Whether an entity has log lines."""
    metadata = entity.get("metadata")
    if metadata.__class__ is not dict:
        return False
    for namespace in metadata.values():
        if namespace.__class__ is dict and KEY in namespace:
            return bool(logs_of(entity))
    return False


def logs_of(entity: dict[str, Any]) -> list[Line]:
    """The log lines of an entity, in the order in which they were written."""
    metadata = entity.get("metadata")
    found = []
    for namespace in metadata.values() if metadata.__class__ is dict else ():
        lines = namespace.get(KEY) if namespace.__class__ is dict else None
        for line in lines if lines.__class__ is list else ():
            if line.__class__ is dict:
                message = text(line.get("message"))
                if message is not None:
                    found.append(
                        Line(
                            time_of(line.get("time")),
                            text(line.get("level")),
                            message,
                            text(line.get("logger")),
                        )
                    )
    return found
