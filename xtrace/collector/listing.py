"""A trace as one row of a list, made from its summary. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

OK, ERROR, THROTTLE, FAULT, OPEN = "ok", "error", "throttle", "fault", "open"
STATUSES = (OK, ERROR, THROTTLE, FAULT)

COLUMNS = (
    "id",
    "start",
    "response_time",
    "duration",
    "status",
    "partial",
    "http_status",
    "method",
    "url",
    "service",
    "type",
    "user",
    "client_ip",
    "annotations",
    "services",
    "error",
)

MAX_ERROR_CHARS = 200


def columns(annotations: Sequence[str] = ()) -> list[str]:
    """The names of what row() gives."""
    return [*COLUMNS, *(f"annotation.{key}" for key in annotations)]


def row(summary: dict[str, Any], annotations: Sequence[str] = ()) -> list[Any]:
    """The row of a trace. annotations: keys whose values are added, each the first one or None."""
    http = summary["Http"]
    entry = summary["EntryPoint"]
    users = summary["Users"]
    made = [
        summary["Id"],
        summary["StartTime"],
        summary["ResponseTime"],
        summary["Duration"],
        status_of(summary),
        summary["IsPartial"],
        http.get("HttpStatus"),
        http.get("HttpMethod"),
        http.get("HttpURL"),
        entry.get("Name"),
        entry.get("Type"),
        users[0]["UserName"] if users else None,
        http.get("ClientIp"),
        len(summary["Annotations"]),
        len(summary["ServiceIds"]),
        _error(summary),
    ]
    for key in annotations:
        values = summary["Annotations"].get(key)
        made.append(next(iter(values[0]["AnnotationValue"].values())) if values else None)
    return made


def status_of(summary: dict[str, Any]) -> str:
    """How the root ended; OPEN if it hasn't."""
    if summary["HasFault"]:
        return FAULT
    if summary["HasError"]:
        return THROTTLE if summary["HasThrottle"] else ERROR
    return OPEN if summary["ResponseTime"] is None else OK


def _error(summary: dict[str, Any]) -> str | None:
    """Type and message of the first exception at the end of a root cause."""
    for kind in ("FaultRootCauses", "ErrorRootCauses"):
        for cause in summary[kind]:
            for exception in cause["Services"][-1]["EntityPath"][-1]["Exceptions"]:
                said = [word for word in (exception["Name"], exception["Message"]) if word]
                line = " ".join(": ".join(said).split())
                if line:
                    return (
                        line if len(line) <= MAX_ERROR_CHARS else f"{line[: MAX_ERROR_CHARS - 1]}…"
                    )
    return None
