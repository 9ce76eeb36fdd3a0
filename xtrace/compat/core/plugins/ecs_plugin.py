"""aws_xray_sdk.core.plugins.ecs_plugin: the container, on ECS."""

from __future__ import annotations

import logging
import os
import socket

from xtrace.environment import ecs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

SERVICE_NAME = "ecs"
ORIGIN = "AWS::ECS::Container"

runtime_context: dict[str, Any] | None = None
"""What is known of the container."""


def initialize() -> None:
    """Find out the container's host name; nothing where the environment says nothing of ECS."""
    global runtime_context
    runtime_context = {}
    is_ecs = any(os.environ.get(mark) for mark in ecs.MARKS)
    if is_ecs or os.environ.get("AWS_EXECUTION_ENV", "").startswith("AWS_ECS"):
        try:
            runtime_context = {"container": socket.gethostname()}
        except Exception:
            runtime_context = None
            log.warning("The container's host name isn't known")
