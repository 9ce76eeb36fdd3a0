"""The registry of integrations: one file here for each library, or folder, named like it.

An integration is a module with a function `patch(patcher)`, which replaces what it must by
patcher.wrap() and patcher.replace(). It is imported when its library is. It knows its library, the
shared pieces (_wrap, _http, _sql, _wsgi, _jobs) and the core, and no sibling.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

from .. import faults
from ..default import recorder
from ..errors import MissingLibrary, UnknownIntegration
from ._wrap import Patcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

INTEGRATIONS = {
    "aio_pika": "aio_pika",
    "aiobotocore": "aiobotocore.client",
    "aiohttp_client": "aiohttp",
    "aiohttp_server": "aiohttp.web",
    "aiomysql": "aiomysql",
    "aiosqlite": "aiosqlite",
    "asyncpg": "asyncpg",
    "botocore": "botocore.client",
    "bottle": "bottle",
    "celery": "celery.app.base",
    "confluent_kafka": "confluent_kafka",
    "django": "django",
    "elasticsearch": "elasticsearch",
    "fastapi": "fastapi",
    "flask": "flask",
    "futures": "concurrent.futures.thread",
    "grpc": "grpc",
    "http_client": "http.client",
    "httpx": "httpx",
    "jinja2": "jinja2",
    "kafka": "kafka",
    "litestar": "litestar",
    "logging": "logging",
    "multiprocessing": "multiprocessing.pool",
    "mysql_connector": "mysql.connector",
    "mysqlclient": "MySQLdb",
    "opensearch": "opensearchpy",
    "pg8000": "pg8000",
    "pika": "pika.adapters.blocking_connection",
    "psycopg": "psycopg",
    "psycopg2": "psycopg2",
    "pymemcache": "pymemcache",
    "pymongo": "pymongo",
    "pymysql": "pymysql",
    "pynamodb": "pynamodb.connection.base",
    "quart": "quart",
    "redis": "redis",
    "requests": "requests",
    "rq": "rq.worker",
    "sqlalchemy": "sqlalchemy.engine",
    "sqlite3": "sqlite3",
    "starlette": "starlette.applications",
    "threading": "threading",
    "urllib": "urllib.request",
    "urllib3": "urllib3",
}
"""Every integration, sorted, and the module whose import it waits for; a test compares with the
folder."""

ALIASES = {
    "aioboto3": "aiobotocore",
    "aiohttp": "aiohttp_client",
    "boto3": "botocore",
    "flask_sqlalchemy": "sqlalchemy",
    "httplib": "http_client",
    "motor": "pymongo",
    "mysql": "mysql_connector",
    "opensearchpy": "opensearch",
    "sqlalchemy_core": "sqlalchemy",
}
"""Other names of integrations: of the library, where that is no module's, and in the official SDK."""

DISTRIBUTIONS = {
    "MySQLdb": "mysqlclient",
    "grpc": "grpcio",
    "kafka": "kafka-python",
    "mysql": "mysql-connector-python",
    "opensearchpy": "opensearch-py",
}
"""What to install for a package that is named otherwise."""

_asked_for: set[str] = set()
_hooked: set[str] = set()
_applied: dict[str, Patcher] = {}


def patch(libraries: str | Iterable[str]) -> None:
    """Trace the calls of libraries, by name: now if they are imported, else when they are.

    Raises UnknownIntegration or MissingLibrary before anything is patched; what an integration
    itself raises for a library that is imported already is passed on, with nothing half patched.
    """
    if not recorder.enabled:
        return
    names = _names(libraries)
    for name in names:
        _check(name)
    for name in names:
        _asked_for.add(name)
        _patch_when_imported(name)


def patch_all() -> None:
    """Trace the calls of every library that there is an integration for."""
    if not recorder.enabled:
        return
    for name in INTEGRATIONS:
        _asked_for.add(name)
        try:
            _patch_when_imported(name)
        except Exception as error:
            faults.report(f"integration:{name}", f"{name} isn't traced", error)


def unpatch(libraries: str | Iterable[str] | None = None) -> None:
    """Put back what patch() replaced, for these libraries or for all."""
    for name in list(INTEGRATIONS) if libraries is None else _names(libraries):
        _asked_for.discard(name)
        patcher = _applied.pop(name, None)
        if patcher is not None:
            patcher.undo()


def patched() -> tuple[str, ...]:
    """The integrations in force: their library is imported and patched."""
    return tuple(sorted(_applied))


def _names(libraries: str | Iterable[str]) -> list[str]:
    names = [libraries] if isinstance(libraries, str) else libraries
    return [ALIASES.get(name, name) for name in names]


def _check(name: str) -> None:
    if name not in INTEGRATIONS:
        from difflib import get_close_matches

        known = sorted([*INTEGRATIONS, *ALIASES])
        close = get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UnknownIntegration(f"No integration named {name!r}.{hint} Known: {', '.join(known)}.")
    library = INTEGRATIONS[name]
    package = library.partition(".")[0]
    if library not in sys.modules and find_spec(package) is None:
        raise MissingLibrary(
            f"The {name} integration needs {package}. "
            f"Install it with: pip install {DISTRIBUTIONS.get(package, package)}"
        )


def _patch_when_imported(name: str) -> None:
    library = INTEGRATIONS[name]
    if library in sys.modules and not _is_half_imported(library):
        _apply(name)
    elif name not in _hooked:
        from wrapt import register_post_import_hook

        _hooked.add(name)
        register_post_import_hook(lambda module: _imported(name, module), library)


def _is_half_imported(library: str) -> bool:
    spec = getattr(sys.modules[library], "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def _imported(name: str, module: ModuleType) -> None:
    """The library was imported: patch it, if that is still wanted. Never fails the import."""
    _hooked.discard(name)
    if name in _asked_for:
        try:
            # The import system does this when hooks are through; until then `http.client` means
            # nothing to an integration that imports it.
            package, _, inner = module.__name__.rpartition(".")
            if package in sys.modules:
                setattr(sys.modules[package], inner, module)
            _apply(name)
        except Exception as error:
            faults.report(f"integration:{name}", f"{name} isn't traced", error)


def _apply(name: str) -> None:
    if name in _applied:
        return
    patcher = Patcher(name)
    try:
        integration: Integration = import_module(f".{name}", __name__)
        integration.patch(patcher)
    except BaseException:
        patcher.undo()
        raise
    _applied[name] = patcher


if TYPE_CHECKING:
    from typing import Protocol

    class Integration(Protocol):
        """What a module of this package looks like from here."""

        def patch(self, patcher: Patcher) -> None:
            """Replace what must be replaced."""
            ...
