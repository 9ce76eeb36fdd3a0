"""Trace calls made with requests. Wraps Session.send, which all calls pass."""

from __future__ import annotations

from ..default import recorder
from ._outgoing import answered, outgoing_call
from ._wrap import argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._wrap import Patcher


def patch(patcher: Patcher) -> None:
    """Wrap Session.send."""
    import requests

    patcher.wrap(requests.Session, "send", _send)


def _send(
    send: Callable[..., Any], session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    request = argument(args, kwargs, 0, "request")
    headers = getattr(request, "headers", None)
    if headers is None:
        return send(*args, **kwargs)
    with outgoing_call(recorder, request.method or "", request.url or "", headers) as call:
        response = send(*args, **kwargs)
        answered(call, response.status_code, response.headers.get("Content-Length"))
        return response
