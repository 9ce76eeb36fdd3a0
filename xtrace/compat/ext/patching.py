"""What the layer's patches of libraries have in common: whole or not at all, once, and undone."""

from __future__ import annotations

from contextlib import contextmanager

from xtrace.compat.aws_xray_sdk import on_uninstall
from xtrace.integrations._wrap import Patcher, argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["argument", "is_current", "patching", "undo"]

_patchers: dict[str, Patcher] = {}


@contextmanager
def patching(library: str, owner: Any = None, flag: str = "") -> Iterator[Patcher | None]:
    """What a library is patched with, for `with`; None if it is patched already.

    owner, flag: an attribute that says so, and that programs look at.
    """
    former = _patchers.get(library)
    if former is not None and former._undo and (owner is None or getattr(owner, flag, False)):
        yield None
        return
    undo(library)
    patcher = Patcher(library)
    try:
        yield patcher
        if owner is not None:
            patcher.replace(owner, flag, True)
    except BaseException:
        patcher.undo()
        raise
    _patchers[library] = patcher
    on_uninstall(patcher.undo)


def is_current(recorder: Any) -> bool:
    """Whether a segment or subsegment is current. Says nothing if there is none."""
    get = getattr(recorder.context, "get", recorder.get_trace_entity)
    return get() is not None


def undo(library: str) -> None:
    """Put back what was replaced in a library."""
    patcher = _patchers.pop(library, None)
    if patcher is not None:
        patcher.undo()
