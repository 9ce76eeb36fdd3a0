"""aws_xray_sdk.ext.django.apps: the app for INSTALLED_APPS."""

from __future__ import annotations

import logging

from aws_xray_sdk.core import patch, xray_recorder
from aws_xray_sdk.core.exceptions.exceptions import SegmentNameMissingException
from aws_xray_sdk.ext.django.conf import settings
from aws_xray_sdk.ext.django.db import patch_db
from aws_xray_sdk.ext.django.templates import patch_template
from django.apps import AppConfig

log = logging.getLogger(__name__)


class XRayConfig(AppConfig):  # type: ignore[misc]
    """Configures the recorder as XRAY_RECORDER says, and traces statements and templates."""

    name = "aws_xray_sdk.ext.django"

    def ready(self) -> None:
        """Called by Django when all apps are there. Raises SegmentNameMissingException."""
        if not settings.AWS_XRAY_TRACING_NAME:
            raise SegmentNameMissingException("Segment name is required.")
        xray_recorder.configure(
            daemon_address=settings.AWS_XRAY_DAEMON_ADDRESS,
            sampling=settings.SAMPLING,
            sampling_rules=settings.SAMPLING_RULES,
            sampler=settings.SAMPLER,
            context_missing=settings.AWS_XRAY_CONTEXT_MISSING,
            plugins=settings.PLUGINS,
            service=settings.AWS_XRAY_TRACING_NAME,
            dynamic_naming=settings.DYNAMIC_NAMING,
            streaming_threshold=settings.STREAMING_THRESHOLD,
            max_trace_back=settings.MAX_TRACE_BACK,
            stream_sql=settings.STREAM_SQL,
        )
        if settings.PATCH_MODULES:
            options = {"ignore_module_patterns": settings.IGNORE_MODULE_PATTERNS}
            if settings.AUTO_PATCH_PARENT_SEGMENT_NAME is not None:
                with xray_recorder.in_segment(settings.AUTO_PATCH_PARENT_SEGMENT_NAME):
                    patch(settings.PATCH_MODULES, **options)
            else:
                patch(settings.PATCH_MODULES, **options)
        if settings.AUTO_INSTRUMENT:
            for part in (patch_db, patch_template):
                try:
                    part()
                except Exception:
                    log.debug("%s failed", part.__name__, exc_info=True)
