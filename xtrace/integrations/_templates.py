"""Templates, once for all engines: a subsegment for each that is rendered, not for those in it."""

from __future__ import annotations

from contextvars import ContextVar

from ..default import recorder
from ..noop import NO_SUBSEGMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from ..model import Entity, Subsegment

UNNAMED = "template_render"
"""Name of a template that was made from a text."""

_rendering: ContextVar[Entity | None] = ContextVar("xtrace.rendering", default=None)


class rendering:
    """`with rendering(name):` around rendering a template. Widgets of a form, and what a macro renders,
    are templates, too, rendered inside one: they are silent.
    """

    __slots__ = ("_subsegment", "_token")

    _token: Token[Entity | None]

    def __init__(self, name: object) -> None:
        outer = recorder._get_current()
        self._subsegment: Subsegment = NO_SUBSEGMENT
        if outer is not None and outer.sampled and outer is not _rendering.get():
            self._subsegment = recorder.in_call(name_of(name), None)

    def __enter__(self) -> None:
        if self._subsegment.sampled:
            self._subsegment.__enter__()
            self._token = _rendering.set(self._subsegment)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._subsegment.sampled:
            _rendering.reset(self._token)
            self._subsegment.__exit__(kind, error, traceback)


def name_of(name: object) -> str:
    """What a template is called: by the name that its engine loads it by, if it has one."""
    return str(name) if name else UNNAMED
