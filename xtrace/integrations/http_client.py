"""Trace calls made with the standard library's http.client.

A call takes several methods there, between which the application's own code runs: it begins with
putrequest, gets its header in endheaders, is answered in getresponse, and ends with the body. It
is never the current entity.
"""

from __future__ import annotations

import http.client
import re
from functools import wraps

from .. import faults
from ..default import recorder
from ..header import NAME, TRACEPARENT, TRACESTATE
from ._outgoing import (
    HTTP_CLIENT,
    answered,
    end_with,
    finished,
    handed_over,
    is_inner,
    outgoing,
    trace_headers,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..model import Entity
    from ._outgoing import Call
    from ._wrap import Patcher

STATE = "_xtrace"
"""The attribute of a connection with the exchange that is going on."""

_connection = http.client.HTTPConnection
_OURS = frozenset(name.lower().encode() for name in (NAME, TRACEPARENT, TRACESTATE))
_is_signed = re.compile(rb"authorization:.*x-amzn-trace-id", re.IGNORECASE | re.DOTALL).match


class _Exchange:
    """A request that isn't answered yet: its URL, its call if it is recorded, and whose trace
    header it gets.
    """

    __slots__ = ("call", "entity", "url")

    def __init__(self, url: str, call: Call | None, entity: Entity) -> None:
        self.url = url
        self.call = call
        self.entity = entity


def patch(patcher: Patcher) -> None:
    """Wrap the four methods of HTTPConnection that an exchange passes, and the end of bodies."""
    putrequest_of, endheaders_of = _connection.putrequest, _connection.endheaders
    getresponse_of, close_of = _connection.getresponse, _connection.close

    def putrequest(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        putrequest_of(self, method, url, *args, **kwargs)
        entity = recorder._get_current()
        if entity is not None and not is_inner(HTTP_CLIENT):
            _begin(self, method, url, entity)

    def endheaders(self: Any, *args: Any, **kwargs: Any) -> None:
        exchange = vars(self).get(STATE)
        if exchange is None:
            return endheaders_of(self, *args, **kwargs)
        _put_trace(self, exchange)
        try:
            return endheaders_of(self, *args, **kwargs)
        except BaseException as error:
            _give_up(self, error)
            raise

    def getresponse(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = vars(self).pop(STATE, None)
        call = None if exchange is None else exchange.call
        if call is None:
            return getresponse_of(self, *args, **kwargs)
        try:
            response = getresponse_of(self, *args, **kwargs)
        except (http.client.ResponseNotReady, TypeError):
            # Asked too early, or, as urllib3 1.26 tries first, in Python 2's way: it goes on.
            setattr(self, STATE, exchange)
            raise
        except BaseException as error:
            finished(call, error)
            raise
        answered(call, response.status, response.headers.get("Content-Length"))
        if isinstance(response, http.client.HTTPResponse) and not response.isclosed():
            handed_over(call, response)
        else:
            finished(call)
        return response

    def close(self: Any) -> None:
        if STATE in vars(self):
            _give_up(self, None)
        close_of(self)

    patcher.replace(_connection, "putrequest", wraps(putrequest_of)(putrequest))
    patcher.replace(_connection, "endheaders", wraps(endheaders_of)(endheaders))
    patcher.replace(_connection, "getresponse", wraps(getresponse_of)(getresponse))
    patcher.replace(_connection, "close", wraps(close_of)(close))
    end_with(patcher, http.client.HTTPResponse, "_close_conn", (http.client.HTTPException, OSError))


def _begin(connection: Any, method: str, url: str, entity: Entity) -> None:
    try:
        if STATE in vars(connection):
            _give_up(connection, None)
        whole = _absolute(connection, url)
        call = outgoing(HTTP_CLIENT, 0, method, whole, enters=False)
        setattr(connection, STATE, _Exchange(whole, call, entity if call is None else call))
    except Exception as error:
        faults.report("http", "A call isn't recorded", error)


def _give_up(connection: Any, error: BaseException | None) -> None:
    """No answer will come."""
    exchange = vars(connection).pop(STATE, None)
    if exchange is not None and exchange.call is not None:
        finished(exchange.call, error)


def _put_trace(connection: Any, exchange: _Exchange) -> None:
    """Put the trace header, in place of one that the application has put, unless that is signed."""
    try:
        ours = trace_headers(exchange.url, exchange.entity)
        lines = getattr(connection, "_buffer", [])
        taken = [line for line in lines if line.partition(b":")[0].lower() in _OURS]
        if taken and any(map(_is_signed, lines)):
            return
        for name, value in ours.items():
            for line in taken:
                if line.partition(b":")[0].lower() == name.lower().encode():
                    lines.remove(line)
            connection.putheader(name, value)
    except Exception as error:
        faults.report("http", "A trace header isn't sent", error)


def _absolute(connection: Any, url: str) -> str:
    """The URL of a request line, which mostly is a path, with the place it is sent to."""
    if "://" in url and not url.startswith("/"):
        return url
    host, port = connection.host, connection.port
    if getattr(connection, "_tunnel_host", None):
        host, port = connection._tunnel_host, connection._tunnel_port
    scheme = "https" if connection.default_port == http.client.HTTPS_PORT else "http"
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    place = host if port is None or port == connection.default_port else f"{host}:{port}"
    return f"{scheme}://{place}{url if url.startswith('/') else '/' + url}"
