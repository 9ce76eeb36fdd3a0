"""HTTP clients, once for all libraries: an outgoing call is a subsegment.

One logical call is one subsegment, however many layers of libraries it passes and however many
requests it takes: the outermost patched layer begins a Call, and while that is the current entity,
the layers inside it stay silent. Redirects and retries are its hops: each of them carries the
call's id in its trace header, and all are listed in the metadata (namespace "http", key "hops").

An integration calls outgoing(), then the library, then answered(), and finished() or, if the body
is still to be read, handed_over(). None of these raises, so that nothing here reaches the caller.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from functools import partial, wraps
from threading import RLock
from urllib.parse import unquote, urljoin, urlsplit

from .. import faults, forks, ids, redaction
from ..default import recorder
from ..document import MAX_FIELD_CHARS
from ..header import NAME, TRACEPARENT, TRACESTATE
from ..model import Subsegment
from ..naming import peer_name, wildcard
from ._wrap import Patcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping
    from typing import Any, TypeAlias

    from ..model import Entity

    # Method, URL, and status, what went wrong, or None if that isn't known.
    Hop: TypeAlias = tuple[str, str, int | str | None]

UNKNOWN_HOST = "unknown host"

_NAME = NAME.lower()
_ANY_NAME = frozenset((_NAME,))

# The layers: which library a call was made with, and which others are silent inside it.
REQUESTS, URLLIB3, HTTP_CLIENT, URLLIB, HTTPX, AIOHTTP = (1 << bit for bit in range(6))
EVERY_LAYER = (1 << 6) - 1

CALLED_BY = "_xtrace_body"
"""The attribute of a response with what ends the call when its body does."""


class Call(Subsegment):
    """A call to another service by a library, in which the layers below that library are silent.

    layer: of the library. inner: the layers that are silent while this is current. owner: the id()
    of the client or session. hops: the requests sent so far, where there was more than one.
    sql_begun: of a call that has an `sql` block.
    """

    __slots__ = ("hops", "inner", "layer", "owner", "sql_begun")

    layer: int
    inner: int
    owner: int
    hops: list[Hop] | None


# -- from here to there ------------------------------------------------------------------------


def outgoing(
    layer: int,
    inner: int,
    method: str,
    url: str,
    headers: MutableMapping[str, str] | None = None,
    owner: int = 0,
    enters: bool = True,
) -> Call | None:
    """Begin the subsegment of a call, and make it current; None where nothing is recorded.

    url: absolute. headers: of the request, to which the trace header is added, also where the
    call isn't recorded because the segment isn't sampled. None: the integration asks
    trace_headers() for them. enters: False: the call begins without becoming current.
    """
    try:
        parent = recorder._get_current()
        if parent is None:
            return None
        if parent.__class__ is Call and parent.inner & layer and parent._stop is None:
            return None
        if _abandoned:
            _end_abandoned()
        end = url.find("/", 8)
        key = url if end < 0 else url[:end]
        origin = _origins.get(key)
        if (
            origin is None
            or origin.targets is not recorder.trace_header_targets
            or origin.excluded is not recorder.excluded_urls
            or origin.peers is not recorder.peer_names
        ):
            origin = _look_at(key, url)
        if origin.is_excluded or (origin.paths and origin.excludes(url)):
            if headers is not None:
                _remove(headers, parent)
            return None
        if not parent.sampled:
            if headers is not None:
                _write(headers, parent, origin)
            return None
        segment = parent.segment
        call = Call(origin.name, parent, segment, "remote")
        call.layer = layer
        call.inner = inner
        call.owner = owner
        call.hops = None
        base = origin.base
        if origin.is_plain and base is not origin.key:
            url = base + url[len(key) :]
        elif not origin.is_plain:
            url = base
        if recorder.redact:
            cut = url.find("?")
            if cut >= 0:
                url = url[:cut]
            cut = url.find("#")
            if cut >= 0:
                url = url[:cut]
        if len(url) + len(method) > MAX_FIELD_CHARS:
            call._checked = False  # it is cut when it is sent
        call._more = {"http": {"request": {"method": method.upper(), "url": url}}}
        if headers is not None:
            if (
                origin.gets_header
                and (segment.header is None or not segment.header.extra)
                and not recorder.traceparent
                and _NAME not in getattr(headers, "_store", _ANY_NAME)
            ):
                # What _write() comes to for most calls, without its steps. `_store` is what
                # requests' headers are kept in, in lower case: theirs would raise and catch.
                headers[NAME] = f"Root={segment._trace_id};Parent={call.id};Sampled=1"
            else:
                _write(headers, call, origin)
        if enters:
            call.__enter__()
        else:
            call.begin()
        return call
    except Exception as error:
        _report("A call isn't recorded", error)
        return None


def trace_headers(url: str, entity: Entity) -> dict[str, str]:
    """The headers that carry the trace of an entity to a URL; none if it isn't to get them."""
    carrier: dict[str, str] = {}
    try:
        origin = _origin(url)
        if origin.gets_header and not (origin.is_excluded or origin.excludes(url)):
            recorder.inject(carrier, entity)
    except Exception as error:
        _report("A trace header isn't sent", error)
    return carrier


