"""EC2: the instance metadata service, version 2 first, asked in the background."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import Findings, Place

DEFAULT_ENDPOINT = "http://169.254.169.254"
ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
DISABLED_VARIABLE = "AWS_EC2_METADATA_DISABLED"
ORIGIN = "AWS::EC2::Instance"

_FIELDS = {
    "instance_id": "instanceId",
    "availability_zone": "availabilityZone",
    "instance_type": "instanceType",
    "ami_id": "imageId",
}


def detect() -> Findings:
    """Nothing is known at once; there is a question to ask unless the environment forbids it."""
    if os.environ.get(DISABLED_VARIABLE, "").lower() == "true":
        return None, None
    return None, ask


def ask() -> Place | None:
    """The instance's id, zone, type and image; None off EC2."""
    from ._fetch import fetch, fetch_json

    endpoint = (os.environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT).rstrip("/")
    try:
        token = fetch(
            f"{endpoint}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT"
        ).decode("latin-1")
        headers = {"X-aws-ec2-metadata-token": token}
    except OSError:
        headers = {}  # version 1 has no token
    try:
        document = fetch_json(f"{endpoint}/latest/dynamic/instance-identity/document", headers)
    except OSError:
        return None
    if not isinstance(document, dict):
        return None
    block = {field: document[name] for field, name in _FIELDS.items() if document.get(name)}
    return ("ec2", block, ORIGIN) if block else None
