"""Templates: a subsegment for each that is rendered, not for those that it includes."""

from __future__ import annotations

from .._templates import rendering

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def render(
    render: Callable[..., Any], template: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrapper of Template.render."""
    with rendering(getattr(template, "name", None)):
        return render(*args, **kwargs)
