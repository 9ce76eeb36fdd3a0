"""Elastic Beanstalk: a file that the platform writes when X-Ray is switched on for it."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import Findings

CONF_PATH = "/var/elasticbeanstalk/xray/environment.conf"
ORIGIN = "AWS::ElasticBeanstalk::Environment"


def detect() -> Findings:
    """The environment's name, version label and deployment."""
    try:
        with open(CONF_PATH, encoding="utf-8") as file:
            block = json.load(file)
    except (OSError, ValueError):
        return None, None
    return (("elastic_beanstalk", block, ORIGIN) if isinstance(block, dict) else None), None
