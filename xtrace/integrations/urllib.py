"""Trace calls made with urllib.request. Wraps OpenerDirector.open, which redirects pass too."""

from __future__ import annotations

import http.client
import urllib.request
from functools import wraps
from urllib.error import HTTPError

from .. import faults
from ..default import recorder
from ..header import NAME
from ..interruption import let_through
from ._outgoing import (
    HTTP_CLIENT,
    URLLIB,
    answered,
    current_call,
    end_with,
    finished,
    handed_over,
    hopped,
    is_inner,
    is_signed,
    outgoing,
    trace_headers,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Wrap OpenerDirector.open, and the end of http.client's bodies."""
    original = urllib.request.OpenerDirector.open

    def open(self: Any, fullurl: Any, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        request = None
        if recorder._get_current() is not None and not is_inner(URLLIB):
            request = _request(fullurl, data)
        if request is None:
            return original(self, fullurl, data, *args, **kwargs)
        url = request.full_url
        method = _method(request, data)
        call = current_call(URLLIB)
        is_hop = call is not None and call.owner == id(self)
        if is_hop and call is not None:
            hopped(call, method, url)
        else:
            call = outgoing(URLLIB, HTTP_CLIENT, method, url, owner=id(self))
        before = request.unredirected_hdrs
        _add_trace(request, url)
        try:
            response = original(self, request, data, *args, **kwargs)
        except HTTPError as error:
            if call is not None and not is_hop:
                answered(call, error.code, error.headers and error.headers.get("Content-Length"))
                finished(call)
            raise
        except BaseException as error:
            if call is not None and not is_hop:
                finished(call, error)
            raise
        finally:
            request.unredirected_hdrs = before  # a request may be sent again, where no trace is
        if call is None or is_hop:
            return response
        if isinstance(response, http.client.HTTPResponse):
            answered(call, response.status, response.headers.get("Content-Length"))
            if not response.isclosed():
                handed_over(call, response)
                return response
        finished(call)
        return response

    patcher.replace(urllib.request.OpenerDirector, "open", wraps(original)(open))
    end_with(patcher, http.client.HTTPResponse, "_close_conn", (http.client.HTTPException, OSError))


def _request(fullurl: Any, data: Any) -> urllib.request.Request | None:
    """The Request that open() is for, if it is for HTTP."""
    try:
        if isinstance(fullurl, str):
            fullurl = urllib.request.Request(fullurl, data)
        return fullurl if fullurl.type in ("http", "https") else None
    except Exception as error:  # open() says what is wrong with it
        let_through(error)
        return None


def _method(request: urllib.request.Request, data: Any) -> str:
    return request.get_method() if data is None else getattr(request, "method", None) or "POST"


def _add_trace(request: urllib.request.Request, url: str) -> None:
    """Add the trace header where a redirect doesn't take it along: that gets one of its own."""
    try:
        entity = recorder._get_current()
        ours = trace_headers(url, entity) if entity is not None else {}
        if ours and not (request.has_header(NAME.capitalize()) and is_signed(request.headers)):
            request.unredirected_hdrs = dict(request.unredirected_hdrs)
            for name, value in ours.items():
                request.add_unredirected_header(name, value)
    except Exception as error:
        faults.report("http", "A trace header isn't sent", error)
