"""Rules of the house that no linter knows: who imports whom, and what is public."""

from __future__ import annotations

import ast
import functools
import gc
import types
from itertools import pairwise
from pathlib import Path

import pytest

import xtrace
from xtrace import integrations

PACKAGE = Path(xtrace.__file__).parent

# Imports point down this list: a module may import, also inside a function, what stands above it
# or beside it. What stands in one line is one room.
FLOORS = [
    ["_version", "errors", "extras", "forks", "interruption"],
    [
        "daemon",
        "database_errors",
        "faults",
        "header",
        "ids",
        "ledger",
        "otlp",
        "redaction",
        "values",
    ],
    ["cause", "delivery", "naming", "settings", "waterfall"],
    ["model"],
    ["context", "document", "noop"],
    ["writing"],
    ["decorator", "packing", "sampling"],
    ["environment"],
    ["emitters"],
    ["recorder"],
    ["default"],
    ["integrations", "testing"],
    [""],  # xtrace itself
    ["pytest_plugin"],
    ["collector"],
    ["compat"],
    ["cli"],
    ["__main__"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
SHARED_WITH_COLLECTOR = {
    *("_version", "delivery", "document", "extras", "header", "ids", "otlp", "sampling"),
}


def modules() -> list[str]:
    """Every module of the package, dotted, without "xtrace."."""
    names = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(name.parts).removesuffix("__init__").rstrip(".") for name in names)


@functools.cache
def parsed(source: Path) -> ast.Module:
    """A file's syntax tree. Python 3.11 fails at times where garbage is collected meanwhile."""
    gc.disable()
    try:
        return ast.parse(source.read_text())
    finally:
        gc.enable()


def imports(module: str) -> set[str]:
    """The modules of the package that a module imports when it runs, dotted."""
    path = PACKAGE.joinpath(*module.split(".")) if module else PACKAGE
    is_package = path.is_dir()
    source = path / "__init__.py" if is_package else path.with_suffix(".py")
    found: set[str] = set()
    waiting: list[ast.AST] = [parsed(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting.extend(node.orelse)
        elif isinstance(node, ast.ImportFrom):
            found.update(targets(module, is_package, node))
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found.update(name[7:] for name in names if name.startswith("xtrace."))
        else:
            waiting.extend(ast.iter_child_nodes(node))
    return found


def targets(module: str, is_package: bool, node: ast.ImportFrom) -> list[str]:
    if node.level == 0:
        if (node.module or "").split(".")[0] != "xtrace":
            return []
        base = (node.module or "").split(".")[1:]
    else:
        here = module.split(".") if module else []
        here = here if is_package else here[:-1]
        base = here[: len(here) - node.level + 1] + (node.module or "").split(".") * bool(
            node.module
        )
    known = set(modules())
    whole = [".".join([*base, alias.name]) for alias in node.names]
    return [name if name in known else ".".join(base) for name in whole]


def room(module: str) -> str:
    return module.split(".")[0]


@pytest.mark.parametrize("module", modules())
def test_imports_point_one_way(module):
    for imported in imports(module):
        below = FLOOR[room(imported)] < FLOOR[room(module)]
        assert below or room(imported) == room(module), f"xtrace.{module} imports xtrace.{imported}"


@pytest.mark.parametrize("module", [m for m in modules() if room(m) == "collector"])
def test_the_collector_shares_only_constants_with_the_sdk(module):
    foreign = {room(name) for name in imports(module)} - {"collector"}
    assert foreign <= SHARED_WITH_COLLECTOR


@pytest.mark.parametrize("module", [m for m in modules() if FLOOR[room(m)] <= FLOOR["recorder"]])
def test_the_core_names_no_emitter(module):
    if room(module) != "emitters":
        assert not any(name.startswith("emitters.") for name in imports(module))


@pytest.mark.parametrize("module", [m for m in modules() if m.startswith("integrations.")])
def test_an_integration_knows_no_sibling(module):
    own = "integrations."
    siblings = {n for n in imports(module) if n.startswith(own) and not n.startswith(own + "_")}
    itself = module.split(".")[1]  # some are packages
    assert not {sibling for sibling in siblings if sibling.split(".")[1] != itself}


def test_every_public_name_is_listed_once_and_sorted():
    public = {
        name
        for name, value in vars(xtrace).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    } - {"annotations", "TYPE_CHECKING"}
    assert set(xtrace.__all__) - {"__version__"} == public
    assert xtrace.__all__ == sorted(set(xtrace.__all__))


def test_the_registry_lists_every_integration():
    folder = PACKAGE / "integrations"
    files = [*folder.glob("*.py"), *folder.glob("*/__init__.py")]
    found = {
        path.parent.name if path.stem == "__init__" else path.stem
        for path in files
        if "\ndef patch(patcher" in path.read_text()
    }
    assert sorted(found) == list(integrations.INTEGRATIONS)


def test_every_module_says_what_lives_there():
    for path in PACKAGE.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_test_files_have_names_of_their_own() -> None:
    """pytest takes two of one name for the same module, and refuses the second."""
    names = sorted(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, next in pairwise(names) if name == next] == []
