"""Trace calls made with requests. Wraps Session.send, which all calls pass, and all redirects."""

from __future__ import annotations

from functools import wraps

from ._outgoing import (
    HTTP_CLIENT,
    REQUESTS,
    URLLIB3,
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
    from collections.abc import Iterator
    from typing import Any

    from ._outgoing import Hop
    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Wrap Session.send, and what urllib3's responses do when their body is done."""
    import requests
    from urllib3.exceptions import HTTPError
    from urllib3.response import HTTPResponse

    original = requests.Session.send

    def send(self: Any, request: Any, **kwargs: Any) -> Any:
        url = getattr(request, "url", None)
        if url is None:
            return original(self, request, **kwargs)
        if kwargs.get("allow_redirects") is False:
            call = current_call(REQUESTS)
            if call is not None and call.owner == id(self):
                hopped(call, request.method, url)
                propagate(url, request.headers)
                return original(self, request, **kwargs)
        call = outgoing(
            REQUESTS, URLLIB3 | HTTP_CLIENT, request.method or "", url, request.headers, id(self)
        )
        if call is None:
            return original(self, request, **kwargs)
        try:
            response = original(self, request, **kwargs)
        except BaseException as error:
            finished(call, error)
            raise
        raw = response.raw
        answered(call, response.status_code, response.headers.get("Content-Length"))
        if response.history or getattr(getattr(raw, "retries", None), "history", None):
            had_history(call, _hops(response))
        if kwargs.get("stream", self.stream) and isinstance(raw, HTTPResponse) and _is_open(raw):
            handed_over(call, raw)
        else:
            finished(call)
        return response

    patcher.replace(requests.Session, "send", wraps(original)(send))
    for name in ("close", "release_conn"):
        end_with(patcher, HTTPResponse, name, HTTPError, HTTPResponse.tell)


def _hops(response: Any) -> Iterator[Hop]:
    """The redirects of a call, each after the retries that urllib3 needed for it."""
    for each in (*response.history, response):
        method, url = each.request.method, each.request.url
        retries = getattr(getattr(each.raw, "retries", None), "history", None) or ()
        for attempt in retries:
            yield method, url, attempt.status or type(attempt.error).__name__
        yield method, url, each.status_code


def _is_open(raw: Any) -> bool:
    """Whether there is a body to be read still."""
    below = getattr(raw, "_original_response", None)
    return below is not None and not below.isclosed()
