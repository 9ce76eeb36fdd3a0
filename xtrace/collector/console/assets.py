"""The console's files, in memory, compressed once, under a path that changes when they do.

Modules are made into one file, style sheets too: a browser asks for six files at a time, and waits.
"""

from __future__ import annotations

import gzip
import mimetypes
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from .bundle import bundled

STATIC = Path(__file__).with_name("static")

_SHELL = "index.html"
_ENTRY = "js/app.js"
_SCRIPTS = ("js/early.js",)
"""What is no module, and runs before anything is drawn."""

_SHEETS = ("css/tokens.css", "css/base.css", "css/screens.css")
"""In this order: later ones say more."""

_TYPES = {".js": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml"}
"""Not left to the machine's own table, which may lack them."""


class Asset(NamedTuple):
    """A file: its bytes, the same compressed, and its media type."""

    content: bytes
    compressed: bytes
    media_type: str


class Assets(NamedTuple):
    """All files. version: a digest of them. shell: the page that they make. files: by path."""

    version: str
    shell: Asset
    files: dict[str, Asset]

    @property
    def root(self) -> str:
        """The path that the files are under."""
        return root(self.version)


def root(version: str) -> str:
    """The path that the files of a version are under."""
    return f"/assets/{version}"


@lru_cache(1)
def load() -> Assets:
    """Read the files; later calls give the same."""
    contents = _read()
    shell = contents.pop(_SHELL).decode()
    digest = sha256(shell.encode())
    for path, content in sorted(contents.items()):
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    version = digest.hexdigest()[:12]
    return Assets(
        version,
        _asset(_SHELL, shell.replace("{{assets}}", root(version)).encode()),
        {path: _asset(path, content) for path, content in contents.items()},
    )


def _read() -> dict[str, bytes]:
    """The files as they are served, by path."""
    written = {
        path.relative_to(STATIC).as_posix(): path.read_bytes()
        for path in sorted(STATIC.rglob("*"))
        if path.is_file()
    }
    modules = {
        path: content.decode()
        for path, content in written.items()
        if path.endswith(".js") and path not in _SCRIPTS
    }
    return {
        **{
            path: content for path, content in written.items() if not path.endswith((".js", ".css"))
        },
        **{path: written[path] for path in _SCRIPTS},
        "console.js": bundled(modules, _ENTRY).encode(),
        "console.css": b"\n".join(written[path] for path in _SHEETS),
    }


def _asset(path: str, content: bytes) -> Asset:
    suffix = Path(path).suffix
    media_type = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    return Asset(content, gzip.compress(content, mtime=0), media_type)
