"""Trace calls made with httpx, sync and async. Wraps send of both clients, which all calls pass."""

from __future__ import annotations

from functools import wraps

from ..default import recorder
from ..header import NAME
from ._outgoing import (
    HTTPX,
    answered,
    current_call,
    end_with,
    finished,
    had_history,
    handed_over,
    hopped,
    outgoing,
    propagate,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._outgoing import Call
    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Wrap send of Client and AsyncClient, the making of redirects, and the end of bodies."""
    import httpx
    from httpx._client import BaseClient

    endless = httpx.TooManyRedirects
    patcher.replace(httpx.Client, "send", _sync(httpx.Client.send, endless))
    patcher.replace(httpx.AsyncClient, "send", _async(httpx.AsyncClient.send, endless))
    end_with(patcher, httpx.Response, "close", httpx.HTTPError, _length)
    end_with(patcher, httpx.Response, "aclose", httpx.HTTPError, _length, is_async=True)
    if hasattr(BaseClient, "_build_redirect_request"):
        patcher.replace(
            BaseClient, "_build_redirect_request", _redirecting(BaseClient._build_redirect_request)
        )


def _sync(original: Callable[..., Any], endless: type[Exception]) -> Callable[..., Any]:
    def send(self: Any, request: Any, **kwargs: Any) -> Any:
        if recorder._get_current() is None:
            return original(self, request, **kwargs)
        call = outgoing(HTTPX, 0, request.method, str(request.url), request.headers, id(self))
        if call is None:
            return original(self, request, **kwargs)
        try:
            response = original(self, request, **kwargs)
        except BaseException as error:
            if call.hops and isinstance(error, endless):
                call.hops.pop()  # made ready, and not sent
            finished(call, error)
            raise
        return _answered(call, response)

    return wraps(original)(send)


def _async(original: Callable[..., Any], endless: type[Exception]) -> Callable[..., Any]:
    async def send(self: Any, request: Any, **kwargs: Any) -> Any:
        if recorder._get_current() is None:
            return await original(self, request, **kwargs)
        call = outgoing(HTTPX, 0, request.method, str(request.url), request.headers, id(self))
        if call is None:
            return await original(self, request, **kwargs)
        try:
            response = await original(self, request, **kwargs)
        except BaseException as error:
            if call.hops and isinstance(error, endless):
                call.hops.pop()  # made ready, and not sent
            finished(call, error)
            raise
        return _answered(call, response)

    return wraps(original)(send)


def _answered(call: Call, response: Any) -> Any:
    answered(call, response.status_code, response.headers.get("Content-Length"))
    if response.history:
        everything = (*response.history, response)
        had_history(
            call, [(r.request.method, str(r.request.url), r.status_code) for r in everything]
        )
    elif call.hops is not None:  # a redirect was made ready, for the application to follow
        call.hops = None
        if response.next_request is not None:
            response.next_request.headers.pop(NAME, None)
    if response.is_closed:
        finished(call)
    else:
        handed_over(call, response)
    return response


def _redirecting(original: Callable[..., Any]) -> Callable[..., Any]:
    def _build_redirect_request(self: Any, request: Any, response: Any) -> Any:
        following = original(self, request, response)
        url = str(following.url)
        call = current_call(HTTPX)
        if call is not None and call.owner == id(self):
            hopped(call, following.method, url)
        propagate(url, following.headers)
        return following

    return wraps(original)(_build_redirect_request)


def _length(response: Any) -> int | None:
    length: int | None = response.num_bytes_downloaded
    return length
