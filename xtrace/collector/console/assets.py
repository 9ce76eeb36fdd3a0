"""The console's files, in memory, compressed once, under a path that changes when they do."""

from __future__ import annotations

import gzip
import mimetypes
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

STATIC = Path(__file__).with_name("static")

_SHELL = "index.html"
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
    contents = {
        path.relative_to(STATIC).as_posix(): path.read_bytes()
        for path in sorted(STATIC.rglob("*"))
        if path.is_file()
    }
    digest = sha256()
    for path, content in contents.items():
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    version = digest.hexdigest()[:12]
    shell = contents.pop(_SHELL).decode()
    shell = shell.replace("{{preload}}", _preload(contents)).replace("{{assets}}", root(version))
    return Assets(
        version,
        _asset(_SHELL, shell.encode()),
        {path: _asset(path, content) for path, content in contents.items()},
    )


def _asset(path: str, content: bytes) -> Asset:
    suffix = Path(path).suffix
    media_type = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    return Asset(content, gzip.compress(content, mtime=0), media_type)


def _preload(paths: Iterable[str]) -> str:
    """Links that have a browser fetch all modules at once, not one after another as they import."""
    return "\n".join(
        f'<link rel="modulepreload" href="{{{{assets}}}}/{path}">'
        for path in paths
        if path.startswith("js/") and path not in _LATER
    )


_LATER = {"js/early.js"}
"""Scripts that are no modules."""
