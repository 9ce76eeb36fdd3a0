"""aws_xray_sdk.core: the recorder of this process, and what patches libraries."""

from __future__ import annotations

from .async_recorder import AsyncAWSXRayRecorder
from .patcher import patch, patch_all
from .recorder import AWSXRayRecorder, of_this_process

xray_recorder = of_this_process(AsyncAWSXRayRecorder)

__all__ = ["patch", "patch_all", "xray_recorder", "AWSXRayRecorder"]  # noqa: RUF022 # as it is there
