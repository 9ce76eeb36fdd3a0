"""aws_xray_sdk.core.plugins.elasticbeanstalk_plugin: the environment, from the platform's file."""

from __future__ import annotations

import json
import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

CONF_PATH = "/var/elasticbeanstalk/xray/environment.conf"
SERVICE_NAME = "elastic_beanstalk"
ORIGIN = "AWS::ElasticBeanstalk::Environment"

runtime_context: dict[str, Any] | None = None
"""What is known of the environment."""


def initialize() -> None:
    """Read the platform's file; None where there is none."""
    global runtime_context
    try:
        with open(CONF_PATH, encoding="utf-8") as file:
            runtime_context = json.load(file)
    except Exception as error:
        runtime_context = None
        log.debug("%s can't be read: %s", CONF_PATH, error)