def propagate(url: str, headers: MutableMapping[str, str]) -> None:
    """Add the trace header to another request of the current call; or take it out again, if this
    request goes where the header isn't to go.
    """
    try:
        entity = recorder._get_current()
        if entity is None:
            return
        origin = _origin(url)
        if origin.is_excluded or origin.excludes(url):
            _remove(headers, entity)
        else:
            _write(headers, entity, origin)
    except Exception as error:
        _report("A trace header isn't sent", error)


def current_call(layer: int) -> Call | None:
    """The call that is current and open, if it was made with this library."""
    entity = recorder._get_current()
    if entity.__class__ is Call and entity.layer == layer and entity._stop is None:
        return entity
    return None


def is_inner(layer: int) -> bool:
    """Whether a library is used by another one, whose call it is."""
    entity = recorder._get_current()
    return entity.__class__ is Call and bool(entity.inner & layer) and entity._stop is None


def _write(headers: MutableMapping[str, str], entity: Entity, origin: _Origin) -> None:
    """Add the trace header to those of a request. One that the application put there is replaced,
    unless the request is signed with it.
    """
    if not origin.gets_header:
        _remove(headers, entity)
    elif NAME not in headers or not is_signed(headers):
        recorder.inject(headers, entity)


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether an AWS signature covers a trace header that is there already."""
    authorization = headers.get("Authorization")
    return authorization is not None and NAME.lower() in str(authorization).lower()


def _remove(headers: MutableMapping[str, str], entity: Entity) -> None:
    """Take out what an earlier hop of the same trace has left there."""
    value = headers.get(NAME)
    if value is not None and entity.trace_id in str(value):
        for name in (NAME, TRACEPARENT, TRACESTATE):
            headers.pop(name, None)


# -- and back ----------------------------------------------------------------------------------


def answered(call: Call, status: Any, length: Any = None) -> None:
    """Record what a call was answered with; 4xx and 5xx set the flags.

    length: of the body, in bytes: a number, or the header's text.
    """
    try:
        if status.__class__ is not int:
            status = int(status)
        response = {"status": status}
        if length is not None:
            if length.__class__ is not int:
                length = int(length) if length.isdecimal() and len(length) < 16 else None
            if length is not None:
                response["content_length"] = length
        (call._more or call._fields)["http"]["response"] = response
        if status >= 400:
            call.apply_status_code(status)
    except Exception as error:
        _report("A response isn't recorded", error)


def finished(call: Call, error: BaseException | None = None) -> None:
    """End a call; error: what the library raised."""
    try:
        if call.hops is not None:
            _describe_hops(call, error)
        call.__exit__(None, error, None)
    except Exception as fault:
        _left(call)
        _report("The end of a call isn't recorded", fault)


def handed_over(call: Call, response: Any) -> None:
    """The application reads the body: the call isn't current any more, and ends with the body.

    response: whose class has been given to end_with().
    """
    try:
        _left(call)
        for owner, name in list(_pending):
            if isinstance(response, owner):
                with _putting:
                    put = _pending.get((owner, name))
                    if put is not None:
                        put()  # by the first thread; others wait until it is in its place
                        del _pending[owner, name]
        setattr(response, CALLED_BY, Body(call))
    except Exception as error:
        finished(call)
        _report("The end of a body isn't recorded", error)


def _left(call: Call) -> None:
    """A call isn't current any more."""
    current = call.segment._current
    if current.get() is call:
        current.set(call._return_to())


