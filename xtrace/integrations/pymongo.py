"""Trace pymongo, sync and async, and motor, which uses it: a command is a subsegment of its database.

Clients tell listeners of each command. They are asked whether they have any, and tell, in one class:
replaced there, the methods see the commands of every client, also of those that were made before.
What fails before a command is sent (no server, no connection) has no such events; it is seen where
it fails. More of a cursor's documents are another command (getMore).
"""

from __future__ import annotations

import re
import sys
from functools import wraps
from importlib import import_module
from importlib.util import find_spec

import pymongo
from bson.errors import InvalidDocument
from pymongo import errors, monitoring

from .. import cause, faults, ids
from ..default import recorder
from ._outgoing import Call, finished
from ._stores import STORE, Store, command, name_of, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._wrap import Patcher

_PORT = 27017
_KEPT_STORES = 1024

# Commands whose name isn't followed by a collection's: of getMore, by a cursor's number.
_COLLECTION = {"getMore": "collection"}

_WRITES = {"insert", "update", "delete"}
_collection = re.compile(r"[^\x00$]{1,120}").fullmatch


def patch(patcher: Patcher) -> None:
    """Replace what clients tell their listeners by, and what they look for a server by."""
    listeners = monitoring._EventListeners
    told: Any = vars(listeners)["enabled_for_commands"].fget

    @property  # type: ignore[misc]
    @wraps(told)
    def enabled_for_commands(self: Any) -> bool:
        return told(self) or _is_wanted()

    patcher.replace(listeners, "enabled_for_commands", enabled_for_commands)
    for name, note in (
        ("publish_command_start", _started),
        ("publish_command_success", _succeeded),
        ("publish_command_failure", _failed),
    ):
        patcher.replace(listeners, name, _told(getattr(listeners, name), note))
    for module, is_async in _modules():
        for kind, method, address in (
            (module.topology.Topology, "_select_servers_loop", _seed),
            (module.pool.Pool, "connect", _address),
        ):
            if method in vars(kind):
                replacement = _fails_async if is_async else _fails
                patcher.replace(kind, method, replacement(vars(kind)[method], address))
    for error, message in (
        (errors.OperationFailure, _message),
        (InvalidDocument, _message_of_document),
        (errors.DocumentTooLarge, str),
    ):
        patcher.on_undo(cause.redact_messages(error, message))


def _modules() -> list[tuple[Any, bool]]:
    """The packages with the classes of sync and of async clients; they are two since pymongo 4.9."""
    packages: tuple[str, ...] = ("pymongo.synchronous", "pymongo.asynchronous")
    if find_spec(packages[0]) is None:
        packages = ("pymongo",)
    for package in packages:
        for module in ("pool", "topology"):
            import_module(f"{package}.{module}")
    return [(sys.modules[package], "async" in package) for package in packages]


# -- commands ----------------------------------------------------------------------------------


def _is_wanted() -> bool:
    """Whether a command that is sent now is to be recorded."""
    try:
        return place() is not None
    except Exception as error:
        _report("A command isn't recorded", error)
        return False


