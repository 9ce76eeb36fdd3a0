"""Templates: a subsegment for each that is rendered, not for those that it includes."""

from __future__ import annotations

from contextvars import ContextVar

from ...default import recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...model import Entity

UNNAMED = "template_render"
"""Name of a template that was made from a text."""

_rendering: ContextVar[Entity | None] = ContextVar("xtrace.django.rendering", default=None)


def render(
    render: Callable[..., Any], template: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrapper of Template.render. Widgets of a form are templates, too, rendered inside one."""
    outer = recorder.get_trace_entity()
    if outer is None or not outer.sampled or outer is _rendering.get():
        return render(*args, **kwargs)
    name = getattr(template, "name", None)
    with recorder.in_subsegment(str(name) if name else UNNAMED) as call:
        token = _rendering.set(call)
        try:
            return render(*args, **kwargs)
        finally:
            _rendering.reset(token)
