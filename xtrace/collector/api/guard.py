"""Who may speak to the collector over HTTP: programs, and its own pages; not other sites' pages.

A page from anywhere can make a browser send requests to the loopback. Two things give it away: the
Host header, if the site's own name was made to point here (DNS rebinding), and Origin or
Sec-Fetch-Site, if the page posts to this address from another one.
"""

from __future__ import annotations

from ipaddress import ip_address

from starlette.datastructures import Headers

from .errors import ApiError
from .replies import error_reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANY = "*"
"""As an allowed host: every one."""


_POLICY = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'"),
)


class Guard:
    """Refuses with status 403 what another site's page had a browser send.

    hosts: names and addresses, besides the loopback's, by which this collector may be called;
    "*" allows every one. any_address: every IP address may be, as a rebound name can't.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], any_address: bool = False) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower().strip("[]").rstrip(".") for host in hosts)}
        self._any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have the application do it."""
        problem = self._problem(scope) if scope["type"] == "http" else None
        if problem is None:
            await self._app(scope, receive, _with_policy(send))
        else:
            refusal = error_reply(ApiError("AccessDeniedException", 403, problem))
            refusal.headers["connection"] = "close"
            await refusal(scope, receive, send)

    def _problem(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host")
        # Without Host: HTTP/1.0, which no browser speaks.
        if host is not None and not self._is_ours(_name(host)):
            return (
                f"This collector isn't known by the name {host[:100]!r}. If it should be, start it "
                "with --allow-host NAME."
            )
        if scope["method"] in ("GET", "HEAD"):
            return None  # changes nothing, and no other site's page may read the reply
        origin = headers.get("origin")
        if origin is not None and _authority(origin) != (host or "").lower():
            return f"Pages of {origin[:100]!r} may not send to this collector."
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return "Pages of other sites may not send to this collector."
        return None

    def _is_ours(self, name: str) -> bool:
        if name in self._hosts or ANY in self._hosts:
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        return self._any_address or address.is_loopback


def _with_policy(send: Send) -> Send:
    """Adds to replies what keeps browsers from taking data for pages or scripts, and from framing."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_POLICY]
        await send(message)

    return sending


def _name(host: str) -> str:
    """The name or address in a Host header."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _authority(origin: str) -> str:
    """Host and port of an Origin, as in a Host header."""
    return origin.partition("://")[2].lower()