def hopped(call: Call, method: str, url: str) -> None:
    """Note that the call goes on with another request; for failures, where there is no history."""
    try:
        if call.hops is None:
            first = (call._more or call._fields)["http"]["request"]
            call.hops = [(first["method"], first["url"], None)]
        call.hops.append((method, url, None))
    except Exception as error:
        _report("A hop isn't recorded", error)


def had_history(call: Call, hops: Iterable[Hop]) -> None:
    """Note all requests of a call, the last one included, where a library tells them."""
    try:
        call.hops = list(hops)
    except Exception as error:
        _report("Hops aren't recorded", error)


def _describe_hops(call: Call, error: BaseException | None) -> None:
    hops, call.hops = call.hops or [], None
    base = (call._more or call._fields)["http"]["request"]["url"]
    described = []
    for method, url, outcome in hops:
        url = urljoin(base, url)
        hop: dict[str, object] = {"method": method, "url": recorded_url(url)}
        if isinstance(outcome, str):
            hop["error"] = outcome
        elif outcome is not None:
            hop["status"] = outcome
        described.append(hop)
    if len(described) > 1:
        if error is not None and described[-1].keys() == {"method", "url"}:
            described[-1]["error"] = type(error).__name__
        call.put_metadata("hops", described, "http")


def recorded_url(url: str) -> str:
    """The URL as it is recorded: never with a password, and without its query unless asked for."""
    return redaction.url(url) if recorder.redact else redaction.without_credentials(url)


# -- bodies ------------------------------------------------------------------------------------


