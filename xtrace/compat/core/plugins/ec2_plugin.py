"""aws_xray_sdk.core.plugins.ec2_plugin: the instance, as its metadata service tells it."""

from __future__ import annotations

import json
import logging
from urllib.request import Request, urlopen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

log = logging.getLogger(__name__)

SERVICE_NAME = "ec2"
ORIGIN = "AWS::EC2::Instance"
IMDS_URL = "http://169.254.169.254/latest/"

TIMEOUT_SECONDS = 1

_LINK_LOCAL = "http://169.254.169.254/"
_MARKS = (
    "/sys/devices/virtual/dmi/id/sys_vendor",
    "/sys/devices/virtual/dmi/id/bios_version",
    "/sys/devices/virtual/dmi/id/board_vendor",
)
"""Files in which a machine of EC2's says "Amazon"; they can be read by anybody."""

runtime_context: dict[str, Any] = {}
"""What is known of the instance."""


def initialize() -> None:
    """Ask what the instance is; {} off EC2."""
    global runtime_context
    runtime_context = get_metadata(get_token())


def get_token() -> str | None:
    """The token of version 2 of the service, or None."""
    try:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        return do_request(url=IMDS_URL + "api/token", headers=headers, method="PUT")
    except Exception:
        log.debug("There is no token of the metadata service, version 2")
        return None


def get_metadata(token: str | None = None) -> dict[str, Any]:
    """The instance's id, zone, type and image; {} if the service doesn't tell."""
    try:
        headers = {"X-aws-ec2-metadata-token": token} if token else None
        answer = do_request(
            url=IMDS_URL + "dynamic/instance-identity/document", headers=headers, method="GET"
        )
        return parse_metadata_json(answer or "")
    except Exception:
        log.debug("The metadata service tells nothing: this is no instance of EC2")
        return {}


def parse_metadata_json(json_str: str | bytes | bytearray) -> dict[str, Any]:
    """What of the service's answer is recorded. Raises KeyError, or ValueError."""
    data = json.loads(json_str)
    return {
        "instance_id": data["instanceId"],
        "availability_zone": data["availabilityZone"],
        "instance_type": data["instanceType"],
        "ami_id": data["imageId"],
    }


def do_request(
    url: str | None, headers: MutableMapping[str, str] | None = None, method: str = "GET"
) -> str | None:
    """The body of an answer. Raises OSError, at once where there can be no metadata service."""
    if url is None:
        return None
    if url.startswith(_LINK_LOCAL) and not _may_be_ec2():
        raise OSError("this machine isn't EC2's")
    request = Request(url, headers=headers or {}, method=method)
    with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        return str(answer.read().decode("utf-8"))


def _may_be_ec2() -> bool:
    """Whether the machine says that it is Amazon's, or says nothing at all."""
    said = []
    for mark in _MARKS:
        try:
            with open(mark, encoding="latin-1") as file:
                said.append(file.read().lower())
        except OSError:
            pass
    return not said or any("amazon" in each for each in said)
