"""aws_xray_sdk.ext.flask_sqlalchemy.query: Flask-SQLAlchemy, versions 2 and 3, with such sessions."""

from __future__ import annotations

import flask_sqlalchemy
import flask_sqlalchemy.model
from aws_xray_sdk.ext.sqlalchemy.query import XRayQuery, XRaySession
from flask_sqlalchemy import SQLAlchemy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IS_2 = hasattr(flask_sqlalchemy, "SignallingSession")
_Query: Any = flask_sqlalchemy.BaseQuery if IS_2 else flask_sqlalchemy.query.Query
_Session: Any = flask_sqlalchemy.SignallingSession if IS_2 else flask_sqlalchemy.session.Session


class XRayBaseQuery(XRayQuery, _Query):  # type: ignore[misc]
    """Flask-SQLAlchemy's query, recorded."""


class XRaySignallingSession(XRaySession, _Session):  # type: ignore[misc]
    """Flask-SQLAlchemy's session, recorded."""

    def __init__(
        self, db: Any, autocommit: bool = False, autoflush: bool = True, **options: Any
    ) -> None:
        if IS_2:
            _Session.__init__(self, db, autocommit, autoflush, **options)
        else:
            _Session.__init__(self, db, autoflush=autoflush, **options)

    @property
    def bind(self) -> Any:
        """The default engine, by which what is recorded knows the database."""
        return self.__dict__.get("bind") or self._engine()

    @bind.setter
    def bind(self, value: Any) -> None:
        self.__dict__["bind"] = value

    def _engine(self) -> Any:
        try:
            return _Session.get_bind(self)
        except Exception:  # outside of an application
            return None

    def get_bind(self, mapper: Any = None, clause: Any = None, **more: Any) -> Any:
        """The engine for a mapper or a statement."""
        return _Session.get_bind(self, mapper, clause, **more)


class XRayFlaskSqlAlchemy(SQLAlchemy):
    """In place of SQLAlchemy(app): the same, recorded."""

    def __init__(
        self,
        app: Any = None,
        use_native_unicode: bool = True,
        session_options: Any = None,
        metadata: Any = None,
        query_class: Any = XRayBaseQuery,
        model_class: Any = flask_sqlalchemy.model.Model,
        **more: Any,
    ) -> None:
        options = {"query_class": query_class, "model_class": model_class, **more}
        if IS_2:
            options["use_native_unicode"] = use_native_unicode
        session_options = dict(session_options or {})
        if not IS_2:
            session_options.setdefault("class_", XRaySignallingSession)
        super().__init__(app, session_options=session_options, metadata=metadata, **options)

    def create_session(self, options: Any) -> Any:
        """What makes sessions, in version 2."""
        from sqlalchemy.orm import sessionmaker

        return sessionmaker(class_=XRaySignallingSession, db=self, **options)
