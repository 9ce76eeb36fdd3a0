"""Replace a function of a library, keep its type and signature, and put it back."""

from __future__ import annotations

import sys

from .. import faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    # wrapt's form: the wrapped function bound to its instance, the instance, and the arguments.
    Wrapper: TypeAlias = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]

_MISSING: Any = object()


class Patcher:
    """What one integration has replaced, so that it can be undone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def wrap(self, owner: Any, name: str, wrapper: Wrapper) -> None:
        """Wrap a function or method, with wrapt: signature, identity and pickling stay.

        owner: the module or class that has it, itself, not by inheritance.
        """
        import wrapt

        original = _own(owner, name)
        self.replace(owner, name, wrapt.FunctionWrapper(original, wrapper))

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Put something else under a name; what was there is remembered."""
        original = vars(owner).get(name, _MISSING)
        setattr(owner, name, value)
        self._undo.append((owner, name, original, value))

    def when_imported(self, module: str, part: Callable[[Patcher, Any], None]) -> None:
        """Have another module of the library patched by part(patcher, module): now, if it is imported,
        else when it is.
        """
        if module in sys.modules:
            part(self, sys.modules[module])
            return
        from wrapt import register_post_import_hook

        wanted = [True]
        self.on_undo(wanted.clear)

        def hook(imported: Any) -> None:
            if wanted:
                try:
                    part(self, imported)
                except Exception as error:
                    faults.report(f"integration:{self.name}", f"{module} isn't traced", error)

        register_post_import_hook(hook, module)

    def on_undo(self, undo: Callable[[], None]) -> None:
        """Call this too when the library is unpatched."""
        self._undo.append((None, "", None, undo))

    def undo(self) -> None:
        """Put back what was there, unless somebody has replaced it since."""
        while self._undo:
            owner, name, original, ours = self._undo.pop()
            if owner is None:
                ours()
            elif vars(owner).get(name) is ours:
                if original is _MISSING:
                    delattr(owner, name)
                else:
                    setattr(owner, name, original)


def _own(owner: Any, name: str) -> Any:
    found: Mapping[str, Any] = vars(owner)
    if name in found:
        return found[name]
    return getattr(owner, name)


def argument(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], position: int, name: str, default: Any = None
) -> Any:
    """An argument of a wrapped call, however it was passed."""
    if len(args) > position:
        return args[position]
    return kwargs.get(name, default)


def with_argument(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], position: int, name: str, value: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a wrapped call with another one in place of that, or added."""
    if len(args) > position:
        return (*args[:position], value, *args[position + 1 :]), {**kwargs}
    return args, {**kwargs, name: value}