def _told(original: Any, note: Callable[..., None]) -> Any:
    @wraps(original)
    def publish(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            note(*args, **kwargs)
        except Exception as error:
            _report("A command isn't recorded", error)
        return original(self, *args, **kwargs)

    return publish


def _started(
    document: Any, database: str, request_id: int, address: Any, *args: Any, **kwargs: Any
) -> None:
    parent = place()
    if parent is None:
        return
    name = next(iter(document))
    collection = document.get(_COLLECTION.get(name, name))
    text = name
    if isinstance(collection, str) and _collection(collection):
        text = f"{name} {collection}"
    call = command(parent, _store(database, address), text)
    call.owner = request_id


def _succeeded(
    duration: Any, reply: Any, name: str, request_id: int, *args: Any, **kwargs: Any
) -> None:
    call = _current(request_id)
    if call is None:
        return
    try:
        if name in _WRITES:
            documents = reply.get("n")
            if documents is not None:
                call.put_metadata("documents", documents, "mongodb")
            errors = reply.get("writeErrors")
            if errors:  # what is raised for them comes later
                call.add_error_flag()
                call.put_metadata("errors", len(errors), "mongodb")
    finally:
        finished(call)


def _failed(
    duration: Any, failure: Any, name: str, request_id: int, *args: Any, **kwargs: Any
) -> None:
    call = _current(request_id)
    if call is not None:
        error = sys.exc_info()[1]
        if error is None:
            call.add_fault_flag()
        finished(call, error)


def _current(request_id: int) -> Call | None:
    """The call of a command: it is current since it was started."""
    entity = recorder._get_current()
    if entity.__class__ is Call and entity.layer == STORE and entity.owner == request_id:
        return entity
    return None


# -- what fails before a command is sent -------------------------------------------------------


_DOING = {"_select_servers_loop": "select server", "connect": "connect"}


def _fails(original: Any, address: Callable[[Any], Any]) -> Any:
    @wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        begin = ids.monotonic_clock()
        try:
            return original(self, *args, **kwargs)
        except errors.PyMongoError as error:
            _record(_DOING[original.__name__], begin, address, self, error)
            raise

    return method


def _fails_async(original: Any, address: Callable[[Any], Any]) -> Any:
    @wraps(original)
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        begin = ids.monotonic_clock()
        try:
            return await original(self, *args, **kwargs)
        except errors.PyMongoError as error:
            _record(_DOING[original.__name__], begin, address, self, error)
            raise

    return method


def _record(
    what: str, begin: float, address: Callable[[Any], Any], owner: Any, error: Exception
) -> None:
    try:
        parent = place()
        if parent is None or _watches(owner):
            return
        call = command(parent, _store(None, address(owner)), what)
        call.start_time = max(parent.start_time, call.segment._base + begin)
        finished(call, error)
    except Exception as fault:
        _report("A failure isn't recorded", fault)


def _watches(owner: Any) -> bool:
    """Whether it is the pool of a monitor, which runs for itself, and not for what is current."""
    return bool(getattr(owner, "is_sdam", False)) or not getattr(owner, "handshake", True)


def _seed(topology: Any) -> Any:
    """One of the addresses that the application knows, always the same."""
    return min(topology._settings.seeds)


def _address(pool: Any) -> Any:
    return pool.address


# -- where they go -----------------------------------------------------------------------------

_stores: dict[tuple[str | None, Any], Store] = {}


def _store(database: str | None, address: Any) -> Store:
    found = _stores.get((database, address))
    if found is None:
        host, port = str(address[0]), address[1]
        where = f"[{host}]" if ":" in host else host
        location = where if port is None else f"{where}:{port}"
        block = {
            "url": f"mongodb://{location}/{database or ''}",
            "database_type": "MongoDB",
            "driver_version": f"pymongo {pymongo.version}",
        }
        if len(_stores) >= _KEPT_STORES:
            _stores.clear()
        found = Store(name_of(database or "mongodb", host, port, _PORT), block)
        _stores[database, address] = found
    return found


# -- errors ------------------------------------------------------------------------------------

_duplicate = re.compile(r"E11000 duplicate key error collection: (\S+) index: (\S+) dup key").match
_type = re.compile(r"<class '[\w.]+'>").match


def _message(error: Any) -> str:
    """What a server's error may say: its own words quote documents, and its details are some."""
    details = error.details or {}
    text = str(details.get("codeName") or "")
    if error.code is not None:
        text = f"{text} (code {error.code})" if text else f"code {error.code}"
    found = _duplicate(str(error))
    if found is not None:
        text += f", collection {found[1]}, index {found[2]}"
    return text or type(error).__name__


def _message_of_document(error: Any) -> str:
    """What one that can't be sent may say: not the value, but its type."""
    found = _type(str(error).rpartition("of type: ")[2])
    return f"cannot encode an object of type: {found[0]}" if found else "cannot encode an object"


def _report(message: str, error: Exception) -> None:
    faults.report("integration:pymongo", message, error)
