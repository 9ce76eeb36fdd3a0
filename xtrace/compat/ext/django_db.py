"""aws_xray_sdk.ext.django.db: statements."""

from __future__ import annotations

import logging

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.ext.dbapi2 import XRayTracedCursor
from django.db import connections

from xtrace.compat.aws_xray_sdk import on_uninstall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

log = logging.getLogger(__name__)

_ORIGINAL = "_xray_original_"


def patch_db() -> None:
    """Trace the cursors of all connections that are configured."""
    for conn in connections.all():
        kind = type(conn)
        for name in ("cursor", "chunked_cursor"):
            if hasattr(kind, name):
                _patch_cursor(name, kind)


def _patch_cursor(cursor_name: str, kind: Any) -> None:
    attribute = f"{_ORIGINAL}{cursor_name}"
    if getattr(kind, attribute, None) is not None:
        log.debug("%s.%s is patched already", kind.__name__, cursor_name)
        return
    had = vars(kind).get(cursor_name)
    original = getattr(kind, cursor_name)
    setattr(kind, attribute, original)

    def cursor(self: Any, *args: Any, **kwargs: Any) -> Any:
        return DjangoXRayTracedCursor(original(self, *args, **kwargs), _meta(self))

    setattr(kind, cursor_name, cursor)

    def undo() -> None:
        if vars(kind).get(cursor_name) is cursor:
            if had is None:
                delattr(kind, cursor_name)
            else:
                setattr(kind, cursor_name, had)
        if attribute in vars(kind):
            delattr(kind, attribute)

    on_uninstall(undo)


def _meta(conn: Any) -> dict[str, Any]:
    """What is recorded of a connection's database."""
    settings = getattr(conn, "settings_dict", {})
    meta = {"database_type": conn.vendor}
    for key, name in (("HOST", "name"), ("USER", "user")):
        if settings.get(key):
            meta[name] = settings[key]
    return meta


class DjangoXRayTracedCursor(XRayTracedCursor):
    """A cursor of Django's; the statement's text, with placeholders, is recorded too."""

    _xray_meta: Any

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Run a statement."""
        return self._recorded("execute", args, kwargs)

    def executemany(self, *args: Any, **kwargs: Any) -> Any:
        """Run a statement several times."""
        return self._recorded("executemany", args, kwargs)

    def callproc(self, *args: Any, **kwargs: Any) -> Any:
        """Call a procedure."""
        return self._recorded("callproc", args, kwargs)

    def _recorded(self, name: str, args: Any, kwargs: Any) -> Any:
        if xray_recorder.stream_sql:
            statement = args[0] if args else next(iter(kwargs.values()), None)
            self._xray_meta["sanitized_query"] = str(statement)
        else:
            self._xray_meta.pop("sanitized_query", None)
        return super()._recorded(name, args, kwargs)  # type: ignore[misc]