class Body:
    """What a response has whose body is still to be read: it ends the call, once."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call: Call | None = call

    def end(self, error: BaseException | None = None, length: int | None = None) -> None:
        """The body was read, or given up. length: bytes that came, where no header has told."""
        call, self._call = self._call, None
        if call is None:
            return
        try:
            response = (call._more or call._fields)["http"].get("response")
            if length is not None and response is not None:
                response.setdefault("content_length", length)
        except Exception as fault:
            _report("The length of a body isn't recorded", fault)
        finished(call, error)

    def __del__(self) -> None:
        # Who drops a response doesn't wait for its body. This may run anywhere, also where one of
        # our locks is held: the call ends when the next one begins.
        call = getattr(self, "_call", None)
        if call is not None:
            _abandoned.append((call, ids.monotonic_clock()))

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """In a copied or pickled response: None."""
        return type(None), ()


_abandoned: deque[tuple[Call, float]] = deque()


def _end_abandoned() -> None:
    while _abandoned:
        try:
            call, then = _abandoned.popleft()
        except IndexError:  # another thread was faster
            return
        call.close(call.segment._base + then)


_hooks: dict[tuple[Any, str], tuple[Patcher, set[Patcher]]] = {}
# Those that aren't in their place yet: a program whose calls all read their bodies never has them there.
_pending: dict[tuple[Any, str], Callable[[], None]] = {}
_putting = RLock()


def _after_fork_in_child() -> None:
    global _putting
    _putting = RLock()  # a thread that is gone may have held it


forks.in_child(_after_fork_in_child)


def end_with(
    patcher: Patcher,
    owner: Any,
    name: str,
    errors: Any,
    length: Callable[[Any], int | None] = lambda response: None,
    is_async: bool = False,
) -> None:
    """Have a method of a library's responses, which is called when the body was read or is given
    up, end the call: from the first response on that is handed over. Several integrations may ask
    for the same.

    errors: exceptions, during which it is called, that mean that the body broke off.
    length: how many bytes of a response's body have come.
    """
    hook, users = _hooks.setdefault((owner, name), (Patcher("body"), set()))
    if not users:
        put = partial(_put, hook, owner, name, errors, length, is_async)
        if any(each.__class__ is Call for each in list(recorder.open)):
            put()  # one may have been handed over before this was undone
        else:
            _pending[owner, name] = put
    users.add(patcher)

    def undo() -> None:
        users.discard(patcher)
        if not users:
            with _putting:
                _pending.pop((owner, name), None)
                hook.undo()

    patcher.on_undo(undo)


def _put(
    hook: Patcher,
    owner: Any,
    name: str,
    errors: Any,
    length: Callable[[Any], int | None],
    is_async: bool,
) -> None:
    original = getattr(owner, name)

    def ended(response: Any) -> None:
        error = sys.exc_info()[1]
        body = vars(response)[CALLED_BY]
        body.end(error if isinstance(error, errors) else None, _length(response, length))

    # Most responses that are closed are nobody's that reads them on: without a call, then.
    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        if CALLED_BY in self.__dict__:
            ended(self)
        return original(self, *args, **kwargs)

    async def aclose(self: Any, *args: Any, **kwargs: Any) -> Any:
        if CALLED_BY in self.__dict__:
            ended(self)
        return await original(self, *args, **kwargs)

    hook.replace(owner, name, wraps(original)(aclose if is_async else close))


def _length(response: Any, length: Callable[[Any], int | None]) -> int | None:
    try:
        return length(response)
    except Exception as error:
        _report("The length of a body isn't recorded", error)
        return None


# -- where calls go ----------------------------------------------------------------------------

_plain_origin = re.compile(
    r"(?:https?|grpc):// (?:[^/?\#@]*@)? ( (\[[0-9a-f:.]+\] | [^][/?\#@:\s]+) (?: :\d* )? )",
    re.VERBOSE | re.IGNORECASE,
).fullmatch

# Services are few. A program that calls made-up hosts fills this and starts anew.
_KEPT_ORIGINS = 1024


class _Origin:
    """What is known of a scheme, host and port, under the settings of a moment.

    host: without the port. name: of calls there. key: how their URLs begin, and base: as they are
    recorded.
    is_plain: False if this is no usual origin; base is the whole URL then.
    """

    __slots__ = (
        "base",
        "excluded",
        "gets_header",
        "host",
        "is_excluded",
        "is_plain",
        "key",
        "name",
        "netloc",
        "paths",
        "peers",
        "targets",
    )

    def __init__(self, key: str, url: str) -> None:
        found = _plain_origin(key)
        self.is_plain = found is not None
        if found is not None:
            self.host = found[2].strip("[]").lower()
            self.netloc = found[1].lower()
            self.base = key[: key.index("//") + 2] + found[1]
        else:
            self.host = _host(url)
            self.netloc = self.host
            self.base = redaction.without_credentials(url)
        if self.base == key:
            self.base = key
        self.key = key
        self.targets = recorder.trace_header_targets
        self.excluded = recorder.excluded_urls
        self.peers = recorder.peer_names
        self.name = peer_name(self.peers, self.host, self.netloc) or self.host
        self.gets_header = any(self._is(pattern) for pattern in self.targets)
        self.is_excluded = any(self._is(pattern) for pattern in self.excluded)
        self.paths = [wildcard(p).fullmatch for p in self.excluded if "/" in p]

    def _is(self, pattern: str) -> bool:
        matches = wildcard(pattern).fullmatch
        return matches(self.host) is not None or matches(self.netloc) is not None

    def excludes(self, url: str) -> bool:
        """Whether a pattern of host and path excludes a URL of this origin."""
        if not self.paths:
            return False
        path = urlsplit(url).path or "/"
        return any(path_of(each + path) for path_of in self.paths for each in self._names())

    def _names(self) -> set[str]:
        return {self.host, self.netloc}


_origins: dict[str, _Origin] = {}


def _origin(url: str) -> _Origin:
    end = url.find("/", 8)
    key = url if end < 0 else url[:end]
    found = _origins.get(key)
    if (
        found is None
        or found.targets is not recorder.trace_header_targets
        or found.excluded is not recorder.excluded_urls
        or found.peers is not recorder.peer_names
    ):
        found = _look_at(key, url)
    return found


def _look_at(key: str, url: str) -> _Origin:
    origin = _Origin(key, url)
    if origin.is_plain:
        if len(_origins) >= _KEPT_ORIGINS:
            _origins.clear()
        _origins[key] = origin
    return origin


def _host(url: str) -> str:
    """The host of any URL, in lower case, without port and user; a socket's path for http+unix."""
    try:
        parts = urlsplit(redaction.without_credentials(url))
        host = parts.hostname
    except ValueError:
        return UNKNOWN_HOST
    if not host:
        return UNKNOWN_HOST
    return unquote(parts.netloc) if "unix" in parts.scheme else host


def _report(message: str, error: Exception) -> None:
    faults.report("http", message, error)
