"""EKS: a pod knows by its environment and its service account's token that it is one of EKS's."""

from __future__ import annotations

import base64
import json
import os
import re
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import Findings, Place

KUBERNETES = "KUBERNETES_SERVICE_HOST"
"""Variable that each pod of Kubernetes has; EKS is one kind of it."""

EKS_MARKS = {
    "AWS_WEB_IDENTITY_TOKEN_FILE": "eks.amazonaws.com",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "eks.amazonaws.com",
}
"""Variables by which a role is given to a pod of EKS, and what is in their values there."""

ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
PROC_FOLDER = "/proc/self"
CLUSTER_INFO = "/api/v1/namespaces/amazon-cloudwatch/configmaps/cluster-info"
"""Where CloudWatch's agent keeps the cluster's name, if it is installed."""

ORIGIN = "AWS::EKS::Container"

_container_id = re.compile(r"[0-9a-f]{64}")


def detect() -> Findings:
    """The pod, its container and the cluster's name if a variable has it; else there is a question."""
    if not os.environ.get(KUBERNETES) or not _is_eks():
        return None, None
    place = _place(os.environ.get("CLUSTER_NAME"))
    return place, None if "cluster_name" in place[1] else ask


def ask() -> Place | None:
    """The same with the cluster's name, as far as this pod may read it."""
    from ._fetch import fetch_json

    port = os.environ.get("KUBERNETES_SERVICE_PORT") or "443"
    host = os.environ[KUBERNETES]
    host = f"[{host}]" if ":" in host else host
    try:
        found: Any = fetch_json(
            f"https://{host}:{port}{CLUSTER_INFO}",
            {"Authorization": f"Bearer {_token()}", "Accept": "application/json"},
            os.path.join(ACCOUNT_FOLDER, "ca.crt"),
        )
        name = found["data"]["cluster.name"]
    except (OSError, KeyError, TypeError):
        return None
    return _place(name)


def _place(cluster: object) -> Place:
    block = {
        "cluster_name": cluster,
        "pod": os.environ.get("HOSTNAME") or socket.gethostname(),
        "container_id": _own_container(),
    }
    return "eks", {k: v for k, v in block.items() if isinstance(v, str) and v}, ORIGIN


def _is_eks() -> bool:
    if any(mark in os.environ.get(variable, "") for variable, mark in EKS_MARKS.items()):
        return True
    # The service account's token is a JWT; EKS is who signed it.
    try:
        payload = _token().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return "//oidc.eks" in claims["iss"]
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _token() -> str:
    with open(os.path.join(ACCOUNT_FOLDER, "token"), encoding="ascii") as file:
        return file.read().strip()


def _own_container() -> str | None:
    """The container's id, which the kernel's lists for this process have among others' names."""
    # In mountinfo other ids of 64 digits stand too: of the pod's sandbox, for one.
    for name, mark in (("cgroup", ""), ("mountinfo", "/containers/")):
        try:
            with open(os.path.join(PROC_FOLDER, name), encoding="utf-8") as file:
                for line in file:
                    found = _container_id.findall(line) if mark in line else None
                    if found:
                        last: str = found[-1]
                        return last
        except (OSError, ValueError):
            continue
    return None
