"""Names of a module that are imported when somebody asks for them: recording doesn't need them."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def late(module: str, **names: str) -> Callable[[str], Any]:
    """The __getattr__ of a module that has these names, each from the module that is given.

    A name of the module's package begins with dots, as in an import; "json" for json itself.
    """

    def get(name: str) -> Any:
        where = names.get(name)
        if where is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        found = import_module(where, module.rpartition(".")[0])
        return found if where == name else getattr(found, name)

    return get
