"""Trace calls made with urllib3, 1.26 and 2. Wraps urlopen of pool managers and of pools.

Each request, also of a redirect or a retry, passes a pool's urlopen: there it gets its header. A
call is what entered first, the manager or a pool.
"""

from __future__ import annotations

from functools import wraps

from .. import faults
from ..default import recorder
from ..header import NAME, TRACEPARENT, TRACESTATE
from ._outgoing import (
    HTTP_CLIENT,
    URLLIB3,
    answered,
    current_call,
    end_with,
    finished,
    had_history,
    handed_over,
    is_inner,
    is_signed,
    outgoing,
    trace_headers,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ._outgoing import Call, Hop
    from ._wrap import Patcher

_OURS = frozenset((NAME.lower(), TRACEPARENT, TRACESTATE))
_PORTS = {"http": 80, "https": 443}


def patch(patcher: Patcher) -> None:
    """Wrap PoolManager.urlopen and HTTPConnectionPool.urlopen, and the end of bodies."""
    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.exceptions import HTTPError
    from urllib3.poolmanager import PoolManager
    from urllib3.response import HTTPResponse

    patcher.replace(PoolManager, "urlopen", _through_manager(PoolManager.urlopen))
    patcher.replace(HTTPConnectionPool, "urlopen", _through_pool(HTTPConnectionPool.urlopen))
    for name in ("close", "release_conn"):
        end_with(patcher, HTTPResponse, name, HTTPError, HTTPResponse.tell)


def _through_manager(original: Callable[..., Any]) -> Callable[..., Any]:
    def urlopen(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if current_call(URLLIB3) is not None:  # a redirect: pools see to it
            return original(self, method, url, *args, **kwargs)
        call = outgoing(URLLIB3, HTTP_CLIENT, method, url)
        if call is None:
            return original(self, method, url, *args, **kwargs)
        try:
            response = original(self, method, url, *args, **kwargs)
        except BaseException as error:
            finished(call, error)
            raise
        return _answered(call, method, url, response)

    return wraps(original)(urlopen)


def _through_pool(original: Callable[..., Any]) -> Callable[..., Any]:
    def urlopen(
        self: Any,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if recorder._get_current() is None or is_inner(URLLIB3):
            return original(self, method, url, body, headers, *args, **kwargs)
        whole = _absolute(self, url)
        call = current_call(URLLIB3)
        if call is not None:
            _note(call, method, url, args[0] if args else kwargs.get("retries"))
            headers = _with_trace(self, headers, whole)
            return original(self, method, url, body, headers, *args, **kwargs)
        call = outgoing(URLLIB3, HTTP_CLIENT, method, whole)
        headers = _with_trace(self, headers, whole)
        if call is None:
            return original(self, method, url, body, headers, *args, **kwargs)
        try:
            response = original(self, method, url, body, headers, *args, **kwargs)
        except BaseException as error:
            finished(call, error)
            raise
        return _answered(call, method, url, response)

    return wraps(original)(urlopen)


def _answered(call: Call, method: str, url: str, response: Any) -> Any:
    answered(call, response.status, response.headers.get("Content-Length"))
    retries = getattr(response, "retries", None)
    if retries is not None and retries.history:
        had_history(call, (*_attempts(retries), (method, _last_url(url, retries), response.status)))
    below = getattr(response, "_original_response", None)
    if below is None or below.isclosed():
        finished(call)
    else:
        handed_over(call, response)
    return response


def _attempts(retries: Any) -> Iterator[Hop]:
    for attempt in retries.history:
        yield attempt.method, attempt.url, attempt.status or type(attempt.error).__name__


def _last_url(url: str, retries: Any) -> str:
    for attempt in reversed(retries.history):
        if attempt.redirect_location:
            return str(attempt.redirect_location)
    return url


def _note(call: Call, method: str, url: str, retries: Any) -> None:
    """Keep what was tried so far, for the case that the call fails."""
    if getattr(retries, "history", None):
        had_history(call, (*_attempts(retries), (method, url, None)))


def _absolute(pool: Any, url: str) -> str:
    """A URL as a pool gets it, mostly a path, with the place that the pool is for."""
    if not url.startswith("/"):
        return url
    host = f"[{pool.host}]" if ":" in pool.host and pool.host[0] != "[" else pool.host
    if pool.port is None or pool.port == _PORTS.get(pool.scheme):
        return f"{pool.scheme}://{host}{url}"
    return f"{pool.scheme}://{host}:{pool.port}{url}"


def _with_trace(pool: Any, headers: Any, url: str) -> Any:
    """The headers of a request with the trace header among them: a copy, they may be anybody's."""
    entity = recorder._get_current()
    ours = trace_headers(url, entity) if entity is not None else None
    if not ours:
        return headers
    given = pool.headers if headers is None else headers
    try:
        return _merged(given, ours)
    except Exception as error:
        faults.report("http", "A trace header isn't sent", error)
        return headers


def _merged(given: Any, ours: dict[str, str]) -> Any:
    taken = [name for name in given if name.lower() in _OURS]
    if taken and is_signed({name.title(): value for name, value in given.items()}):
        return given
    merged = given.copy() if hasattr(given, "copy") else dict(given)
    for name in taken:
        del merged[name]
    for name, value in ours.items():
        merged[name] = value
    return merged
