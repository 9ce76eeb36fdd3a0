"""aws_xray_sdk.core.plugins.utils: plugins by name."""

from __future__ import annotations

import importlib

from ..exceptions.exceptions import MissingPluginNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

module_prefix = "aws_xray_sdk.core.plugins."

PLUGIN_MAPPING = {
    "elasticbeanstalkplugin": "elasticbeanstalk_plugin",
    "ec2plugin": "ec2_plugin",
    "ecsplugin": "ecs_plugin",
}


def get_plugin_modules(plugins: Any) -> tuple[Any, ...]:
    """The modules of plugins. Raises MissingPluginNames for none, ModuleNotFoundError for no such."""
    if not plugins:
        raise MissingPluginNames("input plugin names are required")
    names = [plugins] if isinstance(plugins, str) else plugins
    return tuple(
        importlib.import_module(module_prefix + PLUGIN_MAPPING.get(name.lower(), name.lower()))
        for name in names
    )
