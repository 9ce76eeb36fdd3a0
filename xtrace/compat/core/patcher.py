"""aws_xray_sdk.core.patcher: patches libraries, and records the functions of a program's own modules."""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
from types import FunctionType

from ..sdk_config import global_sdk_config
from .models.subsegment import is_already_recording
from .utils.compat import is_classmethod, is_instance_method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

log = logging.getLogger(__name__)

SUPPORTED_MODULES = (
    "aiobotocore",
    "botocore",
    "pynamodb",
    "requests",
    "sqlite3",
    "mysql",
    "httplib",
    "pymongo",
    "pymysql",
    "psycopg2",
    "psycopg",
    "pg8000",
    "sqlalchemy_core",
    "httpx",
)

NO_DOUBLE_PATCH = tuple(name for name in SUPPORTED_MODULES if name != "httplib")
"""Without what lies below others of them."""

_PATCHED_MODULES: set[str] = set()

_OTHER_NAMES = {
    "boto3": ("botocore",),
    "aioboto3": ("aiobotocore",),
    # Its client is botocore's.
    "pynamodb": ("botocore", "pynamodb"),
}


def patch_all(double_patch: bool = False) -> None:
    """Patch all libraries that are installed. double_patch: also http.client, below others."""
    patch(SUPPORTED_MODULES if double_patch else NO_DOUBLE_PATCH, raise_errors=False)


def patch(
    modules_to_patch: Iterable[str],
    raise_errors: bool = True,
    ignore_module_patterns: Iterable[str] | None = None,
) -> None:
    """Patch libraries by name, or record the functions of modules below the current folder.

    raise_errors: False passes over what can't be patched. ignore_module_patterns: regular
    expressions of modules, by dotted name, to leave as they are.
    Raises Exception for a name that is neither, before anything is patched.
    """
    if not global_sdk_config.sdk_enabled():
        log.debug("Nothing is patched: tracing is off")
        return
    names = [modules_to_patch] if isinstance(modules_to_patch, str) else modules_to_patch
    modules: list[str] = []
    for name in names:
        modules.extend(each for each in _OTHER_NAMES.get(name, (name,)) if each not in modules)
    unknown = [
        name for name in modules if name not in SUPPORTED_MODULES and not _is_valid_import(name)
    ]
    if unknown:
        raise Exception(f"modules {', '.join(unknown)} are currently not supported for patching")
    ignored = [re.compile(pattern) for pattern in ignore_module_patterns or ()]
    for name in modules:
        if name in SUPPORTED_MODULES:
            _patch_module(name, raise_errors)
        else:
            _external_module_patch(name, ignored)


def _patch_module(module_to_patch: str, raise_errors: bool = True) -> None:
    try:
        _patch(module_to_patch)
    except Exception:
        if raise_errors:
            raise
        log.debug("%s isn't patched", module_to_patch, exc_info=True)


def _patch(module_to_patch: str) -> None:
    if module_to_patch in _PATCHED_MODULES:
        log.debug("%s is patched already", module_to_patch)
        return
    importlib.import_module(f"aws_xray_sdk.ext.{module_to_patch}").patch()
    _PATCHED_MODULES.add(module_to_patch)
    log.info("%s is patched", module_to_patch)


def _is_valid_import(module: str) -> bool:
    """Whether a module, or a package, is below the current folder."""
    path = module.replace(".", os.sep)
    if not path or path.startswith(os.sep):
        return False
    import pkgutil  # not before a program has modules of its own patched

    found = pkgutil.get_importer(os.path.join(os.getcwd(), os.path.dirname(path)))
    names = {name for name, _ in pkgutil.iter_importer_modules(found)} if found else set()  # type: ignore[attr-defined]
    return os.path.basename(path) in names


def _external_module_patch(module: str, ignore_module_patterns: list[Any]) -> None:
    """Record the functions of a module and all below it, now or when they are imported."""
    if module.startswith("."):
        raise Exception(f"relative packages not supported for patching: {module}")
    if module in _PATCHED_MODULES:
        log.debug("%s is patched already", module)
        return
    is_ignored = any(pattern.match(module) for pattern in ignore_module_patterns)
    if is_ignored:
        log.debug("%s is left as it is", module)
    elif module in sys.modules:
        _on_import(sys.modules[module])
    else:
        from wrapt import when_imported  # here, since it takes long to import

        when_imported(module)(_on_import)
    import pkgutil

    for _, name, _ in pkgutil.iter_modules([module.replace(".", os.sep)]):
        _external_module_patch(f"{module}.{name}", ignore_module_patterns)
    if not is_ignored:
        _PATCHED_MODULES.add(module)
        log.info("%s is patched", module)


def _on_import(module: Any) -> None:
    """Record the functions that a module defines, and the methods of its classes."""
    for name, value in list(vars(module).items()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if isinstance(value, type):
            _patch_class(module, value)
        elif isinstance(value, FunctionType):
            _patch_func(module, name, value)


def _patch_class(module: Any, cls: Any) -> None:
    for name, member in list(vars(cls).items()):
        if isinstance(member, type):
            if member.__module__ == module.__name__:
                _patch_class(module, member)
            continue
        function = getattr(cls, name, None)
        if is_classmethod(function):
            log.warning("Calls of the classmethod %s.%s aren't recorded", cls.__name__, name)
        elif isinstance(function, FunctionType):
            if is_instance_method(cls, name, function):
                _patch_func(cls, name, function)
            else:
                _patch_func(cls, name, function, modifier=staticmethod)


def _patch_func(
    parent: Any, func_name: str, func: Any, modifier: Callable[[Any], Any] = lambda each: each
) -> None:
    if func_name not in vars(parent) or is_already_recording(func):
        return
    from . import xray_recorder

    called = func_name
    if func_name.startswith("__") and func_name.endswith("__"):
        called = f"{parent.__name__}.{func_name}"
    setattr(parent, func_name, modifier(xray_recorder.capture(name=called)(func)))
