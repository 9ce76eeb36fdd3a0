"""Trace a Django project: a segment for each request, subsegments for statements and templates.

    INSTALLED_APPS = ["xtrace.integrations.django", ...]
    MIDDLEWARE = ["xtrace.integrations.django.XRayMiddleware", ...]   # first
    XRAY_RECORDER = {"AWS_XRAY_TRACING_NAME": "shop"}

The app reads XRAY_RECORDER and traces what the project does; the middleware serves sync and async
handlers as what they are. `xtrace.patch("django")` does without either.
"""

from __future__ import annotations

from ._requests import XRayMiddleware

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._wrap import Patcher

__all__ = ["XRayMiddleware", "patch"]


def patch(patcher: Patcher) -> None:
    """Trace all requests, statements and templates.

    Each is patched when Django imports it: `import django` alone stays as small as it is.
    """
    patcher.when_imported("django.core.handlers.base", _patch_requests)
    patcher.when_imported("django.db.backends.utils", _patch_statements)
    patcher.when_imported("django.db.backends.base.base", _patch_connections)
    patcher.when_imported("django.template.base", _patch_templates)


def _patch_requests(patcher: Patcher, base: Any) -> None:
    from ._requests import patch

    patch(patcher, base.BaseHandler)


def _patch_statements(patcher: Patcher, utils: Any) -> None:
    from ._database import patch

    patch(patcher, utils.CursorWrapper)


def _patch_connections(patcher: Patcher, base: Any) -> None:
    from ._database import patch_connections

    patch_connections(patcher, base.BaseDatabaseWrapper)


def _patch_templates(patcher: Patcher, base: Any) -> None:
    from ._templates import render

    patcher.wrap(base.Template, "render", render)
