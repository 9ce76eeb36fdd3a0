"""ECS: a container knows by its environment that it is one."""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import Place

MARKS = ("ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI")
ORIGIN = "AWS::ECS::Container"


def detect() -> Place | None:
    """The container's host name, on ECS only."""
    on_ecs = any(os.environ.get(mark) for mark in MARKS)
    if not on_ecs and not os.environ.get("AWS_EXECUTION_ENV", "").startswith("AWS_ECS"):
        return None
    return "ecs", {"container": socket.gethostname()}, ORIGIN
