"""Trace pymemcache: a request to a server is a subsegment, also of pooled, hashing and retrying clients.

They all have a Client for each server, whose commands pass three methods.
"""

from __future__ import annotations

import re

import pymemcache
from pymemcache import exceptions
from pymemcache.client.base import Client

from .. import cause
from ._stores import Store, command, name_of, place, placeholders, traced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ._outgoing import Call
    from ._wrap import Patcher

_PORT = 11211
_VERSION = f"pymemcache {pymemcache.__version__}"
_KEPT_STORES = 1024
_command = re.compile(rb"[a-z_]{1,32}").match


def patch(patcher: Patcher) -> None:
    """Replace the methods of Client by which commands are sent."""
    for name, begin, answered in (
        ("_fetch_cmd", _fetch, _fetched),
        ("_store_cmd", _keep, None),
        ("_misc_cmd", _other, None),
    ):
        traced(patcher, Client, name, begin, answered)
    for kind, message in (
        (exceptions.MemcacheIllegalInputError, _without_values),
        (exceptions.MemcacheUnknownError, _without_answer),
        (exceptions.MemcacheUnknownCommandError, _without_command),
    ):
        patcher.on_undo(cause.redact_messages(kind, message))


# -- commands ----------------------------------------------------------------------------------


def _fetch(client: Any, args: Sequence[Any], kwargs: Any) -> Call | None:
    parent = place()
    if parent is None:
        return None
    name, keys = args[0], args[1]
    return command(parent, _store(client), _name(name) + placeholders(len(keys)))


def _fetched(client: Any, call: Call, found: Any) -> None:
    if client.sock is None and client.ignore_exc:  # it has failed, and says nothing of it
        call.add_fault_flag()
    else:
        call.put_metadata("found", len(found), "memcached")


def _keep(client: Any, args: Sequence[Any], kwargs: Any) -> Call | None:
    parent = place()
    if parent is None:
        return None
    name, values = args[0], args[1]
    return command(parent, _store(client), _many(_name(name) + placeholders(2), len(values)))


def _other(client: Any, args: Sequence[Any], kwargs: Any) -> Call | None:
    parent = place()
    if parent is None:
        return None
    commands, name = args[0], args[1]
    has_values = len(commands[0].split(None, 1)) > 1
    return command(parent, _store(client), _many(_name(name) + " ?" * has_values, len(commands)))


def _name(name: bytes) -> str:
    """Of raw commands, the name is all of it."""
    found = _command(name)
    return found[0].decode() if found else "?"


def _many(text: str, count: int) -> str:
    return text if count == 1 else f"{text} ×{count}"


# -- errors ------------------------------------------------------------------------------------


def _without_values(error: Exception) -> str:
    """What is wrong with a key or value comes first, then that."""
    return str(error).partition(":")[0]


def _without_answer(error: Exception) -> str:
    return "an unexpected answer"


def _without_command(error: Exception) -> str:
    return "an unknown command"


# -- where they go -----------------------------------------------------------------------------

_stores: dict[Any, Store] = {}


def _store(client: Any) -> Store:
    server = client.server
    found = _stores.get(server)
    if found is None:
        host, port = server if isinstance(server, tuple) else (server, None)
        location = f"[{host}]" if ":" in host else host
        url = f"memcached://{location}" if port is None else f"memcached://{location}:{port}"
        block = {"url": url, "database_type": "Memcached", "driver_version": _VERSION}
        if len(_stores) >= _KEPT_STORES:
            _stores.clear()
        found = _stores[server] = Store(name_of("memcached", host, port, _PORT), block)
    return found
