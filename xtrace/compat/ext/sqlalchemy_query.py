"""aws_xray_sdk.ext.sqlalchemy.query: sessions and queries of SQLAlchemy's whose calls are recorded."""

from __future__ import annotations

from aws_xray_sdk.ext.sqlalchemy.util.decorators import decorate_all_functions, xray_on_call
from sqlalchemy.orm.query import Query
from sqlalchemy.orm.session import Session, sessionmaker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@decorate_all_functions(xray_on_call)
class XRaySession(Session):
    """A session whose calls are recorded."""


@decorate_all_functions(xray_on_call)
class XRayQuery(Query["Any"]):
    """A query whose calls are recorded."""


class XRaySessionMaker(sessionmaker["Any"]):
    """Makes sessions of that class, whose queries are of that class. Arguments as of sessionmaker."""

    def __init__(
        self,
        bind: Any = None,
        class_: Any = XRaySession,
        autoflush: bool = True,
        autocommit: bool = False,
        expire_on_commit: bool = True,
        info: Any = None,
        **kw: Any,
    ) -> None:
        if autocommit:  # SQLAlchemy 2 doesn't know it
            kw["autocommit"] = autocommit
        kw.setdefault("query_cls", XRayQuery)
        super().__init__(
            bind=bind,
            class_=class_,
            autoflush=autoflush,
            expire_on_commit=expire_on_commit,
            info=info,
            **kw,
        )
