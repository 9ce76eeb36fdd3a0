"""What a module has when somebody asks for it: recording doesn't need it, and imports should be quick.

The modules below a package, and the names that the official SDK's module has because it imports them.
"""

from __future__ import annotations

from importlib import import_module

from .surface import IMPORTED, PACKAGE, SURFACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def late(module: str) -> Callable[[str], Any]:
    """The __getattr__ of a module of the layer."""
    path = module.partition(".")[2]
    imported = IMPORTED.get(path, {})

    def get(name: str) -> Any:
        below = f"{path}.{name}".lstrip(".")
        if below in SURFACE:
            return import_module(f"{PACKAGE}.{below}")
        where = imported.get(name)
        if where is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        if not where:
            return import_module(name)
        found = import_module(f"{PACKAGE}.{where.rstrip('.')}")
        return found if where.endswith(".") else getattr(found, name)

    return get
