"""Elasticsearch and OpenSearch, once for both: a request of a client is a subsegment of its cluster.

Tries on several nodes are parts of it, and the HTTP clients below stay silent. Of the path, ids of
documents and the like are left out; queries and documents are in bodies, which aren't recorded.
"""

from __future__ import annotations

import re
from functools import wraps

from .. import faults
from ..default import recorder
from ._outgoing import Call, answered, finished, outgoing, trace_headers
from ._stores import INNER, STORE, name_of
from ._wrap import argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._wrap import Patcher

PORT = 9200
NOT_FOUND = 404
_KEPT_PATHS = 1024

# Families of paths in which the parts are words of the API: _cat/indices, _cluster/health.
_WORDS = {"_cat", "_cluster", "_nodes"}

type_of_error = re.compile(r"[\w.]{1,120}").fullmatch
"""Finds whether a text is the type of an error ("parsing_exception"), and not its reason, which quotes."""


class Cluster:
    """A cluster as one client sees it.

    name: of the subsegments, "elasticsearch@host". url: of the first of its nodes that the client was
    given. block: the constant part of the `sql` block.
    """

    __slots__ = ("block", "name", "url")

    def __init__(self, system: str, driver: str, scheme: str, host: str, port: int) -> None:
        location = f"[{host}]" if ":" in host else host
        self.url = f"{scheme}://{location}:{port}"
        self.name = name_of(system.lower(), host, port, PORT)
        self.block = {"url": self.url, "database_type": system, "driver_version": driver}


def traced(
    patcher: Patcher,
    transport: Any,
    headers_position: int | None,
    cluster_of: Callable[[Any], Cluster],
    described: Callable[[Call, Any], None],
    refusal_of: Callable[[BaseException], tuple[int, Any] | None],
    is_async: bool,
) -> None:
    """Replace a transport's perform_request(method, target, ..., headers=...).

    headers_position: of the argument, None if it is only given by name.
    described: records something of what it gives. refusal_of: the status and the type of an error that
    an exception stands for, or None.
    """
    original = transport.perform_request

    def began(self: Any, args: Any, kwargs: Any) -> tuple[Call | None, Any, Any]:
        try:
            method = argument(args, kwargs, 0, "method")
            target = argument(args, kwargs, 1, "target") or kwargs.get("url") or "/"
            try:
                cluster = self._xtrace
            except AttributeError:
                cluster = self._xtrace = cluster_of(self)
            call, added = _begin(cluster, str(method), str(target))
            if added:
                at = headers_position
                if at is not None and len(args) > at:
                    args = (*args[:at], {**(args[at] or {}), **added}, *args[at + 1 :])
                else:
                    given = kwargs.get("headers")
                    given = given if hasattr(given, "keys") else {}  # None, or a default's mark
                    kwargs = {**kwargs, "headers": {**given, **added}}
            return call, args, kwargs
        except Exception as error:
            _report(patcher.name, error)
            return None, args, kwargs

    def ended(call: Call, response: Any) -> None:
        try:
            described(call, response)
        except Exception as error:
            _report(patcher.name, error)
        finished(call)

    def failed(call: Call, error: BaseException) -> None:
        try:
            refusal = refusal_of(error)
            if refusal is not None:
                answer(call, *refusal)
                finished(call)
                return
        except Exception as fault:
            _report(patcher.name, fault)
        finished(call, error)

    @wraps(original)
    def perform_request(self: Any, *args: Any, **kwargs: Any) -> Any:
        call, args, kwargs = began(self, args, kwargs)
        if call is None:
            return original(self, *args, **kwargs)
        try:
            response = original(self, *args, **kwargs)
        except BaseException as error:
            failed(call, error)
            raise
        ended(call, response)
        return response

    @wraps(original)
    async def perform_request_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        call, args, kwargs = began(self, args, kwargs)
        if call is None:
            return await original(self, *args, **kwargs)
        try:
            response = await original(self, *args, **kwargs)
        except BaseException as error:
            failed(call, error)
            raise
        ended(call, response)
        return response

    patcher.replace(
        transport, "perform_request", perform_request_async if is_async else perform_request
    )


def _begin(cluster: Cluster, method: str, target: str) -> tuple[Call | None, dict[str, str]]:
    path = _masked(target) if recorder.redact else target
    url = f"{cluster.url}{path}"
    call = outgoing(STORE, INNER, method, url)
    if call is None:
        entity = recorder._get_current()
        if entity is None or entity.sampled:
            return None, {}
        return None, trace_headers(url, entity)  # unsampled: that is carried on
    call.name = cluster.name
    more = call._more or call._fields
    call.sql_begun = None
    more["sql"] = {**cluster.block}
    if recorder.stream_sql:
        more["sql"]["sanitized_query"] = f"{method} {path}"
        call._checked = call._checked and len(path) < MAX_PATH_CHARS
    return call, trace_headers(url, call)


MAX_PATH_CHARS = 2000

_paths: dict[str, str] = {}


def _masked(target: str) -> str:
    """A path without what tells one document from another: "/orders/_doc/{id}"."""
    path = target.partition("?")[0]
    found = _paths.get(path)
    if found is None:
        first, *rest = path.strip("/").split("/")
        keeps = first in _WORDS
        parts = [each if keeps or each.startswith("_") else "{id}" for each in rest]
        found = "/" + "/".join([first, *parts])
        if len(_paths) >= _KEPT_PATHS:
            _paths.clear()
        _paths[path] = found
    return found


def answer(call: Call, status: int, error: Any = None) -> None:
    """Record a status, and the type of an error. That something isn't there is what HEAD asks."""
    http = (call._more or call._fields)["http"]
    if status == NOT_FOUND and http["request"]["method"] == "HEAD":
        http["response"] = {"status": status}
    else:
        answered(call, status)
    if isinstance(error, str) and type_of_error(error):
        call.put_metadata("error", error, "search")


def describe_bulk(call: Call, body: Any) -> None:
    """Mark the answer to a bulk request of which a part has failed: its status is 200."""
    if body.__class__ is dict and body.get("errors") is True and "items" in body:
        call.add_error_flag()


def _report(name: str, error: Exception) -> None:
    faults.report(f"integration:{name}", "A request isn't recorded", error)
