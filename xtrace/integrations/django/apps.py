"""The installed app: reads XRAY_RECORDER, patches what it asks for, and looks for mistakes."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks

from . import _settings


class XRayConfig(AppConfig):  # type: ignore[misc]
    """Raises ConfigurationError, with what to write instead, if XRAY_RECORDER can't be used."""

    name = "xtrace.integrations.django"
    label = "xtrace"
    verbose_name = "xtrace"

    def ready(self) -> None:
        """Called by Django when all apps are there."""
        _settings.use()
        checks.register(_settings.problems)
        _settings.patch()
