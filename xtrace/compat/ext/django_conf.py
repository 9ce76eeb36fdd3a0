"""aws_xray_sdk.ext.django.conf: XRAY_RECORDER in Django's settings."""

from __future__ import annotations

import os

from django.conf import settings as django_settings
from django.test.signals import setting_changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

XRAY_NAMESPACE = "XRAY_RECORDER"

DEFAULTS: dict[str, Any] = {
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    "AUTO_INSTRUMENT": True,
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "PLUGINS": (),
    "SAMPLING": True,
    "SAMPLING_RULES": None,
    "SAMPLER": None,
    "AWS_XRAY_TRACING_NAME": None,
    "DYNAMIC_NAMING": None,
    "STREAMING_THRESHOLD": None,
    "MAX_TRACE_BACK": None,
    "STREAM_SQL": True,
    "PATCH_MODULES": [],
    "AUTO_PATCH_PARENT_SEGMENT_NAME": None,
    "IGNORE_MODULE_PATTERNS": [],
    "URLS_AS_ANNOTATION": "LAMBDA",
}

SUPPORTED_ENV_VARS = (
    "AWS_XRAY_DAEMON_ADDRESS",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_TRACING_NAME",
)
"""Settings that the environment overrides."""


class XRaySettings:
    """The settings as attributes: the environment's, else the project's, else the default.

    None counts as not set. Any other name raises AttributeError.
    """

    def __init__(self, user_settings: dict[str, Any] | None = None) -> None:
        self.defaults = DEFAULTS
        if user_settings:
            self._user_settings = user_settings

    @property
    def user_settings(self) -> Any:
        """XRAY_RECORDER of the project."""
        if "_user_settings" not in vars(self):
            self._user_settings = getattr(django_settings, XRAY_NAMESPACE, {})
        return self._user_settings

    def __getattr__(self, attr: str) -> Any:
        if attr not in DEFAULTS:
            raise AttributeError(f"Invalid setting: {attr}")
        if attr in SUPPORTED_ENV_VARS and os.getenv(attr) is not None:
            return os.getenv(attr)
        value = self.user_settings.get(attr)
        return DEFAULTS[attr] if value is None else value


settings = XRaySettings()


def reload_settings(*args: Any, **kwargs: Any) -> None:
    """Take over XRAY_RECORDER when a test has changed it."""
    if kwargs.get("setting") == XRAY_NAMESPACE:
        # The same object: others have imported it.
        settings._user_settings = kwargs.get("value") or {}


setting_changed.connect(reload_settings)
