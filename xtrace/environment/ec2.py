"""EC2: the instance metadata service, version 2 first, asked in the background."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from . import Place

DEFAULT_ENDPOINT = "http://169.254.169.254"
ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
DISABLED_VARIABLE = "AWS_EC2_METADATA_DISABLED"
TIMEOUT_SECONDS = 0.3
ORIGIN = "AWS::EC2::Instance"

_FIELDS = {
    "instance_id": "instanceId",
    "availability_zone": "availabilityZone",
    "instance_type": "instanceType",
    "ami_id": "imageId",
}


def detect() -> Callable[[], Place | None] | None:
    """The question to ask, unless the environment forbids it."""
    if os.environ.get(DISABLED_VARIABLE, "").lower() == "true":
        return None
    return ask


def ask() -> Place | None:
    """The instance's id, zone, type and image; None off EC2."""
    endpoint = os.environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT
    try:
        token = _request(
            "PUT",
            f"{endpoint.rstrip('/')}/latest/api/token",
            {"X-aws-ec2-metadata-token-ttl-seconds": "60"},
        ).decode()
        headers = {"X-aws-ec2-metadata-token": token}
    except OSError:
        headers = {}  # version 1 has no token
    try:
        url = f"{endpoint.rstrip('/')}/latest/dynamic/instance-identity/document"
        document = json.loads(_request("GET", url, headers))
    except (OSError, ValueError):
        return None
    block = {field: document[name] for field, name in _FIELDS.items() if document.get(name)}
    return ("ec2", block, ORIGIN) if block else None


def _request(method: str, url: str, headers: dict[str, str]) -> bytes:
    from urllib.request import ProxyHandler, Request, build_opener

    opener = build_opener(ProxyHandler({}))  # the address is this machine's own
    request = Request(url, headers=headers, method=method)
    with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
        body: bytes = answer.read(65536)
        return body
