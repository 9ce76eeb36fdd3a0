"""Trace calls made with aiohttp's client. Wraps ClientSession._request, which all calls pass.

Each request, also of a redirect or a retry, passes ClientRequest.send: there it gets its header,
in headers that aiohttp made for this one request.
"""

from __future__ import annotations

from functools import wraps

from .. import faults
from ..default import recorder
from ..interruption import let_through
from ._outgoing import (
    AIOHTTP,
    CALLED_BY,
    answered,
    current_call,
    end_with,
    finished,
    had_history,
    handed_over,
    hopped,
    is_inner,
    outgoing,
    propagate,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._outgoing import Call
    from ._wrap import Patcher

_SWITCHING_PROTOCOLS = 101


def patch(patcher: Patcher) -> None:
    """Wrap ClientSession._request, ClientRequest.send, and the end of bodies."""
    import aiohttp

    patcher.replace(
        aiohttp.ClientSession, "_request", _calling(aiohttp.ClientSession._request, aiohttp)
    )
    patcher.replace(aiohttp.ClientRequest, "send", _sending(aiohttp.ClientRequest.send))
    for name in ("close", "release"):
        end_with(patcher, aiohttp.ClientResponse, name, aiohttp.ClientError, _length)


def _calling(original: Callable[..., Any], aiohttp: Any) -> Callable[..., Any]:
    async def _request(self: Any, method: str, str_or_url: Any, **kwargs: Any) -> Any:
        call = None
        if recorder._get_current() is not None and not is_inner(AIOHTTP):
            url = _url(self, str_or_url, kwargs.get("params"))
            call = outgoing(AIOHTTP, 0, method, url, owner=id(self))
        if call is None:
            return await original(self, method, str_or_url, **kwargs)
        try:
            response = await original(self, method, str_or_url, **kwargs)
        except BaseException as error:
            if type(error) is aiohttp.ClientResponseError:
                _refused(call, error)
            else:
                finished(call, error)
            raise
        return _answered(call, response)

    return wraps(original)(_request)


def _sending(original: Callable[..., Any]) -> Callable[..., Any]:
    async def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        # CONNECT is for a proxy, and names no service.
        if recorder._get_current() is not None and not is_inner(AIOHTTP):
            _propagate(self)
        return await original(self, *args, **kwargs)

    return wraps(original)(send)


def _propagate(request: Any) -> None:
    try:
        if request.method == "CONNECT":
            return
        url = str(request.url)
        propagate(url, request.headers)
        call = current_call(AIOHTTP)
        if call is not None:
            if call.owner:
                call.owner = 0  # the first request of the call
            else:
                hopped(call, request.method, url)
    except Exception as error:
        faults.report("http", "A trace header isn't sent", error)


def _url(session: Any, given: Any, params: Any) -> str:
    """The URL that a session makes of what it is given."""
    try:
        url = session._build_url(given)
        if params and not recorder.redact:
            url = url.update_query(params)
        return str(url)
    except Exception as error:  # aiohttp says what is wrong with it, or has changed
        let_through(error)
        return str(given)


def _answered(call: Call, response: Any) -> Any:
    answered(call, response.status, response.headers.get("Content-Length"))
    if response.history or call.hops:
        hops = [(r.method, str(r.url), r.status) for r in (*response.history, response)]
        if len(hops) > 1:
            had_history(call, hops)
    if response.closed or response.content.is_eof() or response.status == _SWITCHING_PROTOCOLS:
        finished(call)
    else:
        handed_over(call, response)
        _end_with_last_byte(response)
    return response


def _end_with_last_byte(response: Any) -> None:
    """Most applications read a body to its end and need no close()."""
    try:
        body = vars(response)[CALLED_BY]
        response.content.on_eof(lambda: body.end(None, _length(response)))
    except Exception as error:
        faults.report("http", "The end of a body isn't recorded", error)


def _refused(call: Call, error: Any) -> None:
    """The answer became an exception, because the application had asked for it."""
    answered(call, error.status, error.headers and error.headers.get("Content-Length"))
    finished(call)


def _length(response: Any) -> int | None:
    """Bytes that came; of a compressed body, aiohttp only counts what came out of it."""
    if "Content-Encoding" in response.headers:
        return None
    length: int | None = getattr(response.content, "total_bytes", None)
    return length
