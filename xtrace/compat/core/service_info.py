"""The `service` block of segments. No module of the official SDK's."""

from __future__ import annotations

import platform

SERVICE_INFO = {
    "runtime": platform.python_implementation(),
    "runtime_version": platform.python_version(),
}
