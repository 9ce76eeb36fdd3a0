"""aws_xray_sdk.ext.django.templates: a subsegment for each template that is rendered."""

from __future__ import annotations

import logging

from aws_xray_sdk.core import xray_recorder
from django.template import Template

from xtrace.compat.aws_xray_sdk import on_uninstall
from xtrace.compat.ext.patching import is_current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

_ORIGINAL = "_xray_original_render"


def patch_template() -> None:
    """Record Template.render."""
    if getattr(Template, _ORIGINAL, None) is not None:
        log.debug("Template.render is patched already")
        return
    original = Template.render
    setattr(Template, _ORIGINAL, original)

    def render(self: Any, context: Any = None, *args: Any, **kwargs: Any) -> Any:
        if not is_current(xray_recorder):
            return original(self, context, *args, **kwargs)
        with xray_recorder.in_subsegment("template_render") as subsegment:
            name = self.name or getattr(context, "template_name", None)
            if name and subsegment is not None:
                subsegment.name = str(name)
            return original(self, context, *args, **kwargs)

    Template.render = render

    def undo() -> None:
        if Template.render is render:
            Template.render = original
        if hasattr(Template, _ORIGINAL):
            delattr(Template, _ORIGINAL)

    on_uninstall(undo)
