"""ECS: a container knows by its environment that it is one; the task metadata tells the rest."""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import Findings, Place

METADATA_VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"
MARKS = (METADATA_VARIABLE, "ECS_CONTAINER_METADATA_URI")
ORIGIN = "AWS::ECS::Container"


def detect() -> Findings:
    """The container's host name, on ECS only, and a question if version 4 of the metadata is there."""
    on_ecs = any(os.environ.get(mark) for mark in MARKS)
    if not on_ecs and not os.environ.get("AWS_EXECUTION_ENV", "").startswith("AWS_ECS"):
        return None, None
    place = "ecs", {"container": socket.gethostname()}, ORIGIN
    return place, ask if os.environ.get(METADATA_VARIABLE) else None


def ask() -> Place | None:
    """What the container is called, where it runs, and whose task it is part of."""
    from ._fetch import fetch_json

    address = os.environ[METADATA_VARIABLE].rstrip("/")
    block: dict[str, Any] = {"container": socket.gethostname()}
    try:
        container = fetch_json(address)
        block["container_id"] = container.get("DockerId")
        block["container_arn"] = container.get("ContainerARN")
        block["launch_type"] = container.get("LaunchType")
        task = fetch_json(f"{address}/task")
        block["task_arn"] = task.get("TaskARN")
        block["task_family"] = task.get("Family")
        block["availability_zone"] = task.get("AvailabilityZone")
        block["launch_type"] = task.get("LaunchType") or block["launch_type"]
        block["cluster_arn"] = _cluster_arn(task.get("Cluster"), task.get("TaskARN"))
    except (OSError, AttributeError):  # no answer, or another one than ECS's
        pass
    if len(block) == 1:
        return None
    return "ecs", {k: v for k, v in block.items() if isinstance(v, str) and v}, ORIGIN


def _cluster_arn(cluster: object, task_arn: object) -> str | None:
    """The ARN of a cluster that may be told by its name only; the task's has all but that."""
    if not isinstance(cluster, str) or cluster.startswith("arn:"):
        return cluster if isinstance(cluster, str) else None
    if not isinstance(task_arn, str) or ":task/" not in task_arn:
        return None
    return f"{task_arn.partition(':task/')[0]}:cluster/{cluster}"
