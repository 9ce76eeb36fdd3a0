"""Have xtrace answer `import aws_xray_sdk`, in the whole process.

    from xtrace.compat import aws_xray_sdk

    aws_xray_sdk.install()

before anything imports the official SDK, or not at all: `xtrace run --compat app.py`. The real
package need not be installed; if it is, it is shadowed. uninstall() undoes it.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys

from .late import late
from .surface import PACKAGE, SURFACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.metadata import Distribution, DistributionFinder
    from types import ModuleType
    from typing import Any

FOLDER = os.path.dirname(__file__)


def _data(path: str) -> bytes:
    """What is in a file of ours, which may be in a zip."""
    loader: Any = __spec__ and __spec__.loader
    data: bytes = loader.get_data(path)
    return data


def install() -> None:
    """Answer imports of aws_xray_sdk, and of all below it, from now on. Twice changes nothing.

    What a program has imported of the real package before stays as it is where it holds it.
    """
    if _finder in sys.meta_path:
        return
    _former.update(_taken_from_modules())
    if _former or importlib.machinery.PathFinder.find_spec(PACKAGE) is not None:
        import logging  # not before there is something to say

        logging.getLogger("xtrace").info(
            "%s is installed and shadowed: xtrace answers for it%s",
            PACKAGE,
            "; parts of it were imported before, and stay in use where they are" if _former else "",
        )
    sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Put back what install() changed; libraries that were patched through it are as they were."""
    if _finder not in sys.meta_path:
        return
    sys.meta_path.remove(_finder)
    _taken_from_modules()
    sys.modules.update(_former)
    _former.clear()
    while _undo:
        _undo.pop()()


def on_uninstall(undo: Callable[[], None]) -> None:
    """Have something undone by uninstall(). Called by the modules of the layer."""
    _undo.append(undo)


def is_installed() -> bool:
    """Whether xtrace answers."""
    return _finder in sys.meta_path


_former: dict[str, ModuleType] = {}
"""Modules of the real package that were imported before."""

_undo: list[Callable[[], None]] = []


def _taken_from_modules() -> dict[str, ModuleType]:
    names = [each for each in sys.modules if each == PACKAGE or each.startswith(f"{PACKAGE}.")]
    return {name: sys.modules.pop(name) for name in names}


class _Finder:
    """Finds what the table has."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module of aws_xray_sdk; None for any other."""
        root, _, below = fullname.partition(".")
        row = SURFACE.get(below) if root == PACKAGE else None
        if row is None:
            return None
        here = os.path.join(FOLDER, *filter(None, below.split(".")))
        prefix = f"{below}." if below else ""
        is_package = not below or any(each.startswith(prefix) for each in SURFACE)
        inside = [here] if is_package else None
        what, _, names = row.partition(": ")
        if what.startswith("= "):
            file = os.path.join(FOLDER, *what[2:].split("/"))
            return importlib.util.spec_from_file_location(
                fullname, file, loader=_File(fullname, file), submodule_search_locations=inside
            )
        location = os.path.join(here, "__init__.py") if is_package else f"{here}.py"
        loader: Any = _Loader(what, names, location)
        return importlib.util.spec_from_file_location(
            fullname, location, loader=loader, submodule_search_locations=inside
        )

    def find_distributions(self, context: DistributionFinder.Context) -> Iterator[Distribution]:
        """The distribution aws-xray-sdk, for importlib.metadata: programs ask for its version.

        Not where somebody looks through folders of his own. A real one stands behind this one.
        """
        from .distribution import DISTRIBUTION, is_named

        if "path" not in vars(context) and (context.name is None or is_named(context.name)):
            yield DISTRIBUTION


class _File(importlib.machinery.SourceFileLoader):
    """Runs the file of a module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run it, and have the module answer for what it has late."""
        module.__getattr__ = late(module.__name__)  # type: ignore[method-assign]
        super().exec_module(module)

    def get_data(self, path: str) -> bytes:
        """What is in a file of ours."""
        return _data(path)


class _Loader:
    """Makes a module of names that others define."""

    def __init__(self, source: str, names: str, path: str) -> None:
        self.path = path
        self._source = source
        self._names = names.split()

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """An ordinary module will do."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the names there."""
        module.__getattr__ = late(module.__name__)  # type: ignore[method-assign]
        if not self._names:
            return
        source = importlib.import_module(f"{PACKAGE}.{self._source}")
        for name in self._names:
            setattr(module, name, getattr(source, name))
        if module.__name__.startswith(f"{PACKAGE}.ext."):
            module.__all__ = self._names  # type: ignore[attr-defined]

    def get_data(self, path: str) -> bytes:
        """A file beside the module, for pkgutil.get_data()."""
        return _data(path)

    def get_resource_reader(self, name: str) -> Any:
        """The files beside the module, for importlib.resources."""
        from importlib.readers import FileReader

        return FileReader(self)  # type: ignore[arg-type]


_finder: Any = _Finder()
