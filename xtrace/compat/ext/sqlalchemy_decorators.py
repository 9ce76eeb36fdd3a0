"""aws_xray_sdk.ext.sqlalchemy.util.decorators: methods of sessions and queries, recorded."""

from __future__ import annotations

import functools
import types

from aws_xray_sdk.core import xray_recorder

from xtrace.compat.ext.patching import is_current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def decorate_all_functions(
    function_decorator: Callable[[Any, Any], Any],
) -> Callable[[Any], Any]:
    """Decorator of a class: what it inherits of its bases' public functions is decorated in it.

    function_decorator: is called with the base and the function. The bases stay as they are.
    """

    def decorate(cls: Any) -> Any:
        for base in cls.__bases__:
            for each in reversed(base.__mro__):
                for name, member in vars(each).items():
                    if isinstance(member, types.FunctionType) and not name.startswith("_"):
                        setattr(cls, name, function_decorator(base, member))
        return cls

    return decorate


def xray_on_call(cls: Any, func: Any) -> Any:
    """A function of sessions or queries, recorded when it is called on one of ours."""
    annotation = f"{cls.__module__}.{func.__name__}"

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        sql = _sql_of(args[0]) if args and is_current(xray_recorder) else None
        if not sql:
            return func(*args, **kwargs)
        with xray_recorder.in_subsegment(sql["url"], namespace="remote") as subsegment:
            if subsegment:
                subsegment.set_sql(sql)
                subsegment.put_annotation("sqlalchemy", annotation)
            return func(*args, **kwargs)

    return wrapper


def _sql_of(target: Any) -> dict[str, Any] | None:
    """The sql block for a call on a session or a query; None where no database is known."""
    try:
        session = getattr(target, "session", None)
        sql = parse_bind(getattr(session or target, "bind", None))
        if sql and session is not None and xray_recorder.stream_sql:
            sql["sanitized_query"] = str(target)
        return sql
    except Exception:  # str() of a query compiles it
        return None


def parse_bind(bind: Any) -> dict[str, Any]:
    """What of an engine or a connection is recorded: {} for none; never the password."""
    url = getattr(getattr(bind, "engine", None), "url", None)
    if url is None:
        return {}
    sql = {"url": str(url._replace(password=None, query={})), "database_type": url.drivername}
    if url.username:
        sql["user"] = url.username
    return sql
