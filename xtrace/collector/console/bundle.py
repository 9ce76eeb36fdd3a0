"""The console's ES modules as one, so that a page takes one request for them instead of sixty. Pure.

Not a compiler: each module becomes a function that is called once, in the order in which they need each
other; the text in between stays as it is. It knows the few forms of import and export that the modules
use, and refuses others. Nothing is loaded later, and exports don't change after a module has run.
"""

from __future__ import annotations

import posixpath
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_IMPORT = re.compile(
    r"^import\s*(?:(?P<default>\w+)|\*\s*as\s+(?P<all>\w+)|\{(?P<names>[^}]*)\})"
    r'\s*from\s*"(?P<path>[^"]+)";?',
    re.MULTILINE,
)
_DECLARED = re.compile(
    r"^export (?P<kind>const|class|function|async function) (?P<name>[\w$]+)", re.MULTILINE
)
_LISTED = re.compile(r"(?:^|(?<=[;}]))export\s*\{(?P<names>[^}]*)\};?", re.MULTILINE)
_DEFAULT = re.compile(r"(?:^|(?<=[;}]))export default ", re.MULTILINE)
_LEFT = re.compile(r"(?:^|(?<=[;}]))\s*(?:import\b|export\s*(?:[*{]|\w+\s+[\w$]))", re.MULTILINE)


class BundleError(Exception):
    """A module is written in a way that isn't known here."""


def bundled(modules: Mapping[str, str], entry: str) -> str:
    """One module of those that an entry needs. modules: their texts by path."""
    parts = [
        "// All modules of the console; each is a file of its own where it is written.\nconst modules = {};\n"
    ]
    ready: set[str] = set()
    waiting = [entry]
    on_the_way: list[str] = []
    while waiting:
        path = waiting[-1]
        if path in ready:
            waiting.pop()
            continue
        if path not in modules:
            raise BundleError(f"There is no module {path}.")
        needed = [each for each in _needed(path, modules[path]) if each not in ready]
        if needed:
            if path in on_the_way:
                raise BundleError(f"Modules need each other: {' -> '.join([*on_the_way, path])}")
            on_the_way.append(path)
            waiting += reversed(needed)
            continue
        waiting.pop()
        if path in on_the_way:
            on_the_way.remove(path)
        ready.add(path)
        parts.append(_called(path, modules[path]))
    return "".join(parts)


def _needed(path: str, text: str) -> list[str]:
    return [_resolved(path, match["path"]) for match in _IMPORT.finditer(text)]


def _resolved(path: str, target: str) -> str:
    if not target.startswith("."):
        raise BundleError(f"{path} imports {target!r}, which is no path.")
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _called(path: str, text: str) -> str:
    """A module as a function, called, under its path."""
    exports: list[str] = []

    def imported(match: re.Match[str]) -> str:
        source = f'modules["{_resolved(path, match["path"])}"]'
        if match["default"]:
            return f"const {match['default']} = {source}.default;"
        if match["all"]:
            return f"const {match['all']} = {source};"
        names = ", ".join(
            re.sub(r"^([\w$]+)\s+as\s+([\w$]+)$", r"\1: \2", each)
            for each in _names(match["names"])
        )
        return f"const {{ {names} }} = {source};"

    def listed(match: re.Match[str]) -> str:
        exports.extend(
            re.sub(r"^([\w$]+)\s+as\s+([\w$]+)$", r"\2: \1", each)
            for each in _names(match["names"])
        )
        return ""

    def declared(match: re.Match[str]) -> str:
        exports.append(match["name"])
        return f"{match['kind']} {match['name']}"

    text = _IMPORT.sub(imported, text)
    text = _LISTED.sub(listed, text)
    text = _DECLARED.sub(declared, text)
    text, defaults = _DEFAULT.subn("\nconst $default = ", text)
    if defaults:
        exports.append("default: $default")
    if left := _LEFT.search(text):
        line = text[left.start() :].strip().partition("\n")[0][:80]
        raise BundleError(f"{path}: no form of import or export that is known: {line}")
    members = ", ".join(exports)
    return f'\n// ---- {path}\nmodules["{path}"] = (() => {{\n{text}\nreturn {{ {members} }};\n}})();\n'


def _names(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]
