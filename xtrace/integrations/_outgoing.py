"""HTTP clients, once for all libraries: an outgoing call is a subsegment."""

from __future__ import annotations

from urllib.parse import urlsplit

from .. import faults, redaction
from ..model import Subsegment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from ..recorder import Recorder

UNKNOWN_HOST = "unknown host"


def outgoing_call(
    recorder: Recorder, method: str, url: str, headers: MutableMapping[str, str]
) -> Subsegment:
    """The subsegment of a call, begun by `with`; the trace header is in `headers` already.

    It is named by the host, has the namespace "remote", and records method and URL. Without an
    open segment it is an entity on which nothing is kept, and no header is written.
    """
    call = recorder.in_call(UNKNOWN_HOST, "remote")
    with faults.absorb("http"):
        if call.sampled:
            call.name = host(url)
            call.http["request"] = {
                "method": method.upper(),
                "url": recorded_url(recorder, url),
            }
        recorder.inject(headers, call)
    return call


def answered(call: Subsegment, status: int, content_length: object = None) -> None:
    """Record what a call was answered with; 4xx and 5xx set the flags."""
    if not call.sampled:
        return
    with faults.absorb("http"):
        call.put_http_meta("status", status)
        length = _length(content_length)
        if length is not None:
            call.put_http_meta("content_length", length)


def host(url: str) -> str:
    """The host of a URL, in lower case, without port and user."""
    try:
        return urlsplit(url).hostname or UNKNOWN_HOST
    except ValueError:
        return UNKNOWN_HOST


def recorded_url(recorder: Recorder, url: str) -> str:
    """The URL as it is recorded: never with a password, and without its query unless asked for."""
    return redaction.url(url) if recorder.redact else redaction.without_credentials(url)


def _length(value: object) -> int | None:
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError):
        return None
